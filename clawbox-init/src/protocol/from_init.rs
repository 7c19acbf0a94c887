//! What process 1 says.

use super::codec::{Rest, put_u32, put_u64};
use super::{Malformed, Sink};

/// What process 1 says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FromInit<'a> {
    /// It is there.
    Hello {
        /// The version that it speaks.
        version: u32,
        /// Its process id as it sees it.
        pid: u32,
    },
    /// The answer to a question.
    Answer {
        /// What the system call gave: a number, or an error's number below zero.
        result: i64,
        /// What was read, as far as a frame holds.
        bytes: &'a [u8],
    },
    /// The command's program runs.
    Started {
        /// Which command.
        run: u32,
    },
    /// The command's program could not be run.
    Failed {
        /// Which command.
        run: u32,
        /// What failed.
        step: Step,
        /// The error's number.
        errno: u32,
    },
    /// A command's first process is at its end.
    Ended {
        /// Which command.
        run: u32,
        /// How it ended.
        end: End,
        /// Whether that was the deadline's doing.
        by_deadline: bool,
        /// How many processes the kernel has killed in the container so far for lack of memory, where that is to be
        /// seen. It is looked up at the end of the container's own command.
        oom_kills: Option<u64>,
    },
}

/// A step on the way to a running program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A place among the running commands.
    Place,
    /// The descriptors that came with it.
    Pipes,
    /// A process.
    Fork,
    /// The working directory.
    Directory,
    /// The program.
    Program,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It exited with this code.
    Code(u8),
    /// This signal killed it.
    Signal(u8),
}

impl<'a> FromInit<'a> {
    /// Which message it is.
    #[must_use]
    pub const fn kind(&self) -> u8 {
        match self {
            Self::Hello { .. } => 1,
            Self::Answer { .. } => 2,
            Self::Started { .. } => 3,
            Self::Failed { .. } => 4,
            Self::Ended { .. } => 5,
        }
    }

    /// Its payload.
    pub fn encode(&self, sink: &mut impl Sink) {
        match *self {
            Self::Hello { version, pid } => {
                put_u32(sink, version);
                put_u32(sink, pid);
            }
            Self::Answer { result, bytes } => {
                sink.put(&result.to_le_bytes());
                sink.put(bytes);
            }
            Self::Started { run } => put_u32(sink, run),
            Self::Failed { run, step, errno } => {
                put_u32(sink, run);
                sink.put(&[step.encode()]);
                put_u32(sink, errno);
            }
            Self::Ended {
                run,
                end,
                by_deadline,
                oom_kills,
            } => {
                put_u32(sink, run);
                sink.put(&match end {
                    End::Code(code) => [0, code],
                    End::Signal(signal) => [1, signal],
                });
                sink.put(&[u8::from(by_deadline), u8::from(oom_kills.is_some())]);
                put_u64(sink, oom_kills.unwrap_or(0));
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
        let message = match kind {
            1 => Self::Hello {
                version: rest.u32()?,
                pid: rest.u32()?,
            },
            2 => Self::Answer {
                result: i64::from_le_bytes(rest.array()?),
                bytes: rest.all(),
            },
            3 => Self::Started { run: rest.u32()? },
            4 => Self::Failed {
                run: rest.u32()?,
                step: Step::decode(rest.u8()?)?,
                errno: rest.u32()?,
            },
            5 => Self::Ended {
                run: rest.u32()?,
                end: match rest.array()? {
                    [0, code] => End::Code(code),
                    [1, signal] => End::Signal(signal),
                    _ => return Err(Malformed::Value),
                },
                by_deadline: rest.flag()?,
                oom_kills: match (rest.flag()?, rest.u64()?) {
                    (true, count) => Some(count),
                    (false, 0) => None,
                    (false, _) => return Err(Malformed::Value),
                },
            },
            _ => return Err(Malformed::Kind),
        };
        rest.end()?;
        Ok(message)
    }
}

impl Step {
    const ALL: [Self; 5] = [
        Self::Place,
        Self::Pipes,
        Self::Fork,
        Self::Directory,
        Self::Program,
    ];

    /// Its number.
    #[must_use]
    pub const fn encode(self) -> u8 {
        self as u8
    }

    /// The step of this number.
    ///
    /// # Errors
    ///
    /// [`Malformed::Value`] where there is none.
    pub fn decode(number: u8) -> Result<Self, Malformed> {
        let step = Self::ALL.get(usize::from(number));
        step.copied().ok_or(Malformed::Value)
    }
}
