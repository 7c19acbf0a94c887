//! Containers that a dead manager has left, taken over as they are.

use super::{
    Shared,
    lifecycle::{Bounds, Running, Tether, Watch},
    prepare::START_ALLOWANCE,
    reaper::is_silence,
};
use crate::{
    aspects::Init,
    config::Adopt,
    counters::Count,
    engine::{ContainerEngine, EnginePhase, EngineState},
    error::{ContainerError, ContainerResult},
    facts::Observed,
    labels::Ours,
    owner::{self, Claim, OwnerId},
    proxy::CONTAINER_SOCKET,
};
use clawbox_types::{ContainerId, ContainerInfo, ContainerStatus, SandboxPolicy};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, MutexGuard, PoisonError},
    time::Duration,
};
use time::OffsetDateTime;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

impl<E: ContainerEngine> Shared<E> {
    /// Whether what this owner leaves is taken over, once he is dead.
    pub(super) fn adopts(&self, owner: OwnerId) -> bool {
        let Some(dir) = &self.config.state_dir else {
            return false;
        };
        match (self.config.adopt, &self.config.owner_name) {
            (Adopt::Orphans, _) => true,
            (Adopt::Namesakes, Some(name)) => owner::name(dir, owner).as_ref() == Some(name),
            (Adopt::Namesakes, None) => false,
        }
    }

    /// Takes over what is to be adopted and is nobody else's, and lets go of the owners of whom nothing is left.
    pub(super) async fn adopt_orphans(self: &Arc<Self>) -> ContainerResult<Vec<ContainerInfo>> {
        let config = &self.config;
        let none_wanted = config.adopt == Adopt::Namesakes && config.owner_name.is_none();
        if none_wanted || config.state_dir.is_none() {
            return Ok(Vec::new());
        }
        if self.registry.closed.is_cancelled() {
            return Err(ContainerError::ShutDown);
        }
        let before: BTreeSet<OwnerId> = self.claims().keys().copied().collect();
        let listed = self.ours().await?;
        let mut adopted = Vec::new();
        for (ours, _) in &listed {
            if !self.has_claim(ours.owner) || self.registry.get(&ours.id).is_some() {
                continue;
            }
            match self.adopt(ours).await {
                Ok(info) => adopted.extend(info),
                Err(error) => {
                    tracing::warn!(container = %ours.id, %error, "orphan not adopted yet");
                    if is_silence(&error) {
                        break;
                    }
                }
            }
        }
        let there: BTreeSet<OwnerId> = listed.iter().map(|(ours, _)| ours.owner).collect();
        for owner in before.difference(&there) {
            drop(self.claims().remove(owner));
        }
        self.forget_dead(&there);
        Ok(adopted)
    }

    /// Whether a dead owner's containers are in the hands of this manager.
    fn has_claim(&self, owner: OwnerId) -> bool {
        if owner == self.owner || !self.adopts(owner) {
            return false;
        }
        let mut claims = self.claims();
        if !claims.contains_key(&owner)
            && let Some(claim) = self.claim(owner)
        {
            claims.insert(owner, claim);
        }
        claims.contains_key(&owner)
    }

    /// `None`: there was nothing to take over.
    async fn adopt(self: &Arc<Self>, ours: &Ours) -> ContainerResult<Option<ContainerInfo>> {
        let calls = &self.calls;
        let inspection = calls
            .query("inspect the container", calls.engine.inspect(&ours.id))
            .await?;
        let state = inspection.state;
        if state.phase == EnginePhase::Created {
            // Nobody knows any more whether it is as it was planned.
            let removal = calls.engine.remove(&ours.id);
            calls.change("remove the container", removal).await?;
            Count::Reaped.up();
            tracing::info!(container = %ours.id, owner = %ours.owner, "orphan reaped");
            return Ok(None);
        }
        let started_at = state.started_at.unwrap_or_else(|| self.config.clock.now());
        let mut info = ContainerInfo::new(
            ours.id.clone(),
            ContainerStatus::Running,
            SandboxPolicy::Container,
            started_at,
            "",
            CONTAINER_SOCKET,
        );
        info.recovered = true;
        let own_init = inspection.facts.init == Observed::Seen(Init::Clawbox);
        let bounds = self.bounds(ours, &state, started_at, own_init);
        let most = self.policy.max_output().get();
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let record = self.registry.adopt(info.clone(), most)?;
        tracing::info!(container = %ours.id, owner = %ours.owner, "container adopted");
        let tether = Tether {
            shared: Arc::clone(self),
            record,
        };
        tokio::spawn(tended(tether, ours.id.clone(), started_at, bounds));
        Ok(Some(info))
    }

    /// The deadline is a time of day on the label, and counts from here on by a clock that cannot be set. A clock that
    /// was set back gives nobody more than the longest limit there is.
    fn bounds(
        &self,
        ours: &Ours,
        state: &EngineState,
        started_at: OffsetDateTime,
        own_init: bool,
    ) -> Bounds {
        let left = ours.deadline - self.config.clock.now();
        let left = Duration::try_from(left).unwrap_or_default();
        let left = left.min(self.policy.max_timeout().duration() + START_ALLOWANCE);
        let force_at = Instant::now() + left;
        let limit = ours.deadline - START_ALLOWANCE - started_at;
        Bounds {
            ask_at: force_at - self.config.stop_grace.min(left / 10),
            force_at,
            held_to: (own_init && state.started_at.is_some())
                .then(|| Duration::try_from(limit).unwrap_or_default()),
        }
    }

    pub(super) fn claim(&self, owner: OwnerId) -> Option<Claim> {
        Claim::stake(self.config.state_dir.as_deref()?, owner)
    }

    pub(super) fn claims(&self) -> MutexGuard<'_, BTreeMap<OwnerId, Claim>> {
        // A map of locked files is whole after any panic.
        self.claims.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Stays with an adopted container until the engine confirms that it is gone.
async fn tended<E: ContainerEngine>(
    tether: Tether<E>,
    id: ContainerId,
    started_at: OffsetDateTime,
    bounds: Bounds,
) {
    let (shared, record) = (&tether.shared, &tether.record);
    let output = {
        let (shared, record, id) = (Arc::clone(shared), Arc::clone(record), id.clone());
        tokio::spawn(async move {
            // It need not be all there was.
            shared.read_log(&record, &id).await;
            record.capture.end(true);
        })
    };
    let running = Running {
        since: Instant::now(),
        started_at,
        output,
        told: None,
    };
    let watch = Watch {
        shared,
        record,
        id: &id,
    };
    let nobody = CancellationToken::new();
    if watch.see_through(running, bounds, &nobody).await {
        record.set_gone();
        shared.registry.forget_oldest_gone();
    }
}
