//! Gate 2 over what a real container's process 1 answered, and over single changes of that.

mod changes;
mod control_groups;
mod hostile;
mod joined;
mod mounted;
mod names;
mod profiles;
mod recorded;
mod spaces;
mod workspaces;

use super::{Answer, Answers, Look, OwnNamespaces, judge, looks, refused_calls, refused_sockets};
use crate::{
    ContainerSecurityConfig,
    engine::ImageFacts,
    plan::PlanSpec,
    policy::{Placement, SecurityPolicy},
    seccomp::SeccompProfileName,
    verify::refusals,
};
use clawbox_types::*;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::LazyLock,
};

/// What the kernel can be asked of.
const ITEMS: [PolicyItem; 22] = [
    PolicyItem::User,
    PolicyItem::ReadOnlyRoot,
    PolicyItem::Capabilities,
    PolicyItem::NoNewPrivileges,
    PolicyItem::Seccomp,
    PolicyItem::Network,
    PolicyItem::Pids,
    PolicyItem::Memory,
    PolicyItem::Swap,
    PolicyItem::Cpu,
    PolicyItem::CpuShares,
    PolicyItem::Tmpfs,
    PolicyItem::Mounts,
    PolicyItem::Ipc,
    PolicyItem::Namespaces,
    PolicyItem::Ulimits,
    PolicyItem::OomScore,
    PolicyItem::KernelPaths,
    PolicyItem::Devices,
    PolicyItem::Environment,
    PolicyItem::Init,
    PolicyItem::Identity,
];

/// The plan of the container that was recorded.
static SPEC: LazyLock<PlanSpec> = LazyLock::new(|| spec(SeccompProfileName::Strict));

fn spec(seccomp_profile: SeccompProfileName) -> PlanSpec {
    let limits = ResourceLimits::new(60_000, 600).with_pids(64);
    let request =
        ContainerSpawnRequest::new("task", Capabilities::default().with_resources(limits))
            .with_image("ghcr.io/n0xmare/fixture:1")
            .with_command(["true"]);
    let config = ContainerSecurityConfig {
        cpu_millis: 500,
        max_memory_mb: 1024,
        seccomp_profile,
        ..ContainerSecurityConfig::default()
    };
    let id: ContainerId = "clawbox-9f2c1f0e-6d5b-4c3a-8b7e-0a1b2c3d4e5f"
        .parse()
        .unwrap();
    let init_dir = format!("/srv/clawbox/owner/{id}");
    let placement = Placement {
        identity: ContainerIdentity::new(id, ProxyToken::from_bytes([7; 32])),
        labels: BTreeMap::new(),
        proxy_dir: Some("/srv/clawbox-proxy".into()),
        init_dir: Some(init_dir.into()),
    };
    let admission = SecurityPolicy::new(&config)
        .unwrap()
        .admit(&request)
        .unwrap();
    let plan = admission.compile(&ImageFacts::default(), placement);
    plan.unwrap().spec().clone()
}

const CGROUP_1: &str = include_str!("../../tests/kernel/docker-20.10-cgroup1.txt");
const CGROUP_2: &str = include_str!("../../tests/kernel/docker-20.10-cgroup2.txt");
const PODMAN_CGROUP_2: &str = include_str!("../../tests/kernel/podman-5.4-rootless-cgroup2.txt");
/// All of them.
const RECORDS: [&str; 3] = [CGROUP_1, CGROUP_2, PODMAN_CGROUP_2];

/// Reads a record: `[what is looked at] result`, and below it what was read.
fn record(text: &str) -> Answers {
    let looks = looks(&SPEC).into_iter();
    let by_name: BTreeMap<String, Look> = looks.map(|look| (name(&look), look)).collect();
    let mut answers = Answers::default();
    let mut lines = text
        .lines()
        .skip_while(|line| line.starts_with('#'))
        .peekable();
    while let Some(head) = lines.next() {
        let (look, result) = head.split_once("] ").unwrap();
        let look = &by_name[look.strip_prefix('[').unwrap()];
        let end = match look {
            Look::List(_) => "\0",
            Look::Read(path) if path.ends_with("environ") => "\0",
            Look::Link(_) => "",
            _ => "\n",
        };
        let mut bytes = Vec::new();
        while let Some(line) = lines.next_if(|line| !line.starts_with('[')) {
            bytes.extend_from_slice(line.as_bytes());
            bytes.extend_from_slice(end.as_bytes());
        }
        let result: i64 = result.parse().unwrap();
        if let (Look::Read(path), true) = (look, result >= 0) {
            assert_eq!(result, i64::try_from(bytes.len()).unwrap(), "{path}");
        }
        answers.insert(look.clone(), Answer { result, bytes });
    }
    assert_eq!(
        answers.seen.len(),
        by_name.len(),
        "each look has its answer"
    );
    answers
}

fn name(look: &Look) -> String {
    match look {
        Look::Read(path) => format!("read {path}"),
        Look::List(path) => format!("list {path}"),
        Look::Link(path) => format!("link {path}"),
        Look::Stat(path) => format!("stat {path}"),
        Look::Identity(path) => format!("identity {path}"),
        Look::Call(call) => format!("call {}", call.name),
        Look::Socket(socket) => format!("socket {}", socket.name),
    }
}

/// The host's own namespaces, another process's than the first one's.
fn own() -> OwnNamespaces {
    let names = ["pid", "uts", "ipc", "cgroup", "net", "mnt"];
    OwnNamespaces(names.map(|name| format!("{name}:[4026530000]")).into())
}

/// An engine's report that says of every item that it holds.
fn repeated() -> EnforcementReport {
    let items = PolicyItem::ALL.iter();
    let items = items.map(|item| ItemReport::new(*item, "planned", "planned", Verdict::Enforced));
    EnforcementReport::new(items.collect(), Vec::new())
}

fn judged(spec: &PlanSpec, answers: &Answers) -> EnforcementReport {
    judge(spec, answers, &own(), repeated())
}

/// The items that do not hold, each with what the kernel gives.
fn denied(report: &EnforcementReport) -> BTreeMap<PolicyItem, String> {
    let items = report.items.iter();
    items
        .filter(|item| item.verdict != Verdict::Enforced)
        .map(|item| (item.item, item.kernel.clone().unwrap_or_default()))
        .collect()
}

/// How many items nothing is known of.
fn unverified(report: &EnforcementReport) -> usize {
    let items = report.items.iter();
    items
        .filter(|item| item.verdict == Verdict::Unverified)
        .count()
}

/// That exactly these items do not hold, and are named to whoever asked for the container.
fn assert_denied(what: &str, answers: &Answers, items: &[PolicyItem]) {
    let report = judged(&SPEC, answers);
    let seen = denied(&report);
    let expected: BTreeSet<_> = items.iter().copied().collect();
    assert_eq!(
        seen.keys().copied().collect::<BTreeSet<_>>(),
        expected,
        "{what}: {seen:?}"
    );
    let refused = refusals(&report, &BTreeSet::new());
    let refused: BTreeSet<_> = refused.into_iter().map(|item| item.item).collect();
    assert_eq!(refused, expected, "{what}");
}

/// The text of a file in a record.
fn text(answers: &Answers, look: &Look) -> String {
    let bytes = answers.get(look).unwrap().bytes.clone();
    String::from_utf8(bytes).unwrap()
}

fn with(answers: &Answers, look: Look, text: impl Into<Vec<u8>>) -> Answers {
    let mut answers = answers.clone();
    let bytes = text.into();
    let result = i64::try_from(bytes.len()).unwrap();
    answers.insert(look, Answer { result, bytes });
    answers
}

fn with_result(answers: &Answers, look: Look, result: i64) -> Answers {
    let mut answers = answers.clone();
    let bytes = Vec::new();
    answers.insert(look, Answer { result, bytes });
    answers
}

/// With one piece of a file's text replaced by another.
fn replaced(answers: &Answers, look: Look, from: &str, to: &str) -> Answers {
    let text = text(answers, &look);
    assert_eq!(text.matches(from).count(), 1, "{from:?} in {look:?}");
    with(answers, look, text.replace(from, to))
}
