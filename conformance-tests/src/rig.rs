//! A backend under test, with what makes it easy to ask.

use crate::{
    check::{Checked, Stop, ensure, same},
    tap::Tap,
};
use clawbox_containers::{
    ContainerBackend, ContainerSecurityConfig, ManagerConfig, OwnerId, types::ContainerSpawnRequest,
};
use clawbox_probe::Command;
use clawbox_types::{
    Capabilities, ContainerId, ContainerInfo, ContainerOutput, ExitReport, ResourceLimits,
};
use serde::de::DeserializeOwned;
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, sleep};

/// How long a case waits for what takes no time worth speaking of.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The limits of a case's containers, where it does not ask for others: a minute, 64 MiB.
pub(crate) fn limits() -> ResourceLimits {
    ResourceLimits::new(60_000, 64)
}

/// What a case may change of its backend.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) security: ContainerSecurityConfig,
    pub(crate) manager: ManagerConfig,
}

/// A manager over a tapped engine.
#[derive(Clone)]
pub(crate) struct Rig {
    pub(crate) backend: Arc<dyn ContainerBackend>,
    pub(crate) tap: Arc<Tap>,
    pub(crate) owner: OwnerId,
    /// How many containers it may hold.
    pub(crate) places: usize,
    /// Process 1 of its containers is ours.
    pub(crate) has_process_one: bool,
}

/// A container that has ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) id: ContainerId,
    pub(crate) exit: ExitReport,
    pub(crate) output: ContainerOutput,
}

/// A request to run the probe.
pub(crate) fn request(command: &Command) -> ContainerSpawnRequest {
    request_within(command, limits())
}

/// A request to run the probe within these limits.
pub(crate) fn request_within(command: &Command, limits: ResourceLimits) -> ContainerSpawnRequest {
    ContainerSpawnRequest::new(
        "a conformance case",
        Capabilities::default().with_resources(limits),
    )
    .with_command(command.argv())
}

/// A probe that sleeps longer than any case lasts, and ends when it is asked to.
pub(crate) const SLEEPER: Command = Command::Sleep {
    milliseconds: 120_000,
    ignore_term: false,
};

/// One that does not end when it is asked to.
pub(crate) const DEAF_SLEEPER: Command = Command::Sleep {
    milliseconds: 120_000,
    ignore_term: true,
};

impl Rig {
    pub(crate) async fn spawn(&self, request: ContainerSpawnRequest) -> Checked<ContainerInfo> {
        Ok(self.backend.spawn(request).await?)
    }

    /// Starts the [`SLEEPER`].
    pub(crate) async fn sleeper(&self) -> Checked<ContainerId> {
        Ok(self.spawn(request(&SLEEPER)).await?.container_id)
    }

    /// Runs a command to its end.
    pub(crate) async fn run(&self, command: &Command) -> Checked<Ran> {
        self.run_request(request(command)).await
    }

    /// Runs a request to its end.
    pub(crate) async fn run_request(&self, request: ContainerSpawnRequest) -> Checked<Ran> {
        let id = self.spawn(request).await?.container_id;
        let exit = self.backend.wait(&id).await?;
        let output = self.backend.collect_output(&id).await?;
        Ok(Ran { id, exit, output })
    }

    /// Runs a command and reads its answer.
    pub(crate) async fn report<T: DeserializeOwned>(&self, command: &Command) -> Checked<T> {
        self.run(command).await?.report()
    }

    /// Waits until a container has printed exactly this.
    pub(crate) async fn printed(&self, id: &ContainerId, text: &str) -> Checked {
        let mut follower = self.backend.follow_output(id)?;
        let mut seen = Vec::new();
        while seen.len() < text.len() {
            match tokio::time::timeout(PATIENCE, follower.next()).await? {
                Some((_, bytes)) => seen.extend(bytes),
                None => break,
            }
        }
        same("printed", String::from_utf8_lossy(&seen), text)
    }
}

impl Ran {
    /// The probe's answer. Missing output is a failure, as is anything besides.
    pub(crate) fn report<T: DeserializeOwned>(&self) -> Checked<T> {
        let (out, err) = (self.output.stdout.text(), self.output.stderr.text());
        ensure!(
            self.exit.exit_code == Some(0) && err.is_empty(),
            "the probe ended as {:?} and complained: {err}",
            self.exit
        );
        let line = out.strip_suffix('\n').filter(|line| !line.contains('\n'));
        let line = line.ok_or_else(|| Stop::Failed(format!("not one line of report: {out:?}")))?;
        Ok(serde_json::from_str(line)?)
    }
}

/// Asks again until the answer is yes.
pub(crate) async fn until<Fut>(what: &str, mut yes: impl FnMut() -> Fut) -> Checked
where
    Fut: Future<Output = Checked<bool>>,
{
    let deadline = Instant::now() + PATIENCE;
    while !yes().await? {
        ensure!(
            Instant::now() < deadline,
            "{what}: still not so after {PATIENCE:?}"
        );
        sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}
