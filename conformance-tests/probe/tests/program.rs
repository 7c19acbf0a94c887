//! The program itself, as an ordinary process on this machine.
#![cfg(target_os = "linux")]

use std::io::Read;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command as Process, Output, Stdio};

use clawbox_probe::{Command, CopyExec, Count, Facts, Pattern, Stdin, Stream, Syscalls, pattern};
use serde::de::DeserializeOwned;

fn process(argv: &[String]) -> Process {
    let mut process = Process::new(env!("CARGO_BIN_EXE_probe"));
    process.arg0(&argv[0]).args(&argv[1..]).stdin(Stdio::null());
    process
}

fn output(command: &Command) -> Output {
    process(&command.argv()).output().expect("the probe runs")
}

fn report<T: DeserializeOwned>(command: &Command) -> T {
    let output = output(command);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(output.stderr, b"");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let line = text.strip_suffix('\n').expect("a newline at the end");
    assert!(!line.contains('\n'), "more than one line: {text}");
    serde_json::from_str(line).expect("the report's JSON")
}

#[test]
fn ends_as_asked() {
    for code in [0, 1, 125, 143, 255] {
        let status = output(&Command::Exit { code }).status;
        assert_eq!(status.code(), Some(code.into()));
    }
    for number in [libc::SIGKILL, libc::SIGTERM, libc::SIGPIPE] {
        let status = output(&Command::Signal { number }).status;
        assert_eq!(status.signal(), Some(number));
    }
    let malformed = process(&["probe".to_owned(), "bogus".to_owned()]).output();
    let malformed = malformed.expect("the probe runs");
    assert_eq!(malformed.status.code(), Some(64));
    assert!(malformed.stdout.is_empty() && !malformed.stderr.is_empty());
}

#[test]
fn prints_the_bytes_and_nothing_else() {
    let printed = output(&Command::Print {
        stdout: "two  words".to_owned(),
        stderr: "--stdout\n".to_owned(),
        exit: 3,
    });
    assert_eq!(printed.stdout, b"two  words");
    assert_eq!(printed.stderr, b"--stdout\n");
    assert_eq!(printed.status.code(), Some(3));
    for kind in [Pattern::Ascii, Pattern::Binary, Pattern::Multibyte] {
        let flood = output(&Command::Flood {
            pattern: kind,
            stdout: 100_001,
            stderr: 30_000,
        });
        assert!(flood.stdout == pattern(kind, Stream::Stdout, 100_001));
        assert!(flood.stderr == pattern(kind, Stream::Stderr, 30_000));
    }
}

#[test]
fn heeds_sigterm_only_when_not_told_to_ignore_it() {
    for (milliseconds, ignore_term) in [(500, true), (60_000, false)] {
        let command = Command::Sleep {
            milliseconds,
            ignore_term,
        };
        let mut process = process(&command.argv());
        let mut child = process.stdout(Stdio::piped()).spawn().expect("it runs");
        let mut ready = [0; 6];
        let mut stdout = child.stdout.take().expect("its output");
        stdout.read_exact(&mut ready).expect("a word");
        assert_eq!(&ready, b"ready\n");
        let kill = format!("kill {}", child.id());
        let killed = Process::new("sh").args(["-c", &kill]).status();
        assert!(killed.expect("a shell").success());
        let status = child.wait().expect("its end");
        let signal = (!ignore_term).then_some(libc::SIGTERM);
        assert_eq!(status.signal(), signal, "ignore_term {ignore_term}");
    }
}

#[test]
fn tells_facts_and_counts() {
    let facts: Facts = report(&Command::Facts);
    assert_eq!(facts.argv, ["probe", "facts"]);
    assert_eq!(facts.ppid, std::process::id());
    assert_eq!(facts.stdin, Stdin::Null);
    // More may be inherited from whoever runs the tests; the listing's own is not among them.
    let numbers: Vec<u32> = facts.descriptors.iter().map(|open| open.fd).collect();
    assert_eq!(numbers[..3], [0, 1, 2]);
    assert_eq!(facts.descriptors[0].target, "/dev/null");
    assert!(
        !facts
            .descriptors
            .iter()
            .any(|open| open.target.ends_with("/fd"))
    );
    let three = Count {
        count: 3,
        errno: None,
    };
    assert_eq!(report::<Count>(&Command::Fork { max: 3 }), three);
    assert_eq!(report::<Count>(&Command::Open { max: 3 }), three);
    let lock: Count = report(&Command::Lock { mebibytes: 3 });
    assert_eq!(lock.count == 3, lock.errno.is_none(), "{lock:?}");
    assert_eq!(
        output(&Command::Alloc { mebibytes: 2 }).stdout,
        b"allocated\n"
    );
}

#[test]
fn runs_a_copy_of_itself_where_it_may() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("copy").display().to_string();
    let ran: CopyExec = report(&Command::CopyExec { path });
    assert_eq!(ran.failed, None);
    let path = dir.path().display().to_string();
    let refused: CopyExec = report(&Command::CopyExec { path });
    assert_eq!(refused.failed.expect("a directory").errno, "EISDIR");
}

#[test]
fn tries_every_system_call_and_lives() {
    let Syscalls(results) = report(&Command::Syscalls);
    assert!(results.len() > 60, "{results:?}");
    for name in ["socket_unix", "memfd_exec", "script"] {
        assert_eq!(results[name], "ok", "{name}");
    }
    #[cfg(target_arch = "x86_64")]
    for door in ["i386", "x32"] {
        let tried = results.keys().filter(|name| name.starts_with(door));
        assert_eq!(tried.count(), 6, "{door}");
    }
    // Nobody is so privileged that these could be done: their arguments are wrong.
    for name in ["mount", "umount2", "pivot_root", "reboot", "kexec_load"] {
        assert_ne!(results[name], "ok", "{name}");
    }
}
