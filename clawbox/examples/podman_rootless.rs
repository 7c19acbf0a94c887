//! A sandbox below rootless Podman, without the limits that its host hands on no controllers for; on the mock where no
//! Podman answers.
//!
//! `cargo run --example podman_rootless [HOST [IMAGE]]`

use clawbox::{
    Backend, Capabilities, ConnectOptions, ContainerSpawnRequest, connect,
    mock::fixture::FIXTURE_IMAGE,
};
use std::env::args;

#[tokio::main]
async fn main() -> clawbox::ContainerResult<()> {
    let mut options = ConnectOptions::new();
    options.endpoint = args().nth(1);
    let image = args().nth(2).unwrap_or_else(|| "alpine".to_owned());
    let podman = connect(Backend::Podman, &options)?.info().await;
    let (backend, image) = match podman {
        Ok(podman) => {
            println!("Podman {}, rootless: {}", podman.version, podman.rootless);
            // Said once, here, and in every report. Without it such a host runs nothing.
            let missing = podman.abilities.iter().filter(|it| !it.available);
            for ability in missing {
                println!("not held on this host: {}", ability.item);
                options.security.allow_degraded.insert(ability.item);
            }
            (connect(Backend::Podman, &options)?, image)
        }
        Err(error) => {
            eprintln!("on the mock, as no Podman answers: {error}");
            eprintln!("`clawbox doctor` says what a rootless host needs");
            let mock = connect(Backend::Mock, &ConnectOptions::new())?;
            (mock, FIXTURE_IMAGE.to_owned())
        }
    };
    let request = ContainerSpawnRequest::new("say hello", Capabilities::default())
        .with_image(image)
        .with_command(["echo", "hello"]);
    let id = backend.spawn(request).await?.container_id;
    backend.wait(&id).await?;
    let output = backend.collect_output(&id).await?;
    print!("{}", output.stdout.text());
    for item in backend.enforcement(&id)?.not_enforced() {
        println!("not enforced: {item}");
    }
    backend.kill(&id).await?; // removes it
    assert_eq!(output.stdout.text(), "hello\n");
    Ok(())
}
