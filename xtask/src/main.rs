//! The project's own chores: `cargo xtask --help`.

mod bench;
mod consent;
mod demo;
mod engines;
mod fixture;
mod http;
mod image;
mod matrix;
mod say;
mod steps;
mod table;
mod test;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use consent::Consent;

#[derive(Debug, Parser)]
#[command(
    name = "cargo xtask",
    bin_name = "cargo xtask",
    about = "clawbox's own chores"
)]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Debug, Subcommand)]
enum Chore {
    /// Run one command in a sandbox and show what was enforced
    Demo {
        /// Install missing packages without asking
        #[arg(long)]
        yes: bool,
    },
    /// Check and test everything
    Test(test::Options),
    /// A private dockerd for tests: start it, stop it, look at it
    #[command(subcommand)]
    Engines(engines::Action),
    /// Measure a container's cycle: the docker command, the bare API, clawbox
    Bench {
        /// Install missing packages without asking
        #[arg(long)]
        yes: bool,
    },
    /// Run the conformance suite on every engine there is, and rewrite docs/CONFORMANCE.md
    Matrix {
        /// Install missing packages without asking
        #[arg(long)]
        yes: bool,
    },
    /// Make the image the tests run in, and give it to the engine
    Fixture {
        /// Install missing packages without asking
        #[arg(long)]
        yes: bool,
    },
}

fn main() -> ExitCode {
    let done = match &Cli::parse().chore {
        Chore::Demo { yes } => demo::run(Consent::new(*yes)),
        Chore::Test(options) => test::run(options),
        Chore::Engines(action) => engines::run(action),
        Chore::Bench { yes } => bench::run(Consent::new(*yes)),
        Chore::Matrix { yes } => matrix::run(Consent::new(*yes)),
        Chore::Fixture { yes } => image::run(Consent::new(*yes)),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
