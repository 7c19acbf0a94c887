//! Containers that are ended at their deadline.

use super::{request, request_within, rig, rigs_of_the_engines_word};
use clawbox_backend_mock::{Call, Fault, Op};
use clawbox_containers::{ContainerBackend, engine::Signal};
use clawbox_types::ContainerStatus;
use futures_util::FutureExt;
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
    for rig in rigs_of_the_engines_word() {
        let kill = |call: &Call| {
            matches!(
                call,
                Call::Kill {
                    signal: Signal::Kill,
                    ..
                }
            )
        };
        rig.engine.fail(Fault::unavailable().when(kill).times(2));
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
}

#[tokio::test(start_paused = true)]
async fn process_one_ends_what_an_engine_that_is_away_or_hangs_does_not() {
    for fault in [Fault::unavailable(), Fault::hung()] {
        let rig = rig();
        let [timed_out, killed] = [request_within("deaf", 60), request("deaf")];
        let timed_out = rig.backend.spawn(timed_out).await.unwrap().container_id;
        let killed = rig.backend.spawn(killed).await.unwrap().container_id;
        rig.engine.fail(fault.always());
        let since = Instant::now();
        assert!(rig.backend.kill(&killed).now_or_never().is_none());
        for (id, status, within) in [
            (killed, ContainerStatus::Killed, 3),
            (timed_out, ContainerStatus::TimedOut, 61),
        ] {
            let exit = rig.backend.wait(&id).await.unwrap();
            assert_eq!((exit.status, exit.exit_code), (status, Some(137)));
            assert!(since.elapsed().as_secs() <= within, "{:?}", since.elapsed());
        }
    }
}

/// It ends by itself between the request to end, which no engine passed on, and its deadline.
#[tokio::test(start_paused = true)]
async fn what_ends_by_itself_as_nobody_could_end_it_is_not_said_to_have_timed_out() {
    for rig in rigs_of_the_engines_word() {
        let spawned = rig.backend.spawn(request_within("minute", 61)).await;
        let id = spawned.unwrap().container_id;
        rig.engine.fail(Fault::unavailable().on(Op::Kill).always());
        let exit = rig.backend.wait(&id).await.unwrap();
        assert_eq!(
            (exit.status, exit.exit_code),
            (ContainerStatus::Completed, Some(0))
        );
    }
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
    rig.engine.fail(Fault::hung().when(term));
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
