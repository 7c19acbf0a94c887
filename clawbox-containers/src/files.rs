//! A running container's files, in and out.
//!
//! Every transfer is a further command: process 1's own program, once more, as the container's user and under the whole
//! policy. So it can do nothing that the command could not, needs nothing from the image, and no engine's archive calls.
//! What comes out is data, whoever wrote it: every name, size and order is checked anew on this side.

mod get;
mod host;
mod problem;
mod put;
mod talk;
mod tar;
#[cfg(test)]
mod tests;

pub use problem::FileProblem;

use crate::{
    backend::ContainerBackend,
    error::{ContainerError, ContainerResult},
};
use clawbox_init::protocol::{NAME_BYTES, PART_BYTES};
use clawbox_types::{ContainerId, TransferLimits, TransferReport, Violation};
use std::path::Path;
use talk::Talk;
use tokio::io::{AsyncRead, AsyncWrite};

/// The files of a running container, which its process 1 must be clawbox's own for.
///
/// Paths are absolute. What can be written are its tmpfs, such as `/tmp`, and its writable workspaces; what can be read
/// is what its command can read. No symbolic link is followed, neither at a path's end nor on the way. Only files and
/// directories go either way, with the permissions in `0o777`: links, devices, pipes, sockets and odd names are left out
/// of trees, bits such as setuid are taken away, and each is told in the [`TransferReport`]. What is put belongs to the
/// container's user. A transfer whose future is dropped is killed, and may leave the beginning of a file under the name
/// `.clawbox-put-` and a number.
///
/// # Errors
///
/// Of all calls: [`Files`](ContainerError::Files) with what is wrong with the path; `InvalidRequest` for one that cannot
/// be any; those of [`ContainerBackend::exec`]; `InvalidState` too where the container ends in the middle.
#[derive(Clone, Copy)]
pub struct Files<'a> {
    backend: &'a dyn ContainerBackend,
    id: &'a ContainerId,
    limits: TransferLimits,
}

impl<'a> Files<'a> {
    /// Those of a container, within the usual bounds.
    #[must_use]
    pub fn of(backend: &'a dyn ContainerBackend, id: &'a ContainerId) -> Self {
        Self {
            backend,
            id,
            limits: TransferLimits::default(),
        }
    }

    /// Within other bounds.
    #[must_use]
    pub const fn within(mut self, limits: TransferLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Puts what a reader gives into a file, and returns how many bytes that were. The directories on the way are made;
    /// a file that is there is replaced. The file is there when it is whole, and not before: where the reader fails
    /// nothing is.
    ///
    /// # Errors
    ///
    /// As for all calls.
    pub async fn put(
        self,
        path: &str,
        reader: impl AsyncRead + Send + Unpin,
    ) -> ContainerResult<u64> {
        self.put_with_mode(path, 0o644, reader).await
    }

    /// As [`put`](Self::put), with these permissions, of which those in `0o777` are given.
    ///
    /// # Errors
    ///
    /// As for all calls.
    pub async fn put_with_mode(
        self,
        path: &str,
        mode: u32,
        reader: impl AsyncRead + Send + Unpin,
    ) -> ContainerResult<u64> {
        self.check(path)?;
        let (directory, name) = path
            .trim_end_matches('/')
            .rsplit_once('/')
            .unwrap_or_default();
        let directory = if directory.is_empty() { "/" } else { directory };
        let talk = Talk::start(&self, directory).await?;
        let report = talk.put(put::Single::new(name, mode, reader)).await?;
        Ok(report.bytes)
    }

    /// Puts the files and directories of a tar stream below a directory, which is made where it is missing. Files that are
    /// there are replaced, and directories kept. It need not have all that a tar stream may: GNU's and POSIX's long names
    /// are read. Where it fails, what came before is there.
    ///
    /// # Errors
    ///
    /// As for all calls.
    pub async fn put_tree(
        self,
        path: &str,
        tar: impl AsyncRead + Send + Unpin,
    ) -> ContainerResult<TransferReport> {
        self.check(path)?;
        let talk = Talk::start(&self, path).await?;
        talk.put(tar::Archive::new(tar)).await
    }

    /// Puts the files and directories of a directory of this host's below one of the container's. Links in it are not
    /// followed.
    ///
    /// # Errors
    ///
    /// As for all calls.
    pub async fn put_from(
        self,
        path: &str,
        directory: impl AsRef<Path> + Send,
    ) -> ContainerResult<TransferReport> {
        self.check(path)?;
        let source = host::Tree::open(directory.as_ref());
        let source = source.map_err(|error| self.failed(path, FileProblem::Source(error)))?;
        let talk = Talk::start(&self, path).await?;
        talk.put(source).await
    }

    /// Gets a file's bytes, into memory: [`TransferLimits::bytes`] bounds how much.
    ///
    /// # Errors
    ///
    /// As for all calls.
    pub async fn get(self, path: &str) -> ContainerResult<Vec<u8>> {
        let mut bytes = Vec::new();
        self.get_to(path, &mut bytes).await?;
        Ok(bytes)
    }

    /// Gets a file's bytes as they come, and returns how many they were. Where it fails, some were written.
    ///
    /// # Errors
    ///
    /// As for all calls.
    pub async fn get_to(
        self,
        path: &str,
        writer: impl AsyncWrite + Send + Unpin,
    ) -> ContainerResult<u64> {
        self.check(path)?;
        let talk = Talk::start(&self, path).await?;
        let report = talk.get(get::Single(writer), false).await?;
        Ok(report.bytes)
    }

    /// Gets a file into one of this host's, whose directory is made where it is missing. It is this process's user's. What
    /// has its name is replaced, also where it is a link; where it fails in the middle, nothing has.
    ///
    /// # Errors
    ///
    /// As for all calls.
    pub async fn get_file(self, path: &str, file: impl AsRef<Path> + Send) -> ContainerResult<u64> {
        self.check(path)?;
        let target = host::Target::of_file(file.as_ref());
        let target = target.map_err(|error| self.failed(path, FileProblem::Target(error)))?;
        let talk = Talk::start(&self, path).await?;
        let report = talk.get(target, false).await?;
        Ok(report.bytes)
    }

    /// Gets what is in a directory as a tar stream: files and directories with relative names, without owners and times.
    /// The writer is flushed and not shut. Where it fails, the stream has no end.
    ///
    /// # Errors
    ///
    /// As for all calls.
    pub async fn get_tree(
        self,
        path: &str,
        tar: impl AsyncWrite + Send + Unpin,
    ) -> ContainerResult<TransferReport> {
        self.check(path)?;
        let talk = Talk::start(&self, path).await?;
        talk.get(tar::Writer::new(tar), true).await
    }

    /// Gets what is in a directory into one of this host's, which is made where it is missing. It all belongs to this
    /// process's user. Files that are there are replaced; links that are there are replaced as well, or refused where they
    /// would be directories, and never followed.
    ///
    /// # Errors
    ///
    /// As for all calls.
    pub async fn get_into(
        self,
        path: &str,
        directory: impl AsRef<Path> + Send,
    ) -> ContainerResult<TransferReport> {
        self.check(path)?;
        let target = host::Target::open(directory.as_ref());
        let target = target.map_err(|error| self.failed(path, FileProblem::Target(error)))?;
        let talk = Talk::start(&self, path).await?;
        talk.get(target, true).await
    }

    fn failed(&self, path: &str, problem: FileProblem) -> ContainerError {
        ContainerError::Files {
            id: self.id.clone(),
            path: path.to_owned(),
            problem,
        }
    }

    fn check(&self, path: &str) -> ContainerResult<()> {
        let mut violations = self.limits.check().err().unwrap_or_default();
        let mut parts = path.split('/').filter(|part| !part.is_empty()).peekable();
        let good = path.starts_with('/')
            && path.len() <= NAME_BYTES
            && parts.peek().is_some()
            && parts.all(|part| {
                !matches!(part, "." | "..")
                    && part.len() <= PART_BYTES
                    && !part.contains(char::is_control)
            });
        if !good {
            let accepted = "an absolute path below /, without ., .. and control characters, of at most 4000 bytes";
            violations.push(Violation::new("path", path, accepted));
        }
        if violations.is_empty() {
            Ok(())
        } else {
            Err(ContainerError::InvalidRequest { violations })
        }
    }
}

impl std::fmt::Debug for Files<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Files")
            .field("id", self.id)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}
