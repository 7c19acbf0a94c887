//! Files below a directory that is open: no link is followed, and nothing is waited for.

use core::ffi::CStr;

use super::arch::{O_DIRECTORY, O_NOFOLLOW, number};
use super::files::{O_CLOEXEC, O_NONBLOCK, O_PATH, O_RDONLY, Stat};
use super::{Fd, Result, call, syscall};

const O_WRONLY: usize = 1;
const O_CREAT: usize = 0o100;
const O_EXCL: usize = 0o200;
const O_NOCTTY: usize = 0o400;

/// What something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Directory,
    Link,
    Pipe,
    Socket,
    Device,
}

/// What is known of something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) kind: Kind,
    /// Its permissions, with those for other users than its own and for deleting.
    pub(crate) permissions: u32,
    pub(crate) size: u64,
}

impl Seen {
    fn of(stat: &Stat) -> Self {
        let mode = stat.mode();
        Self {
            kind: match mode >> 12 {
                0o01 => Kind::Pipe,
                0o04 => Kind::Directory,
                0o10 => Kind::File,
                0o12 => Kind::Link,
                0o14 => Kind::Socket,
                _ => Kind::Device,
            },
            permissions: mode & 0o7777,
            size: stat.size(),
        }
    }
}

/// The root directory, as a place to begin at.
pub(crate) fn root() -> Result<Fd> {
    super::files::open_as(c"/", O_PATH | O_DIRECTORY | O_CLOEXEC)
}

/// A directory, as a place to go on from: it need not be readable.
pub(crate) fn enter(at: &Fd, name: &CStr) -> Result<Fd> {
    open_at(at, name, O_PATH | O_DIRECTORY, 0)
}

/// A directory, to be listed or changed itself.
pub(crate) fn open_directory(at: &Fd, name: &CStr) -> Result<Fd> {
    open_at(at, name, O_RDONLY | O_DIRECTORY, 0)
}

/// A file, to be read.
pub(crate) fn open_file(at: &Fd, name: &CStr) -> Result<Fd> {
    open_at(at, name, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0)
}

/// A new file, to be written, of this user's alone at first.
pub(crate) fn create(at: &Fd, name: &CStr) -> Result<Fd> {
    open_at(at, name, O_WRONLY | O_CREAT | O_EXCL, 0o600)
}

fn open_at(at: &Fd, name: &CStr, flags: usize, mode: usize) -> Result<Fd> {
    let flags = flags | O_NOFOLLOW | O_CLOEXEC;
    // SAFETY: the name has a NUL at its end, and is only read.
    let opened = unsafe {
        syscall(
            number::OPENAT,
            [at.argument(), name.as_ptr() as usize, flags, mode],
        )
    };
    Fd::given(opened?)
}

/// Makes a directory.
pub(crate) fn make_directory(at: &Fd, name: &CStr) -> Result<()> {
    // SAFETY: the name has a NUL at its end, and is only read.
    let made = unsafe {
        syscall(
            number::MKDIRAT,
            [at.argument(), name.as_ptr() as usize, 0o700],
        )
    };
    made.map(drop)
}

/// Gives what is open these permissions.
pub(crate) fn set_permissions(of: &Fd, permissions: u32) -> Result<()> {
    call(number::FCHMOD, [of.argument(), permissions as usize]).map(drop)
}

/// Renames within a directory; what has the new name is replaced.
pub(crate) fn rename(at: &Fd, from: &CStr, to: &CStr) -> Result<()> {
    // SAFETY: both names have a NUL at their ends, and are only read.
    let renamed = unsafe {
        syscall(
            number::RENAMEAT,
            [
                at.argument(),
                from.as_ptr() as usize,
                at.argument(),
                to.as_ptr() as usize,
            ],
        )
    };
    renamed.map(drop)
}

/// Removes what is no directory.
pub(crate) fn remove(at: &Fd, name: &CStr) -> Result<()> {
    // SAFETY: the name has a NUL at its end, and is only read.
    let removed = unsafe { syscall(number::UNLINKAT, [at.argument(), name.as_ptr() as usize, 0]) };
    removed.map(drop)
}

/// What has this name.
pub(crate) fn look(at: &Fd, name: &CStr) -> Result<Seen> {
    Stat::of_name(at.argument(), name).map(|stat| Seen::of(&stat))
}

/// What is open.
pub(crate) fn look_at(opened: &Fd) -> Result<Seen> {
    Stat::of(opened).map(|stat| Seen::of(&stat))
}

/// The stream that a command reads.
pub(crate) fn standard_input() -> Fd {
    Fd::passed(0)
}

/// The stream that a command writes.
pub(crate) fn standard_output() -> Fd {
    Fd::passed(1)
}
