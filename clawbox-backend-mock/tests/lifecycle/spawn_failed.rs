//! Spawns that fail, and what they leave: nothing.

use super::{Rig, agent, request, rig_of, rig_with};
use clawbox_backend_mock::{Fault, MockBackend, MockEngine, MockImage, Op, mock_config};
use clawbox_containers::{
    ContainerBackend, ContainerError, ContainerSecurityConfig, PullObserver,
    aspects::{Init, Ipc, Network, Seccomp},
    engine::{EngineErrorKind, EnginePhase},
    facts::{Observed, ObservedFacts},
};
use clawbox_types::{ContainerStatus, DEFAULT_AGENT_IMAGE, PolicyItem, PullPolicy, Verdict};
use std::{sync::Arc, time::Duration};
use tokio::time::sleep;

type Expected = fn(&ContainerError) -> bool;

#[tokio::test(start_paused = true)]
async fn whatever_goes_wrong_on_the_way_up_has_its_name_and_leaves_nothing() {
    let unavailable: Expected = |e| matches!(e, ContainerError::EngineUnavailable { .. });
    let failed: Expected = |e| matches!(e, ContainerError::EngineFailed { .. });
    let not_enforced: Expected = |e| matches!(e, ContainerError::PolicyNotEnforced { .. });
    let start_failed: Expected = |e| matches!(e, ContainerError::StartFailed { .. });
    let cases: Vec<(&str, Fault, Expected)> = vec![
        ("no engine at all", Fault::unavailable(), unavailable),
        (
            "create refused",
            Fault::unavailable().on(Op::Create),
            unavailable,
        ),
        (
            "create's answer lost",
            Fault::lost_answer().on(Op::Create),
            unavailable,
        ),
        (
            "inspect's answer lost",
            Fault::lost_answer().on(Op::Inspect),
            unavailable,
        ),
        (
            "attach refused",
            Fault::unavailable().on(Op::Attach),
            unavailable,
        ),
        (
            "start's answer lost",
            Fault::lost_answer().on(Op::Start),
            unavailable,
        ),
        ("disk full", Fault::disk_full(), failed),
        (
            "start failed",
            Fault::start_failed("exec format error"),
            start_failed,
        ),
        (
            "vanished before start",
            Fault::vanished().on(Op::Start),
            start_failed,
        ),
        (
            "vanished before inspect",
            Fault::vanished().on(Op::Inspect),
            failed,
        ),
        (
            "running before start",
            Fault::inspection(|i| i.state.phase = EnginePhase::Running),
            failed,
        ),
        (
            "warned of memory",
            Fault::warning(Some(PolicyItem::Memory), "no memory limit"),
            not_enforced,
        ),
        (
            "warned of the unknown",
            Fault::warning(None, "something is odd"),
            not_enforced,
        ),
        (
            "weakened",
            Fault::weakened(|plan| plan.read_only_root = false),
            not_enforced,
        ),
    ];
    for (what, fault, expected) in cases {
        let rig = rig_of(1);
        rig.engine.fail(fault);
        let error = rig.try_spawn("sleeper").await.unwrap_err();
        assert!(expected(&error), "{what}: {error:?}");
        rig.assert_nothing_left(1, what).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_command_that_cannot_be_started_says_so_after_everything_was_in_order() {
    let rig = rig_of(1);
    let error = rig.try_spawn("no-such-program").await.unwrap_err();
    let ContainerError::StartFailed {
        id,
        source,
        exit_code,
    } = &error
    else {
        panic!("{error:?}");
    };
    assert_eq!(*exit_code, Some(127));
    assert!(source.to_string().contains("no-such-program"), "{source}");
    let calls = [
        "create",
        "inspect",
        "attach",
        "start",
        "run no-such-program",
        "remove",
    ];
    rig.engine.journal().of(id).assert(&calls);
    rig.assert_nothing_left(1, "no such program").await;
}

type Edit = fn(&mut ObservedFacts);

/// For each item, something that it must not be.
const DIFFERENCES: &[(PolicyItem, Edit)] = {
    use Observed::Seen;
    &[
        (PolicyItem::User, |f| f.user = Seen("0:0".to_owned())),
        (PolicyItem::ReadOnlyRoot, |f| f.read_only_root = Seen(false)),
        (PolicyItem::Capabilities, |f| {
            f.capabilities = Seen(Default::default())
        }),
        (PolicyItem::NoNewPrivileges, |f| {
            f.no_new_privileges = Seen(false)
        }),
        (PolicyItem::Seccomp, |f| {
            f.seccomp = Seen(Seccomp::Other("unconfined".to_owned()))
        }),
        (PolicyItem::Network, |f| {
            f.network = Seen(Network::Other("bridge".to_owned()))
        }),
        (PolicyItem::Pids, |f| f.pids = Seen(0)),
        (PolicyItem::Memory, |f| f.memory = Seen(0)),
        (PolicyItem::Swap, |f| f.memory_and_swap = Seen(u64::MAX)),
        (PolicyItem::Cpu, |f| seen(&mut f.cpu).quota_us += 1),
        (PolicyItem::CpuShares, |f| f.cpu_shares = Seen(0)),
        (PolicyItem::Tmpfs, |f| {
            seen(&mut f.tmpfs)
                .0
                .values_mut()
                .for_each(|o| o.flags = Default::default());
        }),
        (PolicyItem::Mounts, |f| {
            seen(&mut f.mounts)
                .0
                .insert(clawbox_containers::aspects::Bind {
                    source: "/".into(),
                    target: "/host".to_owned(),
                    read_only: true,
                    noexec: false,
                });
        }),
        (PolicyItem::Ipc, |f| {
            f.ipc = Seen(Ipc::Other("host".to_owned()))
        }),
        (PolicyItem::Namespaces, |f| {
            seen(&mut f.namespaces).private_pid = false
        }),
        (PolicyItem::Ulimits, |f| seen(&mut f.ulimits).0.clear()),
        (PolicyItem::OomScore, |f| f.oom_score = Seen(0)),
        (PolicyItem::KernelPaths, |f| {
            drop(seen(&mut f.kernel_paths).masked.pop_first())
        }),
        (PolicyItem::Devices, |f| {
            seen(&mut f.devices).privileged = true
        }),
        (PolicyItem::Lifecycle, |f| {
            seen(&mut f.lifecycle).restarts = true
        }),
        (PolicyItem::Image, |f| f.image = Seen("sha256:0".to_owned())),
        (PolicyItem::Command, |f| {
            seen(&mut f.command).argv.push("x".to_owned())
        }),
        (PolicyItem::Environment, |f| {
            seen(&mut f.environment)
                .0
                .insert("LD_PRELOAD".to_owned(), "/tmp/x.so".parse().ok());
        }),
        (PolicyItem::Init, |f| f.init = Seen(Init::None)),
        (PolicyItem::Log, |f| seen(&mut f.log).max_bytes = 0),
        (PolicyItem::Identity, |f| {
            seen(&mut f.identity).labels.clear()
        }),
    ]
};

fn seen<T>(observed: &mut Observed<T>) -> &mut T {
    match observed {
        Observed::Seen(seen) => seen,
        Observed::Unseen(why) => panic!("{why}"),
    }
}

#[tokio::test(start_paused = true)]
async fn an_inspection_that_differs_in_any_item_stops_the_spawn_and_names_it() {
    assert_eq!(DIFFERENCES.len(), PolicyItem::ALL.len());
    for (item, edit) in DIFFERENCES {
        let rig = rig_of(1);
        rig.engine
            .fail(Fault::inspection(|inspection| edit(&mut inspection.facts)));
        let error = rig.try_spawn("sleeper").await.unwrap_err();
        let ContainerError::PolicyNotEnforced { items, .. } = error else {
            panic!("{item}: {error:?}");
        };
        let named: Vec<_> = items
            .iter()
            .map(|report| (report.item, report.verdict))
            .collect();
        assert_eq!(named, [(*item, Verdict::NotEnforced)]);
        let started = rig.engine.journal().only(&[Op::Start]);
        started.assert(&[]);
        rig.assert_nothing_left(1, item.name()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_item_that_may_be_degraded_passes_alone() {
    let security = ContainerSecurityConfig::new().with_degraded(PolicyItem::Memory);
    let rig = rig_with(&security, |config| config);
    let memory = || Fault::warning(Some(PolicyItem::Memory), "no memory limit");
    rig.engine.fail(memory());
    let id = rig.spawn("ok").await;
    let report = rig.backend.enforcement(&id).unwrap();
    let memory_report = report.get(PolicyItem::Memory).unwrap();
    assert_eq!(memory_report.verdict, Verdict::NotEnforced);
    assert_eq!(report.not_enforced().count(), 1);
    assert_eq!(report.warnings, ["no memory limit"]);

    rig.engine.fail(memory());
    rig.engine
        .fail(Fault::warning(Some(PolicyItem::Swap), "no swap limit"));
    let error = rig.try_spawn("ok").await.unwrap_err();
    let ContainerError::PolicyNotEnforced { items, .. } = error else {
        panic!("{error:?}");
    };
    assert_eq!(items.len(), 1);
    assert_eq!(items[0].item, PolicyItem::Swap);
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_seen_is_unverified_and_not_refused() {
    let rig = rig_of(1);
    let blind = Fault::inspection(|inspection| {
        let why = "this engine does not tell";
        inspection.facts.oom_score = Observed::Unseen(why.to_owned());
        inspection.facts.log = Observed::Unseen(why.to_owned());
    });
    rig.engine.fail(blind);
    let id = rig.spawn("ok").await;
    let report = rig.backend.enforcement(&id).unwrap();
    let verdict = |item| report.get(item).unwrap().verdict;
    assert_eq!(verdict(PolicyItem::Log), Verdict::Unverified);
    // The kernel tells of that.
    assert_eq!(verdict(PolicyItem::OomScore), Verdict::Enforced);
    assert_eq!(verdict(PolicyItem::Memory), Verdict::Enforced);
}

#[tokio::test(start_paused = true)]
async fn images_are_fetched_as_the_policy_says() {
    let missing = "ghcr.io/n0xmare/other:1";
    let spawn =
        async |rig: &Rig, image: &str| rig.backend.spawn(request("ok").with_image(image)).await;
    let with = |pull| {
        let security = ContainerSecurityConfig::new().with_pull(pull);
        rig_with(&security, |config| config)
    };
    let other = || {
        MockImage::new(missing)
            .unwrap()
            .with_program("ok", clawbox_backend_mock::Script::exit(0))
    };

    for (pull, held, fetched) in [
        (PullPolicy::Never, true, false),
        (PullPolicy::IfMissing, true, true),
        (PullPolicy::Always, false, true),
    ] {
        let rig = with(pull);
        let error = spawn(&rig, missing).await.unwrap_err();
        let ContainerError::ImageNotFound { image, .. } = &error else {
            panic!("{pull:?}: {error:?}");
        };
        assert_eq!(image.to_string(), missing);
        assert_eq!(
            spawn(&rig, DEFAULT_AGENT_IMAGE).await.is_ok(),
            held,
            "{pull:?}"
        );
        rig.engine.add_to_registry(other());
        assert_eq!(spawn(&rig, missing).await.is_ok(), fetched, "{pull:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_identity_in_use_is_refused_and_its_owner_left_alone() {
    let rig = rig_of(2);
    let identity = rig.backend.pre_generate_id().unwrap();
    let twice = || {
        rig.backend
            .spawn(request("sleeper").with_identity(identity.clone()))
    };
    let (a, b) = tokio::join!(twice(), twice());
    let c = twice().await;
    for late in [b, c] {
        assert!(
            matches!(late, Err(ContainerError::AlreadyExists { .. })),
            "{late:?}"
        );
    }
    let id = a.unwrap().container_id;
    assert_eq!(rig.status(&id), ContainerStatus::Running);
    assert_eq!(rig.engine.containers(), [id.to_string()]);
    let token = identity.token.reveal();
    assert!(rig.backend.token_store().validate(&id.to_string(), &token));
    // Neither took a place.
    rig.spawn("sleeper").await;
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_taken_at_the_engine_is_somebody_elses() {
    let rig = rig_of(1);
    let other = clawbox_backend_mock::mock_backend(rig.engine.clone()).unwrap();
    let identity = rig.backend.pre_generate_id().unwrap();
    let asked = || request("sleeper").with_identity(identity.clone());
    let theirs = other.spawn(asked()).await.unwrap().container_id;
    let error = rig.backend.spawn(asked()).await.unwrap_err();
    assert!(
        matches!(error, ContainerError::AlreadyExists { .. }),
        "{error:?}"
    );
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert_eq!(other.get(&theirs).unwrap().status, ContainerStatus::Running);
    assert!(rig.backend.token_store().is_empty());
    assert_eq!(rig.backend.list(), []);
    rig.spawn("sleeper").await;
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_cannot_do_it_is_unsupported() {
    let rig = rig_of(1);
    let words = "no such call at this engine";
    rig.engine
        .fail(Fault::refused(EngineErrorKind::Unsupported, words).on(Op::Create));
    let error = rig.try_spawn("sleeper").await.unwrap_err();
    assert!(
        matches!(error, ContainerError::Unsupported { .. }),
        "{error:?}"
    );
    rig.assert_nothing_left(1, "unsupported").await;
}

#[tokio::test(start_paused = true)]
async fn a_container_that_is_created_when_nobody_waits_any_more_is_found_and_removed() {
    // A create is given up after a minute.
    for late in [61, 80, 100, 170] {
        let rig = rig_of(1);
        rig.engine
            .fail(Fault::created_late(Duration::from_secs(late)));
        let error = rig.try_spawn("sleeper").await.unwrap_err();
        assert!(
            matches!(error, ContainerError::EngineTimeout { .. }),
            "{error}"
        );
        assert_eq!(rig.engine.containers(), [""; 0]);
        sleep(Duration::from_secs(130)).await;
        rig.assert_nothing_left(1, &format!("created after {late} s"))
            .await;
        let creates = rig.engine.journal().only(&[Op::Create, Op::Remove]);
        creates.assert(&["create", "remove", "remove", "create"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_the_callers_own_leaves_nothing() {
    let engine = MockEngine::new();
    engine.add_to_registry(agent());
    let config = mock_config(&engine).with_max_containers(1);
    let observer: PullObserver = Arc::new(|_| panic!("the observer's own"));
    let backend = MockBackend::with_pull_observer(
        engine.clone(),
        &ContainerSecurityConfig::new(),
        config,
        Some(observer),
    )
    .unwrap();
    let identity = backend.pre_generate_id().unwrap();
    let id = identity.id.clone();
    let spawned = backend
        .spawn(request("sleeper").with_identity(identity))
        .await;
    let error = spawned.unwrap_err();
    assert!(
        matches!(error, ContainerError::InvalidState { .. }),
        "{error}"
    );
    assert!(backend.token_store().is_empty());
    assert_eq!(
        backend.wait(&id).await.unwrap().status,
        ContainerStatus::Lost
    );
    backend.kill(&id).await.unwrap();
    assert_eq!(backend.cleanup_stopped().await.unwrap(), 1);
    // The image is there by now, and so is the place.
    backend.spawn(request("sleeper")).await.unwrap();
}
