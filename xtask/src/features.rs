//! The facade's sets of features.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::say::say;
use crate::workspace::{cargo, root, run as done};

/// The facade must build without warnings with every set of its features. One that only turns on another crate's, and
/// that no code of the facade depends on, adds to what is there and takes nothing away: it is tried alone and with all
/// the others, and is in none of the other sets.
pub(crate) fn check() -> Result<()> {
    let mut sources = String::new();
    read(&root()?.join("clawbox/src"), &mut sources)?;
    for set in sets(&facade_features()?, &sources) {
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

/// Each feature, and what it turns on.
type Features = BTreeMap<String, Vec<String>>;

fn facade_features() -> Result<Features> {
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
        .context("cargo metadata does not list the package clawbox")?;
    let mut features: Features = serde_json::from_value(features["features"].clone())
        .context("cargo metadata tells no features of clawbox")?;
    features.remove("default");
    Ok(features)
}

/// All of the code below a folder.
fn read(folder: &Path, sources: &mut String) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            read(&path, sources)?;
        } else {
            let text = fs::read_to_string(&path);
            sources.push_str(&text.with_context(|| path.display().to_string())?);
        }
    }
    Ok(())
}

fn sets(features: &Features, sources: &str) -> Vec<Vec<String>> {
    let sources = sources.replace(' ', "");
    let is_handed_on = |name: &str, turns_on: &[String]| {
        turns_on.iter().all(|it| it.contains('/'))
            && !sources.contains(&format!("feature=\"{name}\""))
    };
    let (handed_on, own): (Vec<_>, Vec<_>) = features
        .iter()
        .partition(|(name, turns_on)| is_handed_on(name, turns_on));
    let own: Vec<String> = own.into_iter().map(|(name, _)| name.clone()).collect();
    let mut sets = subsets(&own);
    if !handed_on.is_empty() {
        sets.extend(handed_on.into_iter().map(|(name, _)| vec![name.clone()]));
        sets.push(features.keys().cloned().collect());
    }
    sets
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

    fn named(features: &[(&str, &str)], sources: &str) -> Vec<String> {
        let features = features
            .iter()
            .map(|(name, turns_on)| ((*name).to_owned(), vec![(*turns_on).to_owned()]))
            .collect();
        let mut names: Vec<String> = sets(&features, sources)
            .iter()
            .map(|set| set.concat())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn every_set_of_features_is_there_once() {
        let features = [("a", "dep:x"), ("b", "dep:y"), ("c", "dep:z")];
        let all = ["", "a", "ab", "abc", "ac", "b", "bc", "c"];
        assert_eq!(named(&features, ""), all);
    }

    #[test]
    fn one_that_is_only_handed_on_is_alone_and_with_all() {
        let features = [("a", "dep:x"), ("b", "core/b"), ("c", "dep:z")];
        let sets = ["", "a", "abc", "ac", "b", "c"];
        assert_eq!(named(&features, "#[cfg(feature = \"a\")]"), sets);
        let all = ["", "a", "ab", "abc", "ac", "b", "bc", "c"];
        assert_eq!(named(&features, "#[cfg(feature = \"b\")]"), all);
    }
}
