//! What a command may leave in its workspace, and what it may try to get in or out of it. Each attempt builds on those
//! before it.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Command, Stdio};

use super::attempts::{Attempt, call, steps};

/// The whole table.
pub(crate) fn all() -> Vec<Attempt> {
    const DEVICE: usize = libc::S_IFCHR as usize | 0o666;
    const FIFO: usize = libc::S_IFIFO as usize | 0o600;
    /// 1, 3: the null device's.
    const NULL: usize = 0x103;

    let path = |path: &'static std::ffi::CStr| path.as_ptr().expose_provenance();
    vec![
        steps("left file", || fs::write("/workspace/file", "left")),
        steps("left tree", || {
            fs::create_dir_all("/workspace/tree/inner")?;
            fs::write("/workspace/tree/inner/file", "left")
        }),
        steps("left program", || {
            fs::copy("/proc/self/exe", "/workspace/program").map(drop)
        }),
        steps("run program", || {
            let status = Command::new("/workspace/program")
                .args(["exit", "0"])
                .stdin(Stdio::null())
                .status()?;
            match status.success() {
                true => Ok(()),
                false => Err(io::Error::from_raw_os_error(libc::EIO)),
            }
        }),
        steps("left setuid", || mode("/workspace/program", 0o6755)),
        steps("left hard link", || {
            fs::hard_link("/workspace/file", "/workspace/hard")
        }),
        steps("left link", || symlink("/etc/passwd", "/workspace/link")),
        steps("left odd name", || {
            File::create_new("/workspace/-rf\n\t\u{1b}[2J*").map(drop)
        }),
        call(
            "left pipe",
            libc::SYS_mknodat,
            &[libc::AT_FDCWD as usize, path(c"/workspace/pipe"), FIFO, 0],
        ),
        call(
            "left device",
            libc::SYS_mknodat,
            &[
                libc::AT_FDCWD as usize,
                path(c"/workspace/device"),
                DEVICE,
                NULL,
            ],
        ),
        steps("hard link in", || {
            fs::hard_link("/bin/probe", "/workspace/in")
        }),
        steps("hard link out", || {
            fs::hard_link("/workspace/file", "/tmp/out")
        }),
        steps("rename out", || fs::rename("/workspace/file", "/tmp/out")),
        steps("rename away", || fs::rename("/workspace", "/tmp/away")),
        steps("remove_itself", || fs::remove_dir("/workspace")),
        steps("above", || File::create_new("/workspace/../out").map(drop)),
        steps("left closed", || {
            mode("/workspace/tree/inner", 0)?;
            mode("/workspace/tree", 0)
        }),
    ]
}

fn mode(path: &str, mode: u32) -> io::Result<()> {
    fs::set_permissions(path, Permissions::from_mode(mode))
}
