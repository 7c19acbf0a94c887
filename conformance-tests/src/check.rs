//! How a case ends early, and the few questions that most cases ask.

use std::{error::Error, fmt::Debug};

/// Why a case stopped before its end.
#[derive(Debug)]
pub(crate) enum Stop {
    /// What should hold does not.
    Failed(String),
    /// It cannot be tried here.
    Skipped(String),
}

/// What a case, or a part of one, comes to.
pub(crate) type Checked<T = ()> = Result<T, Stop>;

/// Any error that a case did not ask for is its failure.
impl<E: Error> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Failed(format!("unexpected error: {}", chain(&error)))
    }
}

/// An error with everything that it came from.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    text
}

/// Fails the case unless the condition holds.
macro_rules! ensure {
    ($condition:expr, $($message:tt)+) => {
        if !$condition {
            return Err($crate::check::Stop::Failed(format!($($message)+)));
        }
    };
}

/// Fails the case unless the value has this form.
macro_rules! ensure_matches {
    ($value:expr, $pattern:pat $(if $guard:expr)?, $what:expr) => {
        match &$value {
            $pattern $(if $guard)? => {}
            other => {
                return Err($crate::check::Stop::Failed(format!(
                    "{}: expected {}, got {other:?}",
                    $what,
                    stringify!($pattern $(if $guard)?),
                )))
            }
        }
    };
}

pub(crate) use {ensure, ensure_matches};

/// Fails the case unless both are equal.
pub(crate) fn same<T: PartialEq<U> + Debug, U: Debug>(what: &str, got: T, want: U) -> Checked {
    ensure!(got == want, "{what}: expected {want:?}, got {got:?}");
    Ok(())
}

/// Fails the case unless the bytes are equal, showing where they part and not all of them.
pub(crate) fn same_bytes(what: &str, got: &[u8], want: &[u8]) -> Checked {
    if got == want {
        return Ok(());
    }
    let at = got.iter().zip(want).take_while(|(a, b)| a == b).count();
    let near = |bytes: &[u8]| {
        let end = bytes.len().min(at + 24);
        String::from_utf8_lossy(bytes.get(at..end).unwrap_or_default()).into_owned()
    };
    Err(Stop::Failed(format!(
        "{what}: {} bytes for {}, which part at {at}: {:?} for {:?}",
        got.len(),
        want.len(),
        near(got),
        near(want),
    )))
}

/// The error of what must fail.
pub(crate) fn refused<T: Debug, E>(what: &str, result: Result<T, E>) -> Checked<E> {
    match result {
        Ok(value) => Err(Stop::Failed(format!("{what} succeeded with {value:?}"))),
        Err(error) => Ok(error),
    }
}

/// Fails the case unless the errno is one of these.
pub(crate) fn errno(what: &str, got: Option<&str>, accepted: &[&str]) -> Checked {
    ensure!(
        got.is_some_and(|errno| accepted.contains(&errno)),
        "{what}: expected {}, got {}",
        accepted.join(" or "),
        got.unwrap_or("success"),
    );
    Ok(())
}
