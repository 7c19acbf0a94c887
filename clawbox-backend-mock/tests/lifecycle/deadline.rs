//! Containers that are ended at their deadline.

use super::{request_within, rig};
use clawbox_backend_mock::{Call, Op};
use clawbox_containers::{ContainerBackend, engine::Signal};
use clawbox_types::ContainerStatus;
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::time::Instant;

#[tokio::test(start_paused = true)]
async fn a_deaf_program_is_over_within_a_second_with_its_output_kept() {
    for limit in [1, 5, 60, 24 * 60 * 60] {
        let rig = rig();
        let since = Instant::now();
        let spawned = rig.backend.spawn(request_within("deaf", limit)).await;
        let id = spawned.unwrap().container_id;
        let exit = rig.backend.wait(&id).await.unwrap();
        let took = since.elapsed();
        let limit = Duration::from_secs(limit);
        assert!(
            took >= limit && took <= limit + Duration::from_secs(1),
            "{took:?} for {limit:?}"
        );
        assert_eq!(
            (exit.status, exit.exit_code),
            (ContainerStatus::TimedOut, Some(137))
        );
        assert_eq!(rig.stdout(&id).await, "ready\n");
        let kills = ["kill SIGTERM", "kill SIGKILL"];
        rig.engine.journal().only(&[Op::Kill]).assert(&kills);
        // Not removed yet: that is for the caller to say.
        assert_eq!(rig.engine.containers(), [id.to_string()]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_program_that_heeds_the_request_to_end_is_not_killed() {
    let rig = rig();
    let since = Instant::now();
    let spawned = rig.backend.spawn(request_within("sleeper", 60)).await;
    let id = spawned.unwrap().container_id;
    let exit = rig.backend.wait(&id).await.unwrap();
    // The grace period, two seconds, is inside the limit.
    assert_eq!(since.elapsed().as_secs(), 58);
    assert_eq!(
        (exit.status, exit.exit_code),
        (ContainerStatus::TimedOut, Some(143))
    );
    rig.engine
        .journal()
        .only(&[Op::Kill])
        .assert(&["kill SIGTERM"]);
}

#[tokio::test(start_paused = true)]
async fn the_token_is_revoked_before_anything_is_sent() {
    let rig = rig();
    let tokens = rig.backend.token_store();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let record = Arc::clone(&seen);
    rig.engine.watch(move |call| {
        if let Call::Start { .. } | Call::Kill { .. } | Call::Remove { .. } = call {
            record.lock().unwrap().push((call.op(), tokens.len()));
        }
    });
    let spawned = rig.backend.spawn(request_within("deaf", 60)).await;
    let timed_out = spawned.unwrap().container_id;
    rig.backend.wait(&timed_out).await.unwrap();
    rig.backend.kill(&timed_out).await.unwrap();
    let killed = rig.spawn("deaf").await;
    rig.backend.kill(&killed).await.unwrap();
    let each = [
        (Op::Start, 1),
        (Op::Kill, 0),
        (Op::Kill, 0),
        (Op::Remove, 0),
    ];
    assert_eq!(*seen.lock().unwrap(), [each, each].concat());
}

#[tokio::test(start_paused = true)]
async fn a_signal_that_gets_lost_is_sent_again() {
    let rig = rig();
    let kill = |call: &Call| {
        matches!(
            call,
            Call::Kill {
                signal: Signal::Kill,
                ..
            }
        )
    };
    rig.engine.fail(
        clawbox_backend_mock::Fault::unavailable()
            .when(kill)
            .times(2),
    );
    let spawned = rig.backend.spawn(request_within("deaf", 60)).await;
    let exit = rig
        .backend
        .wait(&spawned.unwrap().container_id)
        .await
        .unwrap();
    assert_eq!(exit.status, ContainerStatus::TimedOut);
    let kills = [
        "kill SIGTERM",
        "kill SIGKILL",
        "kill SIGKILL",
        "kill SIGKILL",
    ];
    rig.engine.journal().only(&[Op::Kill]).assert(&kills);
}

#[tokio::test(start_paused = true)]
async fn a_hung_request_to_end_does_not_put_off_the_kill() {
    let rig = rig();
    let term = |call: &Call| {
        matches!(
            call,
            Call::Kill {
                signal: Signal::Term,
                ..
            }
        )
    };
    rig.engine
        .fail(clawbox_backend_mock::Fault::hung().when(term));
    let since = Instant::now();
    let spawned = rig.backend.spawn(request_within("deaf", 60)).await;
    let exit = rig
        .backend
        .wait(&spawned.unwrap().container_id)
        .await
        .unwrap();
    assert_eq!(exit.status, ContainerStatus::TimedOut);
    assert!(
        since.elapsed() <= Duration::from_secs(61),
        "{:?}",
        since.elapsed()
    );
}
