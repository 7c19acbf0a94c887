//! Where a run takes place: which engine, and where its managers keep what they keep.

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};
use clawbox::{
    Backend, ContainerManager, ContainerSecurityConfig, EngineTimeouts, ManagerConfig, PolicyItem,
    PullPolicy, containers::ContainerEngine,
};
use std::{path::PathBuf, sync::Arc, time::Duration};

pub(crate) type Engine = Arc<dyn ContainerEngine>;
pub(crate) type Manager = ContainerManager<Engine>;

pub(crate) const IMAGE: &str = "ghcr.io/n0xmare/clawbox-fixture:1";

#[derive(Args, Clone, Debug)]
pub(crate) struct Place {
    /// Which engine it is
    #[arg(long)]
    pub(crate) engine: Name,
    /// Its endpoint, such as unix:///run/docker.sock
    #[arg(long)]
    pub(crate) endpoint: String,
    /// Where managers keep their leases; a folder of the run's own where none is named
    #[arg(long)]
    pub(crate) state: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Name {
    Docker,
    PodmanRootless,
}

impl Place {
    /// The engine itself: for what is done behind the managers' backs.
    pub(crate) fn engine(&self) -> Result<Engine> {
        let backend = match self.engine {
            Name::Docker => Backend::Docker,
            Name::PodmanRootless => Backend::Podman,
        };
        Ok(clawbox::engine(backend, Some(&self.endpoint))?)
    }

    /// A manager whose calls give up well before a stopped engine goes on.
    pub(crate) fn manager(&self, places: usize) -> Result<Manager> {
        let Some(state) = self.state.clone() else {
            bail!("no folder for the managers' leases");
        };
        let mut timeouts = EngineTimeouts::all(Duration::from_secs(8));
        timeouts.query = Duration::from_secs(4);
        let mut config = ManagerConfig::default()
            .with_max_containers(places)
            .with_timeouts(timeouts)
            .with_stop_grace(Duration::from_secs(1))
            .with_state_dir(Some(state));
        config.reap_interval = Duration::from_secs(2);
        Manager::new(self.engine()?, &self.security(), config).context("make a manager")
    }

    /// A host on control groups v1 gives a user no limits, and chaos is not about them.
    fn security(&self) -> ContainerSecurityConfig {
        let security = ContainerSecurityConfig::new().with_pull(PullPolicy::Never);
        let limits = [
            PolicyItem::Pids,
            PolicyItem::Memory,
            PolicyItem::Swap,
            PolicyItem::Cpu,
            PolicyItem::CpuShares,
        ];
        match self.engine {
            Name::Docker => security,
            Name::PodmanRootless => limits
                .into_iter()
                .fold(security, ContainerSecurityConfig::with_degraded),
        }
    }
}
