//! The end of a manager in order.

use super::{Rig, request, request_within, rig, rig_with};
use clawbox_backend_mock::{Fault, MockBackend, Op};
use clawbox_containers::{
    ContainerBackend, ContainerEngine, ContainerError, ContainerSecurityConfig, Grace, Liveness,
    ShutdownReport, engine::EnginePhase,
};
use clawbox_types::ContainerStatus;
use std::{path::Path, time::Duration};
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

/// A manager with a lease below `dir`.
fn leased(dir: &Path) -> Rig {
    rig_with(&ContainerSecurityConfig::new(), |config| {
        config.with_state_dir(Some(dir.join("state")))
    })
}

/// Another manager on the same engine, with the same state directory.
fn other(rig: &Rig, dir: &Path) -> MockBackend {
    let config = clawbox_backend_mock::mock_config(&rig.engine);
    let config = config.with_state_dir(Some(dir.join("state")));
    MockBackend::new(rig.engine.clone(), &ContainerSecurityConfig::new(), config).unwrap()
}

fn is_shut_down<T>(result: Result<T, ContainerError>) -> bool {
    matches!(result, Err(ContainerError::ShutDown))
}

#[tokio::test(start_paused = true)]
async fn everything_is_killed_nothing_comes_and_what_was_said_can_be_read() {
    let rig = rig();
    let ended = rig.spawn("three").await;
    rig.backend.wait(&ended).await.unwrap();
    let deaf = rig.spawn("deaf").await;
    let slow = Fault::slow(Duration::from_secs(1)).on(Op::Create);
    rig.engine.fail(slow);
    let shut = async {
        sleep(Duration::from_millis(500)).await;
        rig.backend.shutdown(Grace::Kill).await
    };
    let (coming, report) = tokio::join!(rig.try_spawn("sleeper"), shut);
    assert!(coming.is_err());
    assert_eq!(report, ShutdownReport::default());
    assert_eq!(rig.engine.containers(), [""; 0]);
    assert!(rig.backend.token_store().is_empty());
    assert_eq!(rig.status(&deaf), ContainerStatus::Killed);
    assert_eq!(rig.stdout(&deaf).await, "ready\n");
    let exit = rig.backend.wait(&ended).await.unwrap();
    assert_eq!(exit.exit_code, Some(3));

    rig.engine.clear_journal();
    assert!(is_shut_down(rig.try_spawn("ok").await));
    for grace in [Grace::Kill, Grace::Keep] {
        let again = rig.backend.shutdown(grace).await;
        assert_eq!(again, ShutdownReport::default());
    }
    assert!(rig.engine.journal().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_the_engine_does_not_confirm_is_named_and_tried_again() {
    let rig = rig();
    let gone = rig.spawn("sleeper").await;
    let stuck = rig.spawn("sleeper").await;
    let name = stuck.to_string();
    let fault = Fault::unavailable().on(Op::Remove).always();
    rig.engine
        .fail(fault.when(move |call| call.container().as_ref() == Some(&name)));
    let begun = Instant::now();
    let report = rig.backend.shutdown(Grace::Kill).await;
    assert_eq!(
        (report.kept, report.remaining),
        (vec![], vec![stuck.clone()])
    );
    // The grace period and a call's time.
    assert_eq!(begun.elapsed().as_secs(), 62);
    assert_eq!(rig.engine.containers(), [stuck.to_string()]);
    assert_eq!(rig.status(&gone), ContainerStatus::Killed);
    rig.engine.recover();
    let again = rig.backend.shutdown(Grace::Kill).await;
    assert_eq!(again, ShutdownReport::default());
    assert_eq!(rig.engine.containers(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_runs_on_without_its_manager_and_until_its_deadline() {
    let rig = rig();
    let ended = rig.spawn("three").await;
    rig.backend.wait(&ended).await.unwrap();
    let runs = rig.backend.spawn(request_within("deaf", 100)).await;
    let runs = runs.unwrap().container_id;
    rig.engine.fail(Fault::hung().on(Op::EnsureImage));
    let shut = async {
        sleep(Duration::from_secs(1)).await;
        rig.backend.shutdown(Grace::Keep).await
    };
    let (waited, coming, report) =
        tokio::join!(rig.backend.wait(&runs), rig.try_spawn("sleeper"), shut);
    assert!(is_shut_down(waited));
    assert!(coming.is_err());
    assert_eq!(report.kept, [ended.clone(), runs.clone()]);
    assert_eq!(report.remaining, []);
    assert_eq!(rig.backend.list(), []);
    assert!(rig.backend.token_store().is_empty());
    let engine = rig.engine.clone();
    let kept = [ended.to_string(), runs.to_string()];
    // Neither its own reaper nor the end of its last handle touches them.
    assert_eq!(rig.backend.reap_orphans().await.unwrap(), 0);
    drop(rig);
    sleep(Duration::from_secs(98)).await;
    assert_eq!(engine.containers(), kept);
    let phase = async || engine.inspect(&runs).await.unwrap().state.phase;
    assert_eq!(phase().await, EnginePhase::Running);
    sleep(Duration::from_secs(2)).await;
    assert_eq!(phase().await, EnginePhase::Exited);
}

#[tokio::test(start_paused = true)]
async fn the_lease_of_what_is_kept_comes_back_and_is_not_taken_again() {
    let dir = tempfile::tempdir().unwrap();
    let rig = leased(dir.path());
    let other = other(&rig, dir.path());
    let id = rig.spawn("sleeper").await;
    let owner = async || other.survey().await.unwrap()[0].owner;
    assert_eq!(owner().await, Liveness::Alive);
    rig.backend.shutdown(Grace::Keep).await;
    assert_eq!(owner().await, Liveness::Dead);
    assert!(is_shut_down(rig.backend.spawn(request("ok")).await));
    drop(rig.backend);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(owner().await, Liveness::Dead);
    assert_eq!(rig.engine.containers(), [id.to_string()]);
    assert_eq!(other.reap_orphans().await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_reaper_ends_with_its_manager() {
    let rig = rig();
    let (_stop, stopped) = watch::channel(false);
    let reaper = rig.backend.spawn_reaper(stopped);
    sleep(Duration::from_secs(1)).await;
    rig.backend.shutdown(Grace::Kill).await;
    reaper.await.unwrap();
}
