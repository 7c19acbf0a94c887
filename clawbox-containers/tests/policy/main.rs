//! The policy: what it refuses, all at once, and what it plans.

mod catalogue;
mod image;
mod profile;
mod request;
mod workspaces;

use clawbox_containers::{
    ContainerError, ContainerPlan, ContainerSecurityConfig,
    engine::ImageFacts,
    policy::{Placement, SecurityPolicy},
};
use clawbox_types::*;
use std::collections::BTreeMap;

fn request() -> ContainerSpawnRequest {
    ContainerSpawnRequest::new("task", Capabilities::default())
        .with_image("alpine")
        .with_command(["true"])
}

fn limited(limits: ResourceLimits) -> ContainerSpawnRequest {
    let mut request = request();
    request.capabilities.resources = limits;
    request
}

fn image() -> ImageFacts {
    ImageFacts {
        id: "sha256:1".to_owned(),
        ..ImageFacts::default()
    }
}

fn placement() -> Placement {
    Placement {
        identity: ContainerIdentity::new(
            ContainerId::generate(),
            ProxyToken::from_bytes([0xab; 32]),
        ),
        labels: BTreeMap::new(),
        proxy_dir: None,
        init_dir: None,
    }
}

fn plan_with(
    config: &ContainerSecurityConfig,
    request: &ContainerSpawnRequest,
    image: &ImageFacts,
) -> Result<ContainerPlan, ContainerError> {
    SecurityPolicy::new(config)?
        .admit(request)?
        .compile(image, placement())
}

fn plan(
    request: &ContainerSpawnRequest,
    image: &ImageFacts,
) -> Result<ContainerPlan, ContainerError> {
    plan_with(&ContainerSecurityConfig::default(), request, image)
}

/// The fields that were refused, whichever error says so.
fn refused(outcome: Result<impl std::fmt::Debug, ContainerError>) -> Vec<String> {
    match outcome.expect_err("a refusal") {
        ContainerError::PolicyDenied { violations }
        | ContainerError::InvalidRequest { violations } => {
            violations.into_iter().map(|v| v.field).collect()
        }
        other => panic!("{other}"),
    }
}
