//! The way down: the end as the engine tells it, the end by force, and the removal.

use super::{calls::refusal, lifecycle::Life};
use crate::engine::{ContainerEngine, EngineErrorKind, EnginePhase, EngineState, Signal};
use clawbox_types::{ContainerStatus, ExitReport};
use std::time::Duration;
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, sleep_until, timeout},
};

/// Between two attempts of what must succeed in the end: at first, and at most.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));
/// How long the output streams may outlive their container.
const DRAIN_PATIENCE: Duration = Duration::from_secs(5);

/// A wait that was not answered for so long is asked again, as its connection may be dead without a word:
/// while the command runs, and once it was to end.
pub(super) const ASK_AGAIN: (Duration, Duration) =
    (Duration::from_secs(600), Duration::from_secs(5));

/// The exit code of a command that died of `SIGKILL`.
const SIGKILLED: i32 = 128 + 9;

/// What the engine said of the end.
pub(super) enum Exit {
    Ended {
        code: i32,
        state: Option<EngineState>,
    },
    /// Somebody else removed it.
    Vanished,
}

impl<E: ContainerEngine> Life<E> {
    /// The container's own end, as told by an engine that answers. A lost connection is not an exit.
    pub(super) async fn exit(&self, ask_again: Duration) -> Exit {
        let calls = &self.shared.calls;
        let mut pause = BACK_OFF.0;
        loop {
            match timeout(ask_again, calls.engine.wait(self.id())).await {
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
                Err(_) => continue,
            }
            match calls
                .query("inspect the container", calls.engine.inspect(self.id()))
                .await
            {
                Ok(inspection) if inspection.state.phase == EnginePhase::Exited => {
                    if let Some(code) = inspection.state.exit_code {
                        let state = Some(inspection.state);
                        return Exit::Ended { code, state };
                    }
                }
                Err(error) if refusal(&error) == Some(EngineErrorKind::NotFound) => {
                    return Exit::Vanished;
                }
                Ok(_) | Err(_) => {}
            }
            sleep(pause).await;
            pause = (pause * 2).min(BACK_OFF.1);
        }
    }

    /// What the engine has on record of a container that has ended. It may be removed meanwhile.
    async fn final_state(&self) -> Option<EngineState> {
        let calls = &self.shared.calls;
        for _ in 0..5 {
            match calls
                .query("inspect the container", calls.engine.inspect(self.id()))
                .await
            {
                Ok(inspection) => return Some(inspection.state),
                Err(error) if refusal(&error) == Some(EngineErrorKind::NotFound) => return None,
                Err(error) => {
                    tracing::warn!(container = %self.id(), %error, "the end could not be read back")
                }
            }
            sleep(BACK_OFF.0).await;
        }
        None
    }

    /// Ends the container: asked at once, forced at `force_at`, again and again until the engine confirms.
    pub(super) async fn end_by(&self, force_at: Instant) -> Exit {
        let exit = self.exit(ASK_AGAIN.1);
        tokio::pin!(exit);
        let ask = async {
            self.signal(Signal::Term).await;
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
            let force = async {
                self.signal(Signal::Kill).await;
                sleep(pause).await;
            };
            tokio::select! {
                biased;
                exit = &mut exit => return exit,
                () = force => {}
            }
            pause = (pause * 2).min(BACK_OFF.1);
        }
    }

    async fn signal(&self, signal: Signal) {
        let calls = &self.shared.calls;
        let sent = calls
            .query("signal the container", calls.engine.kill(self.id(), signal))
            .await;
        if let Err(error) = sent {
            // It may have ended meanwhile; if it has not, the signal is sent again.
            tracing::debug!(container = %self.id(), %error, signal = signal.name(), "signal not delivered");
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

    pub(super) fn report(&self, ended_as: Option<ContainerStatus>, exit: Exit) -> ExitReport {
        let (code, state) = match exit {
            Exit::Ended { code, state } => (Some(code), state),
            Exit::Vanished => (None, None),
        };
        let own_end = match code {
            Some(0) => ContainerStatus::Completed,
            Some(_) => ContainerStatus::Failed,
            None => ContainerStatus::Lost,
        };
        let mut report = ExitReport::new(ended_as.unwrap_or(own_end));
        report.exit_code = code;
        // An engine may miss the kernel's notice, so its silence about a SIGKILL of unknown origin is no answer.
        let unexplained = code == Some(SIGKILLED) && ended_as.is_none();
        report.oom_killed = state
            .as_ref()
            .map(|state| state.oom_killed)
            .filter(|oom_killed| *oom_killed || !unexplained);
        report.started_at = state.as_ref().and_then(|state| state.started_at);
        report.finished_at = state.and_then(|state| state.finished_at);
        (
            report.stdout_dropped,
            report.stderr_dropped,
            report.output_incomplete,
        ) = self.record.capture.losses();
        report
    }

    /// Removes the container, again and again until the engine confirms that it is gone.
    pub(super) async fn remove_until_gone(&self) {
        let calls = &self.shared.calls;
        let mut pause = BACK_OFF.0;
        loop {
            match calls
                .change("remove the container", calls.engine.remove(self.id()))
                .await
            {
                Ok(removal) => {
                    tracing::info!(container = %self.id(), ?removal, "container removed");
                    return;
                }
                Err(error) => {
                    tracing::warn!(container = %self.id(), %error, "container not removed yet")
                }
            }
            sleep(pause).await;
            pause = (pause * 2).min(BACK_OFF.1);
        }
    }
}
