//! Argument vectors and environments.

use core::ffi::CStr;

use super::codec::Rest;
use super::{Malformed, STRINGS};

/// Strings, in their encoded form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Strings<'a> {
    pub(super) count: u32,
    pub(super) encoded: &'a [u8],
}

impl<'a> Strings<'a> {
    /// None.
    pub const NONE: Self = Self {
        count: 0,
        encoded: &[],
    };

    /// Reads `count` strings that take all of `encoded`, each as [`put_text`](super::put_text) writes it.
    ///
    /// # Errors
    ///
    /// [`Malformed`] where that is not so.
    pub fn new(count: u32, encoded: &'a [u8]) -> Result<Self, Malformed> {
        let mut rest = Rest(encoded);
        if count > STRINGS {
            return Err(Malformed::TooLong);
        }
        for _ in 0..count {
            rest.text()?;
        }
        rest.end()?;
        Ok(Self { count, encoded })
    }

    /// How many there are.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &'a CStr> + use<'a> {
        let mut rest = Rest(self.encoded);
        // They were read once, when this was made.
        core::iter::from_fn(move || rest.text().ok())
    }

    pub(super) fn take(rest: &mut Rest<'a>) -> Result<Self, Malformed> {
        let count = rest.u32()?;
        if count > STRINGS {
            return Err(Malformed::TooLong);
        }
        let before = rest.0;
        for _ in 0..count {
            rest.text()?;
        }
        let encoded = &before[..before.len() - rest.0.len()];
        Ok(Self { count, encoded })
    }
}
