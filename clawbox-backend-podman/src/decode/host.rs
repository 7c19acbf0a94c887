//! The engine's word about its host: what it can enforce, and what it warns of.

use clawbox_containers::{
    decode::{bad, said},
    endpoint::Endpoint,
    engine::{EngineError, EngineErrorKind, EngineResult, EngineWarning},
    types::{Ability, EngineInfo, PolicyItem},
};
use hyper::header::HeaderMap;
use podman_api::models::{Info, OciRuntimeInfo};
use std::collections::BTreeMap;

/// The first version of libpod's API that has all that is asked for.
const OLDEST: u32 = 4;
/// The most warnings that are passed on, and the most characters of each.
const MAX_WARNINGS: usize = 64;
const MAX_CHARS: usize = 500;
/// The most characters of a version.
const VERSION_CHARS: usize = 80;

/// Every limit that needs a control group.
const LIMITS: [PolicyItem; 5] = [
    PolicyItem::Memory,
    PolicyItem::Swap,
    PolicyItem::Pids,
    PolicyItem::Cpu,
    PolicyItem::CpuShares,
];

/// Whether a Podman of a known age greets.
pub(crate) fn service(greeting: &HeaderMap, endpoint: &Endpoint) -> EngineResult<()> {
    let unsupported = |text: String| EngineError::new(EngineErrorKind::Unsupported, text);
    let text = |name| greeting.get(name).and_then(|value| value.to_str().ok());
    let Some(version) = text("Libpod-Api-Version") else {
        let who = text("Server").unwrap_or("something else");
        return Err(unsupported(format!(
            "{who:.60} answers at {endpoint}, which is not podman"
        )));
    };
    let major = version
        .split('.')
        .next()
        .and_then(|major| major.parse().ok());
    match major {
        Some(OLDEST..) => Ok(()),
        Some(_) => Err(unsupported(format!(
            "podman {version:.20} at {endpoint} is too old, expected {OLDEST}.0 or newer"
        ))),
        None => Err(bad(format!(
            "podman's API version at {endpoint} is {version:.20}"
        ))),
    }
}

pub(crate) fn engine_info(info: Info, endpoint: String) -> EngineResult<EngineInfo> {
    let host = said("host", info.host)?;
    let security = said("host.security", host.security)?;
    let version = info.version.and_then(|version| version.version);
    let version = version.unwrap_or_else(|| "unknown".to_owned());
    let mut engine = EngineInfo::new("podman", version, endpoint);
    engine.components = components(host.oci_runtime, host.kernel);
    engine.rootless = said("host.security.rootless", security.rootless)?;
    engine.cgroup_version = match said("host.cgroupVersion", host.cgroup_version)?.as_str() {
        "v1" => 1,
        "v2" => 2,
        other => return Err(bad(format!("host.cgroupVersion {other:.40}"))),
    };
    let controllers = host.cgroup_controllers.unwrap_or_default();
    let has = |name: &str| controllers.iter().any(|controller| controller == name);
    let reason = if !engine.rootless {
        "the host's control groups lack the controller"
    } else if engine.cgroup_version == 1 {
        "control groups v1 give a user no limits; boot the host with systemd.unified_cgroup_hierarchy=1"
    } else {
        "the controller is not delegated to this user; write the lines \"[Service]\" and \"Delegate=cpu cpuset io \
         memory pids\" to /etc/systemd/system/user@.service.d/delegate.conf, run systemctl daemon-reload, and log in again"
    };
    let limits = LIMITS.map(|item| {
        let controller = match item {
            PolicyItem::Pids => "pids",
            PolicyItem::Cpu | PolicyItem::CpuShares => "cpu",
            _ => "memory",
        };
        (item, has(controller), reason)
    });
    let seccomp = (
        PolicyItem::Seccomp,
        security.seccomp_enabled.unwrap_or(false),
        "podman or its runtime was built without seccomp",
    );
    engine.abilities = limits
        .into_iter()
        .chain([seccomp])
        .map(|(item, available, reason)| match available {
            true => Ability::available(item),
            false => Ability::missing(item, reason),
        })
        .collect();
    let driver = info.store.and_then(|store| store.graph_driver_name);
    if driver.as_deref() == Some("vfs") {
        engine.warnings.push(
            "the storage driver is vfs, which copies a whole image for each container; set driver = \"overlay\" in \
             storage.conf(5)"
                .to_owned(),
        );
    }
    Ok(engine)
}

/// The runtime tells its version in what it prints for people: `crun version 1.8.1`, and more lines.
fn components(runtime: Option<OciRuntimeInfo>, kernel: Option<String>) -> BTreeMap<String, String> {
    let runtime = runtime.and_then(|runtime| {
        let printed = runtime.version?;
        let words = printed
            .lines()
            .next()?
            .strip_prefix(runtime.name.as_deref()?)?;
        let version = words.trim_start().strip_prefix("version ")?;
        Some((runtime.name?, version.to_owned()))
    });
    let kernel = kernel.map(|version| ("kernel".to_owned(), version));
    let told = runtime.into_iter().chain(kernel);
    told.map(|(name, version)| (name, version.chars().take(VERSION_CHARS).collect()))
        .collect()
}

/// Parts of libpod's warnings at create, in lower case, and what they are about: `verifyContainerResources` in
/// `pkg/specgen/generate/validate_linux.go`, releases 4.3 to 5.4.
const KNOWN: [(&str, &[PolicyItem]); 7] = [
    ("resource limits are not supported", &LIMITS),
    // Before "memory", which its text holds too.
    ("swap limit", &[PolicyItem::Swap]),
    ("memory limit", &[PolicyItem::Memory]),
    ("pids limit", &[PolicyItem::Pids]),
    ("cpu shares", &[PolicyItem::CpuShares]),
    ("cpu cfs", &[PolicyItem::Cpu]),
    ("cpu bandwidth", &[PolicyItem::Cpu]),
];

/// What libpod warned of at create, once for each item that it concerns.
pub(crate) fn warnings(texts: Vec<String>) -> Vec<EngineWarning> {
    let texts = texts.into_iter().filter(|text| !text.trim().is_empty());
    texts
        .take(MAX_WARNINGS)
        .flat_map(|text| {
            let text: String = text.chars().take(MAX_CHARS).collect();
            let lower = text.to_lowercase();
            let known = KNOWN.iter().find(|(part, _)| lower.contains(part));
            let items: Vec<Option<PolicyItem>> = match known {
                Some((_, items)) => items.iter().copied().map(Some).collect(),
                None => vec![None],
            };
            items.into_iter().map(move |item| EngineWarning {
                item,
                text: text.clone(),
            })
        })
        .collect()
}
