//! What the system call filter and the kernel answer to what a sandbox must refuse.

use crate::{
    case::table,
    check::{Checked, Stop, ensure, same},
    context::Context,
    rig::Rig,
};
use clawbox_probe::{Command, Syscalls};
use std::collections::BTreeSet;

table! { "syscalls":
    namespaces = "no new namespace by any call (E01, E02, E04)",
    mounts = "no mount, no root change, no file by handle, no device node (E03, E05, E08, E14)",
    identity = "no other user, name, personality, scheduling class, priority (E06, E15, R15, R16)",
    other_processes = "no reach into another process or its limits, no shared memory (E12, E13, R08)",
    kernel = "no way into the kernel: modules, bpf, io_uring, keys, clocks, power (E09, E10, E11, E16 to E19, E21, F06)",
    sockets = "no socket but unix, loopback and routing netlink (N04 to N07)",
    other_doors = "no call by the door of 32-bit programs, whatever its number (E01, E09, E11, E12, N05)",
    table_is_whole = "every attempt of the probe has an answer in this table",
}

/// Attempts, and the answers that are accepted for each of them.
type Answers = &'static [(&'static [&'static str], &'static [&'static str])];

const REFUSED: &[&str] = &["EPERM"];

const NAMESPACES: Answers = &[
    (
        &[
            "unshare_user",
            "unshare_mount",
            "unshare_net",
            "unshare_pid",
            "unshare_ipc",
            "unshare_uts",
            "unshare_cgroup",
            "clone_newuser",
            "setns",
        ],
        REFUSED,
    ),
    // Not EPERM: C libraries would not fall back to clone.
    (&["clone3"], &["ENOSYS"]),
];

const MOUNTS: Answers = &[(
    &[
        "mount",
        "remount",
        "umount2",
        "pivot_root",
        "chroot",
        "fsopen",
        "fsconfig",
        "fsmount",
        "fspick",
        "mount_setattr",
        "open_tree",
        "move_mount",
        "name_to_handle_at",
        "open_by_handle_at",
        "mknod",
    ],
    REFUSED,
)];

const IDENTITY: Answers = &[
    (
        &[
            "setuid",
            "setgid",
            "setgroups",
            "sethostname",
            "setdomainname",
            "personality",
            "sched_fifo",
            "nice",
        ],
        REFUSED,
    ),
    // A class that no filter can read.
    (&["sched_setattr"], &["ENOSYS"]),
    // The kernel's own answers.
    (&["oom_score_adj"], &["EACCES", "EPERM"]),
];

const OTHER_PROCESSES: Answers = &[(
    &[
        "ptrace_traceme",
        "ptrace_attach",
        "process_vm_readv",
        "process_vm_writev",
        "kcmp",
        "pidfd_getfd",
        "prlimit_by_pid",
        "shmget",
        "semget",
        "msgctl",
        "mq_open",
    ],
    REFUSED,
)];

const KERNEL: Answers = &[
    (
        &[
            "keyctl",
            "add_key",
            "request_key",
            "bpf",
            "perf_event_open",
            "userfaultfd",
            "io_uring_setup",
            "io_uring_enter",
            "io_uring_register",
            "init_module",
            "finit_module",
            "delete_module",
            "kexec_load",
            "kexec_file_load",
            "reboot",
            "swapon",
            "swapoff",
            "settimeofday",
            "clock_settime",
            "kernel_symbols",
            "adjtimex",
            "syslog",
            "memfd_secret",
            "modify_ldt",
            "iopl",
            "ioperm",
        ],
        REFUSED,
    ),
    // Allowed, as runtimes rely on it; and no kernel can tell a script from any other file that is read.
    (&["memfd_create", "memfd_exec", "script"], &["ok"]),
];

const SOCKETS: Answers = &[
    (&["socket_unix", "socket_inet", "netlink_route"], &["ok"]),
    // The host's kernel may be without it.
    (&["socket_inet6"], &["ok", "EAFNOSUPPORT"]),
    (&["socket_raw", "socket_packet"], REFUSED),
    (&["socket_vsock", "socket_alg"], &["EAFNOSUPPORT"]),
    (
        &[
            "netlink_audit",
            "netlink_netfilter",
            "netlink_uevent",
            "netlink_sockdiag",
        ],
        &["EPROTONOSUPPORT"],
    ),
];

/// The filter knows one architecture, and ends whoever comes by another one's door.
const OTHER_DOORS: Answers = &[
    (
        &[
            "i386_getpid",
            "i386_io_uring_setup",
            "i386_keyctl",
            "i386_ptrace",
            "i386_socket",
            "i386_unshare",
        ],
        // The last one where the kernel itself has no such door.
        &["killed:SIGSYS", "killed:SIGSEGV"],
    ),
    (
        &[
            "x32_getpid",
            "x32_io_uring_setup",
            "x32_keyctl",
            "x32_ptrace",
            "x32_socket",
            "x32_unshare",
        ],
        &["killed:SIGSYS"],
    ),
];

const ALL: [Answers; 7] = [
    NAMESPACES,
    MOUNTS,
    IDENTITY,
    OTHER_PROCESSES,
    KERNEL,
    SOCKETS,
    OTHER_DOORS,
];

async fn tried(context: &Context) -> Checked<Syscalls> {
    context.rig()?.report(&Command::Syscalls).await
}

async fn answers(context: &Context, table: Answers) -> Checked {
    let wrong = wrong(&tried(context).await?, table);
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

/// Every answer is that of the strict profile, but for these.
pub(super) async fn strict_but_for(rig: &Rig, exceptions: &[(&str, &str)]) -> Checked {
    let tried: Syscalls = rig.report(&Command::Syscalls).await?;
    for (name, answer) in exceptions {
        same(name, tried.0.get(*name).map(String::as_str), Some(*answer))?;
    }
    let is_exception = |line: &String| {
        let name = line.split(':').next();
        exceptions
            .iter()
            .any(|(excepted, _)| Some(*excepted) == name)
    };
    let wrong = ALL.iter().flat_map(|table| wrong(&tried, table));
    let others: Vec<String> = wrong.filter(|line| !is_exception(line)).collect();
    ensure!(others.is_empty(), "{}", others.join("\n"));
    Ok(())
}

/// Lists every answer that is not accepted.
fn wrong(Syscalls(tried): &Syscalls, table: Answers) -> Vec<String> {
    let mut wrong = Vec::new();
    for (names, accepted) in table {
        for name in *names {
            match tried.get(*name).map(String::as_str) {
                Some(answer) if accepted.contains(&answer) => {}
                // Only on x86.
                None if ["modify_ldt", "iopl", "ioperm"].contains(name) => {}
                answer => wrong.push(format!(
                    "{name}: expected {}, got {}",
                    accepted.join(" or "),
                    answer.unwrap_or("nothing")
                )),
            }
        }
    }
    wrong
}

async fn namespaces(context: &Context) -> Checked {
    answers(context, NAMESPACES).await
}

async fn mounts(context: &Context) -> Checked {
    answers(context, MOUNTS).await
}

async fn identity(context: &Context) -> Checked {
    answers(context, IDENTITY).await
}

async fn other_processes(context: &Context) -> Checked {
    answers(context, OTHER_PROCESSES).await
}

async fn kernel(context: &Context) -> Checked {
    answers(context, KERNEL).await
}

async fn sockets(context: &Context) -> Checked {
    answers(context, SOCKETS).await
}

async fn other_doors(context: &Context) -> Checked {
    let Syscalls(all) = tried(context).await?;
    if !all.contains_key("i386_getpid") {
        let why = "the probe knows no door for 32-bit programs on this architecture";
        return Err(Stop::Skipped(why.to_owned()));
    }
    answers(context, OTHER_DOORS).await
}

async fn table_is_whole(context: &Context) -> Checked {
    let known: BTreeSet<&str> = ALL
        .iter()
        .copied()
        .flatten()
        .flat_map(|(names, _)| names.iter().copied())
        .collect();
    let Syscalls(tried) = tried(context).await?;
    let unknown: Vec<&String> = tried
        .keys()
        .filter(|name| !known.contains(name.as_str()))
        .collect();
    ensure!(unknown.is_empty(), "no answer is expected for {unknown:?}");
    Ok(())
}
