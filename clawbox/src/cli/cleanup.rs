//! `clawbox cleanup`: removes what dead processes left.

use super::{engine, say::Say, status};
use clawbox::{ConnectOptions, ContainerResult};

const EXAMPLES: &str = "\
Containers of live processes are left alone: `clawbox kill` ends one.
Examples:
  clawbox cleanup
  clawbox cleanup --host unix:///run/user/1000/podman/podman.sock";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(super) engine: engine::Options,
}

/// Removes the orphans.
pub(crate) async fn execute(args: &Args, say: Say) -> ContainerResult<u8> {
    let backend = args.engine.connect(ConnectOptions::new(), say).await?;
    let removed = backend.reap_orphans().await?;
    let left = backend.survey().await?.len();
    let orphans = match removed {
        1 => "1 orphan".to_owned(),
        n => format!("{n} orphans"),
    };
    say.note(&match left {
        0 => format!("removed {orphans}; no container is left"),
        n => format!("removed {orphans}; left alone: {n}, see `clawbox ps`"),
    });
    Ok(status::OK)
}
