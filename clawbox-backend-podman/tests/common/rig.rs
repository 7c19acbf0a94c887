//! The front of the tests on root's Podman, and what they share.

mod http;
mod trials;

pub(crate) use http::{ask, get};

use clawbox_backend_podman::{PodmanBackend, PodmanEngine};
use clawbox_containers::{
    ContainerSecurityConfig, ManagerConfig,
    types::{Capabilities, ContainerSpawnRequest, PullPolicy},
};
use futures_util::future::BoxFuture;
use std::{process::ExitCode, time::Duration};

/// What `cargo xtask fixture` makes.
pub(crate) const IMAGE: &str = "ghcr.io/n0xmare/clawbox-fixture:1";
const PATIENCE: Duration = Duration::from_secs(60);

/// A test: it is given Podman's endpoint, and panics to fail.
pub(crate) type Case = fn(String) -> BoxFuture<'static, ()>;

pub(crate) fn run<const N: usize>(cases: [(&'static str, Case); N]) -> ExitCode {
    trials::run_all(cases.map(|(name, case)| {
        let test = move |host: &str| {
            let runtime = tokio::runtime::Runtime::new().map_err(|e| e.to_string())?;
            let host = host.to_owned();
            runtime.block_on(async { tokio::time::timeout(PATIENCE, case(host)).await })?;
            Ok(())
        };
        (name, test)
    }))
}

pub(crate) fn engine(host: &str) -> PodmanEngine {
    PodmanEngine::connect(Some(host)).unwrap()
}

pub(crate) fn backend(host: &str, security: &ContainerSecurityConfig) -> PodmanBackend {
    let config = ManagerConfig::default().with_stop_grace(Duration::from_millis(100));
    PodmanBackend::new(engine(host), security, config).unwrap()
}

pub(crate) fn policy() -> ContainerSecurityConfig {
    ContainerSecurityConfig::new().with_pull(PullPolicy::Never)
}

pub(crate) fn request(image: &str, script: &str) -> ContainerSpawnRequest {
    ContainerSpawnRequest::new("a test of the podman engine", Capabilities::default())
        .with_image(image)
        .with_command(["/bin/sh", "-c", script])
}
