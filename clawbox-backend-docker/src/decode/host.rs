//! The engine's word about its host: what it can enforce, and what it warns of.

use bollard::models::{SystemInfo, SystemInfoCgroupVersionEnum, SystemVersion};
use clawbox_containers::{
    engine::EngineWarning,
    types::{Ability, EngineInfo, PolicyItem},
};
use std::collections::BTreeMap;

/// The most warnings that are passed on, and the most characters of each.
const MAX_WARNINGS: usize = 64;
const MAX_CHARS: usize = 500;

/// What has versions of its own that matter to a sandbox.
const COMPONENTS: [&str; 3] = ["containerd", "crun", "runc"];
/// The most characters of a version.
const VERSION_CHARS: usize = 80;

pub(crate) fn engine_info(
    info: SystemInfo,
    version: SystemVersion,
    endpoint: String,
) -> EngineInfo {
    let components = components(version, info.kernel_version.clone());
    let version = info.server_version.unwrap_or_else(|| "unknown".to_owned());
    let mut engine = EngineInfo::new("docker", version, endpoint);
    engine.components = components;
    let options = info.security_options.unwrap_or_default();
    let has = |name: &str| {
        let named = format!("name={name}");
        options
            .iter()
            .any(|option| option.split(',').any(|part| part == named))
    };
    engine.rootless = has("rootless");
    engine.cgroup_version = match info.cgroup_version {
        Some(SystemInfoCgroupVersionEnum::_2) => 2,
        // Docker says nothing before it knew of version 2.
        Some(SystemInfoCgroupVersionEnum::_1 | SystemInfoCgroupVersionEnum::EMPTY) | None => 1,
    };
    let said = |answer: Option<bool>| answer.unwrap_or(false);
    let no_controller = "the kernel or the host's control groups lack it; rootless docker needs systemd and \
                         a delegated cgroup v2";
    let both = |one, other| said(one) && said(other);
    engine.abilities = [
        (PolicyItem::Memory, said(info.memory_limit), no_controller),
        (
            PolicyItem::Swap,
            said(info.swap_limit),
            "the kernel does not account for swap; boot it with swapaccount=1",
        ),
        (PolicyItem::Pids, said(info.pids_limit), no_controller),
        (
            PolicyItem::Cpu,
            both(info.cpu_cfs_period, info.cpu_cfs_quota),
            no_controller,
        ),
        (PolicyItem::CpuShares, said(info.cpu_shares), no_controller),
        (
            PolicyItem::Seccomp,
            has("seccomp"),
            "the kernel or docker was built without seccomp",
        ),
    ]
    .map(|(item, available, reason)| match available {
        true => Ability::available(item),
        false => Ability::missing(item, reason),
    })
    .into();
    engine.warnings = bounded(info.warnings.unwrap_or_default()).collect();
    engine
}

fn components(version: SystemVersion, kernel: Option<String>) -> BTreeMap<String, String> {
    let told = version.components.unwrap_or_default().into_iter();
    told.map(|component| (component.name, component.version))
        .filter(|(name, _)| COMPONENTS.contains(&name.as_str()))
        .chain(kernel.map(|version| ("kernel".to_owned(), version)))
        .map(|(name, version)| (name, version.chars().take(VERSION_CHARS).collect()))
        .collect()
}

/// Parts of Docker's warnings at create, in lower case, and what they are about: moby's
/// `verifyPlatformContainerResources` and its neighbours, releases 20.10 to 29.
const KNOWN: [(&str, PolicyItem); 9] = [
    // Before "memory", which its text holds too.
    ("swap limit", PolicyItem::Swap),
    ("memory limit", PolicyItem::Memory),
    ("pids limit", PolicyItem::Pids),
    ("cpu shares", PolicyItem::CpuShares),
    ("cpu cfs", PolicyItem::Cpu),
    ("oomkill", PolicyItem::OomScore),
    ("cgroup namespace", PolicyItem::Namespaces),
    ("seccomp", PolicyItem::Seccomp),
    ("requested image's platform", PolicyItem::Image),
];

/// Docker's worries about a network that no container of ours has.
const IRRELEVANT: &str = "ipv4 forwarding is disabled";

/// What Docker warned of at create. Nothing but its word on IPv4 forwarding is left out.
pub(crate) fn warnings(texts: Vec<String>) -> Vec<EngineWarning> {
    let relevant = texts
        .into_iter()
        .filter(|text| !text.to_lowercase().starts_with(IRRELEVANT))
        .collect();
    bounded(relevant)
        .map(|text| {
            let lower = text.to_lowercase();
            let known = KNOWN.iter().find(|(part, _)| lower.contains(part));
            let item = known.map(|(_, item)| *item);
            EngineWarning { item, text }
        })
        .collect()
}

fn bounded(texts: Vec<String>) -> impl Iterator<Item = String> {
    let texts = texts.into_iter().filter(|text| !text.trim().is_empty());
    texts
        .take(MAX_WARNINGS)
        .map(|text| text.chars().take(MAX_CHARS).collect())
}
