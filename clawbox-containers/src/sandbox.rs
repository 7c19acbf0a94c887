//! A container that runs no command of its own, for whoever brings the commands one by one.

use crate::{
    backend::ContainerBackend,
    error::{ContainerError, ContainerResult},
    exec::ExecHandle,
    files::Files,
    init::{CONTAINER_INIT, CONTAINER_INIT_WAIT},
};
use clawbox_types::{
    ContainerId, ContainerInfo, ContainerSpawnRequest, ExecReport, ExecRequest, ExitReport,
    Violation,
};
use std::{fmt, sync::Arc};
use tokio::runtime::Handle;

/// A container that waits for commands, until it is closed or its deadline comes.
///
/// Dropping it kills the container in the background, as long as the runtime lives; [`close`](Self::close) also waits
/// until it is gone. It needs clawbox's own process 1.
pub struct Sandbox {
    backend: Arc<dyn ContainerBackend>,
    info: ContainerInfo,
    /// Whoever drops it need not be in one.
    runtime: Handle,
    closed: bool,
}

impl Sandbox {
    /// Spawns a container for a request that names no command.
    ///
    /// # Errors
    ///
    /// `InvalidRequest` for one that does; otherwise as [`ContainerBackend::spawn`].
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub async fn open(
        backend: Arc<dyn ContainerBackend>,
        request: ContainerSpawnRequest,
    ) -> ContainerResult<Self> {
        let given = [("command", &request.command), ("args", &request.args)];
        let violations: Vec<_> = given
            .into_iter()
            .filter_map(|(field, words)| {
                let words = words.as_ref()?.join(" ");
                let accepted = "nothing: a sandbox is given its commands when it is open";
                Some(Violation::new(field, words, accepted))
            })
            .collect();
        if !violations.is_empty() {
            return Err(ContainerError::InvalidRequest { violations });
        }
        let request = request.with_command([CONTAINER_INIT, CONTAINER_INIT_WAIT]);
        let info = backend.spawn(request).await?;
        Ok(Self {
            backend,
            info,
            runtime: Handle::current(),
            closed: false,
        })
    }

    /// Its container.
    #[must_use]
    pub const fn id(&self) -> &ContainerId {
        &self.info.container_id
    }

    /// Its container, as it was when it was opened.
    #[must_use]
    pub const fn info(&self) -> &ContainerInfo {
        &self.info
    }

    /// Runs a command to its end.
    ///
    /// # Errors
    ///
    /// As [`ContainerBackend::exec`].
    pub async fn exec(&self, request: ExecRequest) -> ContainerResult<ExecReport> {
        self.backend.exec(self.id(), request).await
    }

    /// Starts a command, with its streams.
    ///
    /// # Errors
    ///
    /// As [`ContainerBackend::exec_stream`].
    pub async fn exec_stream(&self, request: ExecRequest) -> ContainerResult<ExecHandle> {
        self.backend.exec_stream(self.id(), request).await
    }

    /// Its files.
    #[must_use]
    pub fn files(&self) -> Files<'_> {
        Files::of(&*self.backend, self.id())
    }

    /// Waits for its end, by its deadline or by somebody's kill.
    ///
    /// # Errors
    ///
    /// As [`ContainerBackend::wait`].
    pub async fn wait(&self) -> ContainerResult<ExitReport> {
        self.backend.wait(self.id()).await
    }

    /// Kills it, and returns when its container is gone.
    ///
    /// # Errors
    ///
    /// As [`ContainerBackend::kill`]; the manager goes on trying.
    pub async fn close(mut self) -> ContainerResult<()> {
        let killed = self.backend.kill(&self.info.container_id).await;
        self.closed = true;
        killed
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if self.closed {
            return;
        }
        let (backend, id) = (Arc::clone(&self.backend), self.id().clone());
        self.runtime.spawn(async move {
            if let Err(error) = backend.kill(&id).await {
                tracing::warn!(container = %id, %error, "dropped sandbox not killed yet");
            }
        });
    }
}

impl fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sandbox")
            .field("info", &self.info)
            .finish_non_exhaustive()
    }
}
