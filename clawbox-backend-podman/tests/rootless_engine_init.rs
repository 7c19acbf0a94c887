//! The conformance suite on the rootless Podman of `rootless.rs` with its own init as process 1: what is left where ours
//! cannot be had. It is run as that Podman's user.

use clawbox_backend_podman::PodmanEngine;
use clawbox_conformance::{Suite, test_engine::TestEngine};
use clawbox_containers::types::PolicyItem;
use std::process::ExitCode;

const PODMAN: TestEngine = TestEngine::new("podman-rootless", "CLAWBOX_TEST_PODMAN_ROOTLESS_HOST");
const WHY: &str = "control groups v1 give a user no limits";

fn main() -> ExitCode {
    let suite = Suite::new("podman-rootless")
        .cannot(PolicyItem::Pids, WHY)
        .cannot(PolicyItem::Memory, WHY)
        .cannot(PolicyItem::Swap, WHY)
        .cannot(PolicyItem::Cpu, WHY)
        .cannot(PolicyItem::CpuShares, WHY)
        .engine_init("to see what is left without ours")
        .ledger(include_str!("rootless_engine_init.txt"));
    suite.run(|| async { PODMAN.connect(|host| PodmanEngine::connect(Some(host))) })
}
