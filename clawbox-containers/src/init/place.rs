//! Where process 1 of a container waits for its manager: a directory of the host's, bound into the container,
//! that holds the program and the socket over which the two talk.
//!
//! The directory of an owner has mode 0700, so no other user of the host's gets in. Below it each container has
//! its own, 0711, which is all that is bound; the socket in it has mode 0666, because a container's user is none
//! of this user's. So one container sees nothing of another.

use super::link::InitLink;
use clawbox_types::ContainerId;
use rustix::fs::StatVfsMountFlags;
use std::{
    fs::{self, DirBuilder, File, Permissions},
    io,
    os::{
        fd::AsRawFd,
        unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    },
    path::{Path, PathBuf},
};
use tokio::net::UnixListener;

/// Ids below belong to users of the host's, those from here on to namespaces: login.defs(5) has 100000 as its
/// `SUB_UID_MIN`, and nothing that is in use has less than this.
const SUBORDINATE_IDS: u32 = 65_536;

const PROGRAM: &str = "init";
const SOCKET: &str = "control.sock";

/// The directory of an owner's containers. It goes when it is dropped.
#[derive(Debug)]
pub(crate) struct Places(PathBuf);

impl Places {
    /// Makes `dir` and puts the program there.
    pub(crate) fn make(dir: PathBuf, program: &[u8]) -> io::Result<Self> {
        DirBuilder::new().mode(0o700).create(&dir)?;
        let this = Self(dir);
        // Whatever the process's umask took away.
        fs::set_permissions(&this.0, Permissions::from_mode(0o700))?;
        let path = this.0.join(PROGRAM);
        let mut file = File::options()
            .write(true)
            .create_new(true)
            .mode(0o755)
            .open(&path)?;
        io::Write::write_all(&mut file, program)?;
        file.set_permissions(Permissions::from_mode(0o755))?;
        Ok(this)
    }

    pub(crate) fn is_noexec(&self) -> bool {
        is_noexec(&self.0)
    }

    /// Makes a container's directory, with the program in it.
    pub(crate) fn open(&self, id: &ContainerId) -> io::Result<Place> {
        let dir = self.0.join(id.to_string());
        DirBuilder::new().mode(0o711).create(&dir)?;
        let place = Place(dir);
        fs::set_permissions(&place.0, Permissions::from_mode(0o711))?;
        fs::hard_link(self.0.join(PROGRAM), place.0.join(PROGRAM))?;
        Ok(place)
    }
}

impl Drop for Places {
    fn drop(&mut self) {
        remove(&self.0);
    }
}

/// Removes what an owner that is dead has left.
pub(crate) fn forget_places(dir: &Path) {
    remove(dir);
}

/// A container's directory. It goes when it is dropped.
#[derive(Debug)]
pub(crate) struct Place(PathBuf);

impl Place {
    pub(crate) fn dir(&self) -> &Path {
        &self.0
    }

    pub(crate) fn is_noexec(&self) -> bool {
        is_noexec(&self.0)
    }

    /// Listens for process 1. Within the runtime.
    pub(crate) fn listen(&self) -> io::Result<Reception> {
        // By the descriptor, as a socket's path holds 107 bytes and a directory may be deeper.
        let dir = File::open(&self.0)?;
        let path = format!("/proc/self/fd/{}/{SOCKET}", dir.as_raw_fd());
        let listener = UnixListener::bind(&path)?;
        let socket = self.0.join(SOCKET);
        fs::set_permissions(&socket, Permissions::from_mode(0o666))?;
        Ok(Reception { listener, socket })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        remove(&self.0);
    }
}

/// A socket on which one process 1 is awaited.
#[derive(Debug)]
pub(crate) struct Reception {
    listener: UnixListener,
    socket: PathBuf,
}

impl Reception {
    /// Lets the first one in, and then nobody. It must be the planned user, `uid:gid`, one of the ids that stand for
    /// users of a namespace, or one of `writers`, whom a rootless engine makes the planned user.
    pub(crate) async fn accept(self, planned: &str, writers: &[u32]) -> io::Result<InitLink> {
        let (stream, _) = self.listener.accept().await?;
        fs::remove_file(&self.socket)?;
        let peer = stream.peer_cred()?.uid();
        let is_planned = planned.split(':').next() == Some(&peer.to_string());
        if is_planned || peer >= SUBORDINATE_IDS || writers.contains(&peer) {
            return Ok(InitLink::socket(stream));
        }
        Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!(
                "user {peer} of the host's connected; expected {planned}, or a subordinate id from \
                 {SUBORDINATE_IDS} on"
            ),
        ))
    }
}

/// Whether programs on this file system may not be executed here. Docker's runtime lets a container execute them all
/// the same.
fn is_noexec(path: &Path) -> bool {
    rustix::fs::statvfs(path).is_ok_and(|fs| fs.f_flag.contains(StatVfsMountFlags::NOEXEC))
}

fn remove(dir: &Path) {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            tracing::warn!(%error, path = %dir.display(), "directory not removed");
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_system_is_known_by_its_flags() {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        let of = |path: &str| {
            mounts
                .lines()
                .rfind(|line| line.split(' ').nth(1) == Some(path))
        };
        for path in ["/", "/proc"] {
            let options = of(path).unwrap().split(' ').nth(3).unwrap();
            let noexec = options.split(',').any(|option| option == "noexec");
            assert_eq!(is_noexec(Path::new(path)), noexec, "{path}");
        }
    }
}
