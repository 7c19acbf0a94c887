//! Gate 1 on a real Docker. `CLAWBOX_TEST_DOCKER_HOST` names it; without it the test is listed as *not run*, which is a
//! failure where `CLAWBOX_REQUIRE` names `docker`.

use clawbox_backend_docker::{DockerEngine, sabotage};
use clawbox_conformance::test_engine::{TestEngine, gate1::Gate1};
use std::process::ExitCode;

const DOCKER: TestEngine = TestEngine::new("docker", "CLAWBOX_TEST_DOCKER_HOST");
const GATE: Gate1<DockerEngine> = Gate1 {
    connect: |endpoint| DockerEngine::connect(Some(endpoint)),
    create: sabotage::create,
    more: &[],
    untold: &[],
};

fn main() -> ExitCode {
    DOCKER.run_blocking([(
        "a_container_that_differs_in_any_field_is_refused_by_its_item",
        |host: &str| GATE.hold(host),
    )])
}
