//! Which engine: `--backend` and `--host`.

use super::say::Say;
use clawbox::{
    Backend, Config, ConnectOptions, ContainerBackend, ContainerResult, connect,
    containers::endpoint::Origin,
    discovery::{Found, find},
};
use std::{fmt, str::FromStr, sync::Arc};

/// Which engine.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// docker, podman, mock or auto (rootless first)
    #[arg(long, value_name = "BACKEND", env = "CLAWBOX_BACKEND", hide_env = true)]
    backend: Option<Choice>,
    /// Where the engine is, such as unix:///run/user/1000/podman/podman.sock
    #[arg(long, value_name = "URI")]
    pub(crate) host: Option<String>,
}

impl Options {
    /// Takes from the file what neither an option nor the environment says. Its host is that of its backend.
    pub(crate) fn fill(&mut self, config: &Config) {
        let configured = config.backend.map_or(Choice::Auto, Choice::Named);
        let backend = *self.backend.get_or_insert(configured);
        if backend == configured && self.host.is_none() {
            self.host.clone_from(&config.host);
        }
    }

    pub(crate) fn backend(&self) -> Choice {
        self.backend.unwrap_or_default()
    }

    /// The backend that was chosen, and where its engine is. Says which it is where nobody named one.
    pub(crate) async fn choose(&self, say: Say) -> ContainerResult<(Backend, Option<String>)> {
        if let Choice::Named(backend) = self.backend() {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_host_goes_with_its_backend() {
        let podman = Some(Choice::Named(Backend::Podman));
        let docker = Some(Choice::Named(Backend::Docker));
        let config = "backend = \"podman\"\nhost = \"unix:///p\""
            .parse()
            .unwrap();
        for (backend, host, expected, at) in [
            (None, None, podman, Some("unix:///p")),
            (podman, None, podman, Some("unix:///p")),
            (None, Some("unix:///q"), podman, Some("unix:///q")),
            (docker, None, docker, None),
            (Some(Choice::Auto), None, Some(Choice::Auto), None),
        ] {
            let mut options = Options {
                backend,
                host: host.map(str::to_owned),
            };
            options.fill(&config);
            let filled = (options.backend, options.host.as_deref());
            assert_eq!(filled, (expected, at), "{backend:?} {host:?}");
        }
    }
}
