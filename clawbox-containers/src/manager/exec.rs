//! Further commands in a running container.

use super::{Shared, process_one::not_run};
use crate::{
    engine::ContainerEngine,
    error::{ContainerError, ContainerResult},
    exec::{ExecHandle, ExecStdin},
    init::{Errand, NotRun, execute},
};
use clawbox_types::{ContainerId, ContainerStatus, EnvValue, ExecReport, ExecRequest};
use std::{sync::Arc, time::Duration};
use tokio::io::AsyncWriteExt;

impl<E: ContainerEngine> Shared<E> {
    pub(super) async fn exec(
        &self,
        id: &ContainerId,
        request: ExecRequest,
    ) -> ContainerResult<ExecReport> {
        let limit = request.max_output_bytes;
        let running = self.exec_stream(id, request).await?;
        let limit = match limit {
            Some(limit) => usize::try_from(limit).unwrap_or(usize::MAX),
            None => self.registry.find(id)?.capture.limit(),
        };
        running.collect(limit).await
    }

    pub(super) async fn exec_stream(
        &self,
        id: &ContainerId,
        request: ExecRequest,
    ) -> ContainerResult<ExecHandle> {
        self.policy.admit_exec(&request)?;
        let record = self.registry.find(id)?;
        let not_running = {
            let (id, record) = (id.clone(), Arc::clone(&record));
            move || ContainerError::InvalidState {
                id,
                expected: "running",
                actual: record.info().status,
            }
        };
        if record.info().status != ContainerStatus::Running {
            return Err(not_running());
        }
        let (process_one, own) =
            record
                .process_one()
                .ok_or_else(|| ContainerError::Unsupported {
                    what: "a further command".to_owned(),
                    reason: "process 1 of this container is the engine's".to_owned(),
                })?;
        let mut errand = Errand::clone(&own);
        errand.argv = request.command;
        if let Some(directory) = request.working_dir {
            errand.directory = directory;
        }
        for (key, value) in request.env {
            // It was checked with the rest of the request.
            if let Ok(value) = value.parse::<EnvValue>() {
                errand.environment.insert(key, value);
            }
        }
        let deadline = request.timeout_ms.map(Duration::from_millis);
        let execution = match execute(&process_one, &errand, deadline, request.terminal).await {
            Ok(execution) => execution,
            Err(NotRun::Failed { step, errno }) => return Err(not_run(id, &errand, step, errno)),
            Err(NotRun::NoTerminal) => {
                return Err(ContainerError::Unsupported {
                    what: "a terminal".to_owned(),
                    reason: "the engine is in memory, and a terminal is the kernel's".to_owned(),
                });
            }
            Err(NotRun::Broken(error)) => {
                tracing::debug!(container = %id, %error, "command lost with its container");
                return Err(not_running());
            }
        };
        let mut handle = execution.into_handle(not_running);
        if let Some(bytes) = request.stdin
            && let Some(stdin) = handle.stdin.take()
        {
            feed(stdin, bytes);
        }
        Ok(handle)
    }
}

/// Writes what a request brings. It ends with the command at the latest.
fn feed(mut stdin: ExecStdin, bytes: Vec<u8>) {
    if bytes.is_empty() {
        return;
    }
    tokio::spawn(async move {
        // What a command does not read is its own affair.
        if let Err(error) = stdin.write_all(&bytes).await {
            tracing::debug!(%error, "a further command has not read all of its standard input");
        }
    });
}
