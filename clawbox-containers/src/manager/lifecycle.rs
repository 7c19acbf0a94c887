//! One container from its registration until the engine confirms that it is gone, in one task that alone
//! decides how it ended.

use super::{
    Shared,
    calls::refusal,
    ending::{Exit, Force},
    registry::Record,
};
use crate::{
    engine::{ContainerEngine, EngineErrorKind},
    error::{ContainerError, ContainerResult},
    init::{Place, RunEvent},
    policy::Admission,
};
use clawbox_types::{ContainerId, ContainerIdentity, ContainerInfo, ContainerStatus, ExitReport};
use std::{
    path::PathBuf,
    sync::{Arc, OnceLock},
    time::Duration,
};
use time::OffsetDateTime;
use tokio::{
    sync::{OwnedSemaphorePermit, mpsc, oneshot},
    task::JoinHandle,
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

/// How long the caller of a failed spawn waits for the engine to confirm that nothing is left.
const CLEAN_UP_PATIENCE: Duration = Duration::from_secs(10);

/// A registered container, and what its task needs.
pub(super) struct Life<E> {
    pub(super) shared: Arc<Shared<E>>,
    pub(super) record: Arc<Record>,
    pub(super) admission: Admission,
    pub(super) identity: ContainerIdentity,
    pub(super) proxy_dir: Option<PathBuf>,
    /// Where its process 1 connects to us, where that is a directory of the host's.
    pub(super) init_dir: OnceLock<Place>,
    /// Its place among the containers that may exist.
    pub(super) place: OwnedSemaphorePermit,
}

/// How the caller of a spawn hears of its outcome.
type Answer = oneshot::Sender<ContainerResult<ContainerInfo>>;

/// Why a container ends.
enum Cause {
    /// By itself.
    Exit(Exit),
    /// By us, as this, and by `SIGKILL` from then on.
    Force(ContainerStatus, Instant),
}

/// A container whose command runs.
pub(super) struct Running {
    pub(super) since: Instant,
    pub(super) started_at: OffsetDateTime,
    pub(super) output: JoinHandle<()>,
    /// What process 1 tells of the command, where it is ours.
    pub(super) told: Option<mpsc::Receiver<RunEvent>>,
}

impl<E: ContainerEngine> Life<E> {
    /// Brings the container up, tells `answer`, and stays with it until the engine confirms that it is gone.
    pub(super) async fn run(self, abandoned: CancellationToken, answer: Answer) {
        let _end = EndOfTask(Arc::clone(&self.record));
        let (plan, reception) = match self.prepare(&abandoned).await {
            Ok(prepared) => prepared,
            Err(error) => {
                self.fail(&error);
                self.forget();
                return tell(Some((answer, error)));
            }
        };
        // Boxed, as it is much larger than what comes after it, and a task is as large as its largest part.
        match Box::pin(self.bring_up(&plan, reception, &abandoned)).await {
            Ok(running) => {
                drop(plan);
                let info = self.record.set_running();
                tracing::info!(container = %self.id(), image = %self.admission.image(), "container spawned");
                // Nobody there to hear it shows in `abandoned`.
                drop(answer.send(Ok(info)));
                self.see_through(running, &abandoned).await;
            }
            Err(error) => {
                self.fail(&error);
                self.take_back(error, answer).await;
            }
        }
    }

    pub(super) fn id(&self) -> &ContainerId {
        &self.identity.id
    }

    /// Sets the end of a container whose command never ran.
    fn fail(&self, error: &ContainerError) {
        tracing::warn!(container = %self.id(), %error, "container not spawned");
        self.shared.tokens.revoke(self.id());
        self.record.capture.end(true);
        self.record
            .set_end(ExitReport::new(ContainerStatus::Failed));
    }

    /// Undoes a spawn that failed. The caller hears of it when the engine has confirmed that nothing is left,
    /// or after a while; the task goes on until it has.
    async fn take_back(self, error: ContainerError, answer: Answer) {
        if refusal(&error) == Some(EngineErrorKind::AlreadyExists) {
            // The name is somebody else's container's, which is not ours to remove.
            let id = self.id().clone();
            self.forget();
            drop(answer.send(Err(ContainerError::AlreadyExists { id })));
            return;
        }
        let mut outcome = Some((answer, error));
        {
            let mut removal = std::pin::pin!(self.remove_until_gone());
            if timeout(CLEAN_UP_PATIENCE, &mut removal).await.is_err() {
                tell(outcome.take());
                removal.await;
            }
        }
        self.forget();
        tell(outcome);
    }

    /// Leaves a container of which nothing is left, and of which nobody was told.
    fn forget(self) {
        self.shared.registry.forget(&self.record);
        self.leave();
    }

    /// Leaves a container that is gone. Its place is free before anybody hears of it.
    fn leave(self) {
        drop(self.init_dir);
        drop(self.place);
        self.record.gone.cancel();
    }

    /// Waits for the end, whichever it is, and for the removal after it.
    async fn see_through(self, mut running: Running, abandoned: &CancellationToken) {
        let limit = self.admission.timeout().duration();
        let grace = self.shared.config.stop_grace;
        let deadline = running.since + limit;
        let now_and = |grace| Instant::now() + grace;
        let cause = tokio::select! {
            biased;
            exit = self.end(&mut running.told) => Cause::Exit(exit),
            () = self.record.kill.cancelled() => Cause::Force(ContainerStatus::Killed, now_and(grace)),
            () = self.shared.shutdown.cancelled() => Cause::Force(ContainerStatus::Killed, now_and(grace)),
            () = abandoned.cancelled() => Cause::Force(ContainerStatus::Killed, Instant::now()),
            () = sleep_until(deadline - grace.min(limit / 10)) => {
                Cause::Force(ContainerStatus::TimedOut, deadline)
            }
        };
        self.shared.tokens.revoke(self.id());
        let force = Force::default();
        let (exit, ended_as) = match cause {
            Cause::Exit(exit) => (exit, None),
            Cause::Force(status, at) => {
                let exit = self.end_by(at, &mut running.told, &force).await;
                (exit, Some((status, &force)))
            }
        };
        let unconfirmed = matches!(exit, Exit::Told { .. });
        self.drain(running.output).await;
        let report = self.report(ended_as, exit, running.started_at);
        tracing::info!(container = %self.id(), status = %report.status, exit_code = report.exit_code, "container ended");
        self.record.set_end(report);
        let rest = async {
            if unconfirmed {
                self.confirm_end().await;
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = rest => {}
            () = self.record.remove.cancelled() => {}
            () = self.record.kill.cancelled() => {}
            () = self.shared.shutdown.cancelled() => {}
            () = abandoned.cancelled() => {}
        }
        self.remove_until_gone().await;
        if abandoned.is_cancelled() {
            return self.forget();
        }
        let shared = Arc::clone(&self.shared);
        self.leave();
        shared.registry.forget_oldest_gone();
    }
}

/// Gives the caller of a failed spawn its error. That nobody is there to hear it is no matter.
fn tell(outcome: Option<(Answer, ContainerError)>) {
    if let Some((answer, error)) = outcome {
        drop(answer.send(Err(error)));
    }
}

/// Tells those who wait that a task was torn down before it knew the end.
struct EndOfTask(Arc<Record>);

impl Drop for EndOfTask {
    fn drop(&mut self) {
        // Has no effect where the end is known.
        self.0.set_end(ExitReport::new(ContainerStatus::Lost));
    }
}
