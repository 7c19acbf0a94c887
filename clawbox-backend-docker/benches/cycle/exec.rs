//! `true` as a further command in a container that runs, with its output and its exit code.

use crate::{Manager, Outcome, load, request};
use bollard::{
    Docker,
    exec::{StartExecOptions, StartExecResults},
    models::ExecConfig,
};
use clawbox_containers::{
    ContainerBackend,
    types::{ContainerId, ExecRequest},
};
use futures_util::StreamExt;
use std::process::{Command, Stdio};

/// By its path, as the engine knows nothing of the command's environment, and so of no `PATH`.
const TRUE: &str = "/bin/true";

/// A container in which nothing else happens.
pub(crate) struct Sandbox<'a> {
    manager: &'a Manager,
    id: ContainerId,
}

impl<'a> Sandbox<'a> {
    pub(crate) async fn begin(manager: &'a Manager) -> Outcome<Self> {
        let info = manager.spawn(request(["sleep", "600"])).await?;
        Ok(Self {
            manager,
            id: info.container_id,
        })
    }

    pub(crate) async fn end(self) -> Outcome<()> {
        self.manager.kill(&self.id).await?;
        self.manager.cleanup_stopped().await?;
        Ok(())
    }

    pub(crate) async fn clawbox(&self) -> Outcome<()> {
        let report = self
            .manager
            .exec(&self.id, ExecRequest::new([TRUE]))
            .await?;
        succeeded(Some(report.exit_code.into()))
    }

    pub(crate) async fn bare(&self, docker: &Docker) -> Outcome<()> {
        let config = ExecConfig {
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            cmd: Some(vec![TRUE.to_owned()]),
            ..ExecConfig::default()
        };
        let exec = docker.create_exec(&self.id.to_string(), config).await?.id;
        let started = docker.start_exec(&exec, None::<StartExecOptions>).await?;
        if let StartExecResults::Attached { mut output, .. } = started {
            while let Some(chunk) = output.next().await {
                chunk?;
            }
        }
        succeeded(docker.inspect_exec(&exec).await?.exit_code)
    }

    /// Many at once, and much output.
    pub(crate) async fn load(&self, host: &str) -> Outcome<()> {
        load::steps(self.manager, &self.id).await?;
        load::many(self.manager, &self.id).await?;
        load::flood(self.manager, &self.id, || self.docker_exec(host)).await
    }

    fn docker_exec(&self, host: &str) -> Command {
        let mut docker = Command::new("docker");
        docker.args(["--host", host, "exec", &self.id.to_string()]);
        docker
    }

    pub(crate) fn cli(&self, host: &str) -> Outcome<()> {
        let status = self
            .docker_exec(host)
            .arg(TRUE)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status()?;
        succeeded(status.code().map(i64::from))
    }
}

fn succeeded(code: Option<i64>) -> Outcome<()> {
    match code {
        Some(0) => Ok(()),
        other => Err(format!("exit {other:?}").into()),
    }
}
