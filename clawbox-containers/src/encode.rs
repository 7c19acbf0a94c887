//! What the encoders of create calls share. Pure.
//!
//! What a plan has and an engine is not asked for is an error, and never left out.

use crate::engine::{EngineError, EngineErrorKind, EngineResult};
use std::{fmt::Display, path::Path};

/// An encoder's word on what it does not send. It holds the engine's name, for its errors, each of which is
/// [`Unsupported`](EngineErrorKind::Unsupported).
#[derive(Debug, Clone, Copy)]
pub struct Encoder(&'static str);

impl Encoder {
    /// The encoder for the engine of this name.
    #[must_use]
    pub const fn new(engine: &'static str) -> Self {
        Self(engine)
    }

    /// The error of what this engine is not asked for.
    pub fn unsupported(self, what: impl Display) -> EngineError {
        let text = format!("this backend does not ask {} for {what}", self.0);
        EngineError::new(EngineErrorKind::Unsupported, text)
    }

    /// That this is not planned.
    ///
    /// # Errors
    ///
    /// What is unsupported, where it is planned.
    pub fn never(self, planned: bool, what: &str) -> EngineResult<()> {
        if planned {
            Err(self.unsupported(what))
        } else {
            Ok(())
        }
    }

    /// A number for an API whose numbers have a sign.
    ///
    /// # Errors
    ///
    /// What is unsupported, where it is larger than `i64::MAX`.
    pub fn number(self, what: &str, value: u64) -> EngineResult<i64> {
        i64::try_from(value).map_err(|_| self.unsupported(format_args!("{what} of {value}")))
    }

    /// A path for an API of texts.
    ///
    /// # Errors
    ///
    /// What is unsupported, where it is not UTF-8.
    pub fn path(self, path: &Path) -> EngineResult<String> {
        let text = path.to_str().map(str::to_owned);
        text.ok_or_else(|| self.unsupported(format_args!("the path {}", path.display())))
    }
}
