//! What the tests on a real Docker share.

pub(crate) use clawbox_conformance::{
    FIXTURE_IMAGE as IMAGE,
    test_engine::{policy, request},
};

use bollard::{
    API_DEFAULT_VERSION, Docker,
    models::{ContainerCreateBody, HostConfig},
    query_parameters::{AttachContainerOptions, RemoveContainerOptions, StartContainerOptions},
};
use clawbox_backend_docker::{DockerBackend, DockerEngine};
use clawbox_conformance::test_engine::{self, TestEngine};
use clawbox_containers::ContainerSecurityConfig;
use futures_util::StreamExt;

pub(crate) const DOCKER: TestEngine = TestEngine::new("docker", "CLAWBOX_TEST_DOCKER_HOST");

pub(crate) fn engine(host: &str) -> DockerEngine {
    DockerEngine::connect(Some(host)).unwrap()
}

pub(crate) fn backend(host: &str, security: &ContainerSecurityConfig) -> DockerBackend {
    test_engine::backend(engine(host), security)
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
