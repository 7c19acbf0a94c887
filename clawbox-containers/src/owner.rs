//! Who owns a container, and whether that owner lives: a lease that the kernel gives back.

use crate::{
    error::{ContainerError, ContainerResult},
    init::forget_places,
};
use std::{
    fmt,
    fs::{DirBuilder, File, TryLockError},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt, MetadataExt},
    path::{Path, PathBuf},
    str::FromStr,
    time::{Duration, SystemTime},
};
use uuid::Uuid;

/// One manager in one process: the value of the label `clawbox.owner`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OwnerId(Uuid);

impl OwnerId {
    pub(crate) fn generate() -> Self {
        Self(Uuid::new_v4())
    }
}

impl fmt::Display for OwnerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

impl FromStr for OwnerId {
    type Err = ();

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let owner = Uuid::try_parse(s).map(Self).map_err(|_| ())?;
        if owner.to_string() == s {
            Ok(owner)
        } else {
            Err(())
        }
    }
}

/// Whether the owner of a container lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Liveness {
    /// It holds its lease: nobody else touches its containers.
    Alive,
    /// Its lease has come back: its containers are orphans.
    Dead,
    /// There is no lease to ask here, so it is treated as alive.
    Unknown,
}

impl fmt::Display for Liveness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Alive => "alive",
            Self::Dead => "dead",
            Self::Unknown => "unknown",
        })
    }
}

/// A held lease: a locked file named by the owner's id. The kernel unlocks it when the process ends, however
/// it ends; a lease that is dropped in order also removes its file.
#[derive(Debug)]
pub(crate) struct Lease {
    /// Removed with the lease, where it is not left to others.
    path: Option<PathBuf>,
    file: File,
}

impl Lease {
    /// Takes the lease of `owner` below `dir`, which is made if need be, mode 0700.
    ///
    /// The file names the engine, so that nobody forgets the owner who looked for its containers elsewhere, and after a
    /// zero byte the owner, where that has a name.
    pub(crate) fn take(
        dir: &Path,
        owner: OwnerId,
        endpoint: &str,
        name: Option<&str>,
    ) -> ContainerResult<Self> {
        let io = |what, path: &Path| {
            let path = path.to_owned();
            move |source| ContainerError::Io { what, path, source }
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(io("making the state directory", dir))?;
        let metadata = dir
            .symlink_metadata()
            .map_err(io("looking at the state directory", dir))?;
        let ours = metadata.uid() == rustix::process::getuid().as_raw();
        if !metadata.is_dir() || !ours || metadata.mode() & 0o077 != 0 {
            let refused = io::Error::new(
                io::ErrorKind::PermissionDenied,
                "it must be a directory of this user's with mode 0700",
            );
            return Err(io("using the state directory", dir)(refused));
        }
        let path = lease_path(dir, owner);
        // Locked under another name first, so that nobody finds it unlocked.
        let fresh = path.with_extension("new");
        let mut file =
            File::create_new(&fresh).map_err(io("making the ownership lease", &fresh))?;
        let name = name.map(|name| format!("\0{name}"));
        file.write_all(format!("{endpoint}{}", name.unwrap_or_default()).as_bytes())
            .map_err(io("writing the ownership lease", &fresh))?;
        file.lock()
            .map_err(io("locking the ownership lease", &fresh))?;
        std::fs::rename(&fresh, &path).map_err(io("naming the ownership lease", &path))?;
        Ok(Self {
            path: Some(path),
            file,
        })
    }

    /// Notes that the engine is asked for a container at this time: it may make it when nobody waits any more.
    pub(crate) fn renew(&self, now: SystemTime) {
        renew(&self.file, now);
    }

    /// Leaves the file where it is when the lease is given back, as the kernel does: whose containers those were stays
    /// known, and that he is dead.
    pub(crate) fn outlast(&mut self) {
        self.path = None;
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(path) = &self.path else { return };
        if let Err(error) = std::fs::remove_file(path) {
            tracing::debug!(%error, path = %path.display(), "ownership lease not removed");
        }
    }
}

/// Asks below `dir` whether `owner` lives.
pub(crate) fn liveness(dir: &Path, owner: OwnerId) -> Liveness {
    let Ok(file) = File::open(lease_path(dir, owner)) else {
        return Liveness::Unknown;
    };
    match file.try_lock_shared() {
        Ok(()) => Liveness::Dead,
        Err(TryLockError::WouldBlock) => Liveness::Alive,
        Err(TryLockError::Error(_)) => Liveness::Unknown,
    }
}

/// The lease of a dead owner, in the hands of the one who reaps or adopts its containers. To everybody else that owner
/// is alive meanwhile, so that of several reapers each counts its own, and of several heirs one takes them.
#[derive(Debug)]
pub(crate) struct Claim {
    _file: File,
}

impl Claim {
    /// `None` where the owner is not dead, or another reaper was first.
    pub(crate) fn stake(dir: &Path, owner: OwnerId) -> Option<Self> {
        let file = File::open(lease_path(dir, owner)).ok()?;
        file.try_lock().ok()?;
        Some(Self { _file: file })
    }
}

/// Forgets an owner that is dead and has no containers left: what it kept for them at once, and its lease once it has
/// not been renewed `within` this time. What the engine makes until then is known for a dead owner's.
pub(crate) fn forget(dir: &Path, owner: OwnerId, now: SystemTime, within: Duration) {
    if liveness(dir, owner) != Liveness::Dead {
        return;
    }
    forget_places(&dir.join(owner.to_string()));
    let path = lease_path(dir, owner);
    let renewed = path.metadata().and_then(|metadata| metadata.modified());
    // A clock that was set back makes it later.
    let age = renewed.map(|renewed| now.duration_since(renewed).unwrap_or_default());
    if age.is_ok_and(|age| age >= within) {
        drop(std::fs::remove_file(path));
    }
}

/// Renews the lease of an owner that is dead.
pub(crate) fn renew_dead(dir: &Path, owner: OwnerId, now: SystemTime) {
    if liveness(dir, owner) == Liveness::Dead
        && let Ok(file) = File::options().write(true).open(lease_path(dir, owner))
    {
        renew(&file, now);
    }
}

fn renew(lease: &File, now: SystemTime) {
    if let Err(error) = lease.set_modified(now) {
        tracing::debug!(%error, "ownership lease not renewed");
    }
}

/// Every owner of containers at `endpoint` that has a lease below `dir`, live or dead.
pub(crate) fn owners(dir: &Path, endpoint: &str) -> Vec<OwnerId> {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let owner = entry
                .file_name()
                .to_str()?
                .strip_suffix(".lease")?
                .parse()
                .ok()?;
            let lease = std::fs::read(entry.path()).ok()?;
            let here = lease.split(|byte| *byte == 0).next()?;
            (here == endpoint.as_bytes()).then_some(owner)
        })
        .collect()
}

/// The name of an owner, where it has one.
pub(crate) fn name(dir: &Path, owner: OwnerId) -> Option<String> {
    let lease = std::fs::read_to_string(lease_path(dir, owner)).ok()?;
    let (_, name) = lease.split_once('\0')?;
    Some(name.to_owned())
}

fn lease_path(dir: &Path, owner: OwnerId) -> PathBuf {
    dir.join(format!("{owner}.lease"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_lease_is_alive_while_held_dead_when_abandoned_and_unknown_when_gone() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("state");
        let owner = OwnerId::generate();
        let forget = |within| forget(&dir, owner, SystemTime::now(), within);
        let lease = Lease::take(&dir, owner, "unix:///a", None).unwrap();
        assert_eq!(liveness(&dir, owner), Liveness::Alive);
        assert!(Claim::stake(&dir, owner).is_none());
        assert_eq!(owners(&dir, "unix:///a"), [owner]);
        assert_eq!(owners(&dir, "unix:///b"), []);
        forget(Duration::ZERO);
        assert_eq!(liveness(&dir, owner), Liveness::Alive);

        drop(lease);
        assert_eq!(liveness(&dir, owner), Liveness::Unknown);

        // What the kernel does when a process dies: the descriptor goes, the file stays.
        assert_eq!(name(&dir, owner), None);
        let mut named = Lease::take(&dir, owner, "unix:///a", Some("a\nname")).unwrap();
        named.outlast();
        drop(named);
        assert_eq!(name(&dir, owner).as_deref(), Some("a\nname"));
        assert_eq!(liveness(&dir, owner), Liveness::Dead);
        assert_eq!(owners(&dir, "unix:///a"), [owner]);
        let claim = Claim::stake(&dir, owner).unwrap();
        assert!(Claim::stake(&dir, owner).is_none());
        assert_eq!(liveness(&dir, owner), Liveness::Alive);
        drop(claim);
        let hour = Duration::from_secs(3600);
        forget(hour);
        assert_eq!(liveness(&dir, owner), Liveness::Dead);
        renew_dead(&dir, owner, SystemTime::now() + hour);
        forget(Duration::from_secs(1));
        assert_eq!(liveness(&dir, owner), Liveness::Dead);
        renew_dead(&dir, owner, SystemTime::now() - hour);
        forget(hour);
        assert_eq!(liveness(&dir, owner), Liveness::Unknown);
    }

    #[test]
    fn a_state_directory_that_others_may_enter_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let error = Lease::take(dir.path(), OwnerId::generate(), "unix:///a", None).unwrap_err();
        assert!(matches!(error, ContainerError::Io { .. }), "{error}");
    }
}
