//! What a manager wants to be run.

use std::ffi::CString;
use std::time::Duration;

use clawbox_init::protocol::{Command, Strings, put_text};

/// Strings with the memory that they are in.
#[derive(Debug, Default, Clone)]
pub(crate) struct Texts {
    count: u32,
    encoded: Vec<u8>,
}

impl Texts {
    pub(crate) fn new(texts: &[&str]) -> Self {
        let texts: Vec<_> = texts
            .iter()
            .map(|text| CString::new(*text).unwrap())
            .collect();
        Self::of(&texts)
    }

    pub(crate) fn of(texts: &[CString]) -> Self {
        let mut encoded = Vec::new();
        for text in texts {
            put_text(&mut encoded, text);
        }
        Self {
            count: u32::try_from(texts.len()).unwrap(),
            encoded,
        }
    }

    pub(crate) fn strings(&self) -> Strings<'_> {
        Strings::new(self.count, &self.encoded).unwrap()
    }
}

/// A command to be run.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    pub(crate) argv: Texts,
    pub(crate) env: Texts,
    pub(crate) directory: CString,
    pub(crate) deadline: Duration,
}

impl Wanted {
    pub(crate) fn new(argv: &[&str]) -> Self {
        Self {
            argv: Texts::new(argv),
            env: Texts::new(&["PATH=/usr/bin:/bin"]),
            directory: c"/".to_owned(),
            deadline: Duration::ZERO,
        }
    }

    pub(crate) fn shell(script: &str) -> Self {
        Self::new(&["sh", "-c", script])
    }

    pub(crate) fn with_env(self, env: &[&str]) -> Self {
        Self {
            env: Texts::new(env),
            ..self
        }
    }

    pub(crate) fn in_directory(self, directory: &str) -> Self {
        Self {
            directory: CString::new(directory).unwrap(),
            ..self
        }
    }

    pub(crate) fn with_deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    pub(crate) fn command(&self) -> Command<'_> {
        Command {
            deadline_ms: u64::try_from(self.deadline.as_millis()).unwrap(),
            directory: &self.directory,
            argv: self.argv.strings(),
            env: self.env.strings(),
        }
    }
}
