//! Containers that are killed.

use super::{request, rig};
use clawbox_backend_mock::{Fault, Op};
use clawbox_containers::{ContainerBackend, ContainerError};
use clawbox_types::{ContainerId, ContainerStatus};
use futures_util::FutureExt;
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn killing_is_idempotent_and_may_be_done_by_many_at_once() {
    let rig = rig();
    let id = rig.spawn("deaf").await;
    let (a, b, c) = tokio::join!(
        rig.backend.kill(&id),
        rig.backend.kill(&id),
        rig.backend.kill(&id)
    );
    assert!(a.is_ok() && b.is_ok() && c.is_ok());
    rig.backend.kill(&id).await.unwrap();
    assert_eq!(rig.status(&id), ContainerStatus::Killed);
    assert_eq!(rig.engine.containers(), [""; 0]);
    let calls = rig.engine.journal().only(&[Op::Kill, Op::Remove]);
    calls.assert(&["kill SIGTERM", "kill SIGKILL", "remove"]);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_container_is_not_found() {
    let rig = rig();
    let error = rig
        .backend
        .kill(&ContainerId::generate())
        .await
        .unwrap_err();
    assert!(matches!(error, ContainerError::NotFound { .. }), "{error}");
    assert!(rig.engine.journal().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_container_that_somebody_else_removed_is_lost_and_killed_without_trouble() {
    let rig = rig();
    let id = rig.spawn("sleeper").await;
    assert!(rig.engine.vanish(&id));
    let exit = rig.backend.wait(&id).await.unwrap();
    assert_eq!((exit.status, exit.exit_code), (ContainerStatus::Lost, None));
    assert!(rig.backend.token_store().is_empty());
    rig.backend.kill(&id).await.unwrap();
    assert_eq!(rig.stdout(&id).await, "ready\n");
}

#[tokio::test(start_paused = true)]
async fn an_ended_container_keeps_how_it_ended_when_it_is_killed() {
    let rig = rig();
    let id = rig.spawn("three").await;
    let exit = rig.backend.wait(&id).await.unwrap();
    rig.backend.kill(&id).await.unwrap();
    assert_eq!(rig.backend.wait(&id).await.unwrap(), exit);
    assert_eq!(rig.status(&id), ContainerStatus::Failed);
}

#[tokio::test(start_paused = true)]
async fn a_container_may_be_killed_while_it_is_being_created() {
    for op in [
        Op::EnsureImage,
        Op::Create,
        Op::Inspect,
        Op::Attach,
        Op::Start,
    ] {
        let rig = super::rig_of(1);
        rig.engine.fail(Fault::slow(Duration::from_secs(5)).on(op));
        let identity = rig.backend.pre_generate_id().unwrap();
        let id = identity.id.clone();
        let spawn = rig
            .backend
            .spawn(request("sleeper").with_identity(identity));
        let kill = async {
            tokio::time::sleep(Duration::from_secs(2)).await;
            assert_eq!(rig.status(&id), ContainerStatus::Creating, "{op}");
            rig.backend.kill(&id).await
        };
        let (spawned, killed) = tokio::join!(spawn, kill);
        killed.unwrap();
        match spawned {
            Err(error) => assert!(
                matches!(error, ContainerError::InvalidState { .. }),
                "{op}: {error}"
            ),
            // The command was on its way already.
            Ok(info) => {
                assert_eq!(op, Op::Start);
                assert_eq!(rig.status(&info.container_id), ContainerStatus::Killed);
                rig.backend.cleanup_stopped().await.unwrap();
            }
        }
        rig.assert_nothing_left(1, op.to_string().as_str()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn killing_gives_up_waiting_for_an_engine_that_does_not_answer() {
    let rig = rig();
    let id = rig.spawn("sleeper").await;
    rig.engine.fail(Fault::hung().always());
    let since = tokio::time::Instant::now();
    let error = rig.backend.kill(&id).await.unwrap_err();
    assert!(
        matches!(error, ContainerError::EngineTimeout { .. }),
        "{error}"
    );
    assert!(since.elapsed() <= Duration::from_secs(62));
    assert!(rig.backend.token_store().is_empty());
    // It is tried on, without anybody asking.
    rig.engine.recover();
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(rig.engine.containers(), [""; 0]);
    rig.backend.kill(&id).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_last_handle_takes_its_containers_with_it() {
    let rig = rig();
    rig.spawn("deaf").await;
    rig.spawn("ok").await;
    let tokens = rig.backend.token_store();
    let other = rig.backend.clone();
    drop(rig.backend);
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(rig.engine.containers().len(), 2);
    drop(other);
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(rig.engine.containers(), [""; 0]);
    assert!(tokens.is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_token_is_revoked_at_once_though_the_engine_hangs() {
    let rig = rig();
    rig.engine.fail(Fault::hung().on(Op::Create));
    let identity = rig.backend.pre_generate_id().unwrap();
    let id = identity.id.clone();
    let mut spawn = rig
        .backend
        .spawn(request("ok").with_identity(identity))
        .boxed();
    assert!((&mut spawn).now_or_never().is_none());
    assert_eq!(rig.backend.token_store().len(), 1);
    assert!(rig.backend.kill(&id).now_or_never().is_none());
    assert!(rig.backend.token_store().is_empty());
}
