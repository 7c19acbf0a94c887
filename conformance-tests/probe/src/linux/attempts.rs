//! What a sandbox must refuse, as a table of system calls.
//!
//! Where nothing refuses them, they do no harm: either only the child that tries is changed, or an
//! argument is wrong in a way that the kernel looks at only after the permission.

use std::ffi::CStr;
use std::fs::{self, File};
use std::io::{self, BufRead as _};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

use libc::c_long;

use super::foreign;
use super::process::{self, check};

/// One attempt.
pub(crate) struct Attempt {
    /// Its name in the report.
    pub(crate) name: &'static str,
    how: How,
}

enum How {
    /// A system call with these arguments.
    Call(c_long, [usize; 6]),
    /// What takes more than one call.
    Steps(fn() -> io::Result<()>),
}

impl Attempt {
    /// Does it in this process, which should be a child made for it.
    pub(crate) fn run(&self) -> io::Result<()> {
        match self.how {
            How::Call(number, [a, b, c, d, e, f]) => {
                // SAFETY: only the table below makes these; its pointers are null or to memory that
                // is never freed and large enough for what the call reads or writes there.
                check(unsafe { libc::syscall(number, a, b, c, d, e, f) }).map(drop)
            }
            How::Steps(steps) => steps(),
        }
    }
}

const NULL: usize = 0;
/// No such descriptor, or no such size.
const NONE: usize = usize::MAX;
const HERE: usize = libc::AT_FDCWD as usize;
/// The size of `struct clone_args` in its first version.
const CLONE_ARGS: usize = 64;

/// The whole table.
pub(crate) fn all() -> Vec<Attempt> {
    let mut all = namespaces();
    all.extend(mounts());
    all.extend(identity());
    all.extend(other_processes());
    all.extend(kernel());
    all.extend(sockets());
    all.extend(foreign::all());
    all
}

fn namespaces() -> Vec<Attempt> {
    let unshare = |name, flag: i32| call(name, libc::SYS_unshare, &[flag as usize]);
    let new_user = (libc::CLONE_NEWUSER | libc::SIGCHLD) as usize;
    let clone3 = memory(&[
        libc::CLONE_NEWUSER as u64,
        0,
        0,
        0,
        libc::SIGCHLD as u64,
        0,
        0,
        0,
    ]);
    vec![
        unshare("unshare_user", libc::CLONE_NEWUSER),
        unshare("unshare_mount", libc::CLONE_NEWNS),
        unshare("unshare_net", libc::CLONE_NEWNET),
        unshare("unshare_pid", libc::CLONE_NEWPID),
        unshare("unshare_ipc", libc::CLONE_NEWIPC),
        unshare("unshare_uts", libc::CLONE_NEWUTS),
        unshare("unshare_cgroup", libc::CLONE_NEWCGROUP),
        call("clone_newuser", libc::SYS_clone, &[new_user]),
        call("clone3", libc::SYS_clone3, &[clone3, CLONE_ARGS]),
        steps("setns", || {
            let own = File::open("/proc/self/ns/net")?;
            let arguments = [own.as_raw_fd() as usize, libc::CLONE_NEWNET as usize];
            call("setns", libc::SYS_setns, &arguments).run()
        }),
    ]
}

fn mounts() -> Vec<Attempt> {
    let root = text(c"/");
    let no_such = text(c"clawbox-none");
    // A directory that is there, and where nothing is mounted.
    let no_mount = text(c"/proc/self/task");
    let open_tree_clone = 1;
    let handle_space = memory(&[128, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let remount = libc::MS_REMOUNT as usize;
    let no_such_handle = memory(&[8 | 1 << 32, 0]);
    vec![
        call("mount", libc::SYS_mount, &[no_such, root, no_such, 0, NULL]),
        call(
            "remount",
            libc::SYS_mount,
            &[NULL, no_such, NULL, remount, NULL],
        ),
        call("umount2", libc::SYS_umount2, &[no_mount, 0]),
        call("pivot_root", libc::SYS_pivot_root, &[NULL, NULL]),
        call("chroot", libc::SYS_chroot, &[root]),
        call("fsopen", libc::SYS_fsopen, &[no_such, 0]),
        call("fsconfig", libc::SYS_fsconfig, &[NONE, 0, NULL, NULL, 0]),
        call("fsmount", libc::SYS_fsmount, &[NONE, 0, 0]),
        call("fspick", libc::SYS_fspick, &[HERE, no_such, 0]),
        call(
            "mount_setattr",
            libc::SYS_mount_setattr,
            &[HERE, no_such, 0, NULL, 0],
        ),
        call(
            "open_tree",
            libc::SYS_open_tree,
            &[HERE, root, open_tree_clone],
        ),
        call(
            "move_mount",
            libc::SYS_move_mount,
            &[NONE, NULL, NONE, NULL, NONE],
        ),
        call(
            "name_to_handle_at",
            libc::SYS_name_to_handle_at,
            &[HERE, root, handle_space, memory(&[0]), 0],
        ),
        call(
            "open_by_handle_at",
            libc::SYS_open_by_handle_at,
            &[HERE, no_such_handle, 0],
        ),
        steps("mknod", mknod),
    ]
}

fn identity() -> Vec<Attempt> {
    vec![
        call("setuid", libc::SYS_setuid, &[0]),
        call("setgid", libc::SYS_setgid, &[0]),
        call("setgroups", libc::SYS_setgroups, &[1, memory(&[0])]),
        call("sethostname", libc::SYS_sethostname, &[NULL, NONE]),
        call("setdomainname", libc::SYS_setdomainname, &[NULL, NONE]),
        call(
            "personality",
            libc::SYS_personality,
            &[libc::READ_IMPLIES_EXEC as usize],
        ),
        call(
            "sched_fifo",
            libc::SYS_sched_setscheduler,
            &[0, libc::SCHED_FIFO as usize, memory(&[1])],
        ),
        call(
            "nice",
            libc::SYS_setpriority,
            &[libc::PRIO_PROCESS as usize, 0, -20_isize as usize],
        ),
        call("sched_setattr", libc::SYS_sched_setattr, &[0, NULL, 0]),
        steps("oom_score_adj", || {
            fs::write("/proc/self/oom_score_adj", "-1000")
        }),
    ]
}

fn other_processes() -> Vec<Attempt> {
    vec![
        call(
            "ptrace_traceme",
            libc::SYS_ptrace,
            &[libc::PTRACE_TRACEME as usize],
        ),
        steps("ptrace_attach", ptrace_attach),
        steps("process_vm_readv", || {
            process_vm(libc::SYS_process_vm_readv)
        }),
        steps("process_vm_writev", || {
            process_vm(libc::SYS_process_vm_writev)
        }),
        steps("kcmp", || {
            let own = std::process::id() as usize;
            call("kcmp", libc::SYS_kcmp, &[own, own, 0, 0, 0]).run()
        }),
        call("pidfd_getfd", libc::SYS_pidfd_getfd, &[NONE, 0, 0]),
        steps("prlimit_by_pid", || {
            let own = std::process::id() as usize;
            call("prlimit64", libc::SYS_prlimit64, &[own, 0, NULL, NULL]).run()
        }),
        steps("shmget", shmget),
        call("semget", libc::SYS_semget, &[0, NONE, 0]),
        call("msgctl", libc::SYS_msgctl, &[NONE, 0, NULL]),
        call("mq_open", libc::SYS_mq_open, &[NULL, 0, 0, NULL]),
    ]
}

fn kernel() -> Vec<Attempt> {
    let session_keyring = -3_isize as usize;
    let map = memory(&[2 | 4 << 32, 4 | 1 << 32, 0, 0, 0, 0]);
    // A software clock of this process, without the kernel's part: bits 5 and 6.
    let event = memory(&[1 | 64 << 32, 0, 0, 0, 0, 0b110_0000, 0, 0]);
    // ADJ_TICK with a tick of zero, which is out of range.
    let mut timex = [0; 32];
    timex[0] = 0x4000;
    let mut attempts = vec![
        call("keyctl", libc::SYS_keyctl, &[0, session_keyring, 0]),
        call("add_key", libc::SYS_add_key, &[NULL; 5]),
        call("request_key", libc::SYS_request_key, &[NULL; 4]),
        call("bpf", libc::SYS_bpf, &[0, map, 48]),
        call(
            "perf_event_open",
            libc::SYS_perf_event_open,
            &[event, 0, NONE, NONE, 0],
        ),
        call(
            "userfaultfd",
            libc::SYS_userfaultfd,
            &[libc::O_CLOEXEC as usize],
        ),
        call("io_uring_setup", libc::SYS_io_uring_setup, &[1, NULL]),
        call(
            "io_uring_enter",
            libc::SYS_io_uring_enter,
            &[NONE, 0, 0, 0, NULL, 0],
        ),
        call(
            "io_uring_register",
            libc::SYS_io_uring_register,
            &[NONE, 0, NULL, 0],
        ),
        call("init_module", libc::SYS_init_module, &[NULL, 0, NULL]),
        call("finit_module", libc::SYS_finit_module, &[NONE, NULL, 0]),
        call("delete_module", libc::SYS_delete_module, &[NULL, 0]),
        call("kexec_load", libc::SYS_kexec_load, &[0, NONE, NULL, 0]),
        // The magic numbers are wrong on purpose.
        call("reboot", libc::SYS_reboot, &[0, 0, 0, NULL]),
        call("swapon", libc::SYS_swapon, &[NULL, 0]),
        call("swapoff", libc::SYS_swapoff, &[NULL]),
        call(
            "kexec_file_load",
            libc::SYS_kexec_file_load,
            &[NONE, NONE, 0, NULL, 0],
        ),
        call("clock_settime", libc::SYS_clock_settime, &[0, NULL]),
        call("settimeofday", libc::SYS_settimeofday, &[NULL, NULL]),
        call("adjtimex", libc::SYS_adjtimex, &[memory(&timex)]),
        call("syslog", libc::SYS_syslog, &[3, memory(&[0]), 8]),
        steps("kernel_symbols", kernel_symbols),
        call("memfd_create", libc::SYS_memfd_create, &[text(c"probe"), 0]),
        steps("memfd_exec", memfd_exec),
        steps("script", script),
        call("memfd_secret", libc::SYS_memfd_secret, &[0]),
    ];
    #[cfg(target_arch = "x86_64")]
    attempts.extend([
        call("modify_ldt", libc::SYS_modify_ldt, &[0, memory(&[0]), 8]),
        call("iopl", libc::SYS_iopl, &[3]),
        // No port at all.
        call("ioperm", libc::SYS_ioperm, &[0, 0, 1]),
    ]);
    attempts
}

fn sockets() -> Vec<Attempt> {
    let socket = |name, family: i32, kind: i32, protocol: i32| {
        let arguments = [family as usize, kind as usize, protocol as usize];
        call(name, libc::SYS_socket, &arguments)
    };
    let netlink = |name, protocol| socket(name, libc::AF_NETLINK, libc::SOCK_RAW, protocol);
    vec![
        socket("socket_unix", libc::AF_UNIX, libc::SOCK_STREAM, 0),
        socket("socket_inet", libc::AF_INET, libc::SOCK_STREAM, 0),
        socket("socket_inet6", libc::AF_INET6, libc::SOCK_STREAM, 0),
        socket(
            "socket_raw",
            libc::AF_INET,
            libc::SOCK_RAW,
            libc::IPPROTO_ICMP,
        ),
        socket("socket_packet", libc::AF_PACKET, libc::SOCK_RAW, 0),
        socket("socket_vsock", libc::AF_VSOCK, libc::SOCK_STREAM, 0),
        socket("socket_alg", libc::AF_ALG, libc::SOCK_SEQPACKET, 0),
        netlink("netlink_route", libc::NETLINK_ROUTE),
        netlink("netlink_audit", libc::NETLINK_AUDIT),
        netlink("netlink_netfilter", libc::NETLINK_NETFILTER),
        netlink("netlink_uevent", libc::NETLINK_KOBJECT_UEVENT),
        netlink("netlink_sockdiag", libc::NETLINK_SOCK_DIAG),
    ]
}

/// Makes another `/dev/null` in `/tmp`, the one place that may be writable, and removes it.
fn mknod() -> io::Result<()> {
    let path = format!("/tmp/probe-node.{}\0", std::process::id());
    let path = CStr::from_bytes_with_nul(path.as_bytes()).map_err(io::Error::other)?;
    let device = libc::makedev(1, 3);
    // SAFETY: the path is a live C string.
    let made = unsafe { libc::mknod(path.as_ptr(), libc::S_IFCHR | 0o600, device) };
    check(made.into())?;
    // SAFETY: the same.
    check(unsafe { libc::unlink(path.as_ptr()) }.into()).map(drop)
}

/// Finds out where in memory the kernel is. `EPERM` where all addresses are zeros.
fn kernel_symbols() -> io::Result<()> {
    let mut lines = io::BufReader::new(File::open("/proc/kallsyms")?).lines();
    let told = lines.try_fold(false, |told, line| {
        Ok::<_, io::Error>(told || !line?.starts_with("0000000000000000 "))
    })?;
    match told {
        true => Ok(()),
        false => Err(io::Error::from_raw_os_error(libc::EPERM)),
    }
}

/// Runs a copy of this program that is in memory alone, where no mount can be `noexec`.
fn memfd_exec() -> io::Result<()> {
    // SAFETY: the name is a live C string.
    let made = check(unsafe { libc::memfd_create(c"probe".as_ptr(), 0) }.into())?;
    let path = format!("/proc/self/fd/{made}");
    fs::write(&path, fs::read("/proc/self/exe")?)?;
    Err(Command::new(path).args(["exit", "0"]).exec())
}

/// Has the shell run a script from where nothing can be executed: the kernel sees only a file that is read.
fn script() -> io::Result<()> {
    let path = format!("/tmp/probe-script.{}", std::process::id());
    fs::write(&path, "exit 0\n")?;
    let ran = Command::new("/bin/sh").arg(&path).status();
    fs::remove_file(&path)?;
    match ran?.success() {
        true => Ok(()),
        false => Err(io::Error::from_raw_os_error(libc::EIO)),
    }
}

/// Attaches to a child of its own, which does not outlive the attempt.
fn ptrace_attach() -> io::Result<()> {
    let child = process::fork(process::pause)?;
    let arguments = [libc::PTRACE_ATTACH as usize, child as usize];
    let attached = call("ptrace", libc::SYS_ptrace, &arguments).run();
    process::kill(child, libc::SIGKILL)?;
    attached
}

/// Copies eight bytes between two places of this process.
fn process_vm(number: c_long) -> io::Result<()> {
    let (here, there) = (memory(&[0]), memory(&[0]));
    let local = memory(&[here as u64, 8]);
    let remote = memory(&[there as u64, 8]);
    let own = std::process::id() as usize;
    call("process_vm", number, &[own, local, 1, remote, 1, 0]).run()
}

/// Makes a private segment and marks it for removal.
fn shmget() -> io::Result<()> {
    // SAFETY: takes no pointers.
    let id =
        check(unsafe { libc::shmget(libc::IPC_PRIVATE, 4096, libc::IPC_CREAT | 0o600) }.into())?;
    // SAFETY: removal takes no structure.
    check(unsafe { libc::shmctl(id as i32, libc::IPC_RMID, std::ptr::null_mut()) }.into()).map(drop)
}

pub(crate) fn call(name: &'static str, number: c_long, arguments: &[usize]) -> Attempt {
    let mut all = [0; 6];
    all[..arguments.len()].copy_from_slice(arguments);
    Attempt {
        name,
        how: How::Call(number, all),
    }
}

pub(crate) fn steps(name: &'static str, steps: fn() -> io::Result<()>) -> Attempt {
    Attempt {
        name,
        how: How::Steps(steps),
    }
}

/// The address of a text.
fn text(text: &'static CStr) -> usize {
    text.as_ptr().expose_provenance()
}

/// The address of a copy of these words, which the kernel may write to and nobody frees.
fn memory(words: &[u64]) -> usize {
    Box::leak(words.to_vec().into_boxed_slice())
        .as_mut_ptr()
        .expose_provenance()
}
