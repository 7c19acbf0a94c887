//! The token and the environment are the command's, and nobody finds them at the engine.

use crate::rig::{IMAGE, as_root, backend, bystander, policy, request};
use bollard::query_parameters::InspectContainerOptions;
use clawbox_containers::{ContainerBackend, types::ExecRequest};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};

const VALUE: &str = "e5c1f0a7-not-for-the-engine";
const FURTHER_VALUE: &str = "77b09d42-not-for-the-engine";

pub(crate) async fn the_engine_holds_no_secret(host: String) {
    let backend = backend(&host, &policy());
    let identity = backend.pre_generate_id().unwrap();
    let token = identity.token.reveal();
    let spawned = request(IMAGE, "env; sleep 60")
        .with_env("GIVEN", VALUE)
        .with_identity(identity);
    let id = backend.spawn(spawned).await.unwrap().container_id;
    let name = id.to_string();
    let further = ExecRequest::new(["env"]).with_env("FURTHER", FURTHER_VALUE);
    let further = backend.exec(&id, further).await.unwrap();

    let docker = bystander(&host).await;
    let options = None::<InspectContainerOptions>;
    let inspected = docker.inspect_container(&name, options).await.unwrap();
    let engines_id = inspected.id.unwrap();
    let root = docker.info().await.unwrap().docker_root_dir.unwrap();
    let directory = format!("{root}/containers/{engines_id}");
    let kept = as_root(
        &docker,
        &directory,
        "cat /seen/config.v2.json /seen/hostconfig.json",
    )
    .await;
    let inspect = get(&host, &format!("/containers/{id}/json")).await;
    let ps = get(&host, "/containers/json?all=1").await;
    let mut command = backend.follow_output(&id).unwrap();
    let mut environment = String::new();
    while !(environment.contains(VALUE) && environment.contains(&token)) {
        let (_, bytes) = command.next().await.expect("the command has them");
        environment.push_str(&String::from_utf8(bytes).unwrap());
    }
    backend.kill(&id).await.unwrap();

    let further = further.output.stdout.text();
    for (secret, has) in [
        (VALUE, &*further),
        (&token, &further),
        (FURTHER_VALUE, &further),
    ] {
        assert!(has.contains(secret), "{has}");
    }
    for (place, text) in [("inspect", &inspect), ("ps", &ps), (&directory, &kept)] {
        assert!(text.contains(&name), "{place} is not read: {text}");
        for secret in [VALUE, FURTHER_VALUE, &token] {
            assert!(!text.contains(secret), "{place} holds {secret}: {text}");
        }
    }
}

/// The engine's answer, byte for byte.
async fn get(host: &str, path: &str) -> String {
    let socket = host.strip_prefix("unix://").unwrap_or(host);
    let mut stream = UnixStream::connect(socket).await.unwrap();
    let request = format!("GET {path} HTTP/1.0\r\nHost: docker\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.0 200"), "{answer}");
    answer
}
