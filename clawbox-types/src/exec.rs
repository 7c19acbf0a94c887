//! A further command in a container that runs.

use crate::{
    ContainerOutput, OutputLimit, Timeout, Violation, check_argv, check_working_dir,
    env::env_violations,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A request to run a further command in a running container: under the same user and the same policy, with the
/// container's environment, in a process group of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ExecRequest {
    /// The exact argument vector, without a shell. A program without a slash is looked for in `PATH`.
    pub command: Vec<String>,
    /// Environment variables beside the container's own. Reserved keys are refused by the policy.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// The working directory. `None`: the container's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub working_dir: Option<String>,
    /// What it reads on its standard input, and then the end. `None`: the end at once, or, where the command is streamed,
    /// what its caller writes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stdin: Option<Vec<u8>>,
    /// A terminal of this size for its three streams, for a person to sit at. `None`: three pipes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub terminal: Option<TerminalSize>,
    /// After how many milliseconds its process group is killed, while the container lives on.
    /// `None`: at the container's end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// How many bytes of each of its streams are kept. `None`: as many as of the container's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_output_bytes: Option<u64>,
}

impl ExecRequest {
    /// A request to run `command`.
    #[must_use]
    pub fn new<S: Into<String>>(command: impl IntoIterator<Item = S>) -> Self {
        Self {
            command: command.into_iter().map(Into::into).collect(),
            env: BTreeMap::new(),
            working_dir: None,
            stdin: None,
            terminal: None,
            timeout_ms: None,
            max_output_bytes: None,
        }
    }

    /// Adds an environment variable.
    #[must_use]
    pub fn with_env(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.insert(key.into(), value.into());
        self
    }

    /// Sets the working directory.
    #[must_use]
    pub fn with_working_dir(mut self, dir: impl Into<String>) -> Self {
        self.working_dir = Some(dir.into());
        self
    }

    /// Sets what it reads on its standard input.
    #[must_use]
    pub fn with_stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = Some(bytes.into());
        self
    }

    /// Gives it a terminal.
    #[must_use]
    pub const fn with_terminal(mut self, size: TerminalSize) -> Self {
        self.terminal = Some(size);
        self
    }

    /// Sets its deadline, in milliseconds from its start.
    #[must_use]
    pub const fn with_timeout_ms(mut self, milliseconds: u64) -> Self {
        self.timeout_ms = Some(milliseconds);
        self
    }

    /// Sets how many bytes of each stream are kept.
    #[must_use]
    pub const fn with_max_output_bytes(mut self, bytes: u64) -> Self {
        self.max_output_bytes = Some(bytes);
        self
    }

    /// Finds the impossible values.
    ///
    /// # Errors
    ///
    /// All of them.
    pub fn check(&self) -> Result<(), Vec<Violation>> {
        let mut found = Vec::new();
        found.extend(check_argv(&self.command).err().map(|e| e.at("command")));
        env_violations(&self.env, &mut found);
        if let Some(dir) = &self.working_dir {
            found.extend(check_working_dir(dir).err().map(|e| e.at("working_dir")));
        }
        if let Some(limit) = self.timeout_ms {
            found.extend(Timeout::new(limit).err().map(|e| e.at("timeout_ms")));
        }
        if let Some(limit) = self.max_output_bytes {
            let checked = OutputLimit::new(limit);
            found.extend(checked.err().map(|e| e.at("max_output_bytes")));
        }
        if found.is_empty() { Ok(()) } else { Err(found) }
    }
}

/// How large a terminal is, in characters. Zeros: nobody knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TerminalSize {
    /// From top to bottom.
    pub rows: u16,
    /// From left to right.
    pub columns: u16,
}

/// How a further command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ExecEnd {
    /// Its exit code, or 128 + n after signal n.
    pub exit_code: i32,
    /// The signal that it died of.
    pub signal: Option<i32>,
    /// Whether its own deadline ended it.
    pub timed_out: bool,
}

impl ExecEnd {
    /// The end of a command that exited with `exit_code`.
    #[must_use]
    pub const fn new(exit_code: i32) -> Self {
        Self {
            exit_code,
            signal: None,
            timed_out: false,
        }
    }
}

/// How a further command ended, and what it printed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ExecReport {
    /// Its exit code, or 128 + n after signal n.
    pub exit_code: i32,
    /// The signal that it died of.
    pub signal: Option<i32>,
    /// Whether its own deadline ended it.
    pub timed_out: bool,
    /// What it printed.
    pub output: ContainerOutput,
}

impl ExecReport {
    /// The report of a command that exited with `exit_code`.
    #[must_use]
    pub const fn new(exit_code: i32, output: ContainerOutput) -> Self {
        Self {
            exit_code,
            signal: None,
            timed_out: false,
            output,
        }
    }
}
