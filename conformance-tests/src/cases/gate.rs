//! The gate between creation and start: what the engine reads back is changed on its way to the manager.

use crate::{
    case::table,
    check::{Checked, ensure, ensure_matches, refused, same},
    context::Context,
    rig::{Rig, SLEEPER, request},
    tap::Call,
};
use clawbox_containers::{
    ContainerError,
    aspects::{Bind, Init, Ipc, KernelPaths, Network, Seccomp, Ulimit},
    engine::{EnginePhase, EngineWarning},
    facts::{Observed, ObservedFacts},
};
use clawbox_types::{ItemReport, PolicyItem, Verdict};

use super::policy::MAY_BE_UNVERIFIED;

table! { "gate":
    any_difference = "a difference in any one item is `PolicyNotEnforced`, names it, and nothing starts",
    everything_that_differs = "several differences are all named",
    unseen_is_not_enforced = "what the engine does not tell is reported as unverified, never as enforced",
    warning = "a warning about an item is `PolicyNotEnforced`, and nothing starts",
    unknown_warning = "a warning that is not understood is `PolicyNotEnforced`, whatever may be degraded",
    degraded_by_the_operator = "what the operator lets fail may fail, and the report says so",
    degraded_is_no_more = "letting one item fail lets no other one fail",
    started_too_early = "a container that runs before it was started is removed",
}

/// The items of a spawn that must be refused between creation and start, and leave nothing.
async fn stopped(context: &Context, rig: &Rig) -> Checked<Vec<ItemReport>> {
    let started = rig.tap.count(Call::Start);
    let error = refused("the spawn", rig.backend.spawn(request(&SLEEPER)).await)?;
    same("started", rig.tap.count(Call::Start), started)?;
    refusal(context, rig, error).await
}

/// The items that a refusal names, which must leave nothing at the engine.
pub(super) async fn refusal(
    context: &Context,
    rig: &Rig,
    error: ContainerError,
) -> Checked<Vec<ItemReport>> {
    same(
        "left at the engine",
        context.at_engine(rig.owner).await?.len(),
        0,
    )?;
    let text = error.to_string();
    let ContainerError::PolicyNotEnforced { items, .. } = error else {
        return Err(error.into());
    };
    for item in &items {
        ensure!(
            text.contains(item.item.name()),
            "{} is not named: {text}",
            item.item
        );
    }
    Ok(items)
}

/// What was seen, changed.
fn seen<T>(observed: &mut Observed<T>, change: impl FnOnce(&mut T)) {
    if let Observed::Seen(value) = observed {
        change(value);
    }
}

type Weaken = fn(&mut ObservedFacts);

/// A weaker value for each item.
const WEAKER: [(PolicyItem, Weaken); 26] = [
    (PolicyItem::User, |f| {
        seen(&mut f.user, |v| *v = "0:0".to_owned())
    }),
    (PolicyItem::ReadOnlyRoot, |f| {
        seen(&mut f.read_only_root, |v| *v = false)
    }),
    (PolicyItem::Capabilities, |f| {
        seen(&mut f.capabilities, |v| {
            v.added.insert("SYS_ADMIN".to_owned());
        });
    }),
    (PolicyItem::NoNewPrivileges, |f| {
        seen(&mut f.no_new_privileges, |v| *v = false)
    }),
    (PolicyItem::Seccomp, |f| {
        f.seccomp = Observed::Seen(Seccomp::Other("unconfined".to_owned()));
    }),
    (PolicyItem::Network, |f| {
        seen(&mut f.network, |v| *v = Network::Other("host".to_owned()));
    }),
    (PolicyItem::Pids, |f| seen(&mut f.pids, |v| *v = 0)),
    (PolicyItem::Memory, |f| seen(&mut f.memory, |v| *v = 0)),
    (PolicyItem::Swap, |f| {
        seen(&mut f.memory_and_swap, |v| *v *= 2)
    }),
    (PolicyItem::Cpu, |f| seen(&mut f.cpu, |v| v.quota_us = 0)),
    (PolicyItem::CpuShares, |f| {
        seen(&mut f.cpu_shares, |v| *v += 1)
    }),
    (PolicyItem::Tmpfs, |f| {
        seen(&mut f.tmpfs, |v| {
            v.0.values_mut().for_each(|o| o.flags.clear())
        });
    }),
    (PolicyItem::Mounts, |f| {
        seen(&mut f.mounts, |v| {
            v.0.insert(Bind {
                source: "/".into(),
                target: "/host".to_owned(),
                read_only: true,
                noexec: false,
            });
        });
    }),
    (PolicyItem::Ipc, |f| {
        f.ipc = Observed::Seen(Ipc::Other("host".to_owned()));
    }),
    (PolicyItem::Namespaces, |f| {
        seen(&mut f.namespaces, |v| v.private_pid = false)
    }),
    (PolicyItem::Ulimits, |f| {
        seen(&mut f.ulimits, |v| {
            v.0.insert("core".to_owned(), Ulimit { soft: 0, hard: 1 });
        });
    }),
    (PolicyItem::OomScore, |f| {
        seen(&mut f.oom_score, |v| *v = -1000)
    }),
    (PolicyItem::KernelPaths, |f| {
        f.kernel_paths = Observed::Seen(KernelPaths::default());
    }),
    (PolicyItem::Devices, |f| {
        seen(&mut f.devices, |v| v.privileged = true)
    }),
    (PolicyItem::Lifecycle, |f| {
        seen(&mut f.lifecycle, |v| v.restarts = true)
    }),
    (PolicyItem::Image, |f| seen(&mut f.image, |v| v.push('0'))),
    (PolicyItem::Command, |f| {
        seen(&mut f.command, |v| v.health_check = true)
    }),
    (PolicyItem::Environment, |f| {
        seen(&mut f.environment, |v| {
            v.0.insert("LD_PRELOAD".to_owned(), "/tmp/x.so".parse().ok());
        });
    }),
    (PolicyItem::Init, |f| seen(&mut f.init, |v| *v = Init::None)),
    (PolicyItem::Log, |f| seen(&mut f.log, |v| v.max_bytes = 0)),
    (PolicyItem::Identity, |f| {
        seen(&mut f.identity, |v| v.labels.clear())
    }),
];

async fn any_difference(context: &Context) -> Checked {
    same(
        "items with a weaker value",
        WEAKER.map(|(item, _)| item).as_slice(),
        PolicyItem::ALL,
    )?;
    let rig = context.rig()?;
    let id = rig.sleeper().await?;
    let report = rig.backend.enforcement(&id)?;
    rig.backend.kill(&id).await?;
    for (item, weaken) in WEAKER {
        if context.declared(item) {
            // Its twin shows the same without any help.
            continue;
        }
        let verdict = report.get(item).map(|item| item.verdict);
        if verdict == Some(Verdict::Unverified) && MAY_BE_UNVERIFIED.contains(&item) {
            // There is no value to change.
            continue;
        }
        rig.tap.change_facts(weaken);
        let items = stopped(context, &rig).await?;
        let told: Vec<_> = items.iter().map(|item| (item.item, item.verdict)).collect();
        same("what differs", told, [(item, Verdict::NotEnforced)])?;
    }
    Ok(())
}

async fn everything_that_differs(context: &Context) -> Checked {
    let rig = context.rig()?;
    rig.tap.change_facts(|facts| {
        facts.read_only_root = Observed::Seen(false);
        facts.no_new_privileges = Observed::Seen(false);
    });
    let items: Vec<_> = stopped(context, &rig)
        .await?
        .into_iter()
        .map(|item| item.item)
        .collect();
    same(
        "items",
        items,
        [PolicyItem::ReadOnlyRoot, PolicyItem::NoNewPrivileges],
    )
}

async fn unseen_is_not_enforced(context: &Context) -> Checked {
    let rig = context.rig()?;
    // The kernel knows nothing of an engine's log, so nobody else can tell.
    rig.tap.change_facts(|facts| {
        facts.log = Observed::Unseen("the suite hid it".to_owned());
    });
    let id = rig.sleeper().await?;
    let report = rig.backend.enforcement(&id)?;
    let item = report.get(PolicyItem::Log);
    let told = item.map(|item| (item.verdict, item.observed.as_str()));
    same(
        "the hidden item",
        told,
        Some((Verdict::Unverified, "the suite hid it")),
    )
}

fn about(item: Option<PolicyItem>) -> EngineWarning {
    EngineWarning {
        item,
        text: "the suite warns".to_owned(),
    }
}

async fn warning(context: &Context) -> Checked {
    let rig = context.rig()?;
    rig.tap.warn(about(Some(PolicyItem::OomScore)));
    let items = stopped(context, &rig).await?;
    let told: Vec<_> = items.iter().map(|item| (item.item, item.verdict)).collect();
    same(
        "items",
        told,
        [(PolicyItem::OomScore, Verdict::NotEnforced)],
    )?;
    ensure!(
        items[0].observed.contains("the suite warns"),
        "not told: {}",
        items[0]
    );
    Ok(())
}

async fn unknown_warning(context: &Context) -> Checked {
    let rig = context.rig_with(|setup| {
        setup.security.allow_degraded = PolicyItem::ALL.iter().copied().collect();
    })?;
    rig.tap.warn(about(None));
    let error = refused("the spawn", rig.backend.spawn(request(&SLEEPER)).await)?;
    same("started", rig.tap.count(Call::Start), 0)?;
    ensure_matches!(
        error,
        ContainerError::PolicyNotEnforced { items, warnings }
            if items.is_empty() && *warnings == ["the suite warns"],
        "a warning that is not understood"
    );
    Ok(())
}

async fn degraded_by_the_operator(context: &Context) -> Checked {
    let rig = context.rig_with(|setup| {
        setup.security.allow_degraded.insert(PolicyItem::OomScore);
    })?;
    rig.tap.warn(about(Some(PolicyItem::OomScore)));
    let id = rig.sleeper().await?;
    let report = rig.backend.enforcement(&id)?;
    let mut not: Vec<_> = report.not_enforced().map(|item| item.item).collect();
    not.retain(|item| !context.declared(*item));
    same("not enforced", not, [PolicyItem::OomScore])?;
    // The engine and its host warn beside the suite, of what is declared at most.
    let warnings = report.warnings.iter().cloned();
    let (suite, engine): (Vec<_>, Vec<_>) = warnings.partition(|it| it == "the suite warns");
    same("the suite's warnings", suite.len(), 1)?;
    context.only_of_declared(&engine)
}

async fn degraded_is_no_more(context: &Context) -> Checked {
    let rig = context.rig_with(|setup| {
        setup.security.allow_degraded.insert(PolicyItem::OomScore);
    })?;
    rig.tap.warn(about(Some(PolicyItem::Log)));
    let items: Vec<_> = stopped(context, &rig)
        .await?
        .into_iter()
        .map(|item| item.item)
        .collect();
    same("items", items, [PolicyItem::Log])
}

async fn started_too_early(context: &Context) -> Checked {
    let rig = context.rig()?;
    rig.tap
        .change_state(|state| state.phase = EnginePhase::Running);
    let error = refused("the spawn", rig.backend.spawn(request(&SLEEPER)).await)?;
    ensure_matches!(error, ContainerError::EngineFailed { .. }, "the spawn");
    same("started", rig.tap.count(Call::Start), 0)?;
    same(
        "left at the engine",
        context.at_engine(rig.owner).await?.len(),
        0,
    )
}
