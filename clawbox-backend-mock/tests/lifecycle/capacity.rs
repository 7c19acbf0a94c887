//! How many containers there may be, and how their places come free.

use super::{Rig, rig, rig_of};
use clawbox_backend_mock::{Call, Fault, Op};
use clawbox_containers::{ContainerBackend, ContainerError};
use futures_util::future::join_all;
use std::time::Duration;
use tokio::time::{Instant, sleep};

async fn assert_full(rig: &Rig, limit: usize) {
    let error = rig.try_spawn("ok").await.unwrap_err();
    let reached = matches!(error, ContainerError::LimitReached { limit: l } if l == limit);
    assert!(reached, "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn places_are_freed_by_kill_and_by_cleanup_and_by_nothing_else() {
    let rig = rig_of(2);
    let sleeper = rig.spawn("sleeper").await;
    let ended = rig.spawn("ok").await;
    assert_full(&rig, 2).await;
    rig.backend.wait(&ended).await.unwrap();
    assert_full(&rig, 2).await;
    let since = Instant::now();
    assert_eq!(rig.backend.cleanup_stopped().await.unwrap(), 1);
    assert!(
        since.elapsed() < Duration::from_secs(1),
        "it waits for what runs"
    );
    assert_eq!(rig.engine.containers(), [sleeper.to_string()]);
    rig.spawn("sleeper").await;
    assert_full(&rig, 2).await;
    rig.backend.kill(&sleeper).await.unwrap();
    rig.spawn("sleeper").await;
    assert_full(&rig, 2).await;
    // Nothing of a refused one ever reached the engine.
    assert_eq!(rig.engine.journal().only(&[Op::Create]).len(), 4);
}

#[tokio::test(start_paused = true)]
async fn no_more_than_the_limit_come_through_at_once() {
    let rig = rig_of(3);
    rig.engine
        .fail(Fault::slow(Duration::from_secs(1)).always());
    let spawned = join_all((0..10).map(|_| rig.try_spawn("sleeper"))).await;
    assert_eq!(spawned.iter().filter(|spawned| spawned.is_ok()).count(), 3);
    assert_eq!(rig.engine.containers().len(), 3);
    assert_eq!(rig.backend.token_store().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn cleanup_counts_what_the_engine_confirmed_and_keeps_the_rest() {
    let rig = rig();
    let stuck = rig.spawn("ok").await;
    for _ in 0..2 {
        rig.spawn("three").await;
    }
    let running = rig.spawn("sleeper").await;
    sleep(Duration::from_secs(1)).await;
    let id = stuck.clone();
    let removal = move |call: &Call| call.op() == Op::Remove && call.is_about(&id);
    rig.engine.fail(Fault::unavailable().when(removal).always());
    assert_eq!(rig.backend.cleanup_stopped().await.unwrap(), 2);
    let left: Vec<_> = rig
        .backend
        .list()
        .into_iter()
        .map(|i| i.container_id)
        .collect();
    assert_eq!(left, [stuck.clone(), running.clone()]);
    rig.engine.recover();
    assert_eq!(rig.backend.cleanup_stopped().await.unwrap(), 1);
    assert_eq!(rig.backend.cleanup_stopped().await.unwrap(), 0);
    assert_eq!(rig.engine.containers(), [running.to_string()]);
}

#[tokio::test(start_paused = true)]
async fn a_removal_that_fails_once_is_tried_again() {
    for fault in [Fault::unavailable(), Fault::lost_answer()] {
        let rig = rig_of(1);
        let id = rig.spawn("sleeper").await;
        rig.engine.fail(fault.on(Op::Remove));
        rig.backend.kill(&id).await.unwrap();
        let removals = rig.engine.journal().only(&[Op::Remove]);
        removals.assert(&["remove", "remove"]);
        assert_eq!(rig.engine.containers(), [""; 0]);
        rig.spawn("sleeper").await;
    }
}

#[tokio::test(start_paused = true)]
async fn records_of_the_gone_are_bounded() {
    let rig = rig_of(2);
    let mut ids = Vec::new();
    for _ in 0..10 {
        let id = rig.spawn("sleeper").await;
        rig.backend.kill(&id).await.unwrap();
        ids.push(id);
    }
    // The last record is trimmed after its own kill was answered.
    sleep(Duration::from_millis(1)).await;
    let left: Vec<_> = rig
        .backend
        .list()
        .into_iter()
        .map(|i| i.container_id)
        .collect();
    assert_eq!(left, ids[8..]);
}
