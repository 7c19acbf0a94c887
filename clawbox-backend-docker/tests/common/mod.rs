//! What the tests on a real Docker share.

mod trials;

use bollard::{
    API_DEFAULT_VERSION, Docker,
    models::{ContainerCreateBody, HostConfig},
    query_parameters::{AttachContainerOptions, RemoveContainerOptions, StartContainerOptions},
};
use clawbox_backend_docker::{DockerBackend, DockerEngine};
use clawbox_containers::{
    ContainerSecurityConfig, ManagerConfig,
    types::{Capabilities, ContainerSpawnRequest, PullPolicy},
};
use futures_util::{StreamExt, future::BoxFuture};
use std::{process::ExitCode, time::Duration};

/// What `cargo xtask fixture` makes.
pub(crate) const IMAGE: &str = "ghcr.io/n0xmare/clawbox-fixture:1";
const PATIENCE: Duration = Duration::from_secs(60);

/// A test: it is given Docker's endpoint, and panics to fail.
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

pub(crate) fn engine(host: &str) -> DockerEngine {
    DockerEngine::connect(Some(host)).unwrap()
}

pub(crate) fn backend(host: &str, security: &ContainerSecurityConfig) -> DockerBackend {
    let config = ManagerConfig::default().with_stop_grace(Duration::from_millis(100));
    DockerBackend::new(engine(host), security, config).unwrap()
}

pub(crate) fn policy() -> ContainerSecurityConfig {
    ContainerSecurityConfig::new().with_pull(PullPolicy::Never)
}

pub(crate) fn request(image: &str, script: &str) -> ContainerSpawnRequest {
    ContainerSpawnRequest::new("a test of the docker engine", Capabilities::default())
        .with_image(image)
        .with_command(["/bin/sh", "-c", script])
}

/// Another way to the same daemon, which shares nothing with what is tested.
pub(crate) async fn bystander(host: &str) -> Docker {
    let docker = Docker::connect_with_unix(host, 60, API_DEFAULT_VERSION).unwrap();
    docker.negotiate_version().await.unwrap()
}

/// What root of the host sees: the output of a script in a container that is none, with this directory of the host's
/// at `/seen`. Whoever may talk to Docker can do this.
pub(crate) async fn as_root(docker: &Docker, directory: &str, script: &str) -> String {
    let body = ContainerCreateBody {
        image: Some(IMAGE.to_owned()),
        cmd: Some(["/bin/sh", "-c", script].map(str::to_owned).into()),
        host_config: Some(HostConfig {
            cap_add: Some(vec!["SYS_PTRACE".to_owned()]),
            pid_mode: Some("host".to_owned()),
            binds: Some(vec![format!("{directory}:/seen:ro")]),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    };
    let id = docker.create_container(None, body).await.unwrap().id;
    let options = AttachContainerOptions {
        stdout: true,
        stderr: true,
        stream: true,
        ..AttachContainerOptions::default()
    };
    let mut attached = docker.attach_container(&id, Some(options)).await.unwrap();
    docker
        .start_container(&id, None::<StartContainerOptions>)
        .await
        .unwrap();
    let mut output = Vec::new();
    while let Some(chunk) = attached.output.next().await {
        output.extend_from_slice(&chunk.unwrap().into_bytes());
    }
    let options = RemoveContainerOptions {
        force: true,
        ..RemoveContainerOptions::default()
    };
    docker.remove_container(&id, Some(options)).await.unwrap();
    String::from_utf8(output).unwrap()
}
