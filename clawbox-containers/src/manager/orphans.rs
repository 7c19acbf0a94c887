//! Containers of this user's at large: whose they are, and the end of one by name.

use super::{Shared, calls::refusal};
use crate::{
    backend::SurveyedContainer,
    engine::{ContainerEngine, EngineErrorKind, EnginePhase, Signal},
    error::{ContainerError, ContainerResult},
    labels::{self, Ours},
    owner::{self, Liveness, OwnerId},
};
use clawbox_types::ContainerId;

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

    pub(super) async fn ours(&self) -> ContainerResult<Vec<(Ours, EnginePhase)>> {
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

    fn liveness(&self, owner: OwnerId) -> Liveness {
        match &self.config.state_dir {
            _ if owner == self.owner => Liveness::Alive,
            Some(dir) => owner::liveness(dir, owner),
            None => Liveness::Unknown,
        }
    }
}
