//! Spawns whose callers go away.

use super::{request, rig_of};
use clawbox_backend_mock::{Fault, Op};
use clawbox_containers::ContainerBackend;
use std::{collections::HashSet, time::Duration};
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
