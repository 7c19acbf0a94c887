//! Containers of somebody else's, which every reaper has to leave alone; started as a user's own tests would.

use crate::place::IMAGE;
use anyhow::{Context as _, Result};
use std::collections::BTreeMap;
use testcontainers::{ContainerAsync, GenericImage, ImageExt as _, runners::AsyncRunner as _};

/// Those of a run, by their names.
pub(crate) struct Foreign {
    started: BTreeMap<String, ContainerAsync<GenericImage>>,
}

impl Foreign {
    /// On the engine that `DOCKER_HOST` names.
    pub(crate) async fn start() -> Result<Self> {
        let (repository, tag) = IMAGE.rsplit_once(':').context("an image without a tag")?;
        let user = rustix::process::getuid().as_raw().to_string();
        // All of ours, a deadline that is long over among them, on a container of another name.
        let pretended = [
            ("clawbox.schema", "1"),
            ("clawbox.user", &user),
            ("clawbox.container_id", "clawbox-0123456789abcdef"),
            ("clawbox.owner", "5f0c2f5e-7a39-4f0e-9a44-6d1f6f0f7a11"),
            ("clawbox.deadline", "1"),
        ];
        let mut started = BTreeMap::new();
        for (name, labels) in [
            ("bare", &[] as &[_]),
            ("selected", &pretended[..2]),
            ("pretender", &pretended),
        ] {
            let name = format!("foreign-{name}-{}", std::process::id());
            let container = GenericImage::new(repository, tag)
                .with_cmd(["sleep", "100000"])
                .with_host_config_modifier(|host| host.network_mode = Some("none".to_owned()))
                .with_container_name(&name)
                .with_labels(labels.iter().copied())
                .start()
                .await
                .with_context(|| format!("start {name}"))?;
            started.insert(name, container);
        }
        Ok(Self { started })
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.started.contains_key(name)
    }

    /// Those that are not among these names.
    pub(crate) fn missing(&self, names: &[String]) -> Vec<String> {
        let missing = self.started.keys().filter(|name| !names.contains(name));
        missing.cloned().collect()
    }

    pub(crate) async fn end(self) -> Result<()> {
        for (name, container) in self.started {
            let removed = container.rm().await;
            removed.with_context(|| format!("remove {name}"))?;
        }
        Ok(())
    }
}
