//! Gate 1 on root's Podman, where every limit can be given. `CLAWBOX_TEST_PODMAN_ROOTFUL_HOST` names it; without it the
//! test is listed as *not run*, which is a failure where `CLAWBOX_REQUIRE` names `podman-rootful`.

use clawbox_backend_podman::{PodmanEngine, sabotage};
use clawbox_conformance::test_engine::{TestEngine, gate1::Gate1};
use clawbox_containers::{aspects::Bind, types::PolicyItem};
use std::process::ExitCode;

const PODMAN: TestEngine = TestEngine::new("podman-rootful", "CLAWBOX_TEST_PODMAN_ROOTFUL_HOST");
const GATE: Gate1<PodmanEngine> = Gate1 {
    connect: |endpoint| PodmanEngine::connect(Some(endpoint)),
    create: sabotage::create,
    more: &[(PolicyItem::Mounts, "noexec", |plan| {
        let bind = plan.mounts.0.pop_first();
        let changed = bind.map(|bind| Bind {
            noexec: !bind.noexec,
            ..bind
        });
        plan.mounts.0.extend(changed);
    })],
    // 4.3 calls every private namespace shareable, with shared memory or without.
    untold: &[
        PolicyItem::Seccomp,
        PolicyItem::KernelPaths,
        PolicyItem::Ipc,
    ],
};

fn main() -> ExitCode {
    PODMAN.run_blocking([(
        "a_container_that_differs_in_any_field_is_refused_by_its_item",
        |host: &str| GATE.hold(host),
    )])
}
