//! The built program against a manager, on this host as an ordinary process.
//!
//! It is not process 1 here, so that it kills the commands that it has started and nothing else.

#![expect(clippy::unwrap_used, reason = "a test fails where it panics")]

mod execs;
mod figures;
mod hostile;
mod main_run;
mod manager;
mod number;
mod questions;
mod transfer;
mod wanted;
mod wire;
