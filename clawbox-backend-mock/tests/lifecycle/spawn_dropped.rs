//! Spawns whose callers go away.

use super::{request, rig_of};
use clawbox_backend_mock::{Fault, Op};
use clawbox_containers::ContainerBackend;
use clawbox_types::{ContainerStatus, ExecRequest};
use futures_util::poll;
use std::{collections::HashSet, pin::pin, time::Duration};
use tokio::time::{sleep, timeout};

/// Every call takes this long, so that a spawn can be dropped in the middle of each and between any two.
const CALL: Duration = Duration::from_millis(10);

#[tokio::test(start_paused = true)]
async fn a_spawn_that_is_dropped_at_any_moment_leaves_nothing() {
    let mut dropped_in = HashSet::new();
    for step in 0_u32.. {
        let rig = rig_of(1);
        rig.engine.fail(Fault::slow(CALL).always());
        let patience = CALL / 2 * step;
        if timeout(patience, rig.backend.spawn(request("deaf")))
            .await
            .is_ok()
        {
            break;
        }
        let started = || rig.engine.journal().only(&[Op::Start]).len();
        let already = started();
        dropped_in.extend(
            rig.engine
                .journal()
                .entries
                .last()
                .map(|entry| entry.call.op()),
        );
        sleep(Duration::from_secs(10)).await;
        let what = format!("dropped after {patience:?}");
        assert_eq!(
            started(),
            already,
            "{what}: what nobody wants is not started"
        );
        rig.assert_nothing_left(1, &what).await;
    }
    let way_up = [
        Op::EnsureImage,
        Op::Create,
        Op::Inspect,
        Op::Attach,
        Op::Start,
    ];
    assert!(
        way_up.iter().all(|op| dropped_in.contains(op)),
        "{dropped_in:?}"
    );
}

/// Between two polls all tasks have their turn, and a quarter of a call's time passes.
#[tokio::test(start_paused = true)]
async fn a_spawn_that_is_dropped_at_any_turn_is_gone_within_ten_seconds() {
    let mut statuses = HashSet::new();
    for turns in 0.. {
        let rig = rig_of(1);
        rig.engine.fail(Fault::slow(CALL).always());
        let identity = rig.backend.pre_generate_id().unwrap();
        let id = identity.id.clone();
        let request = request("deaf").with_identity(identity);
        let mut spawn = rig.backend.spawn(request);
        let mut over = false;
        for _ in 0..turns {
            over = poll!(&mut spawn).is_ready();
            if over {
                break;
            }
            sleep(CALL / 4).await;
        }
        if over {
            assert_eq!(rig.status(&id), ContainerStatus::Running);
            assert!(turns >= 5 * 4, "too few turns to be dropped at: {turns}");
            break;
        }
        statuses.insert(rig.backend.get(&id).map(|info| info.status));
        drop(spawn);
        sleep(Duration::from_secs(10)).await;
        rig.assert_nothing_left(1, &format!("dropped at turn {turns}"))
            .await;
    }
    let states = [None, Some(ContainerStatus::Creating)];
    assert!(
        states.iter().all(|it| statuses.contains(it)),
        "{statuses:?}"
    );
}

/// Of any other call, each turn that it may be dropped at leaves the container known, and what was asked for done.
#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_at_any_turn_leaves_its_container_known() {
    for call in ["kill", "wait", "exec", "cleanup_stopped"] {
        for turns in 1..40 {
            let rig = rig_of(1);
            let id = rig.spawn("deaf").await;
            rig.engine.fail(Fault::slow(CALL).always());
            {
                let calling = async {
                    match call {
                        "kill" => rig.backend.kill(&id).await.unwrap(),
                        "wait" => drop(rig.backend.wait(&id).await.unwrap()),
                        "exec" => drop(
                            rig.backend
                                .exec(&id, ExecRequest::new(["ok"]))
                                .await
                                .unwrap(),
                        ),
                        _ => drop(rig.backend.cleanup_stopped().await.unwrap()),
                    }
                };
                let mut calling = pin!(calling);
                for _ in 0..turns {
                    if poll!(&mut calling).is_ready() {
                        break;
                    }
                    sleep(CALL / 4).await;
                }
            }
            let what = format!("{call}, dropped at turn {turns}");
            sleep(Duration::from_secs(10)).await;
            let expected = match call {
                "kill" => ContainerStatus::Killed,
                _ => ContainerStatus::Running,
            };
            assert_eq!(rig.status(&id), expected, "{what}");
            let there = rig.engine.containers().len();
            assert_eq!(there, usize::from(call != "kill"), "{what}");
            rig.backend.kill(&id).await.unwrap();
            assert_eq!(rig.backend.cleanup_stopped().await.unwrap(), 1, "{what}");
            rig.assert_nothing_left(1, &what).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_spawn_that_is_dropped_before_it_was_polled_did_nothing() {
    let rig = rig_of(1);
    drop(rig.backend.spawn(request("deaf")));
    sleep(Duration::from_secs(10)).await;
    assert!(rig.engine.journal().is_empty());
    rig.assert_nothing_left(1, "never polled").await;
}

#[tokio::test(start_paused = true)]
async fn a_dropped_spawn_is_taken_back_also_when_its_answer_gets_lost() {
    for op in [Op::Create, Op::Start] {
        let rig = rig_of(1);
        rig.engine.fail(Fault::slow(CALL).on(op));
        rig.engine.fail(Fault::lost_answer().on(op));
        let spawn = rig.backend.spawn(request("deaf"));
        assert!(timeout(CALL / 2, spawn).await.is_err());
        sleep(Duration::from_secs(10)).await;
        rig.assert_nothing_left(1, op.to_string().as_str()).await;
    }
}
