//! Capabilities, security options and annotations.

use clawbox_containers::{aspects::CapabilitySets, decode::Extras};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Whether no-new-privileges is among them. What else is goes to `extras`.
pub(super) fn security_options(options: Vec<String>, extras: &mut Extras) -> bool {
    let mut no_new_privileges = false;
    for option in options {
        match option.as_str() {
            "no-new-privileges" => no_new_privileges = true,
            _ => extras.push(format!("security option {option}")),
        }
    }
    no_new_privileges
}

/// Podman's own notes, each of which is told elsewhere too, and says `FALSE` where there is nothing to it.
pub(super) fn telling(annotations: HashMap<String, String>) -> BTreeMap<String, String> {
    let is_telling = |key: &str, value: &str| match key.strip_prefix("io.podman.annotations.") {
        Some("init") => false,
        Some(_) => value != "FALSE",
        None => true,
    };
    let notes = annotations.into_iter();
    notes
        .filter(|(key, value)| is_telling(key, value))
        .collect()
}

/// Podman tells "all dropped" as a list of those that it would have given. What counts is what is left.
pub(super) fn capabilities(
    added: Vec<String>,
    dropped: Vec<String>,
    left: [Option<Vec<String>>; 2],
) -> CapabilitySets {
    let plain = |name: String| name.strip_prefix("CAP_").unwrap_or(&name).to_owned();
    let left: BTreeSet<String> = left.into_iter().flatten().flatten().map(plain).collect();
    let dropped = match left.is_empty() {
        true => ["ALL".to_owned()].into(),
        false => dropped.into_iter().map(plain).collect(),
    };
    CapabilitySets {
        added: added.into_iter().map(plain).chain(left).collect(),
        dropped,
    }
}
