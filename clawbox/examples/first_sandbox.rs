//! A command in a sandbox, on the best engine that answers; on the mock, which isolates nothing, where none does.
//!
//! `cargo run --example first_sandbox [HOST [IMAGE]]`

use clawbox::{
    Backend, Capabilities, ConnectOptions, ContainerSpawnRequest, connect, find,
    mock::fixture::FIXTURE_IMAGE,
};
use std::env::args;

#[tokio::main]
async fn main() -> clawbox::ContainerResult<()> {
    let host = args().nth(1);
    let image = args().nth(2).unwrap_or_else(|| "alpine".to_owned());
    let options = ConnectOptions::new();
    let (backend, image) = match find(host.as_deref()).await {
        Ok(found) => (found.connect(&options)?, image),
        Err(error) => {
            eprintln!("on the mock: {error}");
            let mock = connect(Backend::Mock, &options)?;
            (mock, FIXTURE_IMAGE.to_owned())
        }
    };
    let request = ContainerSpawnRequest::new("say hello", Capabilities::default())
        .with_image(image)
        .with_command(["echo", "hello"]);
    let id = backend.spawn(request).await?.container_id;
    let exit = backend.wait(&id).await?;
    let output = backend.collect_output(&id).await?;
    print!("{}", output.stdout.text());
    println!("exit code {:?}, and this was in force:", exit.exit_code);
    for item in &backend.enforcement(&id)?.items {
        println!("  {item}");
    }
    backend.kill(&id).await?; // removes it
    assert_eq!(exit.exit_code, Some(0));
    assert_eq!(output.stdout.text(), "hello\n");
    Ok(())
}
