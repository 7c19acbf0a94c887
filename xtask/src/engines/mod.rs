//! `cargo xtask engines`: the project's own container engines.

pub(crate) mod docker;
pub(crate) mod packages;

mod daemon;
mod leftovers;
mod processes;

use std::time::Instant;

use anyhow::Result;
use clap::Subcommand;

use crate::consent::Consent;
use crate::say::say;
use daemon::Daemon;

/// What to do with the engines.
#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Start a private dockerd, or find an engine that answers
    Up {
        /// Install missing packages without asking
        #[arg(long)]
        yes: bool,
    },
    /// Stop the private dockerd and remove all of it
    Down,
    /// Say what runs where
    Status,
}

pub(crate) fn run(action: &Action) -> Result<()> {
    match *action {
        Action::Up { yes } => up(Consent::new(yes)),
        Action::Down => down(),
        Action::Status => status(),
    }
}

fn up(consent: Consent) -> Result<()> {
    let start = Instant::now();
    let endpoint = docker::ensure(consent)?;
    let version = endpoint.version()?;
    let seconds = start.elapsed().as_secs_f32();
    say!("docker {version} answers at {endpoint} ({seconds:.1} s)");
    Ok(())
}

fn down() -> Result<()> {
    let start = Instant::now();
    match Daemon::of_workspace()?.down()? {
        true => say!(
            "stopped and removed ({:.1} s)",
            start.elapsed().as_secs_f32()
        ),
        false => say!("nothing to stop"),
    }
    Ok(())
}

fn status() -> Result<()> {
    let private = Daemon::of_workspace()?;
    let endpoint = private.endpoint();
    say!("engine    private dockerd");
    match private.pid()? {
        Some(pid) => say!("pid       {pid}"),
        None => say!("pid       none: not running (`cargo xtask engines up` starts it)"),
    }
    say!("endpoint  {endpoint}");
    match endpoint.ping() {
        Ok(()) => say!("answers   yes, version {}", endpoint.version()?),
        Err(error) => say!("answers   no ({error})"),
    }
    match docker::reachable() {
        Ok(other) => say!("besides   docker {} at {other}", other.version()?),
        Err(why) => say!("besides   none: {why}"),
    }
    Ok(())
}
