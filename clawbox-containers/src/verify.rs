//! The verdicts: what the engine holds (gate 1, before anything starts), and what the kernel gives (gate 2, before
//! the command runs), against what was planned.

use crate::{
    aspects::Environment,
    engine::EngineWarning,
    facts::{Observed, ObservedFacts},
    kernel::Given,
    plan::PlanSpec,
};
use clawbox_types::{EnforcementReport, ItemReport, PolicyItem, Verdict};
use std::{collections::BTreeSet, fmt::Display};

/// Compares what was observed with the plan, item by item. A warning overrules what was observed: an engine
/// that says it will not hold an item does not hold it, whatever its inspect repeats.
#[must_use]
pub fn verify(
    spec: &PlanSpec,
    facts: &ObservedFacts,
    warnings: &[EngineWarning],
) -> EnforcementReport {
    let PlanSpec {
        user,
        read_only_root,
        capabilities,
        no_new_privileges,
        seccomp,
        network,
        pids,
        memory,
        memory_and_swap,
        cpu,
        cpu_shares,
        tmpfs,
        mounts,
        ipc,
        namespaces,
        ulimits,
        oom_score,
        kernel_paths,
        devices,
        lifecycle,
        image,
        command,
        environment,
        init,
        log,
        identity,
    } = spec;
    let mut items = vec![
        compare(PolicyItem::User, user, &facts.user),
        compare(
            PolicyItem::ReadOnlyRoot,
            read_only_root,
            &facts.read_only_root,
        ),
        compare(PolicyItem::Capabilities, capabilities, &facts.capabilities),
        compare(
            PolicyItem::NoNewPrivileges,
            no_new_privileges,
            &facts.no_new_privileges,
        ),
        compare(PolicyItem::Seccomp, seccomp, &facts.seccomp),
        compare(PolicyItem::Network, network, &facts.network),
        compare(PolicyItem::Pids, pids, &facts.pids),
        compare(PolicyItem::Memory, memory, &facts.memory),
        compare(PolicyItem::Swap, memory_and_swap, &facts.memory_and_swap),
        compare(PolicyItem::Cpu, cpu, &facts.cpu),
        compare(PolicyItem::CpuShares, cpu_shares, &facts.cpu_shares),
        compare(PolicyItem::Tmpfs, tmpfs, &facts.tmpfs),
        compare(PolicyItem::Mounts, mounts, &facts.mounts),
        compare(PolicyItem::Ipc, ipc, &facts.ipc),
        compare(PolicyItem::Namespaces, namespaces, &facts.namespaces),
        compare(PolicyItem::Ulimits, ulimits, &facts.ulimits),
        compare(PolicyItem::OomScore, oom_score, &facts.oom_score),
        compare(PolicyItem::KernelPaths, kernel_paths, &facts.kernel_paths),
        compare(PolicyItem::Devices, devices, &facts.devices),
        compare(PolicyItem::Lifecycle, lifecycle, &facts.lifecycle),
        compare(PolicyItem::Image, image, &facts.image),
        compare(PolicyItem::Command, command, &facts.command),
        compare_by(
            Environment::gives_the_same,
            PolicyItem::Environment,
            environment,
            &facts.environment,
        ),
        compare(PolicyItem::Init, init, &facts.init),
        compare(PolicyItem::Log, log, &facts.log),
        compare(PolicyItem::Identity, identity, &facts.identity),
    ];
    for report in &mut items {
        if let Some(warning) = warnings.iter().find(|w| w.item == Some(report.item)) {
            report.verdict = Verdict::NotEnforced;
            report.observed = format!("the engine warned: {}", warning.text);
        }
    }
    let texts = warnings.iter().map(|w| w.text.clone()).collect();
    EnforcementReport::new(items, texts)
}

/// How much of what the kernel gives a report holds.
const KERNEL_TEXT_CHARS: usize = 1000;

/// Joins what the kernel gives to what the engine said. The kernel's word decides where it is asked: what it denies
/// does not hold, and what it does not show is not proven, whatever the engine repeats. An item that the engine has
/// denied is not saved by it.
pub(crate) fn combine(
    mut report: EnforcementReport,
    given: Vec<(PolicyItem, Given)>,
) -> EnforcementReport {
    for (item, given) in given {
        let Some(report) = report.items.iter_mut().find(|report| report.item == item) else {
            continue;
        };
        let (text, verdict) = match given {
            Given::Planned(text) => (text, Verdict::Enforced),
            Given::Other(text) => (text, Verdict::NotEnforced),
            Given::Unseen(why) => (why, Verdict::Unverified),
        };
        report.kernel = Some(text.chars().take(KERNEL_TEXT_CHARS).collect());
        if report.verdict != Verdict::NotEnforced {
            report.verdict = verdict;
        }
    }
    report
}

/// What is wrong with a container of this report, unless the operator allows it. Where nothing is, and every
/// warning was understood, it may start.
#[must_use]
pub fn refusals(
    report: &EnforcementReport,
    allow_degraded: &BTreeSet<PolicyItem>,
) -> Vec<ItemReport> {
    let wanting = |report: &&ItemReport| match report.verdict {
        Verdict::Enforced => false,
        // Where the kernel was asked, it could have told.
        Verdict::Unverified => report.kernel.is_some(),
        _ => true,
    };
    report
        .items
        .iter()
        .filter(wanting)
        .filter(|report| !allow_degraded.contains(&report.item))
        .cloned()
        .collect()
}

/// The warnings that concern no known item: nothing can allow them.
#[must_use]
pub fn not_understood(warnings: &[EngineWarning]) -> Vec<String> {
    let unknown = warnings.iter().filter(|warning| warning.item.is_none());
    unknown.map(|warning| warning.text.clone()).collect()
}

fn compare<T: PartialEq + Display>(
    item: PolicyItem,
    planned: &T,
    observed: &Observed<T>,
) -> ItemReport {
    compare_by(T::eq, item, planned, observed)
}

fn compare_by<T: Display>(
    same: fn(&T, &T) -> bool,
    item: PolicyItem,
    planned: &T,
    observed: &Observed<T>,
) -> ItemReport {
    let requested = planned.to_string();
    match observed {
        Observed::Seen(seen) if same(planned, seen) => {
            ItemReport::new(item, requested, seen.to_string(), Verdict::Enforced)
        }
        Observed::Seen(seen) => {
            let mut observed = seen.to_string();
            if observed == requested {
                observed.push_str(", but not the same");
            }
            ItemReport::new(item, requested, observed, Verdict::NotEnforced)
        }
        Observed::Unseen(why) => ItemReport::new(item, requested, why.clone(), Verdict::Unverified),
    }
}
