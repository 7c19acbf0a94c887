//! Gate 1 on a real engine that tells the truth: a container that differs from its plan in any single field is refused,
//! by the name of that field's item, before it is started. What the engine does not tell is gate 2's, and refused before
//! the command runs.

mod fields;

use super::policy;
use crate::{
    sabotage::{Create, WeakenedEngine},
    suite::FIXTURE_IMAGE,
};
use clawbox_containers::{
    ContainerBackend, ContainerEngine, ContainerError, ContainerManager, ManagerConfig,
    endpoint::EndpointError, plan::PlanSpec,
};
use clawbox_types::{Capabilities, ContainerSpawnRequest, PolicyItem, ResourceLimits};
use fields::FIELDS;
use futures_util::{StreamExt, stream};
use libtest_mimic::Failed;
use std::{collections::BTreeMap, error::Error, sync::Arc, time::Duration};
use tempfile::TempDir;
use tokio::{runtime::Runtime, time::timeout};

/// How many containers are spawned at once: most of the time is the engine's.
const JOBS: usize = 4;
const PATIENCE: Duration = Duration::from_secs(60);

/// One change of a plan: the item that it belongs to, which part of it is changed, and how.
pub type Change = (PolicyItem, &'static str, fn(&mut PlanSpec));

/// An engine to hold gate 1 to.
#[derive(Debug)]
pub struct Gate1<E> {
    /// Connects to it.
    pub connect: fn(&str) -> Result<E, EndpointError>,
    /// Makes a container of what no policy plans.
    pub create: Create<E>,
    /// What this engine can do beside what all can.
    pub more: &'static [Change],
    /// The items of which its inspections do not tell.
    pub untold: &'static [PolicyItem],
}

impl<E: ContainerEngine> Gate1<E> {
    /// Changes every field of a plan, one at a time, and one part of it after the other.
    ///
    /// # Errors
    ///
    /// [`Failed`] with a line for each container that is not refused by its item, in the gate that is to see it.
    pub fn hold(&self, endpoint: &str) -> Result<(), Failed> {
        let runtime = Runtime::new()?;
        let control = runtime.block_on(self.spawn(endpoint, |_| {}));
        match control.map_err(|error| error.to_string())? {
            None => {}
            Some(error) => return Err(format!("with nothing changed: {}", words(&error)).into()),
        }
        let changes = FIELDS.iter().chain(self.more);
        let spawns = stream::iter(changes)
            .map(|change| async move { (change, self.spawn(endpoint, change.2).await) })
            .buffered(JOBS);
        let tried: Vec<_> = runtime.block_on(spawns.collect());
        let wrong = tried.into_iter().filter_map(|((item, part, _), spawned)| {
            let how = match spawned {
                Ok(error) => self.wrong(*item, error)?,
                Err(error) => error.to_string(),
            };
            Some(format!("{item:?} {part}: {how}"))
        });
        match wrong.collect::<Vec<_>>().as_slice() {
            [] => Ok(()),
            wrong => Err(wrong.join("\n").into()),
        }
    }

    /// What is wrong with how this ended.
    fn wrong(&self, item: PolicyItem, error: Option<ContainerError>) -> Option<String> {
        let Some(error) = error else {
            return Some("it runs".to_owned());
        };
        let ContainerError::PolicyNotEnforced { items, .. } = &error else {
            return Some(words(&error));
        };
        // Before gate 2 nobody has asked the kernel.
        let items = items.iter();
        let seen = items.filter(|it| it.kernel.is_none() || self.untold.contains(&it.item));
        let seen: Vec<PolicyItem> = seen.map(|it| it.item).collect();
        // Engines change some others with it, such as the host name with its namespace.
        match seen.contains(&item) {
            true => None,
            false => Some(format!("told of {seen:?}")),
        }
    }

    /// What the spawn of a container that is changed in this way fails with, where it does. Nothing of it is left.
    async fn spawn(
        &self,
        endpoint: &str,
        weaken: fn(&mut PlanSpec),
    ) -> Result<Option<ContainerError>, Box<dyn Error + Send + Sync>> {
        let dir = TempDir::new()?;
        let engine = WeakenedEngine::new((self.connect)(endpoint)?, self.create, weaken);
        let engine = Arc::new(engine.honest());
        let security = policy()
            .with_allowed_images([FIXTURE_IMAGE])
            .with_default_image(FIXTURE_IMAGE);
        let config = ManagerConfig::default().with_state_dir(Some(dir.path().join("state")));
        let manager = ContainerManager::new(Arc::clone(&engine), &security, config)?;
        let limits = ResourceLimits::new(20_000, 64).with_cpu_shares(512);
        let request =
            ContainerSpawnRequest::new("gate 1", Capabilities::default().with_resources(limits))
                .with_command(["/bin/true"]);
        let error = timeout(PATIENCE, manager.spawn(request)).await?.err();
        for info in manager.list() {
            manager.kill(&info.container_id).await?;
        }
        let owner = BTreeMap::from([("clawbox.owner".to_owned(), manager.owner().to_string())]);
        match engine.list(&owner).await?.len() {
            0 => Ok(error),
            left => Err(format!("{left} containers are left").into()),
        }
    }
}

/// An error with its causes.
fn words(error: &dyn Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {}", words(cause)),
        None => error.to_string(),
    }
}
