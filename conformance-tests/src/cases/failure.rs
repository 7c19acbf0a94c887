//! Spawns that fail at the engine, and containers that somebody else takes away.

use crate::{
    case::table,
    check::{Checked, Stop, ensure, ensure_matches, refused, same},
    context::Context,
    rig::{Rig, SLEEPER, request},
    tap::Call,
};
use clawbox_containers::{ContainerError, engine::EngineErrorKind};
use clawbox_types::{ContainerSpawnRequest, ContainerStatus, ExitReport};
use std::time::Duration;

table! { "failure":
    missing_image = "an image that the engine has not is `ImageNotFound`, by its canonical name",
    no_such_command = "a command that is not in the image is `StartFailed` with 127 (V10)",
    command_is_a_directory = "a directory for a command is `StartFailed` with 126",
    command_is_not_executable = "a file that is not executable is `StartFailed` with 126",
    start_refused = "a start that the engine refuses is `StartFailed`, and nothing is left",
    place_after_a_failure = "a failed spawn frees its place at once",
    identity_after_a_failure = "the identity of a failed spawn can be used again",
    create_is_lost = "a create that fails leaves nothing",
    start_is_lost = "a start whose answer is lost leaves nothing",
    inspect_is_lost = "a container that cannot be verified does not start",
    removal_is_late = "a failed spawn's container is removed once the engine can",
    vanished = "a container that somebody else removed ends, with its output",
}

/// The error of a spawn that must fail and leave nothing.
async fn fail(
    context: &Context,
    rig: &Rig,
    request: ContainerSpawnRequest,
) -> Checked<ContainerError> {
    let error = refused("the spawn", rig.backend.spawn(request).await)?;
    nothing_left(context, rig).await?;
    Ok(error)
}

async fn nothing_left(context: &Context, rig: &Rig) -> Checked {
    same(
        "left at the engine",
        context.at_engine(rig.owner).await?.len(),
        0,
    )?;
    ensure!(
        rig.backend.list().is_empty(),
        "the failed container is listed"
    );
    ensure!(
        rig.backend.token_store().is_empty(),
        "the failed container's token is valid"
    );
    Ok(())
}

async fn missing_image(context: &Context) -> Checked {
    const IMAGE: &str = "clawbox-conformance-none";
    let rig = context.rig_with(|setup| setup.security.allowed_images.push(IMAGE.to_owned()))?;
    let error = fail(context, &rig, request(&SLEEPER).with_image(IMAGE)).await?;
    let text = error.to_string();
    ensure_matches!(error, ContainerError::ImageNotFound { .. }, "the spawn");
    let canonical = format!("docker.io/library/{IMAGE}:latest");
    ensure!(
        text.contains(&canonical),
        "{canonical} is not named: {text}"
    );
    Ok(())
}

/// This program cannot be run. Where process 1 is the engine's, that may be all that can do so, and ends with a
/// shell's code for it.
async fn unstartable(context: &Context, program: &str, code: i32) -> Checked {
    let rig = context.rig()?;
    let request = request(&SLEEPER).with_command([program]);
    match rig.backend.spawn(request).await {
        Ok(info) if !rig.has_process_one => {
            let exit = rig.backend.wait(&info.container_id).await?;
            same("exit code", exit.exit_code, Some(code))?;
            same("status", exit.status, ContainerStatus::Failed)
        }
        Ok(_) => Err(Stop::Failed(format!("{program} was started"))),
        Err(ContainerError::StartFailed { exit_code, .. }) => {
            let told = exit_code.filter(|_| rig.has_process_one);
            same("exit code", told.unwrap_or(code), code)?;
            ensure!(
                told.is_some() || !rig.has_process_one,
                "no exit code is told"
            );
            nothing_left(context, &rig).await
        }
        Err(other) => Err(other.into()),
    }
}

async fn no_such_command(context: &Context) -> Checked {
    unstartable(context, "/bin/no-such-program", 127).await
}

async fn command_is_a_directory(context: &Context) -> Checked {
    unstartable(context, "/etc", 126).await
}

async fn command_is_not_executable(context: &Context) -> Checked {
    unstartable(context, "/etc/passwd", 126).await
}

/// A spawn whose start the engine refuses must be `StartFailed` and leave nothing.
async fn fail_to_start(context: &Context, rig: &Rig, request: ContainerSpawnRequest) -> Checked {
    rig.tap.fail(Call::Start, EngineErrorKind::Refused);
    let error = fail(context, rig, request).await?;
    rig.tap.clear();
    ensure_matches!(error, ContainerError::StartFailed { .. }, "the spawn");
    Ok(())
}

async fn start_refused(context: &Context) -> Checked {
    fail_to_start(context, &context.rig()?, request(&SLEEPER)).await
}

async fn place_after_a_failure(context: &Context) -> Checked {
    let rig = context.rig_with(|setup| setup.manager.max_containers = 1)?;
    fail_to_start(context, &rig, request(&SLEEPER)).await?;
    rig.sleeper().await.map(drop)
}

async fn identity_after_a_failure(context: &Context) -> Checked {
    let rig = context.rig()?;
    let identity = rig.backend.pre_generate_id()?;
    let request = request(&SLEEPER).with_identity(identity.clone());
    fail_to_start(context, &rig, request.clone()).await?;
    same(
        "the id",
        rig.spawn(request).await?.container_id,
        identity.id,
    )
}

async fn create_is_lost(context: &Context) -> Checked {
    let rig = context.rig()?;
    rig.tap.fail(Call::Create, EngineErrorKind::Unavailable);
    let error = fail(context, &rig, request(&SLEEPER)).await?;
    ensure_matches!(error, ContainerError::EngineUnavailable { .. }, "the spawn");
    same("started", rig.tap.count(Call::Start), 0)?;
    context.awaits(rig.owner);
    Ok(())
}

async fn start_is_lost(context: &Context) -> Checked {
    let rig = context.rig_with(|setup| {
        setup.manager.timeouts.change = Duration::from_secs(2);
    })?;
    let gate = rig.tap.hold(Call::Start);
    let spawn = fail(context, &rig, request(&SLEEPER));
    let (error, reached) = tokio::join!(spawn, gate.reached(1));
    reached?;
    ensure_matches!(error?, ContainerError::EngineTimeout { .. }, "the spawn");
    Ok(())
}

async fn inspect_is_lost(context: &Context) -> Checked {
    let rig = context.rig()?;
    rig.tap.fail(Call::Inspect, EngineErrorKind::BadAnswer);
    let error = fail(context, &rig, request(&SLEEPER)).await?;
    ensure_matches!(error, ContainerError::EngineFailed { .. }, "the spawn");
    same("started", rig.tap.count(Call::Start), 0)?;
    Ok(())
}

async fn removal_is_late(context: &Context) -> Checked {
    let rig = context.rig()?;
    rig.tap.fail(Call::Start, EngineErrorKind::Refused);
    rig.tap.fail(Call::Remove, EngineErrorKind::Unavailable);
    let gate = rig.tap.hold(Call::Remove);
    let spawn = fail(context, &rig, request(&SLEEPER));
    let come_back = async {
        gate.reached(1).await?;
        rig.tap.release();
        rig.tap.hold(Call::Remove).reached(1).await?;
        rig.tap.clear();
        Ok(())
    };
    let (error, back): (_, Checked) = tokio::join!(spawn, come_back);
    back?;
    ensure_matches!(error?, ContainerError::StartFailed { .. }, "the spawn");
    Ok(())
}

async fn vanished(context: &Context) -> Checked {
    let rig = context.rig()?;
    let id = rig.sleeper().await?;
    rig.printed(&id, "ready\n").await?;
    context.engine().remove(&id).await?;
    let ExitReport {
        status, exit_code, ..
    } = rig.backend.wait(&id).await?;
    // Some engines still tell of the signal with which the other one ended it.
    ensure!(
        [
            (ContainerStatus::Lost, None),
            (ContainerStatus::Failed, Some(137))
        ]
        .contains(&(status, exit_code)),
        "ended as {status} with {exit_code:?}"
    );
    let output = rig.backend.collect_output(&id).await?;
    same("stdout", output.stdout.text(), "ready\n")?;
    same("cleaned up", rig.backend.cleanup_stopped().await?, 1)
}
