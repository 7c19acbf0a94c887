//! The conformance suite on a real Docker: the one that `CLAWBOX_TEST_DOCKER_HOST` names, and no other.

use clawbox_backend_docker::DockerEngine;
use clawbox_conformance::test_engine::TestEngine;
use std::process::ExitCode;

const DOCKER: TestEngine = TestEngine::new("docker", "CLAWBOX_TEST_DOCKER_HOST");

fn main() -> ExitCode {
    clawbox_conformance::run("docker", || async {
        DOCKER.connect(|host| DockerEngine::connect(Some(host)))
    })
}
