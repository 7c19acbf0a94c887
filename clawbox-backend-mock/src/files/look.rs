//! What process 1 wants to know of files before it runs a command.

use super::{Files, Kind, host, path::normal};
use crate::errno::Errno;

impl Files {
    /// What a path is, as `st_mode` says it.
    pub(crate) fn mode(&self, path: &str) -> Result<u32, Errno> {
        let node = self.find(&normal(path)?)?;
        Ok(node.mode | node.kind.file_type())
    }

    /// The owner of what is bound at a path, and its numbers; other files have none here.
    pub(crate) fn identity(&self, path: &str) -> Result<(u32, [u64; 2]), Errno> {
        let host = self.host_path(path)?.ok_or(Errno::EACCES)?;
        host::identity(&host, self.user.0).map_err(|error| Errno::of(&error))
    }

    /// The names in a directory that is bound; of others nobody asks.
    pub(crate) fn list(&self, path: &str) -> Result<Vec<String>, Errno> {
        let host = self.host_path(path)?.ok_or(Errno::ENOENT)?;
        host::list(&host, self.user.0).map_err(|error| Errno::of(&error))
    }

    /// Makes sure that a process may work in this directory.
    pub(crate) fn enter(&self, path: &str) -> Result<(), Errno> {
        let node = self.find(&normal(path)?)?;
        match node.kind {
            Kind::Directory if self.may(&node, 0o1) => Ok(()),
            Kind::Directory => Err(Errno::EACCES),
            _ => Err(Errno::ENOTDIR),
        }
    }

    /// Why an argument vector that no program answers to cannot be run.
    pub(crate) fn why_not(&self, argv: &[String]) -> Errno {
        match argv.first() {
            Some(path) if path.starts_with('/') => match self.executable(path) {
                Ok(()) => Errno::ENOEXEC,
                Err(errno) => errno,
            },
            _ => Errno::ENOENT,
        }
    }
}
