//! One plan for the tests of both directions, out of the core's own policy; and a service that answers as they say.

pub(crate) mod service;

use clawbox_containers::{
    ContainerPlan, ContainerSecurityConfig,
    engine::ImageFacts,
    policy::{Placement, SecurityPolicy},
    types::{Capabilities, ContainerIdentity, ContainerSpawnRequest, ProxyToken},
};
use std::{path::PathBuf, sync::LazyLock};

const ID: &str = "clawbox-9f2c1f0e-6d5b-4c3a-8b7e-0a1b2c3d4e5f";

/// A plan with something in every field: a variable and a volume of the image's, a bind, an argument.
pub(crate) fn plan() -> &'static ContainerPlan {
    static PLAN: LazyLock<ContainerPlan> = LazyLock::new(|| compile(None));
    &PLAN
}

/// The same with process 1 of our own: the command and its variables are for process 1 alone.
pub(crate) fn plan_with_our_init() -> &'static ContainerPlan {
    static PLAN: LazyLock<ContainerPlan> =
        LazyLock::new(|| compile(Some(format!("/srv/clawbox/owner/{ID}").into())));
    &PLAN
}

fn compile(init_dir: Option<PathBuf>) -> ContainerPlan {
    let request = ContainerSpawnRequest::new("golden", Capabilities::default())
        .with_image("ghcr.io/n0xmare/golden:1")
        .with_command(["/bin/sh", "-c", "echo hello"])
        .with_env("LANG", "C.UTF-8")
        .with_working_dir("/tmp")
        .with_proxy_socket("/srv/clawbox-golden/proxy.sock");
    let image = ImageFacts {
        id: "a14b614a07a987c03b21368fc8f1351a66ae9bfd3bfb459243920a0aaea90fbe".to_owned(),
        entrypoint: vec!["/entrypoint".to_owned()],
        command: vec!["serve".to_owned()],
        env: vec!["PATH=/bin".to_owned(), "LD_PRELOAD=/x".to_owned()],
        working_dir: "/srv".to_owned(),
        volumes: vec!["/vol".to_owned()],
    };
    let labels = [
        ("clawbox.schema", "1"),
        ("clawbox.container_id", ID),
        ("clawbox.owner", "0b1c2d3e-4f50-4617-8293-a4b5c6d7e8f9"),
        ("clawbox.user", "1000"),
        ("clawbox.deadline", "2000000000"),
    ];
    let placement = Placement {
        identity: ContainerIdentity::new(ID.parse().unwrap(), ProxyToken::from_bytes([0xab; 32])),
        labels: labels
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        proxy_dir: Some("/srv/clawbox-golden".into()),
        init_dir,
    };
    let policy = SecurityPolicy::new(&ContainerSecurityConfig::new()).unwrap();
    policy
        .admit(&request)
        .unwrap()
        .compile(&image, placement)
        .unwrap()
}
