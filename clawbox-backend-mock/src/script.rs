//! Programs written down as data.

use crate::{
    process::Process,
    program::{Exit, Program},
};
use futures_util::future::BoxFuture;
use std::{sync::Arc, time::Duration};
use tokio::io::{copy, sink};

/// The beginning of a program that is written down step by step.
///
/// ```
/// use clawbox_backend_mock::Script;
/// use std::time::Duration;
///
/// let script = Script::stdout("working\n").sleep(Duration::from_secs(60)).stderr("lost it\n").exit(3);
/// # drop(script);
/// ```
#[derive(Debug)]
pub enum Script {}

/// A program as a list of steps. It exits with 0 where no other end is given.
#[derive(Debug, Clone, Default)]
pub struct Steps {
    steps: Arc<[Step]>,
    exit: Option<Exit>,
}

#[derive(Debug, Clone)]
enum Step {
    Stdout(Vec<u8>),
    Stderr(Vec<u8>),
    ReadStdin,
    Sleep(Duration),
    Write(String, Vec<u8>),
    Allocate(u64),
    IgnoreTerm,
}

/// Declares each step twice: as a beginning and as a continuation.
macro_rules! steps {
    ($($(#[$docs:meta])* $name:ident($($arg:ident: $kind:ty),*) => $step:expr;)*) => {
        impl Script {
            $($(#[$docs])* pub fn $name($($arg: $kind),*) -> Steps {
                Steps::default().$name($($arg),*)
            })*

            /// Exits with this code at once.
            #[must_use]
            pub fn exit(code: u8) -> Steps {
                Steps::default().exit(code)
            }
        }

        impl Steps {
            $($(#[$docs])* #[must_use] pub fn $name(self, $($arg: $kind),*) -> Self {
                self.then($step)
            })*
        }
    };
}

steps! {
    /// Prints to standard output.
    stdout(text: impl Into<Vec<u8>>) => Step::Stdout(text.into());
    /// Prints to standard error.
    stderr(text: impl Into<Vec<u8>>) => Step::Stderr(text.into());
    /// Reads standard input to its end, which comes [at once](Process::stdin).
    read_stdin() => Step::ReadStdin;
    /// Waits.
    sleep(time: Duration) => Step::Sleep(time);
    /// Writes a file; ends with exit code 1 where that is refused, with the reason on standard error.
    write(path: impl Into<String>, content: impl Into<Vec<u8>>) => Step::Write(path.into(), content.into());
    /// Allocates memory, in bytes; dies where that is more than the container may have.
    allocate(bytes: u64) => Step::Allocate(bytes);
    /// Ignores `SIGTERM` from here on.
    ignore_term() => Step::IgnoreTerm;
}

impl Steps {
    /// Exits with this code.
    #[must_use]
    pub fn exit(mut self, code: u8) -> Self {
        self.exit = Some(Exit::Code(code));
        self
    }

    /// Dies of the signal of this number.
    #[must_use]
    pub fn die_of(mut self, signal: i32) -> Self {
        self.exit = Some(Exit::Signal(signal));
        self
    }

    fn then(mut self, step: Step) -> Self {
        self.steps = self.steps.iter().cloned().chain([step]).collect();
        self
    }
}

impl Program for Steps {
    fn run(&self, process: Process) -> BoxFuture<'static, Exit> {
        let Self { steps, exit } = self.clone();
        Box::pin(async move {
            for step in steps.iter() {
                match step {
                    Step::Stdout(text) => process.stdout(text).await,
                    Step::Stderr(text) => process.stderr(text).await,
                    Step::ReadStdin => {
                        if let Err(error) = copy(&mut process.stdin(), &mut sink()).await {
                            process.stderr(format!("standard input: {error}\n")).await;
                            return Exit::Code(1);
                        }
                    }
                    Step::Sleep(time) => process.sleep(*time).await,
                    Step::Write(path, content) => {
                        if let Err(errno) = process.write(path, content).await {
                            process.stderr(format!("{path}: {errno}\n")).await;
                            return Exit::Code(1);
                        }
                    }
                    Step::Allocate(bytes) => process.allocate(*bytes).await,
                    Step::IgnoreTerm => process.ignore_term(),
                }
            }
            exit.unwrap_or(Exit::Code(0))
        })
    }
}
