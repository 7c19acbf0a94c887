//! The end by `kill`.

use crate::{
    case::table,
    check::{Checked, ensure, ensure_matches, refused, same},
    context::Context,
    rig::{DEAF_SLEEPER, SLEEPER, request},
    tap::Call,
};
use clawbox_containers::{
    ContainerError,
    engine::{EngineErrorKind, EnginePhase},
};
use clawbox_probe::Command;
use clawbox_types::ContainerStatus;
use std::time::Duration;
use tokio::time::Instant;

table! { "kill":
    ends_and_removes = "a killed container ends as `Killed`, by SIGTERM, and is gone from the engine",
    #[alone] of_the_deaf = "a command that ignores SIGTERM is dead soon after the grace period",
    twice = "killing again succeeds and changes nothing",
    three_at_once = "three kills at once all succeed (L04)",
    during_grace = "a kill while another one waits for the command succeeds, and the end is told once (L05)",
    of_the_stopped = "a command that is stopped is killed all the same (L06)",
    of_the_ended = "killing what has ended removes it and keeps how it ended",
    of_the_vanished = "killing what somebody else removed succeeds",
    frees_the_waiting = "those who wait hear of the kill",
    while_spawning = "a kill during spawn makes the spawn fail and leaves nothing",
    token_first = "the token is revoked before the engine is asked to kill",
    engine_down = "a kill reaches an engine that comes back",
}

async fn ends_and_removes(context: &Context) -> Checked {
    let rig = context.rig()?;
    let id = rig.sleeper().await?;
    rig.printed(&id, "ready\n").await?;
    rig.backend.kill(&id).await?;
    let exit = rig.backend.wait(&id).await?;
    same("status", exit.status, ContainerStatus::Killed)?;
    same("exit code", exit.exit_code, Some(143))?;
    let status = rig.backend.get(&id).map(|info| info.status);
    same("status by get", status, Some(ContainerStatus::Killed))?;
    let error = refused("inspect", context.engine().inspect(&id).await)?;
    same(
        "the engine's answer",
        error.kind(),
        EngineErrorKind::NotFound,
    )
}

async fn of_the_deaf(context: &Context) -> Checked {
    let rig = context.rig()?;
    let id = rig.spawn(request(&DEAF_SLEEPER)).await?.container_id;
    rig.printed(&id, "ready\n").await?;
    let asked = Instant::now();
    rig.backend.kill(&id).await?;
    let took = asked.elapsed();
    // The grace period of a case's backend is half a second.
    ensure!(
        (Duration::from_millis(500)..Duration::from_secs(2)).contains(&took),
        "killing took {took:?}"
    );
    same(
        "exit code",
        rig.backend.wait(&id).await?.exit_code,
        Some(137),
    )
}

async fn twice(context: &Context) -> Checked {
    let rig = context.rig()?;
    let id = rig.sleeper().await?;
    rig.backend.kill(&id).await?;
    let exit = rig.backend.wait(&id).await?;
    rig.backend.kill(&id).await?;
    same("the report afterwards", rig.backend.wait(&id).await?, exit)
}

async fn three_at_once(context: &Context) -> Checked {
    let rig = context.rig()?;
    let id = rig.spawn(request(&DEAF_SLEEPER)).await?.container_id;
    let kill = || rig.backend.kill(&id);
    let (one, two, three) = tokio::join!(kill(), kill(), kill());
    for result in [one, two, three] {
        result?;
    }
    same(
        "status",
        rig.backend.wait(&id).await?.status,
        ContainerStatus::Killed,
    )
}

async fn during_grace(context: &Context) -> Checked {
    let rig = context.rig()?;
    let id = rig.spawn(request(&DEAF_SLEEPER)).await?.container_id;
    rig.printed(&id, "ready\n").await?;
    let gate = rig.tap.hold(Call::Kill);
    let first = rig.backend.kill(&id);
    let second = async {
        // The command has been asked, and is deaf.
        gate.reached(1).await?;
        rig.tap.release();
        Ok(rig.backend.kill(&id).await?)
    };
    let (first, second): (_, Checked) = tokio::join!(first, second);
    first?;
    second?;
    let exit = rig.backend.wait(&id).await?;
    same("status", exit.status, ContainerStatus::Killed)?;
    same("the report afterwards", rig.backend.wait(&id).await?, exit)
}

async fn of_the_stopped(context: &Context) -> Checked {
    const SIGSTOP: i32 = 19;
    let rig = context.rig()?;
    let stop = request(&Command::Signal { number: SIGSTOP });
    let id = rig.spawn(stop).await?.container_id;
    rig.backend.kill(&id).await?;
    let exit = rig.backend.wait(&id).await?;
    same("status", exit.status, ContainerStatus::Killed)?;
    // It may not have stopped itself before it was asked to end.
    ensure!(
        [Some(137), Some(143)].contains(&exit.exit_code),
        "it ended as {exit:?}"
    );
    Ok(())
}

async fn of_the_ended(context: &Context) -> Checked {
    let rig = context.rig()?;
    let ran = rig.run(&Command::Exit { code: 5 }).await?;
    rig.backend.kill(&ran.id).await?;
    same(
        "the report afterwards",
        rig.backend.wait(&ran.id).await?,
        ran.exit,
    )?;
    let left = context.at_engine(rig.owner).await?;
    same("left at the engine", left.len(), 0)
}

async fn of_the_vanished(context: &Context) -> Checked {
    let rig = context.rig()?;
    let id = rig.sleeper().await?;
    context.engine().remove(&id).await?;
    rig.backend.kill(&id).await.map_err(Into::into)
}

async fn frees_the_waiting(context: &Context) -> Checked {
    let rig = context.rig()?;
    let id = rig.sleeper().await?;
    let (exit, killed) = tokio::join!(rig.backend.wait(&id), rig.backend.kill(&id));
    killed?;
    same("status", exit?.status, ContainerStatus::Killed)
}

async fn while_spawning(context: &Context) -> Checked {
    let rig = context.rig()?;
    for call in [Call::EnsureImage, Call::Create, Call::Attach] {
        let identity = rig.backend.pre_generate_id()?;
        let gate = rig.tap.hold(call);
        let spawn = rig
            .backend
            .spawn(request(&SLEEPER).with_identity(identity.clone()));
        let kill = async {
            gate.reached(1).await?;
            let kill = rig.backend.kill(&identity.id);
            let release = async { rig.tap.release() };
            Ok(tokio::join!(kill, release).0?)
        };
        let (spawned, killed): (_, Checked) = tokio::join!(spawn, kill);
        killed?;
        let error = refused("the spawn", spawned)?;
        ensure_matches!(error, ContainerError::InvalidState { .. }, "the spawn");
        let left = context.at_engine(rig.owner).await?;
        same("left at the engine", left.len(), 0)?;
        ensure!(
            rig.backend.list().is_empty(),
            "the spawn that failed is listed"
        );
    }
    Ok(())
}

async fn token_first(context: &Context) -> Checked {
    let rig = context.rig()?;
    let identity = rig.backend.pre_generate_id()?;
    rig.spawn(request(&SLEEPER).with_identity(identity.clone()))
        .await?;
    let gate = rig.tap.hold(Call::Kill);
    let kill = rig.backend.kill(&identity.id);
    let look = async {
        gate.reached(1).await?;
        let (id, token) = (identity.id.to_string(), identity.token.reveal());
        let valid = rig.backend.token_store().validate(&id, &token);
        let inspection = context.engine().inspect(&identity.id).await;
        rig.tap.release();
        ensure!(!valid, "the token was valid when the engine was asked");
        same("phase", inspection?.state.phase, EnginePhase::Running)
    };
    let (killed, looked) = tokio::join!(kill, look);
    killed?;
    looked
}

async fn engine_down(context: &Context) -> Checked {
    let rig = context.rig()?;
    let id = rig.sleeper().await?;
    rig.tap.fail(Call::Kill, EngineErrorKind::Unavailable);
    let gate = rig.tap.hold(Call::Kill);
    let kill = rig.backend.kill(&id);
    let come_back = async {
        // SIGTERM was lost by then.
        gate.reached(1).await?;
        rig.tap.release();
        rig.tap.hold(Call::Kill).reached(1).await?;
        rig.tap.clear();
        Ok(())
    };
    let (killed, back): (_, Checked) = tokio::join!(kill, come_back);
    back?;
    killed?;
    same(
        "left at the engine",
        context.at_engine(rig.owner).await?.len(),
        0,
    )
}
