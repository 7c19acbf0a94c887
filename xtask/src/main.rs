//! The project's own chores: `cargo xtask --help`.

mod bench;
mod chaos;
mod consent;
mod demo;
mod engines;
mod features;
mod fixture;
mod fuzz;
mod guest;
mod http;
mod image;
mod interrupt;
mod matrix;
mod picture;
mod programs;
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
    /// Private engines for tests: start them, stop them, look at them
    #[command(subcommand)]
    Engines(engines::Action),
    /// Measure a container's cycle: the docker command, the bare API, clawbox
    Bench {
        /// Install missing packages without asking
        #[arg(long)]
        yes: bool,
    },
    /// Kill and stop a private engine and its managers, and see that nothing is left and nothing was told wrong
    Chaos(chaos::Options),
    /// Try a million inputs on each property of what comes from outside
    Fuzz(fuzz::Options),
    /// Run the conformance suite on every engine there is, and rewrite docs/CONFORMANCE.md
    Matrix(matrix::Options),
    /// Run the suite on rootless Podman in a virtual machine, where its limits hold
    Guest(guest::Options),
    /// Run real programs under the system call filters, and rewrite docs/SECCOMP.md
    Programs(programs::Options),
    /// Draw docs/terminal.svg from what clawbox prints on a real Docker
    Picture {
        /// Install missing packages without asking
        #[arg(long)]
        yes: bool,
    },
    /// Make the image the tests run in, and give it to the engines
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
        Chore::Chaos(options) => chaos::run(options),
        Chore::Fuzz(options) => fuzz::run(options),
        Chore::Matrix(options) => matrix::run(options),
        Chore::Guest(options) => guest::run(options),
        Chore::Programs(options) => programs::run(options),
        Chore::Picture { yes } => picture::run(Consent::new(*yes)),
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
