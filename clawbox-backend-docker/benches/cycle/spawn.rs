//! A container's whole cycle: create, start, wait for `true`, read the output, remove.

use crate::{IMAGE, Manager, Outcome, request};
use bollard::{
    Docker,
    errors::Error as DockerError,
    models::ContainerCreateBody,
    query_parameters::{
        AttachContainerOptions, CreateContainerOptions, InspectContainerOptions,
        RemoveContainerOptions, StartContainerOptions, WaitContainerOptions,
    },
};
use clawbox_containers::ContainerBackend;
use futures_util::StreamExt;
use std::process::Stdio;

/// What clawbox has Docker create, read back from a container of its own; of a manager whose process 1 is the
/// engine's, as one of ours waits for its manager.
pub(crate) async fn hardened_body(
    docker: &Docker,
    manager: &Manager,
) -> Outcome<ContainerCreateBody> {
    let info = manager.spawn(request(["true"])).await?;
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

pub(crate) async fn clawbox(manager: &Manager) -> Outcome<()> {
    let info = manager.spawn(request(["true"])).await?;
    let exit = manager.wait(&info.container_id).await?;
    let output = manager.collect_output(&info.container_id).await?;
    manager.cleanup_stopped().await?;
    if exit.exit_code != Some(0) || output.incomplete {
        return Err(format!("{exit:?}").into());
    }
    Ok(())
}

pub(crate) async fn bare(docker: &Docker, body: &ContainerCreateBody, round: usize) -> Outcome<()> {
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

pub(crate) fn cli(host: &str, profile: &str) -> Outcome<()> {
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
