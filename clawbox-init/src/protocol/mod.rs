//! What a manager and process 1 say to each other. One definition, compiled into both, with nothing but `core`.
//!
//! Messages travel in frames over any stream of bytes that keeps their order. A frame is a [`Header`] and its
//! payload. Numbers are little-endian. A string is its length, its bytes and a NUL, which the length counts.
//! Descriptors are sent with bytes of the frame that they belong to, and with no other frame's bytes.
//! Decoding trusts nothing: what is too long, too short, of an unknown kind or not a string is [`Malformed`].
//!
//! ```text
//! process 1                         manager
//!   Hello                 ──►
//!                         ◄──       Ask       what the kernel gives
//!   Answer, Answer, …     ──►
//!                         ◄──       Run 0     the command, on the container's own streams; standard input may be a pipe
//!   Started or Failed     ──►
//!                         ◄──       Run n     another command, with three pipes, or a terminal three times
//!   Started or Failed     ──►
//!   Ended n               ──►
//!   Ended 0               ──►                 and the container is at its end
//! ```

mod codec;
mod files;
mod from_init;
mod question;
mod strings;
mod to_init;

pub use self::codec::put_text;
pub use self::files::{
    DEEPEST, MODE_BITS, NAME_BYTES, PART_BYTES, PIECE_BYTES, Piece, TRANSFER, Why, check_name,
    check_part,
};
pub use self::from_init::{End, FromInit, Step};
pub use self::question::{Question, Questions};
pub use self::strings::Strings;
pub use self::to_init::{Command, ToInit};

/// The version of all this. The two sides are built from one source, so only equal versions talk.
pub const VERSION: u32 = 1;

/// How long a frame's payload may be towards process 1, in bytes: what the kernel takes as arguments and
/// environment of a program at the usual stack limit, and some.
pub const TO_INIT_BYTES: u32 = 2 * 1024 * 1024 + 64 * 1024;

/// How long a frame's payload may be towards the manager, in bytes.
pub const FROM_INIT_BYTES: u32 = 64 * 1024;

/// How many strings an argument vector, or an environment, may have.
pub const STRINGS: u32 = 16 * 1024;

/// The run that is the container's own command. At its end the container ends.
pub const MAIN_RUN: u32 = 0;

/// How many commands may be under way at once, the container's own among them.
pub const RUNS: usize = 256;

/// The streams of a command that brings its own: standard input, output and error.
pub const PIPES: u8 = 3;

/// The stream of the container's own command where that has one to read from: standard input.
pub const INPUT: u8 = 1;

/// A frame that is none of this protocol's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformed {
    /// Its kind is unknown.
    Kind,
    /// It is longer than the direction allows, or holds more strings than there may be.
    TooLong,
    /// It ends before its last field.
    Short,
    /// It goes on after its last field.
    Trailing,
    /// A string has no NUL at its end, or one before it.
    Text,
    /// A field has a value that it may not have.
    Value,
}

/// What stands before each payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// How long the payload is, in bytes.
    pub length: u32,
    /// Which message it is.
    pub kind: u8,
    /// How many descriptors come with it: none, [`INPUT`] or [`PIPES`].
    pub pipes: u8,
}

impl Header {
    /// How long a header is, in bytes.
    pub const BYTES: usize = 8;

    /// As it is sent.
    #[must_use]
    pub fn encode(self) -> [u8; Self::BYTES] {
        let [a, b, c, d] = self.length.to_le_bytes();
        [a, b, c, d, self.kind, self.pipes, 0, 0]
    }

    /// Reads one, of a frame whose payload may be `most` bytes long.
    ///
    /// # Errors
    ///
    /// [`Malformed`] where it is longer, or brings more descriptors than any message does.
    pub fn decode(bytes: [u8; Self::BYTES], most: u32) -> Result<Self, Malformed> {
        let [a, b, c, d, kind, pipes, zero, zero_too] = bytes;
        let length = u32::from_le_bytes([a, b, c, d]);
        if length > most {
            return Err(Malformed::TooLong);
        }
        if zero != 0 || zero_too != 0 || ![0, INPUT, PIPES].contains(&pipes) {
            return Err(Malformed::Value);
        }
        Ok(Self {
            length,
            kind,
            pipes,
        })
    }
}

/// Where encoded bytes go.
pub trait Sink {
    /// Takes some more.
    fn put(&mut self, bytes: &[u8]);
}
