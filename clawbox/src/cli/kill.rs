//! `clawbox kill`: ends a container, of whatever process.

use super::{engine, say::Say, status};
use clawbox::{ConnectOptions, ContainerId, ContainerResult};

const EXAMPLES: &str = "\
Examples:
  clawbox kill clawbox-9f2c1f0e-6d5b-4c3a-8b7e-0a1b2c3d4e5f
  clawbox ps --json | jq -r '.[].id' | xargs -n1 clawbox kill";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(super) engine: engine::Options,
    /// The container, as `clawbox ps` names it
    id: ContainerId,
}

/// Ends the container; its own process, if that lives, sees it die and removes it.
pub(crate) async fn execute(args: &Args, say: Say) -> ContainerResult<u8> {
    let backend = args.engine.connect(ConnectOptions::new(), say).await?;
    backend.evict(&args.id).await?;
    say.note(&format!("{} killed", args.id));
    Ok(status::OK)
}
