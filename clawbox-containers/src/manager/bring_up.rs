//! The way up: image, plan, create, gate 1, attach, start, and what process 1 has to say.

use super::{
    calls::refusal,
    lifecycle::{Life, Running},
    process_one::Awaited,
};
use crate::{
    engine::{ContainerEngine, EngineError, EngineErrorKind, EnginePhase, EngineWarning},
    error::{ContainerError, ContainerResult},
    init::CONTAINER_INIT_DIR,
    labels::Ours,
    plan::ContainerPlan,
    policy::Placement,
    verify::{not_understood, refusals, verify},
};
use clawbox_types::ContainerStatus;
use std::{
    pin::pin,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};
use tokio::{task::yield_now, time::Instant};
use tokio_util::sync::CancellationToken;

/// How much later than the limit alone the deadline on the label is: the limit counts from the start, and the
/// label is written before the container is created.
pub(super) const START_ALLOWANCE: Duration = Duration::from_secs(5);

impl<E: ContainerEngine> Life<E> {
    /// Finds the image and compiles the plan. On any error the engine was not asked to create anything.
    pub(super) async fn prepare(
        &self,
        abandoned: &CancellationToken,
    ) -> ContainerResult<(ContainerPlan, Option<Awaited>)> {
        let calls = &self.shared.calls;
        let image = self.admission.image();
        let observer = self.shared.on_pull.clone();
        let progress = move |step| {
            if let Some(observer) = &observer {
                observer(step);
            }
        };
        let looked_up = calls.bounded(
            "find the image",
            calls.timeouts.image,
            calls
                .engine
                .ensure_image(image, self.shared.policy.pull(), &progress),
        );
        // While the engine looks.
        let awaited = async {
            yield_now().await;
            self.await_process_one()
        };
        // A fetch may be dropped half way; the calls after it are waited for, so that their outcome is known.
        let (image_facts, awaited) = tokio::select! {
            (found, awaited) = async { tokio::join!(looked_up, awaited) } => {
                (found.map_err(|error| self.image_error(error))?, awaited?)
            }
            () = self.unwanted(abandoned) => return Err(self.given_up()),
        };
        let ours = Ours {
            id: self.id().clone(),
            owner: self.shared.owner,
            deadline: self.shared.config.clock.now()
                + self.admission.timeout().duration()
                + START_ALLOWANCE,
        };
        let init_dir = awaited.as_ref().map(|_| match self.init_dir.get() {
            Some(place) => place.dir().to_owned(),
            None => CONTAINER_INIT_DIR.into(),
        });
        let plan = self.admission.compile(
            &image_facts,
            Placement {
                identity: self.identity.clone(),
                labels: ours.encode(),
                proxy_dir: self.proxy_dir.clone(),
                init_dir,
            },
        )?;
        Ok((plan, awaited))
    }

    /// Brings the container up to the point where its command runs. On any error something may be left at
    /// the engine.
    pub(super) async fn bring_up(
        &self,
        plan: &ContainerPlan,
        awaited: Option<Awaited>,
        abandoned: &CancellationToken,
    ) -> ContainerResult<Running> {
        let calls = &self.shared.calls;
        self.shared.renew_lease();
        let mut warnings = calls
            .change("create the container", calls.engine.create(plan))
            .await
            .inspect_err(|error| {
                let unanswered = refusal(error).is_none();
                self.unanswered.store(unanswered, Ordering::Relaxed);
            })?;
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
        let meet = async {
            match (awaited, plan.errand()) {
                (Some(awaited), Some(errand)) => {
                    let met = self.meet(awaited, &started, plan.spec(), report, errand, abandoned);
                    let (report, told) = met.await?;
                    Ok((report, Some(told)))
                }
                _ => Ok((report, None)),
            }
        };
        let (report, told) = both(start, meet).await.inspect_err(|_| output.abort())?;
        // First to be set, as this task is the only one that sets it.
        drop(self.record.enforcement.set(report));
        Ok(Running {
            since: Instant::now(),
            started_at: self.shared.config.clock.now(),
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

    fn image_error(&self, error: ContainerError) -> ContainerError {
        match error {
            ContainerError::EngineFailed { source, .. }
                if source.kind() == EngineErrorKind::ImageNotFound =>
            {
                ContainerError::ImageNotFound {
                    image: Box::new(self.admission.image().clone()),
                    source,
                }
            }
            other => other,
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
