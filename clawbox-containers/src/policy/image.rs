//! What an image's configuration would like to have, and does not get.

use super::reserved::reserved;
use crate::{engine::ImageFacts, labels::PREFIX};
use clawbox_types::{EnvKey, EnvValue, MAX_ENV_ENTRIES, Violation};
use std::collections::BTreeMap;

/// The signal that asks a command to end.
pub(super) const STOP_SIGNAL: &str = "SIGTERM";

/// One entry of an image's environment: its key, and the value where it may have it.
pub(super) fn variable(entry: &str) -> (&str, Option<EnvValue>) {
    let (key, value) = entry.split_once('=').unwrap_or((entry, ""));
    let usable = key.parse::<EnvKey>().is_ok() && reserved(key).is_none();
    (key, value.parse().ok().filter(|_| usable))
}

/// What can be neither overridden nor left out, so that no container is made of such an image: a variable without a
/// name, more of them than a request may have, and labels of ours that are not set anew.
pub(super) fn impossible(image: &ImageFacts, labels: &BTreeMap<String, String>) -> Vec<Violation> {
    let mut found = Vec::new();
    if image.env.len() > MAX_ENV_ENTRIES {
        found.push(Violation::new(
            "image.env",
            format_args!("{} entries", image.env.len()),
            format!("at most {MAX_ENV_ENTRIES}"),
        ));
    }
    let nameless = image
        .env
        .iter()
        .filter(|entry| variable(entry).0.is_empty());
    found.extend(nameless.map(|entry| Violation::new("image.env", entry, "KEY=value")));
    let kept = ours(image).filter(|key| !labels.contains_key(*key));
    found.extend(kept.map(label));
    found
}

/// What is overridden, shadowed or left out, for an operator who would rather not run such an image at all.
pub(super) fn overridden(image: &ImageFacts) -> Vec<Violation> {
    let mut found = Vec::new();
    let volumes = image.volumes.iter();
    found.extend(volumes.map(|path| Violation::new("image.volumes", path, "no volume")));
    let variables = image.env.iter().map(|entry| variable(entry));
    let dropped = variables.filter(|(key, value)| !key.is_empty() && value.is_none());
    found.extend(dropped.map(|(key, _)| {
        let why = reserved(key).unwrap_or("a key and a value that a request could set");
        Violation::new(format!("image.env.{key:.100}"), key, why)
    }));
    if image.health_check {
        found.push(Violation::new("image.health_check", "a command", "none"));
    }
    if !["", STOP_SIGNAL, "15"].contains(&image.stop_signal.as_str()) {
        let accepted = format!("none, or {STOP_SIGNAL}");
        found.push(Violation::new(
            "image.stop_signal",
            &image.stop_signal,
            accepted,
        ));
    }
    found.extend(ours(image).map(label));
    found
}

fn ours(image: &ImageFacts) -> impl Iterator<Item = &str> {
    let keys = image.labels.keys().map(String::as_str);
    keys.filter(|key| key.starts_with(PREFIX))
}

fn label(key: &str) -> Violation {
    Violation::new(
        format!("image.labels.{key:.100}"),
        key,
        "labels of the image's own; those of clawbox.* are its containers'",
    )
}
