//! Files and directories, and what is in them.

use super::{Data, PAGE};
use std::collections::BTreeMap;

/// Files by their absolute paths.
pub(crate) type Tree = BTreeMap<String, Node>;

/// Something that has a path.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) mode: u32,
    /// User and group.
    pub(crate) owner: (u32, u32),
    pub(crate) kind: Kind,
}

/// What it is.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Directory,
    File(Content),
    /// `/dev/null`, and what is hidden behind it.
    Null,
    Zero,
    Full,
}

/// A file's bytes: those that were written, and then so many zeros.
#[derive(Debug, Clone, Default)]
pub(crate) struct Content {
    bytes: Vec<u8>,
    zeros: u64,
}

impl Node {
    /// A directory of root's.
    pub(crate) const fn directory(mode: u32) -> Self {
        Self::of_root(mode, Kind::Directory)
    }

    /// A file of root's.
    pub(crate) const fn file(mode: u32, content: Content) -> Self {
        Self::of_root(mode, Kind::File(content))
    }

    pub(crate) const fn of_root(mode: u32, kind: Kind) -> Self {
        Self {
            mode,
            owner: (0, 0),
            kind,
        }
    }

    pub(crate) fn pages(&self) -> u64 {
        match &self.kind {
            Kind::File(content) => content.pages(),
            _ => 0,
        }
    }
}

impl Kind {
    /// The part of `st_mode` that says what it is: inode(7).
    pub(crate) const fn file_type(&self) -> u32 {
        match self {
            Self::Directory => 0o040_000,
            Self::File(_) => 0o100_000,
            Self::Null | Self::Zero | Self::Full => 0o020_000,
        }
    }
}

impl Content {
    pub(crate) const fn zeros(count: u64) -> Self {
        Self {
            bytes: Vec::new(),
            zeros: count,
        }
    }

    pub(crate) fn len(&self) -> u64 {
        self.bytes.len() as u64 + self.zeros
    }

    pub(crate) fn pages(&self) -> u64 {
        self.len().div_ceil(PAGE)
    }

    pub(crate) fn push(&mut self, data: Data<'_>) {
        match data {
            Data::Zeros(count) => self.zeros += count,
            Data::Bytes(bytes) => {
                let len = self.bytes.len() + usize::try_from(self.zeros).unwrap_or(0);
                self.bytes.resize(len, 0);
                self.zeros = 0;
                self.bytes.extend_from_slice(bytes);
            }
        }
    }

    pub(crate) fn part(&self, from: u64, room: usize) -> Vec<u8> {
        let left = self.len().saturating_sub(from);
        let count = room.min(usize::try_from(left).unwrap_or(room));
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        let written = self.bytes.get(from..).unwrap_or_default();
        let mut bytes = written[..written.len().min(count)].to_vec();
        bytes.resize(count, 0);
        bytes
    }

    pub(crate) fn read(&self, at_most: u64) -> Vec<u8> {
        let len = usize::try_from(self.len().min(at_most)).unwrap_or(usize::MAX);
        let mut bytes = self.bytes[..self.bytes.len().min(len)].to_vec();
        bytes.resize(len, 0);
        bytes
    }
}

impl From<Vec<u8>> for Content {
    fn from(bytes: Vec<u8>) -> Self {
        Self { bytes, zeros: 0 }
    }
}
