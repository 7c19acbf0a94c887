//! Gate 2 on root's Podman. `CLAWBOX_TEST_PODMAN_ROOTFUL_HOST` names it; without it the test is listed as *not run*, which
//! is a failure where `CLAWBOX_REQUIRE` names `podman-rootful`.

use clawbox_backend_podman::{PodmanEngine, sabotage};
use clawbox_conformance::test_engine::{TestEngine, gate2::Gate2};
use std::process::ExitCode;

const PODMAN: TestEngine = TestEngine::new("podman-rootful", "CLAWBOX_TEST_PODMAN_ROOTFUL_HOST");
const GATE: Gate2<PodmanEngine> = Gate2 {
    connect: |endpoint| PodmanEngine::connect(Some(endpoint)),
    create: sabotage::create,
    otherwise: include_str!("gate2.txt"),
};

fn main() -> ExitCode {
    PODMAN.run_blocking([(
        "the_kernels_word_ends_what_is_weaker_than_planned",
        |host: &str| GATE.hold(host),
    )])
}
