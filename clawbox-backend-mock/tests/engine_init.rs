//! The conformance suite on the engine in memory with its own init as process 1.

use clawbox_backend_mock::{MockEngine, fixture};
use clawbox_conformance::Suite;
use std::process::ExitCode;

fn main() -> ExitCode {
    Suite::new("mock")
        .engine_init("to see what is left without ours")
        .ledger(include_str!("engine_init.txt"))
        .run(|| async {
            let engine = MockEngine::new();
            fixture::install(&engine);
            Ok(engine)
        })
}
