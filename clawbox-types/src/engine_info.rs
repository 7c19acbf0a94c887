//! What an engine says of itself and its host.

use crate::PolicyItem;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Whether a host can enforce a policy item, as far as the engine's own description tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Ability {
    /// Which item.
    pub item: PolicyItem,
    /// Whether the host can enforce it.
    pub available: bool,
    /// Why not, and what would mend it; empty where it is available.
    pub reason: String,
}

impl Ability {
    /// The host can enforce `item`.
    #[must_use]
    pub const fn available(item: PolicyItem) -> Self {
        Self {
            item,
            available: true,
            reason: String::new(),
        }
    }

    /// The host cannot enforce `item`; `reason` says why and what would mend it.
    pub fn missing(item: PolicyItem, reason: impl Into<String>) -> Self {
        Self {
            item,
            available: false,
            reason: reason.into(),
        }
    }
}

/// An engine, its version, and what it can enforce on its host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct EngineInfo {
    /// The engine's name: `docker`, `podman`, `mock`.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The versions of what it stands on, as far as it tells them, in its own words: `runc`, `crun`, `containerd`,
    /// `kernel`.
    #[serde(default)]
    pub components: BTreeMap<String, String>,
    /// Where it was reached, such as `unix:///run/docker.sock`.
    pub endpoint: String,
    /// Whether it runs without root on the host.
    pub rootless: bool,
    /// The control group version of its host: 1 or 2.
    pub cgroup_version: u8,
    /// The items that depend on the host.
    pub abilities: Vec<Ability>,
    /// What the engine warns of about its host.
    pub warnings: Vec<String>,
}

impl EngineInfo {
    /// An engine on a host with control groups v2, not rootless, with nothing said about its abilities.
    pub fn new(
        name: impl Into<String>,
        version: impl Into<String>,
        endpoint: impl Into<String>,
    ) -> Self {
        Self {
            name: name.into(),
            version: version.into(),
            components: BTreeMap::new(),
            endpoint: endpoint.into(),
            rootless: false,
            cgroup_version: 2,
            abilities: Vec::new(),
            warnings: Vec::new(),
        }
    }
}
