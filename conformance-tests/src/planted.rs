//! Containers at the engine that no manager of the suite made: orphans, and those that only look like ours.

use crate::{
    check::{Checked, Stop},
    context::Context,
    rig::{Rig, SLEEPER, request},
};
use clawbox_containers::policy::{Placement, SecurityPolicy};
use clawbox_types::{ContainerId, ContainerIdentity, ProxyToken, PullPolicy};
use std::{collections::BTreeMap, fs::File, path::Path};

/// A container's labels.
pub(crate) type Labels = BTreeMap<String, String>;

impl Context {
    /// The labels that a manager gave one of its containers.
    pub(crate) async fn labels_of(&self, rig: &Rig, id: &ContainerId) -> Checked<Labels> {
        let name = id.to_string();
        let found = self.at_engine(rig.owner).await?.into_iter();
        let found = found.filter(|c| c.name == name).map(|c| c.labels).next();
        found.ok_or_else(|| Stop::Failed(format!("the engine does not list {name}")))
    }

    /// Creates and starts a sleeper of this id and these labels, of which no manager knows.
    pub(crate) async fn plant(&self, id: &ContainerId, labels: Labels) -> Checked {
        let policy = SecurityPolicy::new(&self.setup().security)?;
        let admission = policy.admit(&request(&SLEEPER))?;
        let image = self
            .engine()
            .ensure_image(admission.image(), PullPolicy::Never, &|_| {})
            .await?;
        let plan = admission.compile(
            &image,
            Placement {
                identity: ContainerIdentity::new(id.clone(), ProxyToken::from_bytes([7; 32])),
                labels,
                proxy_dir: None,
                init_dir: None,
            },
        )?;
        self.remember(id.clone());
        self.engine().create(&plan).await?;
        Ok(self.engine().start(id).await?)
    }

    /// Plants an orphan: a container just like those of `labels`, whose owner's lease below `state_dir` was
    /// given back by the kernel.
    pub(crate) async fn plant_orphan(
        &self,
        mut labels: Labels,
        state_dir: &Path,
    ) -> Checked<ContainerId> {
        let id = ContainerId::generate();
        let owner = ContainerId::generate().to_string();
        let owner = owner.trim_start_matches("clawbox-");
        labels.insert("clawbox.container_id".to_owned(), id.to_string());
        labels.insert("clawbox.owner".to_owned(), owner.to_owned());
        File::create(state_dir.join(format!("{owner}.lease")))?;
        self.plant(&id, labels).await?;
        Ok(id)
    }
}
