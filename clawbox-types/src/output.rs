//! What a container printed.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

/// One of a command's two output streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// The beginning of one stream, byte for byte, and how much more there was.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CapturedStream {
    /// The first bytes, up to the output limit.
    pub bytes: Vec<u8>,
    /// How many bytes came after them and were not kept.
    pub dropped: u64,
}

impl CapturedStream {
    /// The bytes as text, with what is not UTF-8 replaced.
    #[must_use]
    pub fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.bytes)
    }
}

/// What a container's log tells, in the order in which it came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum LogEntry {
    /// It printed something.
    Printed {
        /// On which of its streams.
        stream: OutputStream,
        /// When the first of it came.
        #[serde(with = "time::serde::rfc3339")]
        at: OffsetDateTime,
        /// What, byte for byte.
        bytes: Vec<u8>,
    },
    /// It printed more than is kept. After everything that is, and at most once.
    Dropped {
        /// How many bytes of standard output.
        stdout: u64,
        /// How many bytes of standard error.
        stderr: u64,
    },
    /// The connection to its streams broke before they ended, so that there may have been more. The last of all.
    Incomplete,
}

/// What a container printed so far, or in all if it has ended.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ContainerOutput {
    /// Standard output.
    pub stdout: CapturedStream,
    /// Standard error.
    pub stderr: CapturedStream,
    /// Whether the connection to the streams broke before they ended.
    pub incomplete: bool,
}

impl ContainerOutput {
    /// Two whole streams.
    #[must_use]
    pub const fn new(stdout: CapturedStream, stderr: CapturedStream) -> Self {
        Self {
            stdout,
            stderr,
            incomplete: false,
        }
    }
}
