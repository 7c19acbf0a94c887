//! Which programs are run, what they are asked to do, and what is expected of each.

/// A program, and a shell's script that has it do its work.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) name: &'static str,
    /// Prints the version, on one line.
    pub(super) version: &'static str,
    /// What the script does, for people.
    pub(super) does: &'static str,
    pub(super) script: &'static str,
    /// Why `strict` refuses it by design; such a program must work under `compat`.
    pub(super) refused: Option<&'static str>,
}

const fn works(
    name: &'static str,
    version: &'static str,
    does: &'static str,
    script: &'static str,
) -> Program {
    Program {
        name,
        version,
        does,
        script,
        refused: None,
    }
}

pub(super) const PROGRAMS: &[Program] = &[
    works(
        "busybox",
        "busybox | head -n 1",
        "pipes, tar, gzip, find, awk, vi's terminal calls, background jobs",
        r#"cd /tmp; mkdir b; busybox seq 1 1000 > b/f
           busybox tar -czf b.tgz b; rm -r b; busybox tar -xzf b.tgz
           test "$(busybox awk '{s+=$1} END {print s}' b/f)" = 500500
           busybox find / -xdev -name passwd > found 2>/dev/null || true; grep -q /etc/passwd found
           busybox sh -c 'sleep 0.1 & wait; busybox stty -a < /dev/null || true' 2>/dev/null"#,
    ),
    works(
        "bash",
        "bash --version | head -n 1",
        "process substitution, coprocess, here document, traps, job control",
        r#"bash -c 'set -e; test "$(cat <(echo a) <(echo b) | tr -d "\n")" = ab
           coproc cat; echo hello >&"${COPROC[1]}"; read -r x <&"${COPROC[0]}"; test "$x" = hello
           trap "caught=1" USR1; kill -USR1 $$; test "$caught" = 1
           set -m; sleep 0.1 & wait $!; cat <<< "$(printf "%s" {1..5})" | grep -q 12345'"#,
    ),
    works(
        "coreutils",
        "ls --version | head -n 1",
        "cp -a, parallel sort, split, checksums, links, sparse files, timeout, nice, df",
        r#"cd /tmp; cp -a /etc/debian_version d; cp --sparse=always d e; cp --reflink=auto d f; cmp d f
           seq 1 200000 | shuf | sort -n --parallel=4 -S 8M | tail -n 1 | grep -q 200000
           seq 1 100 | split -l 10 - part.; cat part.* | sha256sum > sums; cat part.* | sha256sum -c sums
           ln d hard; ln -s d soft; stat soft > /dev/null; truncate -s 1M g; dd if=g of=h bs=64k status=none; sync h
           timeout 5 nice -n 5 true; touch -d yesterday d; chmod 600 d; mkfifo p; df /tmp > /dev/null; rm -r ./*"#,
    ),
    works(
        "procps, util-linux",
        "ps --version",
        "ps, top, flock, setsid, taskset, chrt to an idle class, prlimit of a child",
        r#"ps aux > /dev/null; top -b -n 1 > /dev/null; free > /dev/null; flock /tmp/l true; setsid true
           taskset -c 0 true; chrt --idle 0 true; chrt --batch 0 true; prlimit --core=0 true; ionice -c 3 true"#,
    ),
    works(
        "Python: asyncio, threads, subprocess",
        "python3 --version",
        "an asyncio server on TCP and on a unix socket, subprocesses, threads, a process with a pipe",
        r#"cat > /tmp/a.py <<'P'
import asyncio, multiprocessing, subprocess, threading, socket, tempfile, mmap, select
async def serve(reader, writer):
    writer.write((await reader.readline()).upper()); await writer.drain(); writer.close()
async def main():
    tcp = await asyncio.start_server(serve, "127.0.0.1", 0)
    unix = await asyncio.start_unix_server(serve, "/tmp/s")
    for opened in (asyncio.open_connection(*tcp.sockets[0].getsockname()), asyncio.open_unix_connection("/tmp/s")):
        reader, writer = await opened
        writer.write(b"hello\n"); assert await reader.readline() == b"HELLO\n"
    child = await asyncio.create_subprocess_exec("echo", "child", stdout=asyncio.subprocess.PIPE)
    assert await child.communicate() == (b"child\n", None)
    assert await asyncio.to_thread(sum, range(1000)) == 499500
asyncio.run(main())
assert subprocess.run("echo a | cat", shell=True, capture_output=True).stdout == b"a\n"
threads = [threading.Thread(target=lambda: socket.socketpair()) for _ in range(20)]
[t.start() for t in threads]; [t.join() for t in threads]
def child(end): end.send(42)
ours, theirs = multiprocessing.Pipe()
process = multiprocessing.Process(target=child, args=(theirs,)); process.start()
assert ours.recv() == 42; process.join()
mmap.mmap(-1, 4096).write(b"x"); select.epoll().close()
P
python3 /tmp/a.py"#,
    ),
    Program {
        name: "Python: multiprocessing with locks",
        version: "python3 --version",
        does: "a pool, a queue, a lock, an executor of processes, named shared memory",
        script: r#"cat > /tmp/m.py <<'P'
import multiprocessing as m
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.shared_memory import SharedMemory
def square(x): return x * x
if __name__ == "__main__":
    with m.Pool(4) as pool: assert pool.map(square, range(5)) == [0, 1, 4, 9, 16]
    with ProcessPoolExecutor(2) as executor: assert list(executor.map(square, [3])) == [9]
    queue = m.Queue(); process = m.Process(target=queue.put, args=(7,)); process.start()
    assert queue.get() == 7; process.join()
    with m.Lock(): pass
    shared = SharedMemory(create=True, size=1 << 20); shared.buf[0] = 1; shared.close(); shared.unlink()
P
python3 /tmp/m.py"#,
        refused: Some("its semaphores are files in `/dev/shm`"),
    },
    works(
        "Python: venv, pip",
        "pip3 --version | cut -d ' ' -f 1,2",
        "a virtual environment; a source distribution built, and a wheel installed, without a network",
        r#"cd /tmp; mkdir -p p/hello; echo 'X = 1' > p/hello/__init__.py
           echo 'from setuptools import setup; setup(name="hello", version="1", packages=["hello"])' > p/setup.py
           python3 -m venv v; python3 -m venv --system-site-packages w; v/bin/python -m pip --version
           w/bin/python -m pip install -q --no-index --no-build-isolation ./p; w/bin/python -c 'import hello'
           w/bin/python -m pip wheel -q --no-index --no-build-isolation -w wheels ./p
           v/bin/python -m pip install -q --no-index wheels/*.whl; v/bin/python -c 'import hello'"#,
    ),
    works(
        "Node.js, npm",
        "node --version",
        "a worker thread, a child process, an HTTP server on loopback, files; a package packed and installed offline",
        r#"cat > /tmp/a.js <<'J'
const { Worker, isMainThread, parentPort } = require("worker_threads");
const { execFileSync } = require("child_process");
const http = require("http"), fs = require("fs");
if (!isMainThread) parentPort.postMessage(42);
else new Worker(__filename).on("message", (answer) => {
  if (answer !== 42 || execFileSync("/bin/echo", ["a"]).toString() !== "a\n") process.exit(1);
  fs.writeFileSync("/tmp/n", fs.readFileSync("/etc/debian_version"));
  const server = http.createServer((_, to) => to.end("served")).listen(0, "127.0.0.1", () =>
    http.get({ host: "127.0.0.1", port: server.address().port }, (from) => {
      from.on("data", (data) => { if (data.toString() !== "served") process.exit(1); });
      from.on("end", () => server.close());
    }));
});
J
node /tmp/a.js; npm --version
mkdir /tmp/one /tmp/two; cd /tmp/one; npm init -y > /dev/null; npm pack --silent
cd /tmp/two; npm init -y > /dev/null; npm install --offline --no-audit --no-fund ../one/one-1.0.0.tgz; test -d node_modules/one"#,
    ),
    works(
        "git",
        "git --version",
        "init, commit, branch, merge, clone by path and by URL, gc, fsck",
        r#"cd /tmp; git init -q a; cd a; git config user.email a@example.invalid; git config user.name a
           echo 1 > f; git add f; git commit -qm one; git switch -qc b; echo 2 > g; git add g; git commit -qm two
           git switch -q -; git merge -q b; git clone -q . ../c; git clone -q file:///tmp/a ../d
           git -C ../d log --oneline | grep -q two; git gc -q; git fsck 2>/dev/null"#,
    ),
    works(
        "curl",
        "curl --version | head -n 1 | cut -d ' ' -f 1,2",
        "fetches from a server on loopback, and is refused the network",
        r#"cd /tmp; python3 -m http.server 8000 --bind 127.0.0.1 2>/dev/null & sleep 1
           curl -sS --retry 5 --retry-connrefused http://127.0.0.1:8000/ | grep -qi html
           curl -sS --max-time 3 http://192.0.2.1 2>/dev/null && exit 1; test $? = 7 -o $? = 1"#,
    ),
    works(
        "gcc, make",
        "gcc --version | head -n 1",
        "compiles and links in parallel; what it made cannot be executed, as scratch space is noexec",
        r#"cd /tmp; for n in 1 2 3 4; do echo "int f$n(void) { return $n; }" > $n.c; done
           echo 'int f1(void); int main(void) { return f1() - 1; }' > main.c
           printf 'all: 1.o 2.o 3.o 4.o main.o\n\t$(CC) -o all *.o\n' > Makefile; make -s -j 4; test -s all
           ./all 2>/dev/null && exit 1; test $? = 126"#,
    ),
    works(
        "SQLite",
        "sqlite3 --version | cut -d ' ' -f 1",
        "a database in a file, with a write-ahead log, transactions, integrity check",
        r#"cd /tmp; sqlite3 d 'pragma journal_mode=wal; create table t(x); begin; insert into t values(1),(2); commit;
           select sum(x) from t; pragma integrity_check' | tr '\n' ' ' | grep -q 'wal 3 ok'"#,
    ),
    works(
        "Perl",
        "perl -e 'print \"$^V\\n\"'",
        "fork, pipes, sockets, signals",
        r#"perl -MSocket -e 'socketpair(my $a, my $b, AF_UNIX, SOCK_STREAM, 0) or die; $SIG{CHLD} = sub {};
           my $pid = fork // die; if (!$pid) { syswrite($b, "x"); exit 3 } sysread($a, my $x, 1);
           waitpid($pid, 0); die unless $x eq "x" && $? >> 8 == 3; die unless `echo a` eq "a\n"'"#,
    ),
    works(
        "a static program in Rust",
        "hello-rust > /tmp/out && echo static",
        "threads, files, a child, TCP on loopback, a unix socket pair",
        "grep -q served /tmp/out",
    ),
    works(
        "a static program in Go",
        "hello-go > /tmp/out && head -n 1 /tmp/out",
        "goroutines, garbage collection, files, a child, an HTTP server on loopback",
        "grep -q served /tmp/out",
    ),
    Program {
        name: "PostgreSQL",
        version: "postgres() { /usr/lib/postgresql/*/bin/\"$@\"; }; postgres postgres --version",
        does: "initdb, a server on loopback and a unix socket, queries, a parallel one, a clean stop",
        script: r#"cd /tmp; export LC_ALL=C; postgres initdb -D /tmp/d -A trust > /dev/null
           postgres pg_ctl -D /tmp/d -w -s -l /tmp/log -o '-k /tmp -h 127.0.0.1' start
           psql -h /tmp -Atc 'create table t as select generate_series(1, 100000) x' postgres
           psql -h 127.0.0.1 -At -c 'set force_parallel_mode = on' -c 'select sum(x) from t' postgres | grep -q 5000050000
           postgres pg_ctl -D /tmp/d -s -m fast stop"#,
        refused: Some("it locks its data by a System V segment"),
    },
];
