//! What a process may do is decided from the plan: each item weakened alone shows, and only where it should.

#![expect(clippy::unwrap_used, reason = "a test fails where it panics")]

use clawbox_backend_mock::{Fault, InitFault, MockBackend, MockEngine, fixture, mock_backend};
use clawbox_containers::{
    ContainerBackend,
    aspects::{Ipc, Network, Seccomp},
    plan::PlanSpec,
};
use clawbox_probe::{Attempt, Command, CopyExec, Count, Facts, Syscalls};
use clawbox_types::{Capabilities, ContainerOutput, ContainerSpawnRequest, ExitReport};
use serde::de::DeserializeOwned;
use serde_json::Value;

const MIB: u64 = 1 << 20;

fn backend() -> MockBackend {
    let engine = MockEngine::new();
    fixture::install(&engine);
    mock_backend(engine).unwrap()
}

/// The next container gets another plan, and neither its engine nor its process 1 says so.
fn weaken_past_both_gates(
    backend: &MockBackend,
    weaken: impl Fn(&mut PlanSpec) + Send + Sync + 'static,
) {
    let engine = backend.engine();
    engine.fail(Fault::weakened_in_secret(weaken));
    engine.fail(Fault::process_one(InitFault::Echo));
}

async fn run(backend: &MockBackend, command: &Command) -> (ExitReport, ContainerOutput) {
    let request = ContainerSpawnRequest::new("a test", Capabilities::default())
        .with_image(fixture::FIXTURE_IMAGE)
        .with_command(command.argv());
    let id = backend.spawn(request).await.unwrap().container_id;
    let exit = backend.wait(&id).await.unwrap();
    (exit, backend.collect_output(&id).await.unwrap())
}

async fn report<T: DeserializeOwned>(backend: &MockBackend, command: &Command) -> T {
    let (exit, output) = run(backend, command).await;
    assert_eq!(exit.exit_code, Some(0), "{}", output.stderr.text());
    serde_json::from_str(&output.stdout.text()).unwrap()
}

fn path(path: &str) -> String {
    path.to_owned()
}

fn write(to: &str) -> Command {
    Command::Write { path: path(to) }
}

fn errno(name: &str) -> Value {
    serde_json::to_value(Attempt {
        errno: Some(path(name)),
    })
    .unwrap()
}

fn done() -> Value {
    serde_json::to_value(Attempt { errno: None }).unwrap()
}

fn count(count: u64, errno: Option<&str>) -> Value {
    let errno = errno.map(str::to_owned);
    serde_json::to_value(Count { count, errno }).unwrap()
}

/// A weakness, the question that shows it, the answer under the whole plan and the one without.
type Weakness = (fn(&mut PlanSpec), Command, Value, Value);

fn weaknesses() -> Vec<Weakness> {
    let tmp = |bytes| Command::Fill {
        path: path("/tmp/f"),
        max_bytes: bytes,
    };
    let read = |file: &str| Command::Read { path: path(file) };
    vec![
        (
            |p| p.read_only_root = false,
            write("/data/x"),
            errno("EROFS"),
            done(),
        ),
        // Still not root's own directory.
        (
            |p| p.read_only_root = false,
            write("/x"),
            errno("EROFS"),
            errno("EACCES"),
        ),
        (
            |p| {
                p.read_only_root = false;
                p.user = path("0:0");
            },
            write("/x"),
            errno("EROFS"),
            done(),
        ),
        (
            |p| {
                p.tmpfs
                    .0
                    .values_mut()
                    .for_each(|o| o.size_bytes = 300 * MIB)
            },
            tmp(400 * MIB),
            count(256 * MIB, Some("ENOSPC")),
            count(300 * MIB, Some("ENOSPC")),
        ),
        (
            |p| p.tmpfs.0.values_mut().for_each(|o| o.max_inodes = 20_000),
            Command::Files {
                dir: path("/tmp"),
                max: 19_000,
            },
            count(16 * 1024 - 1, Some("ENOSPC")),
            count(19_000, None),
        ),
        (
            |p| p.tmpfs.0.clear(),
            write("/tmp/x"),
            done(),
            errno("EROFS"),
        ),
        (
            |p| {
                for options in p.tmpfs.0.values_mut() {
                    options.flags.remove("noexec");
                }
            },
            Command::CopyExec {
                path: path("/tmp/copy"),
            },
            serde_json::json!({"failed": {"step": "exec", "errno": "EACCES"}}),
            serde_json::to_value(CopyExec { failed: None }).unwrap(),
        ),
        (
            |p| {
                p.ulimits.0.remove("fsize");
                p.tmpfs.0.values_mut().for_each(|o| o.size_bytes = 4 << 30);
                p.memory = 8 << 30;
            },
            tmp(2 << 30),
            count(256 * MIB, Some("ENOSPC")),
            count(2 << 30, None),
        ),
        (
            |p| {
                p.ulimits.0.remove("nofile");
            },
            Command::Open { max: 2000 },
            count(1021, Some("EMFILE")),
            count(2000, None),
        ),
        (
            |p| p.pids = 1000,
            Command::Fork { max: 500 },
            count(254, Some("EAGAIN")),
            count(500, None),
        ),
        (
            |p| p.kernel_paths.masked.clear(),
            read("/proc/interrupts"),
            count(0, None),
            count(16, None),
        ),
        (
            |p| p.kernel_paths.masked.clear(),
            read("/proc/kcore"),
            count(0, None),
            count(0, Some("EACCES")),
        ),
        (
            |p| p.kernel_paths.read_only.clear(),
            write("/proc/sysrq-trigger"),
            errno("EROFS"),
            errno("EACCES"),
        ),
        (
            |p| p.ipc = Ipc::Other(path("private")),
            write("/dev/shm/x"),
            errno("ENOENT"),
            done(),
        ),
    ]
}

#[tokio::test(start_paused = true)]
async fn each_item_weakened_alone_shows() {
    for (number, (weaken, command, whole, weak)) in weaknesses().into_iter().enumerate() {
        assert_ne!(whole, weak, "{number}: {command:?}");
        let backend = backend();
        let answer: Value = report(&backend, &command).await;
        assert_eq!(answer, whole, "{number}: {command:?} under the whole plan");
        weaken_past_both_gates(&backend, weaken);
        let answer: Value = report(&backend, &command).await;
        assert_eq!(answer, weak, "{number}: {command:?} under a weaker one");
    }
}

#[tokio::test(start_paused = true)]
async fn memory_is_counted_files_and_all() {
    let backend = backend();
    let (exit, output) = run(&backend, &Command::Alloc { mebibytes: 500 }).await;
    assert_eq!((exit.exit_code, exit.oom_killed), (Some(0), Some(false)));
    assert_eq!(output.stdout.text(), "allocated\n");
    let (exit, output) = run(&backend, &Command::Alloc { mebibytes: 513 }).await;
    assert_eq!((exit.exit_code, exit.oom_killed), (Some(137), Some(true)));
    assert_eq!(output.stdout.text(), "");
    weaken_past_both_gates(&backend, |plan| plan.memory = 1 << 30);
    let (exit, _) = run(&backend, &Command::Alloc { mebibytes: 513 }).await;
    assert_eq!((exit.exit_code, exit.oom_killed), (Some(0), Some(false)));
}

#[tokio::test(start_paused = true)]
async fn a_file_size_limit_below_the_tmpfs_is_what_stops_a_file() {
    let backend = backend();
    weaken_past_both_gates(&backend, |plan| {
        for limit in plan.ulimits.0.values_mut() {
            limit.soft = MIB;
        }
    });
    let command = Command::Fill {
        path: path("/tmp/f"),
        max_bytes: 2 * MIB,
    };
    let answer: Value = report(&backend, &command).await;
    assert_eq!(answer, count(MIB, Some("EFBIG")));
}

#[tokio::test(start_paused = true)]
async fn facts_are_the_plans() {
    let backend = backend();
    let facts: Facts = report(&backend, &Command::Facts).await;
    assert_eq!((facts.uid, facts.gid, facts.pid), (1000, 1000, 2));
    assert_eq!((facts.cap_bnd, facts.cap_eff), (0, 0));
    assert!(facts.no_new_privs);
    assert_eq!((facts.seccomp, facts.oom_score_adj), (2, 500));
    assert_eq!(facts.interfaces, ["lo"]);
    assert_eq!(facts.hostname, "clawbox");
    assert_eq!(facts.cgroup.memory, Some(512 * MIB));
    assert_eq!(facts.cgroup.memory_and_swap, Some(512 * MIB));
    assert_eq!((facts.cgroup.pids, facts.nofile.hard), (Some(256), 1024));
    assert_eq!(facts.env["CLAWBOX_PROXY_SOCKET"], "/run/clawbox/proxy.sock");
    let mount = |at: &str| {
        facts
            .mounts
            .iter()
            .find(|mount| mount.target == at)
            .cloned()
    };
    assert!(mount("/").unwrap().options.contains(&path("ro")));
    let tmp = mount("/tmp").unwrap();
    assert!(
        ["rw", "noexec", "nosuid", "nodev"]
            .iter()
            .all(|o| tmp.options.contains(&path(o)))
    );
    assert_eq!(mount("/dev/shm"), None);

    weaken_past_both_gates(&backend, |plan| {
        plan.user = path("0:0");
        plan.capabilities.dropped.clear();
        plan.no_new_privileges = false;
        plan.seccomp = Seccomp::Other(path("unconfined"));
        plan.network = Network::Other(path("bridge"));
        plan.namespaces.private_uts = false;
        plan.namespaces.private_pid = false;
    });
    let facts: Facts = report(&backend, &Command::Facts).await;
    // Docker's own default set.
    assert_eq!((facts.cap_bnd, facts.cap_eff), (0xa804_25fb, 0xa804_25fb));
    assert_eq!((facts.no_new_privs, facts.seccomp), (false, 0));
    assert_eq!(facts.interfaces, ["lo", "eth0"]);
    assert_ne!(facts.hostname, "clawbox");
    assert!(facts.pid > 2);
}

#[tokio::test(start_paused = true)]
async fn system_calls_are_answered_by_the_profile_and_then_by_capabilities() {
    let backend = backend();
    let Syscalls(whole) = report(&backend, &Command::Syscalls).await;
    for (call, answer) in [
        ("socket_unix", "ok"),
        ("socket_inet", "ok"),
        ("netlink_route", "ok"),
        ("memfd_create", "ok"),
        ("clone3", "ENOSYS"),
        ("socket_vsock", "EAFNOSUPPORT"),
        ("socket_alg", "EAFNOSUPPORT"),
        ("socket_packet", "EPERM"),
        ("socket_raw", "EPERM"),
        ("netlink_audit", "EPROTONOSUPPORT"),
        ("io_uring_setup", "EPERM"),
        ("clone_newuser", "EPERM"),
        ("personality", "EPERM"),
        ("mknod", "EPERM"),
        ("nice", "EPERM"),
        // Not the filter's but the kernel's.
        ("setuid", "EPERM"),
    ] {
        assert_eq!(whole[call], answer, "{call}");
    }
    weaken_past_both_gates(&backend, |plan| {
        plan.seccomp = Seccomp::Other(path("unconfined"));
    });
    let Syscalls(unfiltered) = report(&backend, &Command::Syscalls).await;
    for (call, answer) in [
        ("clone3", "ok"),
        ("socket_alg", "ok"),
        ("io_uring_setup", "EFAULT"),
        ("clone_newuser", "ok"),
        ("nice", "EACCES"),
        ("mknod", "EPERM"),
        ("mount", "EPERM"),
        ("socket_raw", "EPERM"),
    ] {
        assert_eq!(unfiltered[call], answer, "{call} without a filter");
    }
    weaken_past_both_gates(&backend, |plan| {
        plan.seccomp = Seccomp::Other(path("unconfined"));
        plan.user = path("0:0");
        plan.devices.privileged = true;
    });
    let Syscalls(privileged) = report(&backend, &Command::Syscalls).await;
    for (call, answer) in [("mknod", "ok"), ("mount", "ENODEV"), ("socket_raw", "ok")] {
        assert_eq!(privileged[call], answer, "{call} with every capability");
    }
}
