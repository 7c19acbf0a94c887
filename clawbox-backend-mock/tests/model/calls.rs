//! Calls under way, and what may come of them.

use crate::{Checked, world::World};
use clawbox_backend_mock::MockBackend;
use clawbox_containers::{ContainerBackend as _, ContainerError, ContainerResult};
use clawbox_types::{
    ContainerId, ContainerInfo, ContainerSpawnRequest, ContainerStatus, ExecReport, ExecRequest,
    ExitReport,
};
use futures_util::{FutureExt, future::BoxFuture};
use std::{
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::Instant;

/// A call that somebody waits for.
pub(crate) struct Pending {
    pub(crate) call: Call,
    since: Instant,
    /// Whether its container was known when it was made.
    known: bool,
    future: BoxFuture<'static, Answer>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Call {
    Spawn(ContainerId),
    /// With the identity of a container that is known.
    SpawnAgain(ContainerId),
    Kill(ContainerId),
    Wait(ContainerId),
    Exec(ContainerId),
    Evict(ContainerId),
    Cleanup,
    Reap,
    Info,
}

enum Answer {
    Spawned(ContainerResult<ContainerInfo>),
    Ended(ContainerResult<ExitReport>),
    Ran(ContainerResult<ExecReport>),
    Done(ContainerResult<()>),
    Cleaned(ContainerResult<usize>),
}

/// How long a call may take: the sum of what each of its calls to the engine may.
fn bound(call: &Call) -> Option<Duration> {
    let (query, change, image, grace) = (10, 60, 900, 2);
    let seconds = match call {
        Call::Wait(_) => return None,
        // A further command has no limit of its own here.
        Call::Exec(_) => return None,
        // Create, the host's abilities, inspect, attach, start, process 1 and its last words; the removal.
        Call::SpawnAgain(_) => 0,
        Call::Spawn(_) => image + 4 * change + 3 * query + 10,
        Call::Kill(_) => grace + change,
        Call::Evict(_) => query + 2 * change + grace,
        Call::Cleanup => change,
        // Of as many containers as there may be.
        Call::Reap => query + 4 * change,
        Call::Info => query,
    };
    Some(Duration::from_secs(seconds))
}

impl World {
    /// Makes a call. It is polled at the end of the step, before anything else has a turn.
    pub(crate) fn call(&mut self, call: Call, request: Option<ContainerSpawnRequest>) {
        let known = call
            .container()
            .is_some_and(|id| self.backend.get(id).is_some());
        let future = begin(self.backend.clone(), call.clone(), request);
        self.pending.push(Pending {
            call,
            since: Instant::now(),
            known,
            future,
        });
    }

    /// Polls every call that is under way, in the order in which they were made.
    pub(crate) fn poll_all(&mut self, context: &mut Context<'_>) -> Checked {
        let mut place = 0;
        while place < self.pending.len() {
            match self.pending[place].future.poll_unpin(context) {
                Poll::Ready(answer) => {
                    let pending = self.pending.remove(place);
                    self.answered(&pending, answer)
                        .map_err(|what| format!("{:?}: {what}", pending.call))?;
                }
                Poll::Pending => place += 1,
            }
        }
        Ok(())
    }

    fn answered(&mut self, pending: &Pending, answer: Answer) -> Checked {
        let took = pending.since.elapsed();
        if let Some(bound) = bound(&pending.call)
            && took > bound
        {
            return Err(format!("took {took:?}; at most {bound:?}"));
        }
        let not_found = |id: &ContainerId| match pending.known {
            true => Err(format!("{id} was not found")),
            false => Ok(()),
        };
        match (&pending.call, answer) {
            (Call::Spawn(id), Answer::Spawned(answer)) => self.spawned(id, answer),
            (Call::SpawnAgain(_), Answer::Spawned(Err(ContainerError::AlreadyExists { .. }))) => {
                Ok(())
            }
            (_, Answer::Spawned(answer)) => Err(format!("a name twice: {answer:?}")),
            (Call::Kill(id), Answer::Done(Ok(()))) => self.killed(id),
            (_, Answer::Done(Ok(()))) => Ok(()),
            (
                Call::Kill(_) | Call::Info | Call::Evict(_),
                Answer::Done(Err(ContainerError::EngineTimeout { .. })),
            ) => Ok(()),
            (Call::Info | Call::Evict(_), Answer::Done(Err(_))) => Ok(()),
            (_, Answer::Done(Err(ContainerError::NotFound { id }))) => not_found(&id),
            (_, Answer::Done(Err(error))) => Err(error.to_string()),
            (_, Answer::Ended(Ok(report))) => match report.status.is_terminal() {
                true => Ok(()),
                false => Err(format!("{report:?}")),
            },
            (_, Answer::Ended(Err(ContainerError::NotFound { id }))) => not_found(&id),
            (_, Answer::Ended(Err(error))) => Err(error.to_string()),
            (_, Answer::Ran(Ok(report))) => {
                let noted = report.output.stdout.text() == "noted";
                match (report.exit_code, noted, report.signal) {
                    (0, true, None) | (_, _, Some(_)) => Ok(()),
                    _ => Err(format!("{report:?}")),
                }
            }
            (_, Answer::Ran(Err(ContainerError::NotFound { id }))) => not_found(&id),
            (
                _,
                Answer::Ran(Err(
                    ContainerError::InvalidState { .. }
                    | ContainerError::StartFailed { .. }
                    | ContainerError::Unsupported { .. },
                )),
            ) => Ok(()),
            (_, Answer::Ran(Err(error))) => Err(error.to_string()),
            (Call::Cleanup, Answer::Cleaned(Ok(count))) => {
                self.cleaned += count;
                Ok(())
            }
            (Call::Reap, Answer::Cleaned(_)) => Ok(()),
            (_, Answer::Cleaned(answer)) => Err(format!("{answer:?}")),
        }
    }

    fn spawned(&mut self, id: &ContainerId, answer: ContainerResult<ContainerInfo>) -> Checked {
        match answer {
            Ok(info) => {
                if info.status != ContainerStatus::Running {
                    return Err(format!("came back {}", info.status));
                }
                self.backend
                    .enforcement(id)
                    .map_err(|error| format!("no report of a container that runs: {error}"))?;
                self.container(id).known = true;
                Ok(())
            }
            // One of its name may have come late.
            Err(ContainerError::AlreadyExists { .. }) if !self.late => {
                Err("its name is free".to_owned())
            }
            Err(ContainerError::InvalidState {
                actual: ContainerStatus::Lost,
                ..
            }) => Err("its task is gone".to_owned()),
            Err(_) => Ok(()),
        }
    }

    fn killed(&self, id: &ContainerId) -> Checked {
        let there = self.engine.containers().contains(&id.to_string());
        // It may have been spawned again; or, forgotten since, have come late, to be found again.
        let known = self.backend.get(id);
        let excused = known.map_or(self.late, |it| !it.status.is_terminal());
        match there && !excused {
            true => Err("confirmed, and it is there".to_owned()),
            false => Ok(()),
        }
    }
}

impl Call {
    fn container(&self) -> Option<&ContainerId> {
        match self {
            Self::Spawn(id)
            | Self::SpawnAgain(id)
            | Self::Kill(id)
            | Self::Wait(id)
            | Self::Exec(id)
            | Self::Evict(id) => Some(id),
            Self::Cleanup | Self::Reap | Self::Info => None,
        }
    }
}

fn begin(
    backend: MockBackend,
    call: Call,
    request: Option<ContainerSpawnRequest>,
) -> BoxFuture<'static, Answer> {
    async move {
        match call {
            Call::Spawn(_) | Call::SpawnAgain(_) => {
                Answer::Spawned(backend.spawn(request.unwrap()).await)
            }
            Call::Kill(id) => Answer::Done(backend.kill(&id).await),
            Call::Wait(id) => Answer::Ended(backend.wait(&id).await),
            Call::Exec(id) => Answer::Ran(backend.exec(&id, ExecRequest::new(["note"])).await),
            Call::Evict(id) => Answer::Done(backend.evict(&id).await),
            Call::Cleanup => Answer::Cleaned(backend.cleanup_stopped().await),
            Call::Reap => Answer::Cleaned(backend.reap_orphans().await),
            Call::Info => Answer::Done(backend.info().await.map(drop)),
        }
    }
    .boxed()
}
