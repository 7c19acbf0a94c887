//! Engines that do not answer.

use super::{request, rig_of, rig_with};
use clawbox_backend_mock::{Fault, Op};
use clawbox_containers::{
    ContainerBackend, ContainerError, ContainerSecurityConfig, EngineTimeouts,
};
use clawbox_types::ContainerStatus;
use futures_util::FutureExt;
use std::time::Duration;
use tokio::time::{Instant, sleep};

#[tokio::test(start_paused = true)]
async fn a_hung_call_ends_at_its_bound_and_leaves_nothing() {
    let bound = Duration::from_secs(7);
    for op in [
        Op::EnsureImage,
        Op::Create,
        Op::Inspect,
        Op::Attach,
        Op::Start,
    ] {
        for fault in [Fault::hung(), Fault::hung_after()] {
            let rig = rig_with(&ContainerSecurityConfig::new(), |config| {
                config
                    .with_max_containers(1)
                    .with_timeouts(EngineTimeouts::all(bound))
            });
            rig.engine.fail(fault.on(op));
            let since = Instant::now();
            let error = rig.try_spawn("sleeper").await.unwrap_err();
            let ContainerError::EngineTimeout { after, .. } = error else {
                panic!("{op}: {error:?}");
            };
            assert_eq!(after, bound);
            assert_eq!(since.elapsed().as_secs(), 7, "{op}");
            rig.assert_nothing_left(1, op.to_string().as_str()).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_known_is_told_at_once_while_the_engine_hangs() {
    let rig = rig_of(3);
    let running = rig.spawn("sleeper").await;
    rig.engine.fail(Fault::hung().always());
    let identity = rig.backend.pre_generate_id().unwrap();
    let newborn = identity.id.clone();
    let mut spawn = rig
        .backend
        .spawn(request("ok").with_identity(identity))
        .boxed();
    assert!((&mut spawn).now_or_never().is_none());
    assert_eq!(rig.status(&newborn), ContainerStatus::Creating);
    assert_eq!(rig.status(&running), ContainerStatus::Running);
    let all: Vec<_> = rig
        .backend
        .list()
        .into_iter()
        .map(|i| i.container_id)
        .collect();
    assert_eq!(all, [running.clone(), newborn]);
    let output = rig.backend.collect_output(&running).now_or_never();
    assert!(output.unwrap().is_ok());
    let since = Instant::now();
    assert!(!rig.backend.is_available().await);
    assert_eq!(since.elapsed(), Duration::from_secs(10));
}

#[tokio::test(start_paused = true)]
async fn the_caller_of_a_failed_spawn_does_not_wait_for_a_removal_that_hangs() {
    let rig = rig_of(1);
    rig.engine.fail(Fault::start_failed("exec format error"));
    rig.engine.fail(Fault::hung().on(Op::Remove).always());
    let since = Instant::now();
    let error = rig.try_spawn("sleeper").await.unwrap_err();
    assert!(
        matches!(error, ContainerError::StartFailed { .. }),
        "{error:?}"
    );
    assert_eq!(since.elapsed(), Duration::from_secs(10));
    // Its place is taken as long as it may be there.
    let full = rig.try_spawn("sleeper").await.unwrap_err();
    assert!(
        matches!(full, ContainerError::LimitReached { .. }),
        "{full:?}"
    );
    rig.engine.recover();
    sleep(Duration::from_secs(120)).await;
    rig.assert_nothing_left(1, "after the engine came back")
        .await;
}
