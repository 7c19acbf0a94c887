//! The conformance suite on a real Docker with its own init as process 1: what is left where ours cannot be had.

use clawbox_backend_docker::DockerEngine;
use clawbox_conformance::Suite;
use clawbox_containers::engine::{EngineError, EngineErrorKind};
use std::{env, process::ExitCode};

const HOST: &str = "CLAWBOX_TEST_DOCKER_HOST";

fn main() -> ExitCode {
    Suite::new("docker")
        .engine_init("to see what is left without ours")
        .ledger(include_str!("engine_init.txt"))
        .run(|| async {
            let host = env::var(HOST).map_err(|_| {
                EngineError::new(EngineErrorKind::Unavailable, format!("{HOST} is not set"))
            })?;
            DockerEngine::connect(Some(&host))
                .map_err(|error| EngineError::new(EngineErrorKind::Refused, error.to_string()))
        })
}
