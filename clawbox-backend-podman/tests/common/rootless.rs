//! A rootless Podman whose host gives users no limits, such as one on control groups v1: the one that
//! `CLAWBOX_TEST_PODMAN_ROOTLESS_HOST` names, and no other. What uses it is run as that Podman's user.

use clawbox_backend_podman::PodmanEngine;
use clawbox_conformance::{Suite, test_engine::TestEngine};
use clawbox_containers::types::PolicyItem;
use std::process::ExitCode;

const PODMAN: TestEngine = TestEngine::new("podman-rootless", "CLAWBOX_TEST_PODMAN_ROOTLESS_HOST");
const WHY: &str = "control groups v1 give a user no limits";

/// The suite with what such a host cannot enforce.
pub(crate) fn suite() -> Suite {
    Suite::new("podman-rootless")
        .cannot(PolicyItem::Pids, WHY)
        .cannot(PolicyItem::Memory, WHY)
        .cannot(PolicyItem::Swap, WHY)
        .cannot(PolicyItem::Cpu, WHY)
        .cannot(PolicyItem::CpuShares, WHY)
}

pub(crate) fn run(suite: Suite) -> ExitCode {
    suite.run(|| async { PODMAN.connect(|host| PodmanEngine::connect(Some(host))) })
}
