//! What a command may try against process 1 of its container.

use std::fs::{self, File};
use std::io;
use std::os::unix::net::UnixStream;

use super::attempts::{Attempt, call, steps};
use super::process;

/// Process 1.
const TARGET: libc::pid_t = 1;

/// The whole table.
pub(crate) fn all() -> Vec<Attempt> {
    vec![
        steps("memory", || {
            File::options()
                .read(true)
                .write(true)
                .open("/proc/1/mem")
                .map(drop)
        }),
        steps("maps", || fs::read("/proc/1/maps").map(drop)),
        steps("environment", || fs::read("/proc/1/environ").map(drop)),
        steps("root", || fs::read_dir("/proc/1/root/").map(drop)),
        steps("descriptors", || fs::read_dir("/proc/1/fd").map(drop)),
        call(
            "ptrace",
            libc::SYS_ptrace,
            &[libc::PTRACE_ATTACH as usize, TARGET as usize],
        ),
        steps("kill", || process::kill(TARGET, libc::SIGKILL)),
        steps("stop", || process::kill(TARGET, libc::SIGSTOP)),
        steps("connect", || {
            UnixStream::connect("/.clawbox/control.sock").map(drop)
        }),
        steps("listen", || {
            File::create_new("/.clawbox/control.sock").map(drop)
        }),
        steps("replace", || {
            File::options().write(true).open("/.clawbox/init").map(drop)
        }),
        steps("remove", || fs::remove_file("/.clawbox/init")),
        steps("directory", || fs::read_link("/proc/1/cwd").map(drop)),
        steps("namespace", || File::open("/proc/1/ns/mnt").map(drop)),
        steps("oom_score", || fs::write("/proc/1/oom_score_adj", "1000")),
        steps("write_memory", write_memory),
        steps("take_descriptor", take_descriptor),
        steps("limit", || {
            let few = libc::rlimit {
                rlim_cur: 4,
                rlim_max: 4,
            };
            // SAFETY: the pointer is to a live local, and nothing is asked for.
            let set =
                unsafe { libc::prlimit(TARGET, libc::RLIMIT_NOFILE, &few, std::ptr::null_mut()) };
            process::check(set.into()).map(drop)
        }),
        steps("inherited", inherited),
    ]
}

/// Writes nothing to where nothing is: whether it may is looked at first.
fn write_memory() -> io::Result<()> {
    let empty = libc::iovec {
        iov_base: std::ptr::null_mut(),
        iov_len: 1,
    };
    // SAFETY: an address that is not there is the kernel's to refuse.
    let written = unsafe { libc::process_vm_writev(TARGET, &empty, 1, &empty, 1, 0) };
    process::check(written as libc::c_long).map(drop)
}

/// Takes a copy of its first descriptor.
fn take_descriptor() -> io::Result<()> {
    // SAFETY: neither takes pointers.
    let taken = unsafe {
        let process = process::check(libc::syscall(libc::SYS_pidfd_open, TARGET, 0))?;
        libc::syscall(libc::SYS_pidfd_getfd, process, 0, 0)
    };
    process::check(taken).map(drop)
}

/// Finds a descriptor that nobody gave to this process on purpose.
fn inherited() -> io::Result<()> {
    for entry in fs::read_dir("/proc/self/fd")? {
        let target = fs::read_link(entry?.path()).unwrap_or_default();
        if target.to_string_lossy().starts_with("socket:") {
            return Ok(());
        }
    }
    Err(io::Error::from_raw_os_error(libc::EBADF))
}
