//! A backend by its name at run time, or from a settings file; and what its engine can enforce.
//!
//! `cargo run --example choose_a_backend [docker|podman|mock [HOST]]`, or `[FILE.toml]`

use clawbox::{Backend, Config, connect};
use std::{env::args, error::Error};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    println!("compiled in: {:?}", Backend::COMPILED);
    let named = args().nth(1).unwrap_or_else(|| "mock".to_owned());
    let mut config = match named.ends_with(".toml") {
        true => Config::load(&named)?,
        false => Config::default(),
    };
    if !named.ends_with(".toml") {
        config.backend = Some(named.parse()?);
        config.host = args().nth(2);
    }
    let options = config.options();
    // `clawbox::find` takes the best that answers, but never the mock.
    let backend = match config.backend {
        Some(backend) => connect(backend, &options)?,
        None => clawbox::find(config.host.as_deref())
            .await?
            .connect(&options)?,
    };
    let engine = backend.info().await?;
    println!("{} {} at {}", engine.name, engine.version, engine.endpoint);
    for ability in engine.abilities.iter().filter(|it| !it.available) {
        println!("cannot enforce {}", ability.item);
    }
    Ok(())
}
