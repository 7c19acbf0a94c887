//! What a manager says.

use core::ffi::CStr;

use super::codec::{Rest, put_text, put_u32, put_u64};
use super::{Malformed, Questions, Sink, Strings};

/// What a manager says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToInit<'a> {
    /// Tell what the kernel gives. Each question has its answer, in order.
    Ask(Questions<'a>),
    /// Run a command: with three pipes, or, where it is the container's own, on the container's streams, and with one
    /// pipe for its standard input where it has something to read.
    ///
    /// The container's own comes first and once. A number may be used again once its end or its failure was told.
    Run {
        /// The number that it goes by.
        run: u32,
        /// The command.
        command: Command<'a>,
    },
    /// Send a signal to a command's process group.
    ///
    /// Nothing happens where no such command is under way: it may have ended while this was under way itself, and its
    /// end is the answer.
    Signal {
        /// Which command.
        run: u32,
        /// The signal's number.
        signal: u32,
    },
    /// Kill everything and end.
    End,
}

/// A command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Command<'a> {
    /// After how many milliseconds its process group is killed, or, where it is the container's own, everything.
    /// Time that the machine sleeps counts. 0: never.
    pub deadline_ms: u64,
    /// Its working directory.
    pub directory: &'a CStr,
    /// Its argument vector. A program without a slash is looked for in the environment's `PATH`.
    pub argv: Strings<'a>,
    /// Its whole environment, as `KEY=value`.
    pub env: Strings<'a>,
}

impl<'a> ToInit<'a> {
    /// Which message it is.
    #[must_use]
    pub const fn kind(&self) -> u8 {
        match self {
            Self::Ask(_) => 1,
            Self::Run { .. } => 2,
            Self::Signal { .. } => 3,
            Self::End => 4,
        }
    }

    /// Its payload.
    pub fn encode(&self, sink: &mut impl Sink) {
        match *self {
            Self::Ask(Questions { count, encoded }) => {
                put_u32(sink, count);
                sink.put(encoded);
            }
            Self::Run {
                run,
                command:
                    Command {
                        deadline_ms,
                        directory,
                        argv,
                        env,
                    },
            } => {
                put_u32(sink, run);
                put_u64(sink, deadline_ms);
                put_text(sink, directory);
                for Strings { count, encoded } in [argv, env] {
                    put_u32(sink, count);
                    sink.put(encoded);
                }
            }
            Self::Signal { run, signal } => {
                put_u32(sink, run);
                put_u32(sink, signal);
            }
            Self::End => {}
        }
    }

    /// Reads a payload.
    ///
    /// # Errors
    ///
    /// [`Malformed`] where it is none of that kind.
    pub fn decode(kind: u8, payload: &'a [u8]) -> Result<Self, Malformed> {
        let mut rest = Rest(payload);
        let message = match kind {
            1 => Self::Ask(Questions::take(&mut rest)?),
            2 => Self::Run {
                run: rest.u32()?,
                command: Command {
                    deadline_ms: rest.u64()?,
                    directory: rest.text()?,
                    argv: Strings::take(&mut rest)?,
                    env: Strings::take(&mut rest)?,
                },
            },
            3 => Self::Signal {
                run: rest.u32()?,
                signal: rest.u32()?,
            },
            4 => Self::End,
            _ => return Err(Malformed::Kind),
        };
        rest.end()?;
        Ok(message)
    }
}
