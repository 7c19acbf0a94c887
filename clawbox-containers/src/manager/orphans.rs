//! Containers of this user's at large: whose they are, and the end of those whose owner is dead.

use super::Shared;
use crate::{
    backend::SurveyedContainer,
    engine::{ContainerEngine, EngineErrorKind, EnginePhase, Removal, Signal},
    error::{ContainerError, ContainerResult},
    labels::{self, Ours},
    owner::{self, Claim, Liveness, OwnerId},
};
use clawbox_types::ContainerId;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use tokio::{sync::watch, time::sleep};

use super::calls::refusal;

impl<E: ContainerEngine> Shared<E> {
    pub(super) async fn survey(&self) -> ContainerResult<Vec<SurveyedContainer>> {
        let found = self.ours().await?.into_iter();
        let described = found.map(|(ours, phase)| SurveyedContainer {
            owner: self.liveness(ours.owner),
            id: ours.id,
            phase,
            deadline: ours.deadline,
        });
        Ok(described.collect())
    }

    /// Ends a container that is not this manager's.
    pub(super) async fn evict(&self, id: &ContainerId) -> ContainerResult<()> {
        let found = self.ours().await?;
        let not_found = || ContainerError::NotFound { id: id.clone() };
        let (ours, phase) = found
            .into_iter()
            .find(|(ours, _)| ours.id == *id)
            .ok_or_else(not_found)?;
        if phase == EnginePhase::Running {
            let killed = self
                .calls
                .change(
                    "kill the container",
                    self.calls.engine.kill(id, Signal::Kill),
                )
                .await;
            match killed {
                Err(error)
                    if !matches!(
                        refusal(&error),
                        Some(EngineErrorKind::NotRunning | EngineErrorKind::NotFound)
                    ) =>
                {
                    return Err(error);
                }
                _ => {}
            }
        }
        if self.liveness(ours.owner) != Liveness::Alive {
            self.calls
                .change("remove the container", self.calls.engine.remove(id))
                .await?;
        }
        tracing::info!(container = %id, "container evicted");
        Ok(())
    }

    /// Removes the containers of dead owners, and those of this manager's that no task of its sees to: what a
    /// failed spawn could not take back. A newborn is known before the engine hears of it.
    pub(super) async fn reap_orphans(&self) -> ContainerResult<usize> {
        let mut reaped = 0;
        let mut still_there = BTreeSet::new();
        let mut claims = BTreeMap::new();
        for (ours, _) in self.ours().await? {
            let orphan = if ours.owner == self.owner {
                !self.registry.holds(&ours.id)
            } else {
                let claim = claims
                    .entry(ours.owner)
                    .or_insert_with_key(|owner| self.claim(*owner));
                claim.is_some()
            };
            if !orphan {
                still_there.insert(ours.owner);
                continue;
            }
            let removed = self
                .calls
                .change("remove the container", self.calls.engine.remove(&ours.id))
                .await;
            match removed {
                Ok(Removal::Now) => {
                    tracing::info!(container = %ours.id, owner = %ours.owner, "orphan reaped");
                    reaped += 1;
                }
                Ok(Removal::AlreadyGone) => {}
                Err(error) => {
                    tracing::warn!(container = %ours.id, %error, "orphan not reaped yet");
                    still_there.insert(ours.owner);
                }
            }
        }
        drop(claims);
        if let Some(dir) = &self.config.state_dir {
            for owner in owner::owners(dir, &self.calls.engine.endpoint())
                .into_iter()
                .filter(|owner| !still_there.contains(owner))
            {
                owner::forget(dir, owner);
            }
        }
        Ok(reaped)
    }

    pub(super) async fn reap_until(self: Arc<Self>, mut shutdown: watch::Receiver<bool>) {
        loop {
            if let Err(error) = self.reap_orphans().await {
                tracing::warn!(%error, "looking for orphans failed");
            }
            tokio::select! {
                () = sleep(self.config.reap_interval) => {}
                _ = shutdown.wait_for(|stop| *stop) => return,
                () = self.shutdown.cancelled() => return,
            }
        }
    }

    async fn ours(&self) -> ContainerResult<Vec<(Ours, EnginePhase)>> {
        let selector = labels::selector();
        let listed = self
            .calls
            .query("list containers", self.calls.engine.list(&selector))
            .await?;
        Ok(listed
            .iter()
            .filter_map(|c| Some((Ours::decode(c)?, c.phase)))
            .collect())
    }

    fn claim(&self, owner: OwnerId) -> Option<Claim> {
        Claim::stake(self.config.state_dir.as_deref()?, owner)
    }

    fn liveness(&self, owner: OwnerId) -> Liveness {
        match &self.config.state_dir {
            _ if owner == self.owner => Liveness::Alive,
            Some(dir) => owner::liveness(dir, owner),
            None => Liveness::Unknown,
        }
    }
}
