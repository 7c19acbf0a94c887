//! One container from its registration until the engine confirms that it is gone, in one task that alone
//! decides how it ended.

use super::{
    Shared,
    calls::refusal,
    ending::{Exit, Force},
    registry::Record,
};
use crate::{
    counters::Count,
    engine::{ContainerEngine, EngineErrorKind, Removal},
    error::{ContainerError, ContainerResult},
    init::{Place, RunEvent},
    policy::Admission,
    workspace::OpenWorkspace,
};
use clawbox_types::{ContainerId, ContainerIdentity, ContainerInfo, ContainerStatus, ExitReport};
use std::{
    path::PathBuf,
    sync::{
        Arc, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use time::OffsetDateTime;
use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

/// How long the caller of a spawn waits for the engine to confirm that nothing is left of what is taken back.
pub(super) const CLEAN_UP_PATIENCE: Duration = Duration::from_secs(10);

/// When a create that was not answered is looked for again, each time after the one before: for two minutes. What comes
/// later is the reaper's.
const LOOK_AGAIN: [Duration; 5] = [
    Duration::from_secs(1),
    Duration::from_secs(4),
    Duration::from_secs(15),
    Duration::from_secs(40),
    Duration::from_secs(60),
];

/// A registered container, and what its task needs.
pub(super) struct Life<E: ContainerEngine> {
    pub(super) shared: Arc<Shared<E>>,
    pub(super) record: Arc<Record>,
    pub(super) admission: Admission,
    pub(super) identity: ContainerIdentity,
    pub(super) proxy_dir: Option<PathBuf>,
    /// Held open for as long as the container is, so that nothing else takes their numbers.
    pub(super) workspaces: Vec<OpenWorkspace>,
    /// Where its process 1 connects to us, where that is a directory of the host's.
    pub(super) init_dir: OnceLock<Place>,
    /// Whether the engine was asked to create it.
    pub(super) asked: AtomicBool,
    /// Whether it did not answer that.
    pub(super) unanswered: AtomicBool,
    /// Whether the command may run, or have run, though nobody has said so.
    pub(super) may_run: AtomicBool,
    pub(super) _tether: Tether<E>,
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

/// A container that runs or has ended, whoever brought it up.
pub(super) struct Watch<'a, E> {
    pub(super) shared: &'a Shared<E>,
    pub(super) record: &'a Arc<Record>,
    pub(super) id: &'a ContainerId,
}

/// How long a container may run.
pub(super) struct Bounds {
    /// When it is asked to end, and when it is made to.
    pub(super) ask_at: Instant,
    pub(super) force_at: Instant,
    /// What its process 1 holds it to, if that is ours.
    pub(super) held_to: Option<Duration>,
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
        // Boxed, as it is much larger than what comes after it, and a task is as large as its largest part.
        let brought_up = Box::pin(async {
            let prepared = self.prepare(&abandoned).await?;
            self.bring_up(prepared, &abandoned).await
        });
        match brought_up.await {
            Ok(running) => {
                Count::Spawned.up();
                let info = self.record.set_running();
                tracing::info!(container = %self.id(), image = %self.admission.image(), "container spawned");
                // Nobody there to hear it shows in `abandoned`.
                drop(answer.send(Ok(info)));
                self.see_through(running, &abandoned).await;
            }
            Err(error) => {
                self.fail(&error);
                if self.asked.load(Ordering::Relaxed) {
                    return self.take_back(error, answer).await;
                }
                self.forget();
                tell(Some((answer, error)));
            }
        }
    }

    pub(super) fn id(&self) -> &ContainerId {
        &self.identity.id
    }

    /// Sets the end of a container whose command never ran.
    fn fail(&self, error: &ContainerError) {
        tracing::warn!(container = %self.id(), %error, "container not spawned");
        Count::Refused.up();
        if matches!(error, ContainerError::PolicyNotEnforced { .. }) {
            Count::VerificationFailed.up();
        }
        self.shared.tokens.revoke(self.id());
        self.record.capture.end(true);
        // What may run has ended when it is removed.
        if !self.may_run.load(Ordering::Relaxed) {
            let report = ExitReport::new(ContainerStatus::Failed);
            self.record.set_end(report);
        }
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
        let removal = {
            let mut removal = std::pin::pin!(self.shared.remove_until_gone(self.id()));
            match timeout(CLEAN_UP_PATIENCE, &mut removal).await {
                Ok(removal) => removal,
                Err(_) => {
                    tell(outcome.take());
                    removal.await
                }
            }
        };
        let report = ExitReport::new(ContainerStatus::Failed);
        self.record.set_end(report);
        let doubtful = removal == Removal::AlreadyGone && self.unanswered.load(Ordering::Relaxed);
        let (shared, id) = (Arc::clone(&self.shared), self.id().clone());
        self.forget();
        tell(outcome);
        if doubtful {
            shared.look_again(&id).await;
        }
    }

    /// Leaves a container of which nothing is left, and of which nobody was told.
    fn forget(self) {
        self.shared.registry.forget(&self.record);
        self.leave();
    }

    /// Leaves a container that is gone.
    fn leave(self) {
        drop(self.init_dir);
        self.record.set_gone();
    }

    /// Stays with a container that runs until the engine confirms that it is gone, or it is left as it is.
    async fn see_through(self, running: Running, abandoned: &CancellationToken) {
        let limit = self.admission.timeout().duration();
        let force_at = running.since + limit;
        let bounds = Bounds {
            ask_at: force_at - self.shared.config.stop_grace.min(limit / 10),
            force_at,
            held_to: running.told.as_ref().map(|_| limit),
        };
        let watch = Watch {
            shared: &self.shared,
            record: &self.record,
            id: self.id(),
        };
        if !watch.see_through(running, bounds, abandoned).await {
            return;
        }
        if abandoned.is_cancelled() {
            return self.forget();
        }
        let shared = Arc::clone(&self.shared);
        self.leave();
        shared.registry.forget_oldest_gone();
    }
}

impl<E: ContainerEngine> Watch<'_, E> {
    pub(super) const fn id(&self) -> &ContainerId {
        self.id
    }

    /// Waits for the end, whichever it is, and for the removal after it. `false`: it was left as it is.
    pub(super) async fn see_through(
        &self,
        mut running: Running,
        bounds: Bounds,
        abandoned: &CancellationToken,
    ) -> bool {
        let grace = self.shared.config.stop_grace;
        let now_and = |grace| Instant::now() + grace;
        let cause = tokio::select! {
            biased;
            exit = self.end(&mut running.told) => Cause::Exit(exit),
            () = self.record.kill.cancelled() => Cause::Force(ContainerStatus::Killed, now_and(grace)),
            () = self.shared.keep.cancelled() => {
                running.output.abort();
                self.shared.let_go(self.record);
                return false;
            }
            () = self.shared.shutdown.cancelled() => Cause::Force(ContainerStatus::Killed, now_and(grace)),
            () = abandoned.cancelled() => Cause::Force(ContainerStatus::Killed, Instant::now()),
            () = sleep_until(bounds.ask_at) => {
                Cause::Force(ContainerStatus::TimedOut, bounds.force_at)
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
        let report = self.report(ended_as, exit, running.started_at, bounds.held_to);
        tracing::info!(container = %self.id(), status = %report.status, exit_code = report.exit_code, "container ended");
        self.record.set_end(report);
        let rest = async {
            if unconfirmed {
                self.confirm_end().await;
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            biased;
            () = self.record.remove.cancelled() => {}
            () = self.record.kill.cancelled() => {}
            () = self.shared.keep.cancelled() => {
                self.shared.let_go(self.record);
                return false;
            }
            () = rest => {}
            () = self.shared.shutdown.cancelled() => {}
            () = abandoned.cancelled() => {}
        }
        let removal = self.shared.remove_until_gone(self.id()).await;
        tracing::info!(container = %self.id(), ?removal, "container removed");
        true
    }
}

/// Gives the caller of a failed spawn its error. That nobody is there to hear it is no matter.
fn tell(outcome: Option<(Answer, ContainerError)>) {
    if let Some((answer, error)) = outcome {
        drop(answer.send(Err(error)));
    }
}

/// What ties a container to its task: where that is torn down, by a panic or with its runtime, nobody waits for an end
/// that nobody will tell, no token outlives it, and what is at the engine can be seen to.
pub(super) struct Tether<E: ContainerEngine> {
    pub(super) shared: Arc<Shared<E>>,
    pub(super) record: Arc<Record>,
}

impl<E: ContainerEngine> Drop for Tether<E> {
    fn drop(&mut self) {
        if self.record.gone.is_cancelled() || self.record.kept.is_cancelled() {
            return;
        }
        self.shared.tokens.revoke(&self.record.info().container_id);
        self.record.capture.end(true);
        // Has no effect where the end is known.
        self.record.set_end(ExitReport::new(ContainerStatus::Lost));
        self.record.untended.store(true, Ordering::Relaxed);
        if std::thread::panicking() && Handle::try_current().is_ok() {
            self.shared.tend(&self.record);
        }
    }
}

/// The task that sees to what another has left. Where it is torn down too, the next call begins anew.
struct Tending(Arc<Record>);

impl Drop for Tending {
    fn drop(&mut self) {
        let done = self.0.gone.is_cancelled();
        self.0.untended.store(!done, Ordering::Relaxed);
    }
}

impl<E: ContainerEngine> Shared<E> {
    /// Removes what the torn down task of a container has left, in a task of its own.
    pub(super) fn tend(self: &Arc<Self>, record: &Arc<Record>) {
        if record.untended.swap(false, Ordering::Relaxed) {
            let (shared, tending) = (Arc::clone(self), Tending(Arc::clone(record)));
            tokio::spawn(async move {
                let record = &tending.0;
                let id = record.info().container_id;
                shared.remove_until_gone(&id).await;
                record.set_gone();
            });
        }
    }

    /// Nobody knows whether a create that was not answered is still to be done: an engine that was held up may do so
    /// later than the removal that found nothing.
    async fn look_again(&self, id: &ContainerId) {
        let mut pauses = LOOK_AGAIN.into_iter();
        let mut next = pauses.next();
        while let Some(pause) = next {
            // A manager that goes looks a last time, and leaves the rest to the reapers of others.
            drop(timeout(pause, self.shutdown.cancelled()).await);
            let is_last = self.shutdown.is_cancelled();
            // A name that has been given anew is taken as long.
            let look = match self.registry.holds(id) {
                true => None,
                false => {
                    let found = self.calls.engine.inspect(id);
                    Some(self.calls.query("inspect the container", found).await)
                }
            };
            match look {
                Some(Ok(_)) if !self.registry.holds(id) => {
                    let removal = self.remove_until_gone(id).await;
                    tracing::warn!(container = %id, ?removal, "container created after it was given up");
                    return;
                }
                // A look that was not answered is none.
                Some(Err(error)) if refusal(&error) != Some(EngineErrorKind::NotFound) => {}
                _ => next = pauses.next(),
            }
            if is_last {
                let mut lease = self.lease.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(lease) = lease.as_mut() {
                    lease.outlast();
                }
                return;
            }
        }
    }
}
