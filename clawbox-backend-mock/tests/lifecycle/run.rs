//! Containers that end by themselves.

use super::{request, request_within, rig};
use clawbox_backend_mock::{Fault, Op};
use clawbox_containers::{ContainerBackend, ContainerError, engine::EngineErrorKind};
use clawbox_types::{Capabilities, ContainerId, ContainerStatus, ResourceLimits};
use std::time::Duration;

#[tokio::test(start_paused = true)]
async fn exit_codes_and_signals_are_exact() {
    let rig = rig();
    for (program, status, code) in [
        ("ok", ContainerStatus::Completed, 0),
        ("three", ContainerStatus::Failed, 3),
        ("crash", ContainerStatus::Failed, 128 + 11),
    ] {
        let id = rig.spawn(program).await;
        let exit = rig.backend.wait(&id).await.unwrap();
        assert_eq!(
            (exit.status, exit.exit_code),
            (status, Some(code)),
            "{program}"
        );
        assert_eq!(rig.status(&id), status);
        assert!(exit.oom_killed != Some(true) && !exit.output_incomplete);
    }
    assert!(rig.backend.token_store().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_engine_is_asked_for_no_more_than_needed() {
    let rig = rig();
    let id = rig.spawn("ok").await;
    rig.backend.wait(&id).await.unwrap();
    rig.backend.kill(&id).await.unwrap();
    let calls = ["create", "inspect", "attach", "start", "run ok", "remove"];
    rig.engine.journal().of(&id).assert(&calls);
    assert_eq!(rig.engine.journal().only(&[Op::EnsureImage]).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_engine_is_asked_whether_what_is_not_removed_has_ended() {
    let rig = rig();
    let id = rig.spawn("ok").await;
    rig.backend.wait(&id).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    rig.engine
        .journal()
        .of(&id)
        .only(&[Op::Wait])
        .assert(&["wait"]);
}

#[tokio::test(start_paused = true)]
async fn output_is_there_while_it_runs_and_after_any_end() {
    let rig = rig();
    let id = rig.spawn("minute").await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(rig.stdout(&id).await, "a\n");
    rig.backend.wait(&id).await.unwrap();
    for _ in 0..2 {
        assert_eq!(rig.stdout(&id).await, "a\nb\n");
    }
    rig.backend.kill(&id).await.unwrap();
    assert_eq!(rig.stdout(&id).await, "a\nb\n");

    let killed = rig.spawn("minute").await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    rig.backend.kill(&killed).await.unwrap();
    assert_eq!(rig.stdout(&killed).await, "a\n");
    rig.backend.cleanup_stopped().await.unwrap();
    let gone = rig.backend.collect_output(&killed).await;
    assert!(
        matches!(gone, Err(ContainerError::NotFound { .. })),
        "{gone:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn streams_are_apart_and_what_is_dropped_is_counted() {
    let rig = rig();
    let limits = ResourceLimits::new(60_000, 64).with_max_output_bytes(4096);
    let capabilities = Capabilities::default().with_resources(limits);
    let image =
        super::agent().with_program("flood", |p: clawbox_backend_mock::Process| async move {
            p.stdout(vec![b'o'; 5_000_000]).await;
            p.stderr(vec![b'e'; 4097]).await;
        });
    rig.engine.add_image(image);
    let mut flood = request("flood");
    flood.capabilities = capabilities;
    let id = rig.backend.spawn(flood).await.unwrap().container_id;
    let exit = rig.backend.wait(&id).await.unwrap();
    assert_eq!(
        (exit.stdout_dropped, exit.stderr_dropped),
        (5_000_000 - 4096, 1)
    );
    let output = rig.backend.collect_output(&id).await.unwrap();
    assert_eq!(output.stdout.bytes, vec![b'o'; 4096]);
    assert_eq!(output.stderr.bytes, vec![b'e'; 4096]);
    assert_eq!(
        (output.stdout.dropped, output.stderr.dropped),
        (4_995_904, 1)
    );
}

#[tokio::test(start_paused = true)]
async fn output_that_breaks_off_is_read_on_from_the_log_and_called_incomplete() {
    let refused = || Fault::refused(EngineErrorKind::Refused, "no log").on(Op::Logs);
    let away = || Fault::unavailable().on(Op::Logs).times(3);
    for (fault, printed) in [
        (None, "done\n"),
        (Some(away()), "done\n"),
        (Some(refused()), "don"),
    ] {
        let rig = rig();
        rig.engine.fail(Fault::output_cut(3));
        if let Some(fault) = fault {
            rig.engine.fail(fault);
        }
        let id = rig.spawn("ok").await;
        let exit = rig.backend.wait(&id).await.unwrap();
        assert!(exit.output_incomplete);
        assert_eq!(exit.exit_code, Some(0));
        assert_eq!(rig.stdout(&id).await, printed);
    }
}

#[tokio::test(start_paused = true)]
async fn the_end_waits_for_late_output_but_not_for_ever() {
    for (late, complete) in [(2, true), (4, false)] {
        let rig = rig();
        rig.engine
            .fail(Fault::output_slow(Duration::from_secs(late)));
        let id = rig.spawn("ok").await;
        let since = tokio::time::Instant::now();
        let exit = rig.backend.wait(&id).await.unwrap();
        // It prints two pieces; five seconds are waited for the rest.
        assert_eq!(since.elapsed(), Duration::from_secs((2 * late).min(5)));
        assert_eq!(exit.output_incomplete, !complete);
        let output = rig.backend.collect_output(&id).await.unwrap();
        assert_eq!(output.stdout.text(), "done\n");
        assert_eq!(!output.stderr.bytes.is_empty(), complete);
    }
}

#[tokio::test(start_paused = true)]
async fn many_may_wait_also_after_the_end() {
    let rig = rig();
    let id = rig.spawn("minute").await;
    let waits = (0..5).map(|_| rig.backend.wait(&id));
    let first = futures_util::future::join_all(waits).await;
    let late = rig.backend.wait(&id).await.unwrap();
    for exit in first {
        assert_eq!(exit.unwrap(), late);
    }
    let unknown = rig.backend.wait(&ContainerId::generate()).await;
    assert!(matches!(unknown, Err(ContainerError::NotFound { .. })));
}

#[tokio::test(start_paused = true)]
async fn out_of_memory_is_told() {
    let rig = rig();
    rig.engine.fail(Fault::out_of_memory());
    let id = rig.spawn("sleeper").await;
    let exit = rig.backend.wait(&id).await.unwrap();
    assert_eq!(exit.status, ContainerStatus::Failed);
    assert_eq!((exit.exit_code, exit.oom_killed), (Some(137), Some(true)));
}

#[tokio::test(start_paused = true)]
async fn the_token_opens_while_the_container_lives_and_not_after() {
    let rig = rig();
    let identity = rig.backend.pre_generate_id().unwrap();
    let (id, token) = (identity.id.clone(), identity.token.reveal());
    let tokens = rig.backend.token_store();
    assert!(!tokens.validate(&id.to_string(), &token));
    let asked = request_within("minute", 120).with_identity(identity);
    let info = rig.backend.spawn(asked).await.unwrap();
    assert_eq!(info.container_id, id);
    assert!(tokens.validate(&id.to_string(), &token));
    rig.backend.wait(&id).await.unwrap();
    assert!(!tokens.validate(&id.to_string(), &token));
}
