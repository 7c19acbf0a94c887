//! The conformance suite on a rootless Podman whose host gives users no limits.

#[path = "common/rootless.rs"]
mod rootless;

use std::process::ExitCode;

fn main() -> ExitCode {
    rootless::run(rootless::suite().ledger(include_str!("rootless.txt")))
}
