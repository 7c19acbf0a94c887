//! Files that go into a container or come out of it: how much of them, and what became of them.

use crate::{InvalidValue, Timeout, Violation};
use serde::{Deserialize, Serialize};
use std::fmt;

/// How many findings a report lists.
const LISTED: usize = 1000;

/// How deep a tree may ever be.
const DEEPEST: u32 = 64;

/// The bounds of one transfer of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct TransferLimits {
    /// How many files, directories and others there may be. 100,000 by default. More are an error.
    pub entries: u64,
    /// How many bytes all files together may have. 1 GiB by default. In a tree a file that is larger than what is left
    /// of it is left out, and told; a file by itself is an error.
    pub bytes: u64,
    /// How many parts the names below a tree's directory may have, from 1 to 64. 32 by default. What is deeper is left out,
    /// and told.
    pub depth: u32,
    /// After how many milliseconds it must be done. 5 minutes by default.
    pub timeout_ms: u64,
}

impl Default for TransferLimits {
    fn default() -> Self {
        Self {
            entries: 100_000,
            bytes: 1 << 30,
            depth: 32,
            timeout_ms: 300_000,
        }
    }
}

impl TransferLimits {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how many entries there may be.
    #[must_use]
    pub const fn with_entries(mut self, entries: u64) -> Self {
        self.entries = entries;
        self
    }

    /// Sets how many bytes there may be.
    #[must_use]
    pub const fn with_bytes(mut self, bytes: u64) -> Self {
        self.bytes = bytes;
        self
    }

    /// Sets how deep a tree may be.
    #[must_use]
    pub const fn with_depth(mut self, depth: u32) -> Self {
        self.depth = depth;
        self
    }

    /// Sets how long it may take, in milliseconds.
    #[must_use]
    pub const fn with_timeout_ms(mut self, milliseconds: u64) -> Self {
        self.timeout_ms = milliseconds;
        self
    }

    /// Finds the impossible values.
    ///
    /// # Errors
    ///
    /// All of them.
    pub fn check(&self) -> Result<(), Vec<Violation>> {
        let mut found = Vec::new();
        let depth = (1..=DEEPEST).contains(&self.depth);
        if !depth {
            let accepted = format!("from 1 to {DEEPEST}");
            found.push(InvalidValue::new(self.depth, accepted).at("limits.depth"));
        }
        let timeout = Timeout::new(self.timeout_ms);
        found.extend(timeout.err().map(|error| error.at("limits.timeout_ms")));
        if found.is_empty() { Ok(()) } else { Err(found) }
    }
}

/// What a transfer came to. It was whole where there are no findings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct TransferReport {
    /// How many files were taken.
    pub files: u64,
    /// How many directories were taken.
    pub directories: u64,
    /// How many bytes the files had.
    pub bytes: u64,
    /// What was not taken, or not as it was, in its order: the first thousand.
    pub findings: Vec<Finding>,
    /// How many findings more there were.
    pub more_findings: u64,
}

impl TransferReport {
    /// Adds a finding, or counts it.
    pub fn find(&mut self, name: impl Into<String>, what: Found) {
        if self.findings.len() < LISTED {
            let name = name.into();
            self.findings.push(Finding { name, what });
        } else {
            self.more_findings += 1;
        }
    }
}

/// Something that was not taken, or not as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Finding {
    /// Its name below the directory of the transfer, with what is not UTF-8 replaced. It may hold any character: print it
    /// escaped, as `Display` does.
    pub name: String,
    /// What it is.
    pub what: Found,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.name, self.what)
    }
}

/// Why something was not taken, or not as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Found {
    /// A symbolic or, in an archive, a hard link: left out, and never followed.
    Link,
    /// A device: left out.
    Device,
    /// A named pipe: left out.
    Pipe,
    /// A socket: left out.
    Socket,
    /// Something of another kind: left out.
    Other,
    /// A name that is absolute, has `..`, is too long, is not UTF-8 or has control characters: left out, with everything
    /// below it.
    Name,
    /// Too deep: left out, with everything below it.
    TooDeep,
    /// A file of so many bytes, which are more than there was room for: left out.
    TooLarge(u64),
    /// The second of its name: left out.
    Duplicate,
    /// The system's error of this number: left out.
    Errno(u32),
    /// These permissions, of which those above `0o777` (setuid, setgid, sticky) were taken away.
    Mode(u32),
    /// A file that had so many bytes less than it was said to have, as it changed meanwhile. An archive has zeros there.
    Shrunk(u64),
}

impl Found {
    /// Whether it was left out.
    #[must_use]
    pub const fn is_left_out(self) -> bool {
        !matches!(self, Self::Mode(_) | Self::Shrunk(_))
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Link => write!(f, "a link, left out"),
            Self::Device => write!(f, "a device, left out"),
            Self::Pipe => write!(f, "a named pipe, left out"),
            Self::Socket => write!(f, "a socket, left out"),
            Self::Other => write!(f, "neither file nor directory, left out"),
            Self::Name => write!(f, "an odd name, left out with all below it"),
            Self::TooDeep => write!(f, "too deep, left out with all below it"),
            Self::TooLarge(bytes) => write!(f, "{bytes} bytes are too many, left out"),
            Self::Duplicate => write!(f, "the second of its name, left out"),
            Self::Errno(number) => {
                let error = std::io::Error::from_raw_os_error(number.cast_signed());
                write!(f, "left out: {error}")
            }
            Self::Mode(mode) => write!(f, "mode {mode:o} became {:o}", mode & 0o777),
            Self::Shrunk(bytes) => write!(f, "lost {bytes} bytes while it was read"),
        }
    }
}
