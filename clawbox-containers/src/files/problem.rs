//! What can be wrong with a transfer of files.

use clawbox_init::protocol::Why;
use clawbox_types::Found;
use std::io;

/// What is wrong with a transfer of files.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileProblem {
    /// There is no such file or directory.
    #[error("no such file or directory")]
    NotFound,
    /// It is, or is below, what cannot be written.
    #[error(
        "read-only; what can be written are the container's tmpfs, such as /tmp, and its writable workspaces"
    )]
    ReadOnly,
    /// The container's user may not.
    #[error("the container's user may not do that there")]
    Denied,
    /// Its file system is full, or has as many files as it may.
    #[error("no space is left there")]
    NoSpace,
    /// It is a directory, and a file is wanted.
    #[error("a directory; a file is wanted")]
    Directory,
    /// It, or what leads to it, is no directory.
    #[error("not a directory, or below what is none")]
    NotADirectory,
    /// It is none of what goes in or out: a link, a device, a pipe, a socket, an odd name, or too deep.
    #[error("{0}; only files and directories go in and out, by their own paths")]
    Refused(Found),
    /// It has more bytes than there may be.
    #[error("more than {0} bytes")]
    TooLarge(u64),
    /// There are more entries than there may be.
    #[error("more than {0} entries")]
    TooMany(u64),
    /// Another error of the system's in the container.
    #[error("{}", io::Error::from_raw_os_error(.0.cast_signed()))]
    Errno(u32),
    /// It was not done in time, in milliseconds.
    #[error("not done within {0} ms")]
    TimedOut(u64),
    /// What came from the container broke off, or is nothing that could come.
    #[error("what came from the container cannot be used: {0}")]
    Unusable(String),
    /// What was to be put could not be read, or is no tar stream.
    #[error("what is to be put cannot be read")]
    Source(#[source] io::Error),
    /// What was got could not be written.
    #[error("what was got cannot be written")]
    Target(#[source] io::Error),
}

impl FileProblem {
    /// From what process 1's program says.
    pub(super) fn from_inside(why: Why, bytes: u64, entries: u64) -> Self {
        /// Linux's numbers, as this is not only built there.
        const EPERM: u32 = 1;
        const ENOENT: u32 = 2;
        const EACCES: u32 = 13;
        const ENOSPC: u32 = 28;
        const EROFS: u32 = 30;
        match why {
            Why::Errno(ENOENT) => Self::NotFound,
            Why::Errno(EPERM | EACCES) => Self::Denied,
            Why::Errno(ENOSPC) => Self::NoSpace,
            Why::Errno(EROFS) => Self::ReadOnly,
            Why::Errno(number) => Self::Errno(number),
            Why::Directory => Self::Directory,
            Why::NoDirectory => Self::NotADirectory,
            Why::Size(_) => Self::TooLarge(bytes),
            Why::Entries => Self::TooMany(entries),
            other => Self::Refused(found(other)),
        }
    }

    pub(super) fn broken(what: impl Into<String>) -> Self {
        Self::Unusable(what.into())
    }
}

/// As it stands in a report.
pub(super) fn found(why: Why) -> Found {
    match why {
        Why::Link => Found::Link,
        Why::Device => Found::Device,
        Why::Pipe => Found::Pipe,
        Why::Socket => Found::Socket,
        Why::Name => Found::Name,
        Why::Depth => Found::TooDeep,
        Why::Size(bytes) => Found::TooLarge(bytes),
        Why::Errno(number) => Found::Errno(number),
        Why::Directory | Why::NoDirectory | Why::Entries => Found::Other,
    }
}
