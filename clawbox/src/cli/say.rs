//! clawbox's own words: on stderr, each line marked as ours.

use std::{error::Error, io::Write};

/// Speaks to the person at the terminal.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Say {
    /// Only what went wrong.
    pub(crate) quiet: bool,
}

impl Say {
    /// Something worth knowing.
    pub(crate) fn note(self, text: &str) {
        if !self.quiet {
            self.problem(text);
        }
    }

    /// Something that went wrong.
    pub(crate) fn problem(self, text: &str) {
        let mut lines = String::new();
        for line in text.lines() {
            lines.push_str("clawbox: ");
            lines.push_str(&printable(line));
            lines.push('\n');
        }
        // Where stderr is gone there is nobody to tell.
        drop(std::io::stderr().write_all(lines.as_bytes()));
    }

    /// An error with what it came from.
    pub(crate) fn error(self, error: &dyn Error) {
        self.problem(&error.to_string());
        for cause in causes(error) {
            self.problem(&format!("  caused by: {cause}"));
        }
    }

    /// An error of a backend, one line for each thing that it lists, and what to do next.
    pub(crate) fn failure(self, error: &clawbox::ContainerError, hints: &[String]) {
        match super::hints::listed(error) {
            Some((heading, items)) => {
                self.problem(&heading);
                for item in items {
                    self.problem(&format!("  {item}"));
                }
            }
            None => self.error(error),
        }
        for hint in hints {
            self.problem(&format!("  try: {hint}"));
        }
    }
}

/// What an error came from, outermost first, without what only repeats the one before.
pub(crate) fn causes(error: &dyn Error) -> Vec<String> {
    let mut said = error.to_string();
    let mut causes = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if !said.contains(&text) && !text.contains(&said) {
            causes.push(text.clone());
            said = text;
        }
        next = cause.source();
    }
    causes
}

/// Engines repeat what images and commands contain: nothing of it may steer a terminal.
fn printable(line: &str) -> String {
    let mut safe = String::with_capacity(line.len());
    for c in line.chars() {
        if c.is_control() && c != '\t' {
            safe.extend(c.escape_default());
        } else {
            safe.push(c);
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use clawbox::containers::engine::{EngineError, EngineErrorKind};

    #[test]
    fn a_cause_that_only_repeats_is_left_out() {
        let inner = std::io::Error::other("connection refused");
        let repeats = EngineError::new(EngineErrorKind::Unavailable, "cannot: connection refused")
            .with_source(inner);
        let error = clawbox::ContainerError::EngineUnavailable {
            endpoint: "unix:///x".to_owned(),
            source: repeats,
        };
        assert_eq!(causes(&error), ["cannot: connection refused"]);
        assert_eq!(causes(&std::io::Error::other("alone")), [""; 0]);
    }

    #[test]
    fn nothing_steers_the_terminal() {
        assert_eq!(printable("a\u{1b}[2J\r\tb"), "a\\u{1b}[2J\\r\tb");
    }
}
