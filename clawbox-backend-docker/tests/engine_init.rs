//! The conformance suite on a real Docker with its own init as process 1: what is left where ours cannot be had.

use clawbox_backend_docker::DockerEngine;
use clawbox_conformance::{Suite, test_engine::TestEngine};
use std::process::ExitCode;

const DOCKER: TestEngine = TestEngine::new("docker", "CLAWBOX_TEST_DOCKER_HOST");

fn main() -> ExitCode {
    Suite::new("docker")
        .engine_init("to see what is left without ours")
        .ledger(include_str!("engine_init.txt"))
        .run(|| async { DOCKER.connect(|host| DockerEngine::connect(Some(host))) })
}
