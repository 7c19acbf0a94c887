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
        steps("inherited", inherited),
    ]
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
