//! The whole conformance suite, on an engine in memory whose host enforces no limit of control groups, as rootless
//! Podman on control groups v1.

use clawbox_backend_mock::{Limit, MockEngine, fixture};
use clawbox_conformance::Suite;
use clawbox_containers::engine::EngineResult;
use std::process::ExitCode;

const WHY: &str = "the mock's host has no control groups";

fn main() -> ExitCode {
    let suite = Suite::new("mock-without-limits").ledger(include_str!("without_limits.txt"));
    let suite = Limit::ALL
        .into_iter()
        .fold(suite, |suite, limit| suite.cannot(limit.item(), WHY));
    suite.run(|| async { engine() })
}

fn engine() -> EngineResult<MockEngine> {
    let engine = MockEngine::new();
    fixture::install(&engine);
    Limit::ALL
        .into_iter()
        .for_each(|limit| engine.without(limit));
    Ok(engine)
}
