//! A container's whole cycle three ways, interleaved in one run: the docker command, the bare Engine API with
//! the same hardened body, and clawbox as a library. `cargo xtask bench` brings up what it needs.
//!
//! One cycle is: create, start, wait for `true`, read the output, remove. Only ratios within one run mean
//! anything.

use bollard::{
    API_DEFAULT_VERSION, Docker,
    errors::Error as DockerError,
    models::ContainerCreateBody,
    query_parameters::{
        AttachContainerOptions, CreateContainerOptions, InspectContainerOptions,
        RemoveContainerOptions, StartContainerOptions, WaitContainerOptions,
    },
};
use clawbox_backend_docker::DockerEngine;
use clawbox_containers::{
    ContainerBackend, ContainerManager, ContainerSecurityConfig, ManagerConfig,
    types::{Capabilities, ContainerSpawnRequest},
};
use futures_util::StreamExt;
use std::{
    error::Error,
    io::Write,
    process::Stdio,
    time::{Duration, Instant},
};

const IMAGE: &str = "ghcr.io/n0xmare/clawbox-fixture:1";
const ROUNDS: usize = 30;

type Outcome<T> = Result<T, Box<dyn Error>>;
type Manager = ContainerManager<DockerEngine>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let host = std::env::var("CLAWBOX_TEST_DOCKER_HOST")
        .map_err(|_| "CLAWBOX_TEST_DOCKER_HOST names no engine; run `cargo xtask bench`")?;
    let docker = Docker::connect_with_unix(&host, 120, API_DEFAULT_VERSION)?
        .negotiate_version()
        .await?;
    let manager = ContainerManager::new(
        DockerEngine::connect(Some(&host))?,
        &ContainerSecurityConfig::default(),
        ManagerConfig::default(),
    )?;
    let body = hardened_body(&docker, &manager).await?;
    let mut profile = tempfile::NamedTempFile::new()?;
    profile.write_all(
        clawbox_containers::seccomp::SeccompProfile::strict()
            .to_oci_json()
            .as_bytes(),
    )?;
    let profile = profile.path().display().to_string();

    let mut times: [Vec<Duration>; 3] = Default::default();
    // The first round warms up and is not counted.
    for round in 0..=ROUNDS {
        for turn in 0..3 {
            let way = (round + turn) % 3;
            let start = Instant::now();
            match way {
                0 => cli(&host, &profile)?,
                1 => bare(&docker, &body, round).await?,
                _ => clawbox(&manager).await?,
            }
            if round > 0 {
                times[way].push(start.elapsed());
            }
        }
    }
    report(&mut times);
    Ok(())
}

fn request() -> ContainerSpawnRequest {
    ContainerSpawnRequest::new("bench", Capabilities::default())
        .with_image(IMAGE)
        .with_command(["true"])
}

/// What clawbox has Docker create, read back from a container of its own.
async fn hardened_body(docker: &Docker, manager: &Manager) -> Outcome<ContainerCreateBody> {
    let info = manager.spawn(request()).await?;
    let name = info.container_id.to_string();
    let inspect = docker
        .inspect_container(&name, None::<InspectContainerOptions>)
        .await?;
    manager.kill(&info.container_id).await?;
    manager.cleanup_stopped().await?;
    let mut body = serde_json::to_value(inspect.config)?;
    body["HostConfig"] = serde_json::to_value(inspect.host_config)?;
    body["Labels"] = serde_json::json!({});
    Ok(serde_json::from_value(body)?)
}

async fn clawbox(manager: &Manager) -> Outcome<()> {
    let info = manager.spawn(request()).await?;
    let exit = manager.wait(&info.container_id).await?;
    let output = manager.collect_output(&info.container_id).await?;
    manager.cleanup_stopped().await?;
    if exit.exit_code != Some(0) || output.incomplete {
        return Err(format!("{exit:?}").into());
    }
    Ok(())
}

async fn bare(docker: &Docker, body: &ContainerCreateBody, round: usize) -> Outcome<()> {
    let name = format!("clawbox-bench-{}-{round}", std::process::id());
    let options = CreateContainerOptions {
        name: Some(name.clone()),
        ..CreateContainerOptions::default()
    };
    docker.create_container(Some(options), body.clone()).await?;
    let attach = AttachContainerOptions {
        stdout: true,
        stderr: true,
        stream: true,
        ..AttachContainerOptions::default()
    };
    let mut attached = docker.attach_container(&name, Some(attach)).await?;
    docker
        .start_container(&name, None::<StartContainerOptions>)
        .await?;
    let ended = docker
        .wait_container(&name, None::<WaitContainerOptions>)
        .next()
        .await;
    match ended {
        Some(Ok(_)) => {}
        Some(Err(DockerError::DockerContainerWaitError { code, .. })) => {
            return Err(format!("exit {code}").into());
        }
        Some(Err(error)) => return Err(error.into()),
        None => return Err("the engine went away".into()),
    }
    while let Some(chunk) = attached.output.next().await {
        chunk?;
    }
    let remove = RemoveContainerOptions {
        force: true,
        v: true,
        ..RemoveContainerOptions::default()
    };
    docker.remove_container(&name, Some(remove)).await?;
    Ok(())
}

fn cli(host: &str, profile: &str) -> Outcome<()> {
    let seccomp = format!("seccomp={profile}");
    let status = std::process::Command::new("docker")
        .args([
            "--host",
            host,
            "run",
            "--rm",
            "--init",
            "--read-only",
            "--network=none",
            "--user=1000:1000",
        ])
        .args([
            "--cap-drop=ALL",
            "--security-opt=no-new-privileges",
            "--security-opt",
            &seccomp,
        ])
        .args([
            "--pids-limit=256",
            "--memory=512m",
            "--memory-swap=512m",
            "--cpus=1",
            "--cpu-shares=1024",
        ])
        .args([
            "--tmpfs=/tmp:rw,noexec,nosuid,nodev,size=256m",
            "--ipc=none",
            "--ulimit=core=0:0",
        ])
        .args([
            "--ulimit=nofile=1024:1024",
            "--oom-score-adj=500",
            "--log-driver=local",
            IMAGE,
            "true",
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .map_err(|error| {
            format!("docker command: {error}; install Debian's package docker.io or docker-cli")
        })?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("docker run: {status}").into())
    }
}

fn report(times: &mut [Vec<Duration>; 3]) {
    for ways in times.iter_mut() {
        ways.sort_unstable();
    }
    let percentile =
        |way: &[Duration], p: usize| way[(way.len() - 1) * p / 100].as_secs_f64() * 1000.0;
    let bare = percentile(&times[1], 50);
    println!("{ROUNDS} cycles of each, interleaved; milliseconds");
    println!("{:<16}{:>8}{:>8}{:>12}", "", "p50", "p95", "p50 / bare");
    for (name, way) in ["docker run --rm", "bare API", "clawbox"]
        .iter()
        .zip(times.iter())
    {
        let (p50, p95) = (percentile(way, 50), percentile(way, 95));
        println!("{name:<16}{p50:>8.1}{p95:>8.1}{:>12.3}", p50 / bare);
    }
}
