//! Lost connections while a container runs: none of them is an exit.

use super::{rig, rigs_of_the_engines_word};
use clawbox_backend_mock::{Fault, Op};
use clawbox_containers::ContainerBackend;
use clawbox_types::ContainerStatus;
use std::time::Duration;
use tokio::time::sleep;

#[tokio::test(start_paused = true)]
async fn it_runs_until_the_engine_says_that_it_has_ended() {
    let rig = rig();
    rig.engine.fail(Fault::unavailable().on(Op::Wait).always());
    let id = rig.spawn("minute").await;
    sleep(Duration::from_secs(59)).await;
    assert_eq!(rig.status(&id), ContainerStatus::Running);
    let exit = rig.backend.wait(&id).await.unwrap();
    assert_eq!(
        (exit.status, exit.exit_code),
        (ContainerStatus::Completed, Some(0))
    );
    assert!(exit.finished_at.is_some());
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_is_away_is_asked_until_it_is_back() {
    for rig in rigs_of_the_engines_word() {
        rig.engine.fail(Fault::lost_answer().on(Op::Wait).always());
        // The first inspection is gate 1's.
        rig.engine
            .fail(Fault::unavailable().on(Op::Inspect).after(1).always());
        let id = rig.spawn("three").await;
        sleep(Duration::from_secs(90)).await;
        assert_eq!(rig.status(&id), ContainerStatus::Running);
        rig.engine.recover();
        let exit = rig.backend.wait(&id).await.unwrap();
        assert_eq!(
            (exit.status, exit.exit_code),
            (ContainerStatus::Failed, Some(3))
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_exit_whose_record_cannot_be_read_back_still_counts() {
    for rig in rigs_of_the_engines_word() {
        // The first inspection is gate 1's.
        rig.engine
            .fail(Fault::unavailable().on(Op::Inspect).after(1).always());
        let id = rig.spawn("three").await;
        let exit = rig.backend.wait(&id).await.unwrap();
        assert_eq!(
            (exit.status, exit.exit_code),
            (ContainerStatus::Failed, Some(3))
        );
        assert_eq!(exit.finished_at, None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_container_that_vanishes_meanwhile_is_lost() {
    let rig = rig();
    rig.engine
        .fail(Fault::vanished().delayed(Duration::from_secs(5)));
    let id = rig.spawn("sleeper").await;
    let exit = rig.backend.wait(&id).await.unwrap();
    assert_eq!((exit.status, exit.exit_code), (ContainerStatus::Lost, None));
    assert!(rig.backend.token_store().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_never_answered_is_asked_again() {
    for rig in rigs_of_the_engines_word() {
        rig.engine.fail(Fault::hung().on(Op::Wait).times(2));
        let id = rig.spawn("minute").await;
        sleep(Duration::from_secs(45)).await;
        assert_eq!(rig.status(&id), ContainerStatus::Running);
        let exit = rig.backend.wait(&id).await.unwrap();
        assert_eq!(
            (exit.status, exit.exit_code),
            (ContainerStatus::Completed, Some(0))
        );
        let took = exit.finished_at.unwrap() - exit.started_at.unwrap();
        assert_eq!(took.whole_seconds(), 60);
    }
}

#[tokio::test(start_paused = true)]
async fn a_killed_container_ends_though_its_wait_and_its_inspection_are_never_answered() {
    let rig = rig();
    let id = rig.spawn("deaf").await;
    rig.engine.fail(Fault::hung().on(Op::Wait));
    rig.engine.fail(Fault::hung().on(Op::Inspect).always());
    rig.backend.kill(&id).await.unwrap();
    assert_eq!(rig.status(&id), ContainerStatus::Killed);
}

#[tokio::test(start_paused = true)]
async fn what_the_engine_does_not_tell_of_any_more_is_marked_as_stale_until_it_does() {
    for rig in rigs_of_the_engines_word() {
        let id = rig.spawn("sleeper").await;
        let info = || rig.backend.get(&id).unwrap();
        let told = || (info().status, info().stale);
        for fault in [Fault::unavailable(), Fault::hung()] {
            // What was asked before is answered by nobody: an engine that dies drops its connections.
            sleep(Duration::from_secs(30)).await;
            assert_eq!(told(), (ContainerStatus::Running, false));
            rig.engine.fail(fault.always());
            sleep(Duration::from_secs(700)).await;
            assert_eq!(told(), (ContainerStatus::Running, true));
            assert_eq!(rig.backend.list(), [info()]);
            rig.engine.recover();
            sleep(Duration::from_secs(30)).await;
            assert_eq!(told(), (ContainerStatus::Running, false));
        }
        rig.engine.fail(Fault::unavailable().always());
        sleep(Duration::from_secs(700)).await;
        assert!(info().stale);
        rig.engine.recover();
        rig.backend.kill(&id).await.unwrap();
        assert_eq!(told(), (ContainerStatus::Killed, false));
    }
}

/// Process 1 tells of the command, so there is no doubt.
#[tokio::test(start_paused = true)]
async fn what_process_one_tells_of_is_not_stale() {
    let rig = rig();
    let id = rig.spawn("sleeper").await;
    rig.engine.fail(Fault::unavailable().always());
    sleep(Duration::from_secs(700)).await;
    let info = rig.backend.get(&id).unwrap();
    assert_eq!((info.status, info.stale), (ContainerStatus::Running, false));
}
