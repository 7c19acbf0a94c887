//! What runs in a container: programs, and which of them an argument vector names.

use crate::process::Process;
use futures_util::future::{BoxFuture, FutureExt};
use std::future::Future;

/// A program that a mock container can run.
///
/// A closure from [`Process`] to a future of anything that is an [`Exit`] is one, and so is a
/// [`Script`](crate::Script). The future is dropped when the container is killed; one that panics ends as
/// by `SIGABRT`.
pub trait Program: Send + Sync + 'static {
    /// Runs it once, from its start to its end.
    fn run(&self, process: Process) -> BoxFuture<'static, Exit>;
}

impl<F, Fut> Program for F
where
    F: Fn(Process) -> Fut + Send + Sync + 'static,
    Fut: Future + Send + 'static,
    Fut::Output: Into<Exit>,
{
    fn run(&self, process: Process) -> BoxFuture<'static, Exit> {
        self(process).map(Into::into).boxed()
    }
}

/// How a program ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// By itself, with this code.
    Code(u8),
    /// By a signal of this number.
    Signal(i32),
}

impl Exit {
    /// The code that a shell, and an engine, make of it: 128 + n for signal n.
    #[must_use]
    pub fn code(self) -> i32 {
        match self {
            Self::Code(code) => code.into(),
            Self::Signal(number) => 128 + number,
        }
    }
}

impl From<()> for Exit {
    fn from((): ()) -> Self {
        Self::Code(0)
    }
}

impl From<u8> for Exit {
    fn from(code: u8) -> Self {
        Self::Code(code)
    }
}

/// A program that gives up at an error exits with 1.
impl<T: Into<Self>, E> From<Result<T, E>> for Exit {
    fn from(result: Result<T, E>) -> Self {
        result.map_or(Self::Code(1), Into::into)
    }
}

/// Which argument vectors a program answers to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Argv {
    /// Every one.
    Any,
    /// Those whose first word is this name, with or without a directory in front.
    Program(String),
    /// This one, word for word.
    Exactly(Vec<String>),
}

impl Argv {
    /// Of two that match, the one that says more wins.
    pub(crate) const fn exactness(&self) -> u8 {
        match self {
            Self::Any => 0,
            Self::Program(_) => 1,
            Self::Exactly(_) => 2,
        }
    }

    pub(crate) fn matches(&self, argv: &[String]) -> bool {
        match self {
            Self::Any => true,
            Self::Program(name) => argv
                .first()
                .is_some_and(|word| word == name || word.rsplit('/').next() == Some(name)),
            Self::Exactly(words) => words == argv,
        }
    }
}

impl From<&str> for Argv {
    fn from(program: &str) -> Self {
        Self::Program(program.to_owned())
    }
}

impl<const N: usize> From<[&str; N]> for Argv {
    fn from(words: [&str; N]) -> Self {
        Self::Exactly(words.map(str::to_owned).to_vec())
    }
}

impl From<Vec<String>> for Argv {
    fn from(words: Vec<String>) -> Self {
        Self::Exactly(words)
    }
}
