//! What is said when files are put into a container or got out of it.
//!
//! The program runs once more, as a further command of its container's, with [`TRANSFER`] as its argument. Over its
//! standard streams go the same frames as over the control socket. What comes out of a container is data, whoever wrote
//! it: its reader checks it anew.
//!
//! ```text
//! manager                                          program
//!   Put /tmp/dir                            ──►
//!   File a, Data, Data, Close               ──►              the file is there, whole, at its Close
//!   Directory b, File b/c, Data, Close      ──►
//!   Done                                    ──►
//!                                           ◄──    Done, or Failed at any time
//!
//!   Get /tmp/dir, as a tree                 ──►
//!                                           ◄──    Directory b, File b/c, Data, Close
//!                                           ◄──    Refused b/link: a link
//!                                           ◄──    Done or Failed
//! ```

use core::ffi::CStr;

use super::codec::{Rest, put_text, put_u32, put_u64};
use super::{Malformed, Sink};

/// The program's argument for this.
pub const TRANSFER: &CStr = c"transfer";

/// How long a frame's payload may be, in bytes, either way.
pub const PIECE_BYTES: u32 = 64 * 1024;

/// How long a name may be in all, in bytes: less than the kernel's longest path.
pub const NAME_BYTES: usize = 4000;

/// How long one part of a name may be, in bytes: the kernel's bound.
pub const PART_BYTES: usize = 255;

/// How many parts a name may have at most, whatever is asked for: as many descriptors are open at once.
pub const DEEPEST: u32 = 64;

/// The bits of a mode that are ever set.
pub const MODE_BITS: u32 = 0o777;

/// A part of a transfer.
///
/// A name is relative to the directory of the transfer. That of a single file that is got is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Put what follows below this directory. Where it is missing it is made.
    Put(&'a CStr),
    /// Tell what is at this path.
    Get {
        /// An absolute path.
        path: &'a CStr,
        /// A directory and all below it, or else one file.
        tree: bool,
        /// How many entries may be told.
        entries: u64,
        /// How many bytes all files together may have.
        bytes: u64,
        /// How many parts a name may have.
        depth: u32,
    },
    /// A directory.
    Directory {
        /// Its name.
        name: &'a CStr,
        /// Its permissions. What is got tells all that the file system has, also above [`MODE_BITS`].
        mode: u32,
    },
    /// A file. Its bytes follow, and then its end.
    File {
        /// Its name.
        name: &'a CStr,
        /// Its permissions, as a directory's.
        mode: u32,
        /// How many bytes it has, where it is got. As many are told or fewer in a tree.
        size: u64,
    },
    /// Some of a file's bytes.
    Data(&'a [u8]),
    /// A file's end.
    Close,
    /// Something that is not told, while the rest is.
    Refused {
        /// Its name, which may be an odd one.
        name: &'a CStr,
        /// Why.
        why: Why,
    },
    /// All has been told, or done.
    Done,
    /// Nothing more comes, and not all was done.
    Failed {
        /// What of it was at fault.
        name: &'a CStr,
        /// Why.
        why: Why,
    },
}

/// Why something is not told, or could not be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// It, or what leads to it, is a symbolic link.
    Link,
    /// It is a directory.
    Directory,
    /// It, or what leads to it, is no directory.
    NoDirectory,
    /// It is a device.
    Device,
    /// It is a named pipe.
    Pipe,
    /// It is a socket.
    Socket,
    /// Its name is none that is taken: see [`check_name`].
    Name,
    /// Its name has too many parts.
    Depth,
    /// There is no room for a file of so many bytes.
    Size(u64),
    /// There are more entries.
    Entries,
    /// The kernel's error of this number.
    Errno(u32),
}

impl<'a> Piece<'a> {
    /// Which message it is.
    #[must_use]
    pub const fn kind(&self) -> u8 {
        match self {
            Self::Put(_) => 1,
            Self::Get { .. } => 2,
            Self::Directory { .. } => 3,
            Self::File { .. } => 4,
            Self::Data(_) => 5,
            Self::Close => 6,
            Self::Refused { .. } => 7,
            Self::Done => 8,
            Self::Failed { .. } => 9,
        }
    }

    /// Its payload.
    pub fn encode(&self, sink: &mut impl Sink) {
        match *self {
            Self::Put(path) => put_text(sink, path),
            Self::Get {
                path,
                tree,
                entries,
                bytes,
                depth,
            } => {
                put_text(sink, path);
                sink.put(&[u8::from(tree)]);
                put_u64(sink, entries);
                put_u64(sink, bytes);
                put_u32(sink, depth);
            }
            Self::Directory { name, mode } => {
                put_text(sink, name);
                put_u32(sink, mode);
            }
            Self::File { name, mode, size } => {
                put_text(sink, name);
                put_u32(sink, mode);
                put_u64(sink, size);
            }
            Self::Data(bytes) => sink.put(bytes),
            Self::Close | Self::Done => {}
            Self::Refused { name, why } | Self::Failed { name, why } => {
                put_text(sink, name);
                why.encode(sink);
            }
        }
    }

    /// Reads a payload.
    ///
    /// # Errors
    ///
    /// [`Malformed`] where it is none of that kind.
    pub fn decode(kind: u8, payload: &'a [u8]) -> Result<Self, Malformed> {
        let mut rest = Rest(payload);
        let piece = match kind {
            1 => Self::Put(rest.text()?),
            2 => Self::Get {
                path: rest.text()?,
                tree: rest.flag()?,
                entries: rest.u64()?,
                bytes: rest.u64()?,
                depth: rest.u32()?,
            },
            3 => Self::Directory {
                name: rest.text()?,
                mode: rest.u32()?,
            },
            4 => Self::File {
                name: rest.text()?,
                mode: rest.u32()?,
                size: rest.u64()?,
            },
            5 => Self::Data(rest.all()),
            6 => Self::Close,
            7 => Self::Refused {
                name: rest.text()?,
                why: Why::take(&mut rest)?,
            },
            8 => Self::Done,
            9 => Self::Failed {
                name: rest.text()?,
                why: Why::take(&mut rest)?,
            },
            _ => return Err(Malformed::Kind),
        };
        rest.end()?;
        Ok(piece)
    }
}

impl Why {
    fn encode(self, sink: &mut impl Sink) {
        let (kind, number) = match self {
            Self::Link => (0, 0),
            Self::Directory => (1, 0),
            Self::NoDirectory => (2, 0),
            Self::Device => (3, 0),
            Self::Pipe => (4, 0),
            Self::Socket => (5, 0),
            Self::Name => (6, 0),
            Self::Depth => (7, 0),
            Self::Size(bytes) => (8, bytes),
            Self::Entries => (9, 0),
            Self::Errno(number) => (10, u64::from(number)),
        };
        sink.put(&[kind]);
        put_u64(sink, number);
    }

    fn take(rest: &mut Rest<'_>) -> Result<Self, Malformed> {
        Ok(match (rest.u8()?, rest.u64()?) {
            (0, 0) => Self::Link,
            (1, 0) => Self::Directory,
            (2, 0) => Self::NoDirectory,
            (3, 0) => Self::Device,
            (4, 0) => Self::Pipe,
            (5, 0) => Self::Socket,
            (6, 0) => Self::Name,
            (7, 0) => Self::Depth,
            (8, bytes) => Self::Size(bytes),
            (9, 0) => Self::Entries,
            (10, number) => Self::Errno(u32::try_from(number).map_err(|_| Malformed::Value)?),
            _ => return Err(Malformed::Value),
        })
    }
}

/// The parts of a name, where it is one that is taken: relative, in UTF-8, without control characters, without `.`, `..`
/// and empty parts, and not too long.
///
/// # Errors
///
/// [`Why::Name`] where it is not, and [`Why::Depth`] where it has more than `depth` parts, or more than [`DEEPEST`].
pub fn check_name(name: &[u8], depth: u32) -> Result<(), Why> {
    if name.len() > NAME_BYTES {
        return Err(Why::Name);
    }
    let mut parts = 0;
    for part in name.split(|&byte| byte == b'/') {
        check_part(part)?;
        parts += 1;
    }
    if parts > depth.min(DEEPEST) {
        return Err(Why::Depth);
    }
    Ok(())
}

/// One part of a name.
///
/// # Errors
///
/// [`Why::Name`].
pub fn check_part(part: &[u8]) -> Result<(), Why> {
    let taken = match str::from_utf8(part) {
        Ok("" | "." | "..") | Err(_) => false,
        Ok(text) => {
            part.len() <= PART_BYTES && !text.contains(|c: char| c.is_control() || c == '/')
        }
    };
    if taken { Ok(()) } else { Err(Why::Name) }
}
