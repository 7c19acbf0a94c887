//! What process 1 is asked to look at, and what it answers.

use super::{
    calls::{RefusedCall, RefusedSocket},
    mounts::Table,
};
use clawbox_init::protocol::{FROM_INIT_BYTES, Question};
use std::{collections::HashMap, ffi::CString, io, sync::OnceLock};

/// One thing to look at.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Look {
    /// What a file begins with.
    Read(String),
    /// The names in a directory.
    List(String),
    /// Where a symbolic link points to.
    Link(String),
    /// What a path is.
    Stat(String),
    /// Which file a path is.
    Identity(String),
    /// What a system call gives.
    Call(&'static RefusedCall),
    /// What `socket` gives.
    Socket(&'static RefusedSocket),
}

impl Look {
    pub(super) fn read(path: &str) -> Self {
        Self::Read(path.to_owned())
    }

    pub(super) fn link(path: &str) -> Self {
        Self::Link(path.to_owned())
    }

    pub(super) fn list(path: &str) -> Self {
        Self::List(path.to_owned())
    }

    /// In the protocol's words.
    pub(crate) fn encode(&self, encoded: &mut Vec<u8>) -> io::Result<()> {
        let path = |path: &str| {
            CString::new(path).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))
        };
        match self {
            Self::Read(file) => Question::Read(&path(file)?).encode(encoded),
            Self::List(directory) => Question::List(&path(directory)?).encode(encoded),
            Self::Link(link) => Question::Link(&path(link)?).encode(encoded),
            Self::Stat(any) => Question::Stat(&path(any)?).encode(encoded),
            Self::Identity(any) => Question::Identity(&path(any)?).encode(encoded),
            Self::Call(call) => Question::Call {
                number: call.number(),
                arguments: call.arguments,
            }
            .encode(encoded),
            Self::Socket(socket) => Question::Socket {
                family: socket.family,
                kind: socket.kind,
                protocol: socket.protocol,
            }
            .encode(encoded),
        }
        Ok(())
    }
}

/// What the kernel answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// What the system call gave: a number, or an error's number below zero.
    pub result: i64,
    /// What was read.
    pub bytes: Vec<u8>,
}

/// From here on an answer may have been cut off: a frame has no room for another name of a directory, which has at most
/// 255 bytes and a NUL, beside the number that it begins with.
const CUT_OFF: usize = FROM_INIT_BYTES as usize - size_of::<i64>() - 256;

/// No such file.
const ENOENT: i64 = 2;

/// Everything that process 1 saw.
#[derive(Debug, Clone, Default)]
pub struct Answers {
    pub(super) seen: HashMap<Look, Answer>,
    /// Taken apart once, as most items ask for it.
    mounts: OnceLock<Result<Table, String>>,
}

impl Answers {
    /// Notes what was seen.
    pub fn insert(&mut self, look: Look, answer: Answer) {
        self.mounts.take();
        self.seen.insert(look, answer);
    }

    /// What is mounted.
    pub(super) fn mounts(&self) -> Result<&Table, String> {
        let table = self.mounts.get_or_init(|| Table::read(self));
        table.as_ref().map_err(Clone::clone)
    }

    /// Whether something was seen, and what.
    pub(crate) fn get(&self, look: &Look) -> Result<&Answer, String> {
        self.seen
            .get(look)
            .ok_or_else(|| format!("nobody looked at {look:?}"))
    }

    /// The text of a file, or the target of a link.
    pub(super) fn text(&self, look: &Look) -> Result<&str, String> {
        let answer = self.get(look)?;
        if answer.result < 0 {
            let errno = answer.result.unsigned_abs();
            return Err(format!("{look:?} gives errno {errno}"));
        }
        if answer.bytes.len() > CUT_OFF {
            return Err(format!("{look:?} gives more than an answer holds"));
        }
        std::str::from_utf8(&answer.bytes).map_err(|_| format!("{look:?} gives no text"))
    }

    /// As [`text`](Self::text), or `None` where there is no such thing.
    pub(super) fn text_if_any(&self, look: &Look) -> Result<Option<&str>, String> {
        match self.get(look)?.result {
            none if none == -ENOENT => Ok(None),
            _ => self.text(look).map(Some),
        }
    }

    /// The text of a file, without the end of its last line.
    pub(super) fn file(&self, path: &str) -> Result<&str, String> {
        self.text(&Look::read(path)).map(str::trim_end)
    }
}
