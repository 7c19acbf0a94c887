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

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const PAGES: [&str; 6] = [
        "README.md",
        "CONTRIBUTING.md",
        "ARCHITECTURE.md",
        "docs/CONFORMANCE.md",
        "docs/RELIABILITY.md",
        "docs/TESTING.md",
    ];

    /// What stands after these words, up to the end of a piece of code.
    fn after<'a>(page: &'a str, words: &str) -> Vec<&'a str> {
        let pieces = page.split(words).skip(1);
        let pieces = pieces.filter_map(|it| it.split(['`', '\n', '#', '…']).next());
        pieces.map(str::trim).filter(|it| !it.is_empty()).collect()
    }

    #[test]
    fn every_chore_and_every_test_that_the_pages_name_is_there() {
        let root = workspace::root().unwrap();
        let (mut chores, mut tests) = (0, 0);
        for name in PAGES {
            let page = fs::read_to_string(root.join(name)).unwrap();
            for line in after(&page, "cargo xtask ") {
                chores += 1;
                let words = ["cargo xtask"].into_iter().chain(line.split_whitespace());
                if let Err(error) = Cli::try_parse_from(words) {
                    panic!("{name}: cargo xtask {line}: {error}");
                }
            }
            for line in after(&page, "cargo test -p ") {
                tests += 1;
                let mut words = line.split_whitespace();
                let package = words.next().unwrap();
                let folder = match package {
                    "clawbox-conformance" => "conformance-tests",
                    other => other,
                };
                assert!(root.join(folder).is_dir(), "{name}: {package}");
                if let Some(test) = words.skip_while(|it| *it != "--test").nth(1) {
                    let tests = root.join(folder).join("tests");
                    let files = [format!("{test}.rs"), format!("{test}/main.rs")];
                    let is_there = files.iter().any(|file| tests.join(file).is_file());
                    assert!(is_there, "{name}: {package} has no test {test}");
                }
            }
        }
        assert!(chores > 20 && tests > 5, "{chores} chores, {tests} tests");
    }
}
