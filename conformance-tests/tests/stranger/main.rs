//! The whole suite on an engine that none of the workspace's crates knows.

mod engine;

use clawbox_conformance::Suite;
use std::process::ExitCode;

fn main() -> ExitCode {
    Suite::new("stranger")
        .engine_init("the engine is on another machine")
        .ledger(include_str!("ledger.txt"))
        .run(engine::Remote::connect)
}
