//! Gate 2 on a real Docker. `CLAWBOX_TEST_DOCKER_HOST` names it; without it the test is listed as *not run*, which is a
//! failure where `CLAWBOX_REQUIRE` names `docker`.

use clawbox_backend_docker::{DockerEngine, sabotage};
use clawbox_conformance::test_engine::{TestEngine, gate2::Gate2};
use std::process::ExitCode;

const DOCKER: TestEngine = TestEngine::new("docker", "CLAWBOX_TEST_DOCKER_HOST");
const GATE: Gate2<DockerEngine> = Gate2 {
    connect: |endpoint| DockerEngine::connect(Some(endpoint)),
    create: sabotage::create,
    otherwise: include_str!("gate2.txt"),
};

fn main() -> ExitCode {
    DOCKER.run_blocking([(
        "the_kernels_word_ends_what_is_weaker_than_planned",
        |host: &str| GATE.hold(host),
    )])
}
