//! A container's life as its caller sees it.

use crate::{
    case::table,
    check::{Checked, Stop, ensure, ensure_matches, refused, same},
    context::Context,
    rig::{DEAF_SLEEPER, SLEEPER, request, until},
    tap::Call,
};
use clawbox_containers::{CONTAINER_SOCKET, ContainerBackend, ContainerError};
use clawbox_probe::Command;
use clawbox_types::{ContainerId, ContainerStatus, SandboxPolicy};
use futures_util::{StreamExt, future::join_all, stream};
use std::time::Duration;

table! { "lifecycle":
    spawn_tells_what_runs = "spawn returns a running container's info, and get and list agree",
    unknown_ids = "every call about an unknown id says `NotFound` or nothing",
    state_while_the_engine_hangs = "get and list answer while the engine hangs",
    wait_any_number_of_times = "waiting at once, twice and later gives one and the same report",
    report_has_times = "a report says when the command started and when it ended",
    status_follows_the_end = "get tells how a container ended",
    list_is_oldest_first = "list has every container, oldest first",
    exit_before_anyone_looks = "20 commands in a row that are over at once have exact codes and output (L15)",
    places_run_out = "beyond `max_containers` spawn is `LimitReached`, until one is killed",
    thousand_spawns = "of a thousand spawns at once as many run as there are places, the rest is `LimitReached` (R18)",
    many_ended = "24 that have ended hold 24 places, and are cleaned up by one call (P09)",
    ended_holds_its_place = "a container that has ended holds its place until it is cleaned up",
    cleanup_takes_the_ended = "cleanup_stopped removes, forgets and counts what has ended, and nothing else",
    cleanup_counts_the_confirmed = "cleanup_stopped does not count what the engine did not confirm",
    dropped_spawn = "a spawn whose future is dropped leaves nothing",
    dropped_backend = "containers end with the last handle of their backend (L20)",
}

async fn spawn_tells_what_runs(context: &Context) -> Checked {
    let rig = context.rig()?;
    let mut request = request(&SLEEPER).with_policy(SandboxPolicy::ContainerDirect);
    request.task = "t".repeat(300);
    let before = context.now();
    let info = rig.spawn(request).await?;
    same("status", info.status, ContainerStatus::Running)?;
    same("policy", info.policy, SandboxPolicy::ContainerDirect)?;
    same("task summary", info.task_summary.len(), 200)?;
    same("proxy socket", info.proxy_socket.as_str(), CONTAINER_SOCKET)?;
    ensure!(
        (before..=context.now()).contains(&info.created_at),
        "created at {}, asked at {before}",
        info.created_at
    );
    same(
        "get",
        rig.backend.get(&info.container_id).as_ref(),
        Some(&info),
    )?;
    same("list", rig.backend.list(), [info])
}

async fn unknown_ids(context: &Context) -> Checked {
    let rig = context.rig()?;
    let id = ContainerId::generate();
    let backend = &rig.backend;
    let errors = [
        ("wait", refused("wait", backend.wait(&id).await)?),
        (
            "collect_output",
            refused("collect_output", backend.collect_output(&id).await)?,
        ),
        (
            "follow_output",
            refused("follow_output", backend.follow_output(&id))?,
        ),
        ("kill", refused("kill", backend.kill(&id).await)?),
        (
            "enforcement",
            refused("enforcement", backend.enforcement(&id))?,
        ),
    ];
    for (call, error) in errors {
        ensure_matches!(error, ContainerError::NotFound { id: named } if *named == id, call);
    }
    ensure!(backend.get(&id).is_none(), "get knows an unknown id");
    same("calls to the engine", rig.tap.calls(), [])
}

async fn state_while_the_engine_hangs(context: &Context) -> Checked {
    let rig = context.rig()?;
    let identity = rig.backend.pre_generate_id()?;
    let gate = rig.tap.hold(Call::Create);
    let spawning = {
        let (rig, request) = (
            rig.clone(),
            request(&SLEEPER).with_identity(identity.clone()),
        );
        tokio::spawn(async move { rig.backend.spawn(request).await })
    };
    gate.reached(1).await?;
    let known = rig.backend.get(&identity.id).map(|info| info.status);
    same("status", known, Some(ContainerStatus::Creating))?;
    same("listed", rig.backend.list().len(), 1)?;
    rig.tap.release();
    let info = spawning.await??;
    same("status afterwards", info.status, ContainerStatus::Running)
}

async fn wait_any_number_of_times(context: &Context) -> Checked {
    let rig = context.rig()?;
    let soon = Command::Sleep {
        milliseconds: 200,
        ignore_term: false,
    };
    let id = rig.spawn(request(&soon)).await?.container_id;
    let reports = join_all((0..8).map(|_| rig.backend.wait(&id))).await;
    let later = rig.backend.wait(&id).await?;
    same("status", later.status, ContainerStatus::Completed)?;
    for report in reports {
        same("a report", report?, later.clone())?;
    }
    Ok(())
}

async fn report_has_times(context: &Context) -> Checked {
    let rig = context.rig()?;
    let soon = Command::Sleep {
        milliseconds: 300,
        ignore_term: false,
    };
    let exit = rig.run(&soon).await?.exit;
    let times = exit.started_at.zip(exit.finished_at);
    let (started, finished) = times.ok_or_else(|| Stop::Failed(format!("no times: {exit:?}")))?;
    ensure!(
        finished - started >= Duration::from_millis(150),
        "a sleep of 300 ms took from {started} to {finished}"
    );
    Ok(())
}

async fn status_follows_the_end(context: &Context) -> Checked {
    let rig = context.rig()?;
    for (code, status) in [
        (0, ContainerStatus::Completed),
        (3, ContainerStatus::Failed),
    ] {
        let ran = rig.run(&Command::Exit { code }).await?;
        same("the report's status", ran.exit.status, status)?;
        let known = rig.backend.get(&ran.id).map(|info| info.status);
        same("the status by get", known, Some(status))?;
    }
    Ok(())
}

async fn list_is_oldest_first(context: &Context) -> Checked {
    let rig = context.rig()?;
    let mut spawned = Vec::new();
    for _ in 0..3 {
        spawned.push(rig.sleeper().await?);
    }
    let listed: Vec<_> = rig
        .backend
        .list()
        .into_iter()
        .map(|i| i.container_id)
        .collect();
    same("list", listed, spawned)
}

async fn exit_before_anyone_looks(context: &Context) -> Checked {
    let rig = context.rig_with(|setup| setup.manager.max_containers = 20)?;
    for number in 1..=20 {
        let print = Command::Print {
            stdout: format!("run {number}"),
            stderr: String::new(),
            exit: number,
        };
        let ran = rig.run(&print).await?;
        same("exit code", ran.exit.exit_code, Some(number.into()))?;
        same("output", ran.output.stdout.text(), format!("run {number}"))?;
    }
    same("cleaned up", rig.backend.cleanup_stopped().await?, 20)
}

async fn places_run_out(context: &Context) -> Checked {
    let rig = context.rig_with(|setup| setup.manager.max_containers = 1)?;
    let first = rig.sleeper().await?;
    let error = refused("one too many", rig.backend.spawn(request(&SLEEPER)).await)?;
    ensure_matches!(
        error,
        ContainerError::LimitReached { limit: 1 },
        "one too many"
    );
    same("listed", rig.backend.list().len(), 1)?;
    rig.backend.kill(&first).await?;
    rig.sleeper().await.map(drop)
}

async fn thousand_spawns(context: &Context) -> Checked {
    let rig = context.rig_with(|setup| setup.manager.max_containers = 4)?;
    let spawned = join_all((0..1000).map(|_| rig.backend.spawn(request(&SLEEPER)))).await;
    let (running, errors): (Vec<_>, Vec<_>) = spawned.into_iter().partition(Result::is_ok);
    same("running", running.len(), 4)?;
    for error in errors.into_iter().filter_map(Result::err) {
        ensure_matches!(error, ContainerError::LimitReached { limit: 4 }, "a spawn");
    }
    same("listed", rig.backend.list().len(), 4)?;
    same("tokens", rig.backend.token_store().len(), 4)?;
    let left = context.at_engine(rig.owner).await?;
    same("at the engine", left.len(), 4)
}

async fn many_ended(context: &Context) -> Checked {
    let rig = context.rig_with(|setup| setup.manager.max_containers = 24)?;
    let ends = stream::iter(0..24).map(|_| rig.run(&Command::Exit { code: 0 }));
    let ended: Vec<_> = ends.buffer_unordered(6).collect().await;
    ended.into_iter().collect::<Checked<Vec<_>>>()?;
    let error = refused("one too many", rig.backend.spawn(request(&SLEEPER)).await)?;
    ensure_matches!(
        error,
        ContainerError::LimitReached { limit: 24 },
        "one too many"
    );
    same("cleaned up", rig.backend.cleanup_stopped().await?, 24)?;
    same("listed", rig.backend.list().len(), 0)?;
    let left = context.at_engine(rig.owner).await?;
    same("at the engine", left.len(), 0)
}

async fn ended_holds_its_place(context: &Context) -> Checked {
    let rig = context.rig_with(|setup| setup.manager.max_containers = 1)?;
    rig.run(&Command::Exit { code: 0 }).await?;
    let error = refused("one too many", rig.backend.spawn(request(&SLEEPER)).await)?;
    ensure_matches!(
        error,
        ContainerError::LimitReached { limit: 1 },
        "one too many"
    );
    same("cleaned up", rig.backend.cleanup_stopped().await?, 1)?;
    rig.sleeper().await.map(drop)
}

async fn cleanup_takes_the_ended(context: &Context) -> Checked {
    let rig = context.rig()?;
    let running = rig.sleeper().await?;
    let ended = [
        rig.run(&Command::Exit { code: 0 }).await?.id,
        rig.run(&Command::Exit { code: 1 }).await?.id,
    ];
    let listed = context.at_engine(rig.owner).await?.len();
    same("listed by the engine before", listed, 3)?;
    same("cleaned up", rig.backend.cleanup_stopped().await?, 2)?;
    for id in &ended {
        let error = refused("wait", rig.backend.wait(id).await)?;
        ensure_matches!(
            error,
            ContainerError::NotFound { .. },
            "wait after cleaning up"
        );
    }
    let names: Vec<_> = context
        .at_engine(rig.owner)
        .await?
        .into_iter()
        .map(|c| c.name)
        .collect();
    same("left at the engine", names, [running.to_string()])?;
    let status = rig.backend.get(&running).map(|info| info.status);
    same("the running one", status, Some(ContainerStatus::Running))?;
    same("cleaned up again", rig.backend.cleanup_stopped().await?, 0)
}

async fn cleanup_counts_the_confirmed(context: &Context) -> Checked {
    let rig = context.rig_with(|setup| {
        setup.manager.timeouts.change = Duration::from_secs(2);
    })?;
    let id = rig.run(&Command::Exit { code: 0 }).await?.id;
    rig.tap.hold(Call::Remove);
    same("cleaned up", rig.backend.cleanup_stopped().await?, 0)?;
    ensure!(
        rig.backend.get(&id).is_some(),
        "forgotten while the engine has it"
    );
    rig.tap.release();
    until("the container can be cleaned up", || async {
        Ok(rig.backend.cleanup_stopped().await? == 1)
    })
    .await
}

async fn dropped_spawn(context: &Context) -> Checked {
    let rig = context.rig()?;
    for call in [Call::EnsureImage, Call::Create, Call::Start] {
        let gate = rig.tap.hold(call);
        tokio::select! {
            early = rig.backend.spawn(request(&DEAF_SLEEPER)) => {
                return same("a held spawn", early.map(drop).ok(), None);
            }
            at_gate = gate.reached(1) => at_gate?,
        }
        rig.tap.release();
        until("what was dropped is gone", || async {
            let forgotten = rig.backend.list().is_empty() && rig.backend.token_store().is_empty();
            Ok(forgotten && context.at_engine(rig.owner).await?.is_empty())
        })
        .await?;
    }
    Ok(())
}

async fn dropped_backend(context: &Context) -> Checked {
    let (manager, _tap) = context.manager(context.setup())?;
    let owner = manager.owner();
    let clone = manager.clone();
    manager.spawn(request(&DEAF_SLEEPER)).await?;
    drop(manager);
    same(
        "with a handle left",
        context.at_engine(owner).await?.len(),
        1,
    )?;
    drop(clone);
    until("the container is gone", || async {
        Ok(context.at_engine(owner).await?.is_empty())
    })
    .await
}
