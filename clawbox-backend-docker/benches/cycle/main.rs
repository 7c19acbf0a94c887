//! What clawbox costs, interleaved in one run: a container's whole cycle, and a further command in one that runs.
//! `cargo xtask bench` brings up what it needs. Only ratios within one run mean anything.

mod exec;
mod gates;
mod handshake;
mod load;
mod relay;
mod spawn;
mod table;

use bollard::{API_DEFAULT_VERSION, Docker};
use clawbox_backend_docker::DockerEngine;
use clawbox_containers::{
    ContainerManager, ContainerSecurityConfig, InitProgram, ManagerConfig,
    types::{Capabilities, ContainerSpawnRequest, ResourceLimits},
};
use handshake::Handshakes;
use std::{
    error::Error,
    io::Write,
    time::{Duration, Instant},
};
use table::Table;

const IMAGE: &str = "ghcr.io/n0xmare/clawbox-fixture:1";
const SPAWNS: usize = 40;
const EXECS: usize = 60;

/// Before each further command: an engine clears up after its own for a while, and nobody is to pay for the one before.
const REST: Duration = Duration::from_millis(100);

type Outcome<T> = Result<T, Box<dyn Error>>;
type Manager = ContainerManager<DockerEngine>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let host = std::env::var("CLAWBOX_TEST_DOCKER_HOST")
        .map_err(|_| "CLAWBOX_TEST_DOCKER_HOST names no engine; run `cargo xtask bench`")?;
    let handshakes = Handshakes::listen()?;
    let docker = Docker::connect_with_unix(&host, 120, API_DEFAULT_VERSION)?
        .negotiate_version()
        .await?;
    let engine = docker.version().await?.version.unwrap_or_default();
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let cores = std::thread::available_parallelism()?;
    println!("Docker {engine}, Linux {}, {cores} cores", kernel.trim());

    let ours = manager(&host, InitProgram::Clawbox)?;
    let engines = manager(&host, InitProgram::Engine)?;
    if table::is_wanted("spawns") {
        spawns(&host, &docker, &ours, &engines).await?;
        handshakes.report();
    }
    if table::is_wanted("gates") {
        gates::measure(&host).await?;
    }
    execs(&host, &docker, &ours).await
}

async fn spawns(host: &str, docker: &Docker, ours: &Manager, engines: &Manager) -> Outcome<()> {
    let body = spawn::hardened_body(docker, engines).await?;
    let mut profile = tempfile::NamedTempFile::new()?;
    profile.write_all(
        clawbox_containers::seccomp::SeccompProfile::strict()
            .to_oci_json()
            .as_bytes(),
    )?;
    let profile = profile.path().display().to_string();
    let mut table = Table::new([
        "bare API",
        "docker run --rm",
        "clawbox",
        "clawbox, Docker's init",
    ]);
    // The first round warms up and is not counted.
    for round in 0..=SPAWNS {
        for turn in 0..4 {
            let way = (round + turn) % 4;
            let start = Instant::now();
            match way {
                0 => spawn::bare(docker, &body, round).await?,
                1 => spawn::cli(host, &profile)?,
                2 => spawn::clawbox(ours).await?,
                _ => spawn::clawbox(engines).await?,
            }
            table.note(round, way, start.elapsed());
        }
    }
    table.print("whole cycles");
    Ok(())
}

async fn execs(host: &str, docker: &Docker, manager: &Manager) -> Outcome<()> {
    let sandbox = exec::Sandbox::begin(manager).await?;
    if table::is_wanted("execs") {
        each_way(&sandbox, host, docker).await?;
    }
    if table::is_wanted("load") {
        sandbox.load(host).await?;
    }
    sandbox.end().await
}

async fn each_way(sandbox: &exec::Sandbox<'_>, host: &str, docker: &Docker) -> Outcome<()> {
    let mut table = Table::new(["bare API", "docker exec", "clawbox"]);
    for round in 0..=EXECS {
        for way in table::order(round) {
            tokio::time::sleep(REST).await;
            let start = Instant::now();
            match way {
                0 => sandbox.bare(docker).await?,
                1 => sandbox.cli(host)?,
                _ => sandbox.clawbox().await?,
            }
            table.note(round, way, start.elapsed());
        }
    }
    table.print("times `true` in one sandbox");
    Ok(())
}

fn manager(host: &str, init: InitProgram) -> Outcome<Manager> {
    Ok(ContainerManager::new(
        DockerEngine::connect(Some(host))?,
        &ContainerSecurityConfig::default().with_init(init),
        ManagerConfig::default(),
    )?)
}

fn request<const N: usize>(command: [&str; N]) -> ContainerSpawnRequest {
    let limits = ResourceLimits::new(600_000, 512);
    ContainerSpawnRequest::new("bench", Capabilities::default().with_resources(limits))
        .with_image(IMAGE)
        .with_command(command)
}
