//! The way down: the end as the engine tells it, the end by force, and the removal.

use super::{Shared, calls::refusal, lifecycle::Watch};
use crate::{
    engine::{ContainerEngine, EngineErrorKind, EnginePhase, EngineState, Removal, Signal},
    init::{RunEvent, code_and_signal},
};
use clawbox_init::protocol::End;
use clawbox_types::{ContainerId, ContainerStatus, ExitReport};
use std::{
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
    time::Duration,
};
use time::OffsetDateTime;
use tokio::{
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, sleep, sleep_until, timeout},
};

/// Between two attempts of what must succeed in the end: at first, and at most.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));
/// How long the output streams may outlive their container.
const DRAIN_PATIENCE: Duration = Duration::from_secs(5);

/// A wait that was not answered for so long is asked again, as its connection may be dead without a word: at first,
/// and at most.
const ASK_AGAIN: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(600));

/// An engine that has not passed a signal on by then is not waited for where process 1 can.
const SIGNAL_PATIENCE: Duration = Duration::from_millis(500);

/// The exit codes of commands that died of `SIGKILL` and of `SIGTERM`.
const SIGKILLED: i32 = 128 + 9;
const SIGTERMED: i32 = 128 + 15;

/// How long after the word of its process 1 that a container ends the engine is asked for its own. Nearly always it is
/// removed by then, and the call would only be in the way of that.
const CONFIRM_AFTER: Duration = Duration::from_millis(100);
/// How long a container may outlive that word.
const END_PATIENCE: Duration = Duration::from_secs(5);

/// What was said of the end.
pub(super) enum Exit {
    /// By process 1, of its own child.
    Told {
        end: End,
        by_deadline: bool,
        oom_kills: Option<u64>,
        state: Option<EngineState>,
        at: OffsetDateTime,
    },
    /// By the engine.
    Ended {
        code: i32,
        state: Option<EngineState>,
    },
    /// Somebody else removed it.
    Vanished,
}

impl<E: ContainerEngine> Watch<'_, E> {
    /// The container's own end: as process 1 tells it, or, where that is gone without a word, the engine.
    pub(super) async fn end(&self, told: &mut Option<mpsc::Receiver<RunEvent>>) -> Exit {
        if let Some(events) = told {
            if let Some(RunEvent::Ended {
                end,
                by_deadline,
                oom_kills,
            }) = events.recv().await
            {
                let at = self.shared.config.clock.now();
                let state = match oom_kills {
                    Some(_) => None,
                    None => self.final_state().await,
                };
                return Exit::Told {
                    end,
                    by_deadline,
                    oom_kills,
                    state,
                    at,
                };
            }
            *told = None;
        }
        self.exit().await
    }

    /// Process 1 has told the end and goes itself. Where the engine does not see it go, it is made to.
    pub(super) async fn confirm_end(&self) {
        sleep(CONFIRM_AFTER).await;
        match timeout(END_PATIENCE, self.shared.calls.engine.wait(self.id())).await {
            Ok(Ok(_)) => return,
            Ok(Err(error)) if error.kind() == EngineErrorKind::NotFound => return,
            Ok(Err(error)) => {
                tracing::warn!(container = %self.id(), %error, "the end is not confirmed yet")
            }
            Err(_) => tracing::warn!(container = %self.id(), "process 1 outlives its command"),
        }
        self.end_by(Instant::now(), &mut None, &Force::default())
            .await;
    }

    /// The container's own end, as told by an engine that answers. A lost connection is not an exit.
    async fn exit(&self) -> Exit {
        let calls = &self.shared.calls;
        let mut pause = BACK_OFF.0;
        let mut patience = ASK_AGAIN.0;
        loop {
            match timeout(patience, calls.engine.wait(self.id())).await {
                Ok(Ok(code)) => {
                    let state = self.final_state().await;
                    return Exit::Ended { code, state };
                }
                Ok(Err(error)) if error.kind() == EngineErrorKind::NotFound => {
                    return Exit::Vanished;
                }
                Ok(Err(error)) => {
                    tracing::warn!(container = %self.id(), %error, "waiting for the container failed")
                }
                Err(_) => patience = (patience * 2).min(ASK_AGAIN.1),
            }
            match calls
                .query("inspect the container", calls.engine.inspect(self.id()))
                .await
            {
                Ok(inspection) => {
                    self.record.set_stale(false);
                    if inspection.state.phase == EnginePhase::Exited
                        && let Some(code) = inspection.state.exit_code
                    {
                        let state = Some(inspection.state);
                        return Exit::Ended { code, state };
                    }
                }
                Err(error) if refusal(&error) == Some(EngineErrorKind::NotFound) => {
                    return Exit::Vanished;
                }
                Err(error) => {
                    tracing::warn!(container = %self.id(), %error, "the container's state is not known");
                    self.record.set_stale(true);
                    // So that it is known soon when the engine is back.
                    patience = ASK_AGAIN.0;
                }
            }
            sleep(pause).await;
            pause = (pause * 2).min(BACK_OFF.1);
        }
    }

    /// What the engine has on record of a container that has ended. It may be removed meanwhile. Of several attempts all
    /// together may take as long as one.
    async fn final_state(&self) -> Option<EngineState> {
        let calls = &self.shared.calls;
        let attempts = async {
            for _ in 0..5 {
                match calls.engine.inspect(self.id()).await {
                    Ok(inspection) => return Some(inspection.state),
                    Err(error) if error.kind() == EngineErrorKind::NotFound => return None,
                    Err(error) => {
                        tracing::warn!(container = %self.id(), %error, "the end could not be read back")
                    }
                }
                sleep(BACK_OFF.0).await;
            }
            None
        };
        let state = timeout(calls.timeouts.query, attempts).await;
        state.unwrap_or_else(|_| {
            tracing::warn!(container = %self.id(), "the end was not read back in time");
            None
        })
    }

    /// Ends the container: asked at once, forced at `force_at`, again and again until the engine confirms.
    pub(super) async fn end_by(
        &self,
        force_at: Instant,
        told: &mut Option<mpsc::Receiver<RunEvent>>,
        force: &Force,
    ) -> Exit {
        let exit = self.end(told);
        tokio::pin!(exit);
        let ask = async {
            self.signal(Signal::Term, force).await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            biased;
            exit = &mut exit => return exit,
            () = sleep_until(force_at) => {}
            () = ask => {}
        }
        let mut pause = BACK_OFF.0;
        loop {
            let kill = async {
                self.signal(Signal::Kill, force).await;
                sleep(pause).await;
            };
            tokio::select! {
                biased;
                exit = &mut exit => return exit,
                () = kill => {}
            }
            pause = (pause * 2).min(BACK_OFF.1);
        }
    }

    /// Sends a signal through the engine, and `SIGKILL` through process 1 where the engine does not.
    async fn signal(&self, signal: Signal, force: &Force) {
        let calls = &self.shared.calls;
        let sent = calls.query("signal the container", calls.engine.kill(self.id(), signal));
        let later = async {
            sleep(SIGNAL_PATIENCE).await;
            self.signal_by_link(signal, force);
            std::future::pending().await
        };
        force.asked();
        let sent = tokio::select! {
            biased;
            sent = sent => sent,
            never = later => never,
        };
        match sent {
            Ok(()) => force.used(),
            Err(error) => {
                // It may have ended meanwhile; if it has not, the signal is sent again.
                tracing::debug!(container = %self.id(), %error, signal = signal.name(), "signal not delivered");
                // Without the engine's word, whether it was delivered is not known.
                if refusal(&error).is_some() {
                    force.denied();
                }
                self.signal_by_link(signal, force);
            }
        }
    }

    fn signal_by_link(&self, signal: Signal, force: &Force) {
        if signal == Signal::Kill
            && let Some((process_one, _)) = self.record.process_one()
            && process_one.signal_command(signal)
        {
            tracing::debug!(container = %self.id(), signal = signal.name(), "signal sent by process 1");
            force.used();
        }
    }

    /// Reads the output to its end, which comes with the container's.
    pub(super) async fn drain(&self, mut output: JoinHandle<()>) {
        if timeout(DRAIN_PATIENCE, &mut output).await.is_err() {
            output.abort();
        }
        // Has no effect where the streams ended in order.
        self.record.capture.end(true);
    }

    /// How it ended. `ended_as` is what it was ended for, if it was; `limit` what its process 1 holds it to, if that is
    /// ours.
    pub(super) fn report(
        &self,
        ended_as: Option<(ContainerStatus, &Force)>,
        exit: Exit,
        started_at: OffsetDateTime,
        limit: Option<Duration>,
    ) -> ExitReport {
        let ended_as = ended_as
            .filter(|(_, force)| force.explains(&exit))
            .map(|(status, _)| status);
        let mut report = ExitReport::new(ContainerStatus::Lost);
        report.recovered = self.record.recovered;
        let mut by_deadline = false;
        match exit {
            Exit::Told {
                end,
                by_deadline: deadline,
                oom_kills,
                state,
                at,
            } => {
                let (exit_code, signal) = code_and_signal(end);
                report.exit_code = Some(exit_code);
                report.signal = signal;
                by_deadline = deadline;
                report.oom_killed = match oom_kills {
                    Some(count) => Some(count > 0),
                    None => oom_killed(state.as_ref(), report.exit_code, ended_as),
                };
                report.started_at = Some(started_at);
                report.finished_at = Some(at);
            }
            Exit::Ended { code, state } => {
                report.exit_code = Some(code);
                report.oom_killed = oom_killed(state.as_ref(), Some(code), ended_as);
                report.started_at = state.as_ref().and_then(|state| state.started_at);
                report.finished_at = state.and_then(|state| state.finished_at);
            }
            Exit::Vanished => {}
        }
        // Its process 1 ends it where nobody else does, and may have lost its link to us.
        let ran = report
            .finished_at
            .map(|finished_at| finished_at - started_at);
        by_deadline |= report.exit_code == Some(SIGKILLED)
            && ran.zip(limit).is_some_and(|(ran, limit)| ran >= limit);
        report.status = match (ended_as, report.exit_code) {
            (Some(status), _) => status,
            _ if by_deadline => ContainerStatus::TimedOut,
            (None, Some(0)) => ContainerStatus::Completed,
            (None, Some(_)) => ContainerStatus::Failed,
            (None, None) => ContainerStatus::Lost,
        };
        (
            report.stdout_dropped,
            report.stderr_dropped,
            report.output_incomplete,
        ) = self.record.capture.losses();
        report
    }
}

impl<E: ContainerEngine> Shared<E> {
    /// Removes a container, again and again until the engine confirms that it is gone.
    pub(super) async fn remove_until_gone(&self, id: &ContainerId) -> Removal {
        let mut pause = BACK_OFF.0;
        loop {
            let removal = self.calls.engine.remove(id);
            match self.calls.change("remove the container", removal).await {
                Ok(removal) => return removal,
                Err(error) => {
                    tracing::warn!(container = %id, %error, "container not removed yet")
                }
            }
            sleep(pause).await;
            pause = (pause * 2).min(BACK_OFF.1);
        }
    }
}

/// What was done to end a container by force. Where nothing can have come of it, its end is its own.
#[derive(Debug, Default)]
pub(super) struct Force {
    /// Signals of which nobody knows whether they were delivered.
    unanswered: AtomicU32,
    delivered: AtomicBool,
}

impl Force {
    fn asked(&self) {
        self.unanswered.fetch_add(1, Ordering::Relaxed);
    }

    fn denied(&self) {
        self.unanswered.fetch_sub(1, Ordering::Relaxed);
    }

    fn used(&self) {
        self.delivered.store(true, Ordering::Relaxed);
    }

    /// Whether this end came of it: it was delivered, or may have been and the end looks like it.
    fn explains(&self, exit: &Exit) -> bool {
        let code = match exit {
            Exit::Told { end, .. } => Some(code_and_signal(*end).0),
            Exit::Ended { code, .. } => Some(*code),
            Exit::Vanished => None,
        };
        let looks_like_it = matches!(code, Some(SIGKILLED | SIGTERMED));
        self.delivered.load(Ordering::Relaxed)
            || (looks_like_it && self.unanswered.load(Ordering::Relaxed) > 0)
    }
}

/// An engine may miss the kernel's notice, so its silence about a `SIGKILL` of unknown origin is no answer.
fn oom_killed(
    state: Option<&EngineState>,
    code: Option<i32>,
    ended_as: Option<ContainerStatus>,
) -> Option<bool> {
    let unexplained = code == Some(SIGKILLED) && ended_as.is_none();
    state
        .map(|state| state.oom_killed)
        .filter(|oom_killed| *oom_killed || !unexplained)
}
