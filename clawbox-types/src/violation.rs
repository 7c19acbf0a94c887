//! One value that was refused, and what would have been accepted.

use serde::{Deserialize, Serialize};
use std::fmt;

/// How much of a refused value is repeated in a message, in bytes.
const SHOWN_BYTES: usize = 120;

/// A value that no setting could make acceptable: the checked types' one error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{value} is not accepted: {accepted}")]
pub struct InvalidValue {
    value: String,
    accepted: String,
}

impl InvalidValue {
    /// `value` as it came, quoted and shortened; `accepted` says what would be taken.
    pub fn new(value: impl fmt::Display, accepted: impl Into<String>) -> Self {
        Self {
            value: shown(&value.to_string()),
            accepted: accepted.into(),
        }
    }

    /// The error for the field it was found in.
    #[must_use]
    pub fn at(self, field: impl Into<String>) -> Violation {
        Violation {
            field: field.into(),
            value: self.value,
            accepted: self.accepted,
        }
    }
}

/// A value that was refused: where it stood, what it was, and what would be accepted.
///
/// The value is quoted, escaped and shortened to at most 120 bytes, so that a message is safe to print.
/// The values of environment variables are never repeated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Violation {
    /// The field, as a path such as `capabilities.resources.memory_mb` or `env.LD_PRELOAD`.
    pub field: String,
    /// The refused value, quoted and shortened.
    pub value: String,
    /// What would have been accepted.
    pub accepted: String,
}

impl Violation {
    /// A refusal of `value` at `field`.
    pub fn new(
        field: impl Into<String>,
        value: impl fmt::Display,
        accepted: impl Into<String>,
    ) -> Self {
        InvalidValue::new(value, accepted).at(field)
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {} is not accepted: {}",
            self.field, self.value, self.accepted
        )
    }
}

fn shown(value: &str) -> String {
    if value.len() <= SHOWN_BYTES {
        return format!("{value:?}");
    }
    let cut = value.floor_char_boundary(SHOWN_BYTES);
    format!("{:?}… ({} bytes)", &value[..cut], value.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_value_is_cut_at_a_character_and_measured() {
        let value = "é".repeat(100);
        let violation = Violation::new("task", &value, "less");
        assert!(violation.value.contains("(200 bytes)"), "{violation}");
        assert!(violation.value.len() < 160, "{violation}");
    }

    #[test]
    fn control_characters_do_not_reach_a_terminal() {
        let violation = Violation::new("image", "a\u{1b}[2Jb\n", "an image");
        assert_eq!(violation.value, r#""a\u{1b}[2Jb\n""#);
    }
}
