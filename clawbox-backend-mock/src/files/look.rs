//! What process 1 wants to know of files before it runs a command.

use super::{Files, Kind, path::normal};
use crate::errno::Errno;

impl Files {
    /// What a path is, as `st_mode` says it.
    pub(crate) fn mode(&self, path: &str) -> Result<u32, Errno> {
        let node = self.find(&normal(path)?)?;
        Ok(node.mode | node.kind.file_type())
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
