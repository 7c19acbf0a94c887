//! `cargo xtask fuzz`: the property tests of everything that comes from outside, with very many inputs.

use std::time::Instant;

use anyhow::{Context as _, Result};
use clap::Args;

use crate::say::say;
use crate::table::table;
use crate::workspace::{cargo, run as done};

/// What is tried: a name, and the arguments of a `cargo test` that runs its properties and no other test.
const TARGETS: &[(&str, &[&str])] = &[
    (
        "what a request is written in",
        &["-p", "clawbox-types", "--test", "fuzz"],
    ),
    (
        "the policy",
        &["-p", "clawbox-containers", "--test", "policy_properties"],
    ),
    (
        "frames of process 1",
        &["-p", "clawbox-init", "--test", "protocol"],
    ),
    (
        "Docker's answers",
        &["-p", "clawbox-backend-docker", "--lib", "fuzz"],
    ),
    (
        "Podman's answers and streams",
        &["-p", "clawbox-backend-podman", "--lib", "fuzz"],
    ),
    (
        "what is typed at the command",
        &["-p", "clawbox", "--bin", "clawbox", "fuzz"],
    ),
];

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// How many inputs each property is given
    #[arg(long, default_value_t = 1_000_000)]
    inputs: u32,
    /// Only targets whose name contains this
    name: Option<String>,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let mut rows = Vec::new();
    let wanted = |name: &str| options.name.as_ref().is_none_or(|part| name.contains(part));
    for (name, args) in TARGETS.iter().filter(|(name, _)| wanted(name)) {
        say!("{name}");
        let started = Instant::now();
        let mut tests = cargo(["test", "--release"])?;
        tests
            .args(*args)
            .env("PROPTEST_CASES", options.inputs.to_string());
        done(&mut tests).with_context(|| format!("fuzz {name}"))?;
        let seconds = started.elapsed().as_secs();
        rows.push([(*name).to_owned(), format!("{seconds} s")]);
    }
    say!(
        "{} inputs for each property, and the time with building:",
        options.inputs
    );
    say!("{}", table(&rows));
    Ok(())
}
