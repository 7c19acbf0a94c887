//! Which engine: `--backend` and `--host`.

use super::say::Say;
use clawbox::{
    Backend, ConnectOptions, ContainerBackend, ContainerResult, connect,
    containers::endpoint::Origin,
    discovery::{Found, find},
};
use std::{fmt, str::FromStr, sync::Arc};

/// Which engine.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// docker, podman, mock, or auto: rootless first, no mock
    #[arg(
        long,
        value_name = "BACKEND",
        env = "CLAWBOX_BACKEND",
        hide_env_values = true,
        default_value_t
    )]
    pub(crate) backend: Choice,
    /// Where the engine is, such as unix:///run/user/1000/podman/podman.sock
    #[arg(long, value_name = "URI")]
    pub(crate) host: Option<String>,
}

impl Options {
    /// The backend that was chosen, and where its engine is. Says which it is where nobody named one.
    pub(crate) async fn choose(&self, say: Say) -> ContainerResult<(Backend, Option<String>)> {
        if let Choice::Named(backend) = self.backend {
            return Ok((backend, self.host.clone()));
        }
        let found = find(self.host.as_deref()).await?;
        for tried in &found.passed_over {
            // What somebody set, and what is not taken all the same.
            let was_set = match &tried.place.candidate {
                Ok(candidate) => matches!(candidate.origin, Origin::Variable(_)),
                Err(_) => true,
            };
            if was_set {
                say.note(&format!("passed over: {tried}"));
            }
        }
        say.note(&taken(&found));
        let endpoint = found.candidate.endpoint.to_string();
        Ok((found.backend, Some(endpoint)))
    }

    /// Connects to the chosen engine, under these options.
    pub(crate) async fn connect(
        &self,
        mut options: ConnectOptions,
        say: Say,
    ) -> ContainerResult<Arc<dyn ContainerBackend>> {
        let (backend, endpoint) = self.choose(say).await?;
        options.endpoint = endpoint;
        connect(backend, &options)
    }
}

/// What was taken, and why.
fn taken(found: &Found) -> String {
    let Found {
        backend,
        candidate,
        info,
        ..
    } = found;
    let (root, why) = match (info.rootless, candidate.origin) {
        (true, _) => ("rootless", ""),
        (false, Origin::Explicit) => ("as root", ""),
        (false, _) => ("as root", ": no rootless engine answers"),
    };
    format!(
        "using {backend} {}, {root}, at {}{why}",
        info.version, candidate.endpoint
    )
}

/// A backend, or the best there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Choice {
    #[default]
    Auto,
    Named(Backend),
}

impl FromStr for Choice {
    type Err = String;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        match s {
            "auto" => Ok(Self::Auto),
            _ => s
                .parse()
                .map(Self::Named)
                .map_err(|unknown| format!("{unknown}, or auto")),
        }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Named(backend) => backend.fmt(f),
        }
    }
}
