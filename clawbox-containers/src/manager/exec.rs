//! Further commands in a running container.

use super::{Shared, process_one::not_run};
use crate::{
    engine::ContainerEngine,
    error::{ContainerError, ContainerResult},
    init::{Errand, NotRun, run_collected},
};
use clawbox_types::{ContainerId, ContainerStatus, EnvValue, ExecReport, ExecRequest};
use std::time::Duration;

impl<E: ContainerEngine> Shared<E> {
    pub(super) async fn exec(
        &self,
        id: &ContainerId,
        request: ExecRequest,
    ) -> ContainerResult<ExecReport> {
        self.policy.admit_exec(&request)?;
        let record = self.registry.find(id)?;
        let not_running = || ContainerError::InvalidState {
            id: id.clone(),
            expected: "running",
            actual: record.info().status,
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
        let limit = request
            .max_output_bytes
            .map_or(record.capture.limit(), |limit| {
                usize::try_from(limit).unwrap_or(usize::MAX)
            });
        run_collected(&process_one, &errand, deadline, limit)
            .await
            .map_err(|error| match error {
                NotRun::Failed { step, errno } => not_run(id, &errand, step, errno),
                NotRun::Broken(error) => {
                    tracing::debug!(container = %id, %error, "command lost with its container");
                    not_running()
                }
            })
    }
}
