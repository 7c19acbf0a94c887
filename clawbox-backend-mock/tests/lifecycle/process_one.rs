//! Process 1 of our own: what it says, what it does wrong, and what is left then.

use super::{Rig, request_within, rig, rig_of, rig_with};
use clawbox_backend_mock::{Errno, Fault, InitFault, Op};
use clawbox_containers::{
    ContainerBackend, ContainerEngine, ContainerError, ContainerSecurityConfig, EngineTimeouts,
    engine::EnginePhase,
};
use clawbox_types::{ContainerStatus, PolicyItem, Verdict};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long each call may take.
const BOUND: Duration = Duration::from_secs(7);

fn bounded() -> Rig {
    rig_with(&ContainerSecurityConfig::new(), |config| {
        config
            .with_max_containers(1)
            .with_timeouts(EngineTimeouts::all(BOUND))
    })
}

/// The error of a spawn whose process 1 does this wrong, after which nothing is left.
async fn refused(fault: InitFault) -> (ContainerError, Duration) {
    let rig = bounded();
    let what = format!("{fault:?}");
    rig.engine.fail(Fault::process_one(fault));
    let since = Instant::now();
    let error = rig.try_spawn("sleeper").await.unwrap_err();
    let took = since.elapsed();
    let runs = rig.engine.journal().only(&[Op::Run]);
    runs.assert(&[]);
    rig.assert_nothing_left(1, &what).await;
    (error, took)
}

#[tokio::test(start_paused = true)]
async fn a_process_1_that_is_not_ours_runs_no_command() {
    for (fault, says) in [
        (InitFault::Dies, "ended with code 125 before"),
        (InitFault::DiesAfterHello, "ended with code 125 before"),
        (InitFault::Version(2), "speaks version 2"),
        (InitFault::Pid(7), "it is process 7"),
    ] {
        let (error, took) = refused(fault.clone()).await;
        let ContainerError::StartFailed { source, .. } = &error else {
            panic!("{fault:?}: {error:?}");
        };
        assert!(source.to_string().contains(says), "{fault:?}: {source}");
        assert_eq!(took, Duration::ZERO, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_says_nothing_is_waited_for_no_longer_than_a_call() {
    for fault in [InitFault::Silent, InitFault::Late(BOUND * 2)] {
        let (error, took) = refused(fault.clone()).await;
        let ContainerError::EngineTimeout { after, .. } = error else {
            panic!("{fault:?}: {error:?}");
        };
        assert_eq!((after, took), (BOUND, BOUND), "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_is_slow_is_waited_for() {
    let rig = bounded();
    rig.engine
        .fail(Fault::process_one(InitFault::Late(BOUND / 2)));
    let since = Instant::now();
    rig.spawn("ok").await;
    assert_eq!(since.elapsed(), BOUND / 2);
}

#[tokio::test(start_paused = true)]
async fn what_it_cannot_tell_is_not_taken_for_granted() {
    let blind = |path: &str| InitFault::Blind {
        path: path.to_owned(),
        errno: Errno::EACCES,
    };
    for (fault, item) in [
        (blind("/proc/self/oom_score_adj"), PolicyItem::OomScore),
        (blind("/sys/fs/cgroup/pids.max"), PolicyItem::Pids),
        (blind("/proc/self/ns/net"), PolicyItem::Network),
        (blind("/dev"), PolicyItem::Devices),
        (blind("/proc/self/environ"), PolicyItem::Environment),
        (InitFault::Garbage, PolicyItem::User),
    ] {
        let (error, _) = refused(fault.clone()).await;
        let ContainerError::PolicyNotEnforced { items, .. } = error else {
            panic!("{fault:?}: {error:?}");
        };
        let found = items.iter().find(|report| report.item == item);
        let verdict = found.map(|report| report.verdict);
        assert_eq!(verdict, Some(Verdict::Unverified), "{fault:?}: {items:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_operator_may_let_an_item_go_unseen() {
    let security = ContainerSecurityConfig::new().with_degraded(PolicyItem::Pids);
    let rig = rig_with(&security, |config| config);
    rig.engine.fail(Fault::process_one(InitFault::Blind {
        path: "/sys/fs/cgroup/pids.max".to_owned(),
        errno: Errno::EACCES,
    }));
    let id = rig.spawn("ok").await;
    let report = rig.backend.enforcement(&id).unwrap();
    let pids = report.get(PolicyItem::Pids).unwrap();
    assert_eq!(pids.verdict, Verdict::Unverified);
    assert!(pids.kernel.is_some(), "{pids}");
}

#[tokio::test(start_paused = true)]
async fn answers_that_nobody_asked_for_are_no_start() {
    let rig = rig();
    rig.engine.fail(Fault::process_one(InitFault::Talkative(3)));
    let error = rig.try_spawn("three").await.unwrap_err();
    assert!(
        matches!(error, ContainerError::StartFailed { .. }),
        "{error:?}"
    );
    rig.assert_nothing_left(1, "three answers too many").await;
}

#[tokio::test(start_paused = true)]
async fn a_run_that_is_never_confirmed_or_refused_is_no_spawn() {
    for (fault, is_expected) in [
        (
            Fault::hung(),
            (|e| matches!(e, ContainerError::EngineTimeout { .. })) as fn(&ContainerError) -> bool,
        ),
        (Fault::hung_after(), |e| {
            matches!(e, ContainerError::EngineTimeout { .. })
        }),
        (Fault::lost_answer(), |e| {
            matches!(e, ContainerError::StartFailed { .. })
        }),
        (Fault::unavailable(), |e| {
            matches!(e, ContainerError::StartFailed { .. })
        }),
        (Fault::vanished().on(Op::Start), |e| {
            matches!(e, ContainerError::StartFailed { .. })
        }),
    ] {
        let rig = bounded();
        let what = format!("{fault:?}");
        // What names a call of its own keeps it.
        rig.engine.fail(if what.contains("Start") {
            fault
        } else {
            fault.on(Op::Run)
        });
        let error = rig.try_spawn("sleeper").await.unwrap_err();
        assert!(is_expected(&error), "{what}: {error:?}");
        rig.assert_nothing_left(1, &what).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_end_is_learnt_from_the_engine_where_the_link_is_cut() {
    for (program, status, code) in [
        ("minute", ContainerStatus::Completed, 0),
        ("three", ContainerStatus::Failed, 3),
        ("crash", ContainerStatus::Failed, 139),
    ] {
        let rig = rig();
        rig.engine.fail(Fault::process_one(InitFault::CutAfterGo));
        let id = rig.spawn(program).await;
        let exit = rig.backend.wait(&id).await.unwrap();
        assert_eq!(
            (exit.status, exit.exit_code),
            (status, Some(code)),
            "{program}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_container_whose_manager_can_do_nothing_ends_at_its_deadline_by_itself() {
    let rig = rig();
    rig.engine.fail(Fault::hung().on(Op::Kill).always());
    let since = Instant::now();
    let spawned = rig.backend.spawn(request_within("deaf", 60)).await;
    let id = spawned.unwrap().container_id;
    let exit = rig.backend.wait(&id).await.unwrap();
    let late = since.elapsed() - Duration::from_secs(60);
    assert!(
        late >= Duration::from_millis(500) && late <= Duration::from_millis(510),
        "{late:?}"
    );
    assert_eq!(
        (exit.status, exit.exit_code, exit.signal),
        (ContainerStatus::TimedOut, Some(137), Some(9))
    );
}

#[tokio::test(start_paused = true)]
async fn so_does_one_that_has_lost_its_manager() {
    let rig = rig();
    rig.engine.fail(Fault::process_one(InitFault::CutAfterGo));
    rig.engine.fail(Fault::hung().on(Op::Kill).always());
    let spawned = rig.backend.spawn(request_within("deaf", 60)).await;
    let id = spawned.unwrap().container_id;
    let phase = async || rig.engine.inspect(&id).await.unwrap().state.phase;
    sleep(Duration::from_millis(60_490)).await;
    assert_eq!(phase().await, EnginePhase::Running);
    sleep(Duration::from_millis(20)).await;
    assert_eq!(phase().await, EnginePhase::Exited);
}

#[tokio::test(start_paused = true)]
async fn the_engine_never_hears_of_the_command_or_its_secrets() {
    let rig = rig_of(1);
    let identity = rig.backend.pre_generate_id().unwrap();
    let token = identity.token.reveal();
    let request = super::request("sleeper")
        .with_env("PASSWORD", "swordfish")
        .with_identity(identity);
    let id = rig.backend.spawn(request).await.unwrap().container_id;
    let inspection = rig.engine.inspect(&id).await.unwrap();
    let records = format!("{:?} {:?}", inspection, rig.engine.journal());
    assert!(!records.contains("swordfish") && !records.contains(&token));
    let facts = format!("{:?}", inspection.facts);
    assert!(!facts.contains("sleeper"), "{facts}");
}
