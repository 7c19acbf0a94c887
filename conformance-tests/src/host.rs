//! What runs of the suite keep on the host, and what a crashed run left there.

use clawbox_containers::ManagerConfig;
use std::{
    fs::{self, DirBuilder, File, Permissions},
    hash::{DefaultHasher, Hash, Hasher},
    io,
    os::unix::fs::{DirBuilderExt, PermissionsExt},
    path::{Path, PathBuf},
};
use tempfile::TempDir;

const RUN: &str = "run-";

/// The leases of all runs of this user at one engine, and this run's own directory, which is locked while it lives.
#[derive(Debug)]
pub(crate) struct Host {
    leases: PathBuf,
    own: TempDir,
    _lock: File,
}

/// The directory of a run that died. It is this run's to clear away as long as it is held.
#[derive(Debug)]
pub(crate) struct DeadRun {
    path: PathBuf,
    _lock: File,
}

impl DeadRun {
    /// Its cases' directories, some of which hold leases.
    pub(crate) fn dirs(&self) -> io::Result<Vec<PathBuf>> {
        let entries = fs::read_dir(&self.path)?;
        entries.map(|entry| Ok(entry?.path())).collect()
    }

    /// Removes it with everything in it.
    pub(crate) fn remove(self) -> io::Result<()> {
        fs::remove_dir_all(self.path)
    }
}

/// A directory's name for an endpoint. Sockets lie below it, whose paths hold 107 bytes.
fn short_name(endpoint: &str) -> String {
    let mut hasher = DefaultHasher::new();
    endpoint.hash(&mut hasher);
    format!("{:08x}", hasher.finish() >> 32)
}

impl Host {
    /// Makes this run's directory, and finds those of runs whose process is dead: the kernel has unlocked them.
    ///
    /// There is one place for each engine: who reaps at one forgets the leases of the dead, and with them what
    /// they left at another. None of them is a real backend's.
    pub(crate) fn enter(endpoint: &str) -> io::Result<(Self, Vec<DeadRun>)> {
        let leases = ManagerConfig::default()
            .state_dir
            .ok_or_else(|| io::Error::other("there is no directory for leases"))?
            .join("conformance")
            .join(short_name(endpoint));
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&leases)?;
        // Nobody else sweeps between the making and the locking.
        let alone = File::open(&leases)?;
        alone.lock()?;
        let mut dead = Vec::new();
        for entry in fs::read_dir(&leases)? {
            let entry = entry?;
            if entry.file_name().to_string_lossy().starts_with(RUN) {
                let (path, lock) = (entry.path(), File::open(entry.path())?);
                if lock.try_lock().is_ok() {
                    dead.push(DeadRun { path, _lock: lock });
                }
            }
        }
        let own = private_dir(RUN, &leases)?;
        let lock = File::open(own.path())?;
        lock.lock()?;
        let host = Self {
            leases,
            own,
            _lock: lock,
        };
        Ok((host, dead))
    }

    /// Where all runs keep their managers' leases, so that each can tell the dead ones' containers.
    pub(crate) fn leases(&self) -> &Path {
        &self.leases
    }

    /// A fresh directory of mode 0700.
    pub(crate) fn dir(&self) -> io::Result<TempDir> {
        private_dir("case-", self.own.path())
    }
}

fn private_dir(prefix: &str, parent: &Path) -> io::Result<TempDir> {
    tempfile::Builder::new()
        .prefix(prefix)
        .permissions(Permissions::from_mode(0o700))
        .tempdir_in(parent)
}
