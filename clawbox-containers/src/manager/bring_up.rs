//! The way up of a container that is created: gate 1, attach, start, and what process 1 has to say.

use super::{
    lifecycle::{Life, Running},
    prepare::Prepared,
};
use crate::{
    engine::{ContainerEngine, EngineError, EngineErrorKind, EnginePhase, EngineWarning},
    error::{ContainerError, ContainerResult},
    verify::{not_understood, refusals, verify},
};
use clawbox_types::ContainerStatus;
use std::{
    pin::pin,
    sync::{Arc, atomic::Ordering},
};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

impl<E: ContainerEngine> Life<E> {
    /// Brings the container up to the point where its command runs. On any error something may be left at
    /// the engine.
    pub(super) async fn bring_up(
        &self,
        prepared: Prepared,
        abandoned: &CancellationToken,
    ) -> ContainerResult<Running> {
        let calls = &self.shared.calls;
        let Prepared {
            plan,
            awaited,
            mut warnings,
        } = prepared;
        if plan.errand().is_none() {
            warnings.extend(self.beyond_the_host().await?.iter().cloned());
        }
        self.go_on(abandoned)?;
        let inspection = calls
            .query("inspect the container", calls.engine.inspect(self.id()))
            .await?;
        let report =
            verify(plan.spec(), &inspection.facts, &warnings).with_image(plan.image().clone());
        let items = refusals(&report, self.shared.policy.allow_degraded());
        let warnings = not_understood(&warnings);
        if !items.is_empty() || !warnings.is_empty() {
            return Err(ContainerError::PolicyNotEnforced { items, warnings });
        }
        if inspection.state.phase != EnginePhase::Created {
            let says = format!(
                "the container is {} before it was started",
                inspection.state.phase
            );
            return Err(ContainerError::EngineFailed {
                call: "create the container",
                source: EngineError::new(EngineErrorKind::BadAnswer, says),
            });
        }
        // Some engines prepare the container to this end, and what hinders its start hinders that.
        let chunks = calls
            .change("attach to the output", calls.engine.attach(self.id()))
            .await
            .map_err(|error| match error {
                ContainerError::EngineFailed { source, .. }
                    if source.kind() == EngineErrorKind::Refused =>
                {
                    self.start_failed(source)
                }
                other => other,
            })?;
        self.go_on(abandoned)?;
        let reading = Arc::clone(&self.shared).read_output(
            Arc::clone(&self.record),
            self.id().clone(),
            chunks,
        );
        let output = tokio::spawn(reading);
        if plan.errand().is_none() {
            self.may_run.store(true, Ordering::Relaxed);
        }
        let started = CancellationToken::new();
        let start = async {
            calls
                .change("start the container", calls.engine.start(self.id()))
                .await
                .map_err(|error| match error {
                    ContainerError::EngineFailed { source, .. } => self.start_failed(source),
                    other => other,
                })?;
            started.cancel();
            tracing::debug!(container = %self.id(), "container started");
            Ok(())
        };
        let now = || (Instant::now(), self.shared.config.clock.now());
        let meet = async {
            match (awaited, plan.errand()) {
                (Some(awaited), Some(errand)) => {
                    let met = self.meet(awaited, &started, plan.spec(), report, errand, abandoned);
                    let (report, told) = met.await?;
                    // The engine may take longer to say that it has started.
                    Ok((report, Some((told, now()))))
                }
                _ => Ok((report, None)),
            }
        };
        let (report, met) = both(start, meet).await.inspect_err(|_| output.abort())?;
        let (told, since) = met.unzip();
        let (since, started_at) = since.unwrap_or_else(now);
        // First to be set, as this task is the only one that sets it.
        drop(self.record.enforcement.set(report));
        Ok(Running {
            since,
            started_at,
            output,
            told,
        })
    }

    /// What the host cannot enforce, by the engine's description of it. Without a process 1 of ours nobody looks from
    /// inside, and an engine's inspect may repeat what does not hold. Asked once: it is the slowest call of some engines.
    async fn beyond_the_host(&self) -> ContainerResult<&[EngineWarning]> {
        let calls = &self.shared.calls;
        let ask = || async {
            let info = calls.query("describe itself", calls.engine.probe()).await?;
            let missing = info.abilities.into_iter().filter(|it| !it.available);
            let warnings = missing.map(|ability| EngineWarning {
                item: Some(ability.item),
                text: ability.reason,
            });
            Ok(warnings.collect())
        };
        self.shared
            .beyond_the_host
            .get_or_try_init(ask)
            .await
            .map(Vec::as_slice)
    }

    /// Ends when nobody wants the container any more.
    pub(super) async fn unwanted(&self, abandoned: &CancellationToken) {
        tokio::select! {
            () = abandoned.cancelled() => {}
            () = self.record.kill.cancelled() => {}
            () = self.shared.shutdown.cancelled() => {}
        }
    }

    /// Stops a spawn that nobody wants any more, between two calls.
    fn go_on(&self, abandoned: &CancellationToken) -> ContainerResult<()> {
        let given_up = abandoned.is_cancelled()
            || self.record.kill.is_cancelled()
            || self.shared.shutdown.is_cancelled();
        if given_up {
            Err(self.given_up())
        } else {
            Ok(())
        }
    }

    pub(super) fn given_up(&self) -> ContainerError {
        ContainerError::InvalidState {
            id: self.id().clone(),
            expected: "wanted until it runs",
            actual: ContainerStatus::Killed,
        }
    }
}

/// Starts the container and meets its process 1, which is there before the engine has answered. What the start came to is
/// always waited for, and goes before what the meeting came to.
async fn both<T>(
    start: impl Future<Output = ContainerResult<()>>,
    meet: impl Future<Output = ContainerResult<T>>,
) -> ContainerResult<T> {
    let (mut start, mut meet) = (pin!(start), pin!(meet));
    tokio::select! {
        started = &mut start => {
            started?;
            meet.await
        }
        met = &mut meet => {
            start.await?;
            met
        }
    }
}
