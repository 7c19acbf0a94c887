//! Which engine: `--backend` and `--host`.

use clawbox::{Backend, ConnectOptions, ContainerBackend, ContainerResult, connect};
use std::{fmt, str::FromStr, sync::Arc};

/// Which engine.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// docker, mock, or auto, which never is the mock
    #[arg(
        long,
        value_name = "BACKEND",
        env = "CLAWBOX_BACKEND",
        hide_env_values = true,
        default_value_t
    )]
    pub(crate) backend: Choice,
    /// Where the engine is, such as unix:///run/docker.sock
    #[arg(long, value_name = "URI")]
    pub(crate) host: Option<String>,
}

impl Options {
    /// The backend that was chosen.
    pub(crate) fn backend(&self) -> ContainerResult<Backend> {
        match self.backend {
            Choice::Auto => Backend::auto(),
            Choice::Named(backend) => Ok(backend),
        }
    }

    /// Connects to the chosen engine, under these options.
    pub(crate) fn connect(
        &self,
        mut options: ConnectOptions,
    ) -> ContainerResult<Arc<dyn ContainerBackend>> {
        options.endpoint = self.host.clone();
        connect(self.backend()?, &options)
    }
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
