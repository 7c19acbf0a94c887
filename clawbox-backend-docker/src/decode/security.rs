//! Security options and capabilities.

use clawbox_containers::{
    aspects::{CapabilitySets, Seccomp},
    decode::Extras,
    seccomp::SeccompProfile,
};
use serde_json::Value;
use std::collections::BTreeSet;

pub(super) struct SecurityOptions {
    pub(super) no_new_privileges: bool,
    pub(super) seccomp: Seccomp,
}

/// Reads Docker's list; an option that is neither of ours goes to `extras`.
pub(super) fn security_options(options: Vec<String>, extras: &mut Extras) -> SecurityOptions {
    let mut no_new_privileges = None;
    let mut seccomp = None;
    for option in options {
        // Docker takes both `key=value` and, as it once was, `key:value`.
        let (key, value) = option
            .split_once('=')
            .filter(|(key, _)| !key.contains(':'))
            .or_else(|| option.split_once(':'))
            .unwrap_or((&option, ""));
        match (key, value) {
            ("no-new-privileges", "" | "true") => {
                no_new_privileges.get_or_insert(true);
            }
            ("no-new-privileges", _) => no_new_privileges = Some(false),
            ("seccomp", profile) => {
                let profile = profile_of(profile);
                seccomp = Some(match seccomp {
                    None => profile,
                    Some(_) => Seccomp::Other("more than one profile".to_owned()),
                });
            }
            _ => extras.push(format!("security option {option}")),
        }
    }
    SecurityOptions {
        no_new_privileges: no_new_privileges.unwrap_or(false),
        seccomp: seccomp.unwrap_or_else(|| Seccomp::Other("docker's default".to_owned())),
    }
}

/// A profile is told by what it says, and not by how it is spaced.
fn profile_of(text: &str) -> Seccomp {
    let seen = serde_json::from_str::<Value>(text).ok();
    let ours = SeccompProfile::all().find(|ours| {
        let json = ours.to_oci_json();
        text == json || (seen.is_some() && seen == serde_json::from_str(&json).ok())
    });
    if let Some(ours) = ours {
        Seccomp::Profile {
            name: ours.name().to_owned(),
            json: ours.to_oci_json(),
        }
    } else if text.starts_with('{') {
        Seccomp::Other(format!("another profile, of {} bytes", text.len()))
    } else {
        Seccomp::Other(text.chars().take(60).collect())
    }
}

/// Docker says some names with `CAP_` and some without.
pub(super) fn capabilities(added: Vec<String>, dropped: Vec<String>) -> CapabilitySets {
    let plain = |names: Vec<String>| -> BTreeSet<String> {
        names
            .into_iter()
            .map(|name| {
                let name = name.to_ascii_uppercase();
                name.strip_prefix("CAP_").unwrap_or(&name).to_owned()
            })
            .collect()
    };
    CapabilitySets {
        added: plain(added),
        dropped: plain(dropped),
    }
}
