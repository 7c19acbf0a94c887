//! What a manager asks about what the kernel gives.

use core::ffi::CStr;

use super::codec::{Rest, put_text, put_u32, put_u64};
use super::{Malformed, Sink};

/// Something to ask of the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question<'a> {
    /// What a file begins with. The result is how many bytes were read.
    Read(&'a CStr),
    /// The names in a directory, each with a NUL after it, without `.` and `..`. The result is how many there are, also
    /// where not all of them fit.
    List(&'a CStr),
    /// Where a symbolic link points to.
    Link(&'a CStr),
    /// What a path itself is: `st_mode`, and no bytes.
    Stat(&'a CStr),
    /// Which file a path itself is: the result is its owner, and the bytes are `st_dev` and `st_ino`, both `u64` in
    /// little-endian order.
    Identity(&'a CStr),
    /// What a system call gives. It must be one that does nothing where it succeeds.
    Call {
        /// Its number on this architecture.
        number: u64,
        /// Its arguments.
        arguments: [u64; 6],
    },
    /// What `socket` gives; 0 where one could be had, and it is closed at once.
    Socket {
        /// The address family.
        family: u32,
        /// The type.
        kind: u32,
        /// The protocol.
        protocol: u32,
    },
}

impl<'a> Question<'a> {
    /// As it is sent.
    pub fn encode(&self, sink: &mut impl Sink) {
        match *self {
            Self::Read(path) => put_path(sink, 0, path),
            Self::List(path) => put_path(sink, 1, path),
            Self::Link(path) => put_path(sink, 2, path),
            Self::Stat(path) => put_path(sink, 3, path),
            Self::Identity(path) => put_path(sink, 6, path),
            Self::Call { number, arguments } => {
                sink.put(&[4]);
                put_u64(sink, number);
                for argument in arguments {
                    put_u64(sink, argument);
                }
            }
            Self::Socket {
                family,
                kind,
                protocol,
            } => {
                sink.put(&[5]);
                for number in [family, kind, protocol] {
                    put_u32(sink, number);
                }
            }
        }
    }

    fn take(rest: &mut Rest<'a>) -> Result<Self, Malformed> {
        Ok(match rest.u8()? {
            0 => Self::Read(rest.text()?),
            1 => Self::List(rest.text()?),
            2 => Self::Link(rest.text()?),
            3 => Self::Stat(rest.text()?),
            4 => Self::Call {
                number: rest.u64()?,
                arguments: [
                    rest.u64()?,
                    rest.u64()?,
                    rest.u64()?,
                    rest.u64()?,
                    rest.u64()?,
                    rest.u64()?,
                ],
            },
            5 => Self::Socket {
                family: rest.u32()?,
                kind: rest.u32()?,
                protocol: rest.u32()?,
            },
            6 => Self::Identity(rest.text()?),
            _ => return Err(Malformed::Value),
        })
    }
}

/// Questions, in their encoded form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Questions<'a> {
    pub(super) count: u32,
    pub(super) encoded: &'a [u8],
}

impl<'a> Questions<'a> {
    /// Reads `count` questions that take all of `encoded`.
    ///
    /// # Errors
    ///
    /// [`Malformed`] where that is not so.
    pub fn new(count: u32, encoded: &'a [u8]) -> Result<Self, Malformed> {
        let mut rest = Rest(encoded);
        for _ in 0..count {
            Question::take(&mut rest)?;
        }
        rest.end()?;
        Ok(Self { count, encoded })
    }

    /// How many there are.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = Question<'a>> + use<'a> {
        let mut rest = Rest(self.encoded);
        // They were read once, when this was made.
        core::iter::from_fn(move || Question::take(&mut rest).ok())
    }

    pub(super) fn take(rest: &mut Rest<'a>) -> Result<Self, Malformed> {
        let count = rest.u32()?;
        Self::new(count, rest.all())
    }
}

fn put_path(sink: &mut impl Sink, kind: u8, path: &CStr) {
    sink.put(&[kind]);
    put_text(sink, path);
}
