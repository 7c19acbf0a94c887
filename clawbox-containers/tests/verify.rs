//! Gate 1: any difference, and any warning, is seen.

use clawbox_containers::{
    ContainerPlan, ContainerSecurityConfig,
    aspects::{Init, Ipc, Network, Seccomp},
    engine::{EngineWarning, ImageFacts},
    facts::{Observed, ObservedFacts},
    policy::{Placement, SecurityPolicy},
    verify::{not_understood, refusals, verify},
};
use clawbox_types::*;
use std::collections::{BTreeMap, BTreeSet};

fn plan() -> ContainerPlan {
    let request = ContainerSpawnRequest::new("task", Capabilities::default())
        .with_image("alpine")
        .with_env("SECRET", "hunter2")
        .with_command(["true"]);
    let placement = Placement {
        identity: ContainerIdentity::new(ContainerId::generate(), ProxyToken::from_bytes([7; 32])),
        labels: BTreeMap::new(),
        proxy_dir: Some("/run/user/1000/p".into()),
        init_dir: None,
    };
    let policy =
        SecurityPolicy::new(&ContainerSecurityConfig::default()).expect("the default policy");
    let admission = policy.admit(&request).expect("a usual request");
    admission
        .compile(&ImageFacts::default(), placement)
        .expect("a harmless image")
}

fn seen<T>(observed: &mut Observed<T>) -> &mut T {
    match observed {
        Observed::Seen(value) => value,
        Observed::Unseen(why) => panic!("{why}"),
    }
}

type Change = (PolicyItem, fn(&mut ObservedFacts));

/// One way for each item to differ from the plan.
const CHANGES: &[Change] = &[
    (PolicyItem::User, |f| *seen(&mut f.user) = "0:0".to_owned()),
    (PolicyItem::ReadOnlyRoot, |f| {
        *seen(&mut f.read_only_root) = false
    }),
    (PolicyItem::Capabilities, |f| {
        seen(&mut f.capabilities)
            .added
            .insert("SYS_ADMIN".to_owned());
    }),
    (PolicyItem::NoNewPrivileges, |f| {
        *seen(&mut f.no_new_privileges) = false
    }),
    (PolicyItem::Seccomp, |f| {
        *seen(&mut f.seccomp) = Seccomp::Other("unconfined".to_owned())
    }),
    (PolicyItem::Network, |f| {
        *seen(&mut f.network) = Network::Other("host".to_owned())
    }),
    (PolicyItem::Pids, |f| *seen(&mut f.pids) = 0),
    (PolicyItem::Memory, |f| *seen(&mut f.memory) = 0),
    (PolicyItem::Swap, |f| *seen(&mut f.memory_and_swap) *= 2),
    (PolicyItem::Cpu, |f| seen(&mut f.cpu).quota_us = 0),
    (PolicyItem::CpuShares, |f| *seen(&mut f.cpu_shares) = 0),
    (PolicyItem::Tmpfs, |f| {
        for options in seen(&mut f.tmpfs).0.values_mut() {
            options.flags.remove("noexec");
        }
    }),
    (PolicyItem::Mounts, |f| {
        let binds = &mut seen(&mut f.mounts).0;
        let mut bind = binds.pop_first().expect("the proxy's directory");
        bind.read_only = false;
        binds.insert(bind);
    }),
    (PolicyItem::Ipc, |f| {
        *seen(&mut f.ipc) = Ipc::Other("host".to_owned())
    }),
    (PolicyItem::Namespaces, |f| {
        seen(&mut f.namespaces).private_pid = false
    }),
    (PolicyItem::Ulimits, |f| {
        seen(&mut f.ulimits).0.remove("core");
    }),
    (PolicyItem::OomScore, |f| *seen(&mut f.oom_score) = -1000),
    (PolicyItem::KernelPaths, |f| {
        seen(&mut f.kernel_paths).masked.remove("/proc/kcore");
    }),
    (PolicyItem::Devices, |f| {
        seen(&mut f.devices).privileged = true
    }),
    (PolicyItem::Lifecycle, |f| {
        seen(&mut f.lifecycle).restarts = true
    }),
    (PolicyItem::Image, |f| {
        *seen(&mut f.image) = "sha256:evil".to_owned()
    }),
    (PolicyItem::Command, |f| {
        seen(&mut f.command).argv.push("--evil".to_owned())
    }),
    (PolicyItem::Environment, |f| {
        let env = &mut seen(&mut f.environment).0;
        env.insert("SECRET".to_owned(), "hunter3".parse().ok());
    }),
    (PolicyItem::Init, |f| *seen(&mut f.init) = Init::None),
    (PolicyItem::Log, |f| seen(&mut f.log).max_bytes = 0),
    (PolicyItem::Identity, |f| {
        seen(&mut f.identity)
            .labels
            .insert("clawbox.owner".to_owned(), "me".to_owned());
    }),
];

#[test]
fn a_container_as_planned_is_enforced_in_every_item() {
    let plan = plan();
    let report = verify(plan.spec(), &ObservedFacts::as_planned(plan.spec()), &[]);
    let items: Vec<_> = report.items.iter().map(|r| r.item).collect();
    assert_eq!(items, PolicyItem::ALL);
    assert!(
        report.items.iter().all(|r| r.verdict == Verdict::Enforced),
        "{report:?}"
    );
    assert_eq!(refusals(&report, &BTreeSet::new()), []);
}

#[test]
fn each_difference_is_found_in_its_own_item_and_nowhere_else() {
    let plan = plan();
    assert_eq!(CHANGES.len(), PolicyItem::ALL.len());
    for (item, change) in CHANGES {
        let mut facts = ObservedFacts::as_planned(plan.spec());
        change(&mut facts);
        let report = verify(plan.spec(), &facts, &[]);
        let refused = refusals(&report, &BTreeSet::new());
        assert_eq!(refused.iter().map(|r| r.item).collect::<Vec<_>>(), [*item]);
        assert_ne!(
            refused[0].requested, refused[0].observed,
            "{item}: the message tells the difference"
        );
        assert_eq!(
            refusals(&report, &BTreeSet::from([*item])),
            [],
            "{item} may be allowed"
        );
        assert!(
            !format!("{report:?}").contains("hunter"),
            "no secret in a report"
        );
    }
}

#[test]
fn what_nothing_could_see_is_unverified_and_never_enforced() {
    let plan = plan();
    let mut facts = ObservedFacts::as_planned(plan.spec());
    facts.seccomp = Observed::Unseen("this engine does not tell".to_owned());
    let report = verify(plan.spec(), &facts, &[]);
    let item = report.get(PolicyItem::Seccomp).unwrap();
    assert_eq!(item.verdict, Verdict::Unverified);
    assert_eq!(item.observed, "this engine does not tell");
}

#[test]
fn a_warning_overrules_an_inspect_that_repeats_the_request() {
    let plan = plan();
    let facts = ObservedFacts::as_planned(plan.spec());
    let warning = |item| {
        [EngineWarning {
            item,
            text: "limit discarded".to_owned(),
        }]
    };
    let known = warning(Some(PolicyItem::Memory));
    let report = verify(plan.spec(), &facts, &known);
    let refused = refusals(&report, &BTreeSet::new());
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].item, PolicyItem::Memory);
    assert!(refused[0].observed.contains("limit discarded"));
    assert_eq!(refusals(&report, &BTreeSet::from([PolicyItem::Memory])), []);

    let unknown = warning(None);
    let report = verify(plan.spec(), &facts, &unknown);
    assert_eq!(refusals(&report, &BTreeSet::new()), []);
    assert_eq!(not_understood(&unknown), ["limit discarded"]);
    assert_eq!(not_understood(&known), [""; 0]);
    assert_eq!(report.warnings, ["limit discarded"]);
}
