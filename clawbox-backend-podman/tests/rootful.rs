//! The conformance suite on root's Podman: the one that `CLAWBOX_TEST_PODMAN_ROOTFUL_HOST` names, and no other.

use clawbox_backend_podman::PodmanEngine;
use clawbox_conformance::test_engine::TestEngine;
use std::process::ExitCode;

const PODMAN: TestEngine = TestEngine::new("podman-rootful", "CLAWBOX_TEST_PODMAN_ROOTFUL_HOST");

fn main() -> ExitCode {
    clawbox_conformance::run("podman-rootful", || async {
        PODMAN.connect(|host| PodmanEngine::connect(Some(host)))
    })
}
