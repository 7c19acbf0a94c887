//! Managers on a real engine that is killed, stopped and emptied under them; afterwards nothing may be left, and nothing
//! may have been told that was not so. `cargo xtask chaos` brings up the engine and does to it what it is asked for here.

mod chore;
mod counts;
mod foreign;
mod orphans;
mod overdue;
mod place;
mod random;
mod run;
mod spawns;
mod story;
mod tally;
mod worker;

use anyhow::Result;
use clap::{Parser, Subcommand};
use place::Place;
use std::time::Duration;

#[derive(Debug, Parser)]
struct Cli {
    #[command(flatten)]
    place: Place,
    #[arg(long)]
    seed: u64,
    #[command(subcommand)]
    part: Part,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// Faults at random for so long
    Run {
        #[arg(long)]
        seconds: u64,
    },
    /// A manager in a process of its own, which the run starts
    Worker,
    /// So many spawns through one manager
    Spawns {
        #[arg(long)]
        count: usize,
    },
    /// So many containers that a dead manager has left
    Orphans {
        #[arg(long)]
        count: usize,
    },
}

#[tokio::main]
async fn main() -> Result<()> {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    let Cli { place, seed, part } = Cli::parse();
    match part {
        Part::Run { seconds } => run::run(place, Duration::from_secs(seconds), seed).await,
        Part::Worker => worker::run(&place, seed).await,
        Part::Spawns { count } => spawns::run(place, count, seed).await,
        Part::Orphans { count } => orphans::run(place, count, seed).await,
    }
}
