//! The conformance suite on a real Docker: the one that `CLAWBOX_TEST_DOCKER_HOST` names, and no other.

use clawbox_backend_docker::DockerEngine;
use clawbox_containers::engine::{EngineError, EngineErrorKind};
use std::{env, process::ExitCode};

const HOST: &str = "CLAWBOX_TEST_DOCKER_HOST";

fn main() -> ExitCode {
    clawbox_conformance::run("docker", || async {
        let host = env::var(HOST).map_err(|_| {
            EngineError::new(EngineErrorKind::Unavailable, format!("{HOST} is not set"))
        })?;
        DockerEngine::connect(Some(&host))
            .map_err(|error| EngineError::new(EngineErrorKind::Refused, error.to_string()))
    })
}
