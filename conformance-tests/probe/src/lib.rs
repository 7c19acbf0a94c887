//! What the conformance suite and the `probe` program have in common.
//!
//! `probe` is a small static Linux program. It runs inside a container, under the whole policy, and
//! tells the truth about what it sees and what it is refused. The suite asks by a [`Command`], which
//! it turns into an argument vector, and reads the answer, one line of JSON, as one of the report
//! types. [`pattern()`] is what `probe flood` prints, so that the suite can compare every byte.
//!
//! ```
//! use clawbox_probe::Command;
//!
//! let asked = Command::Exit { code: 7 };
//! assert_eq!(asked.argv(), ["probe", "exit", "7"]);
//! assert_eq!(Command::parse(&asked.argv()[1..]), Ok(asked));
//! ```
//!
//! The library is pure and runs anywhere; only the program needs Linux. Its exit status is what the
//! command asked for, 64 for arguments it does not understand, 74 when it could not tell its answer.

#![forbid(unsafe_code)]

mod command;
mod pattern;
mod report;

pub use command::Command;
pub use pattern::{Pattern, Stream, pattern};
pub use report::{
    Attempt, CgroupLimits, CopyExec, CopyExecFailure, CopyExecStep, Count, Descriptor, Facts,
    Limit, Mount, Reply, Stdin, Syscalls,
};
