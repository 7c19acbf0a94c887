//! Whether the host may be changed.

use std::io::{self, IsTerminal as _, Write as _};

/// What the person who started the chore allows.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Consent {
    /// `--yes`, or a CI run.
    Given,
    /// Only a yes typed at the question.
    Ask,
}

impl Consent {
    pub(crate) fn new(yes: bool) -> Self {
        if yes || in_ci() {
            Self::Given
        } else {
            Self::Ask
        }
    }

    /// Asks where there is somebody to ask; silence is a no.
    pub(crate) fn allows(self, question: &str) -> bool {
        match self {
            Self::Given => true,
            Self::Ask if !io::stdin().is_terminal() => false,
            Self::Ask => {
                eprint!("{question} [y/N] ");
                let mut answer = String::new();
                io::stderr().flush().is_ok()
                    && io::stdin().read_line(&mut answer).is_ok()
                    && matches!(answer.trim(), "y" | "Y" | "yes")
            }
        }
    }
}

/// Whether this is a CI run, where nobody can be asked and nothing may be left out.
pub(crate) fn in_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| value == "true")
}
