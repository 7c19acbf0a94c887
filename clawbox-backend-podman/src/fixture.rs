//! The suite's golden plans, with an image's id as Podman writes it; and a service that answers as the tests say.

pub(crate) mod service;

use clawbox_conformance::golden;
use clawbox_containers::ContainerPlan;
use std::sync::LazyLock;

const IMAGE_ID: &str = "a14b614a07a987c03b21368fc8f1351a66ae9bfd3bfb459243920a0aaea90fbe";

/// Process 1 is the engine's.
pub(crate) fn plan() -> &'static ContainerPlan {
    static PLAN: LazyLock<ContainerPlan> = LazyLock::new(|| golden::plan(IMAGE_ID));
    &PLAN
}

/// Process 1 is ours.
pub(crate) fn plan_with_our_init() -> &'static ContainerPlan {
    static PLAN: LazyLock<ContainerPlan> =
        LazyLock::new(|| golden::plan_with_clawbox_init(IMAGE_ID));
    &PLAN
}
