//! `cargo xtask test`: the one test command.

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};
use serde_json::Value;

use crate::consent::{Consent, in_ci};
use crate::engines::docker::Session;
use crate::image;
use crate::matrix;
use crate::say::say;
use crate::steps::Steps;
use crate::workspace::{cargo, run as done};

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Fail when this engine cannot be had (implied by CI=true)
    #[arg(long, value_name = "ENGINE")]
    require: Option<Engine>,
    /// Install missing packages without asking
    #[arg(long)]
    yes: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Engine {
    Docker,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let consent = Consent::new(options.yes);
    let required = in_ci() || matches!(options.require, Some(Engine::Docker));
    let mut steps = Steps::default();

    steps.step("formatting", || {
        done(&mut cargo(["fmt", "--all", "--check"])?)
    });
    steps.step("clippy", || {
        let args = ["clippy", "--workspace", "--all-targets", "--all-features"];
        done(cargo(args)?.args(["--", "-D", "warnings"]))
    });
    steps.step("documentation", || {
        let args = ["doc", "--workspace", "--no-deps", "--all-features"];
        done(cargo(args)?.env("RUSTDOCFLAGS", "-D warnings"))
    });

    let engine = || Session::begin(consent);
    let session = match required {
        true => steps.step("docker", engine),
        false => steps.optional("docker", engine),
    };
    let ready = session.as_ref().filter(|session| {
        let imported = steps.step("fixture image", || {
            image::import(&session.endpoint, consent)
        });
        imported.is_some()
    });
    steps.step("tests", || tests(ready, required));
    steps.step("conformance matrix", matrix::check);
    if let Some(session) = session {
        steps.step("docker stopped", || session.end());
    }

    // Debug builds stop at an overflow that release builds would carry on with.
    steps.step("policy tests, as released", || {
        let crates = ["-p", "clawbox-types", "-p", "clawbox-containers"];
        done(cargo(["test", "--release"])?.args(crates))
    });
    steps.step("feature combinations", features);
    steps.finish()
}

/// Unit tests, doc tests and conformance, on the mock and on the engine there is.
fn tests(session: Option<&Session>, required: bool) -> Result<()> {
    let mut tests = cargo(["test", "--workspace", "--all-features", "--no-fail-fast"])?;
    match session {
        Some(session) => tests.env("CLAWBOX_TEST_DOCKER_HOST", session.endpoint.to_string()),
        None => tests.env_remove("CLAWBOX_TEST_DOCKER_HOST"),
    };
    match required {
        true => tests.env("CLAWBOX_REQUIRE", "docker"),
        false => tests.env_remove("CLAWBOX_REQUIRE"),
    };
    done(&mut tests)
}

/// The facade must build without warnings with every set of its features.
fn features() -> Result<()> {
    for set in subsets(&facade_features()?) {
        let set = set.join(",");
        say!("features: [{set}]");
        let args = [
            "clippy",
            "--quiet",
            "-p",
            "clawbox",
            "--no-default-features",
        ];
        let mut clippy = cargo(args)?;
        clippy.args(["--features", &set, "--", "-D", "warnings"]);
        done(&mut clippy).with_context(|| format!("with the features [{set}]"))?;
    }
    Ok(())
}

fn facade_features() -> Result<Vec<String>> {
    let output = cargo(["metadata", "--no-deps", "--format-version", "1"])?
        .stderr(std::process::Stdio::inherit())
        .output()
        .context("start cargo metadata")?;
    let metadata: Value = serde_json::from_slice(&output.stdout)
        .context("cargo metadata did not answer with JSON")?;
    let features = metadata["packages"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|package| package["name"] == "clawbox")
        .and_then(|package| package["features"].as_object())
        .context("cargo metadata does not list the package clawbox")?;
    Ok(features
        .keys()
        .filter(|name| *name != "default")
        .cloned()
        .collect())
}

fn subsets(all: &[String]) -> Vec<Vec<String>> {
    let mut sets = vec![Vec::new()];
    for feature in all {
        let with: Vec<Vec<String>> = sets
            .iter()
            .map(|set| [set.as_slice(), std::slice::from_ref(feature)].concat())
            .collect();
        sets.extend(with);
    }
    sets
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_set_of_features_is_there_once() {
        let sets = subsets(&["a", "b", "c"].map(String::from));
        let mut names: Vec<String> = sets.iter().map(|set| set.concat()).collect();
        names.sort();
        assert_eq!(names, ["", "a", "ab", "abc", "ac", "b", "bc", "c"]);
    }
}
