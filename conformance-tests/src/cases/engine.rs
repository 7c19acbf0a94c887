//! The engine itself, there and not there.

use crate::{
    case::table,
    check::{Checked, ensure, ensure_matches, refused, same},
    context::Context,
    planted::Labels,
    rig::{SLEEPER, request},
    tap::Call,
};
use clawbox_containers::{
    ContainerError, EngineTimeouts,
    engine::{EngineErrorKind, Removal, Signal},
};
use clawbox_types::ContainerId;
use std::time::Duration;

table! { "engine":
    tells_who_it_is = "info tells the engine's name, version, endpoint and control group version",
    unavailable = "an engine that is not there is `EngineUnavailable`, with its endpoint (L12)",
    hung = "an engine that does not answer is `EngineTimeout` and no hang (L12)",
    lost_wait = "a connection that is lost while waiting is not an exit",
    removal_tells_who = "remove tells whether it removed the container or it was gone already",
}

async fn tells_who_it_is(context: &Context) -> Checked {
    let rig = context.rig()?;
    ensure!(rig.backend.is_available().await, "not available");
    let info = rig.backend.info().await?;
    ensure!(
        !info.name.is_empty() && !info.version.is_empty(),
        "nameless: {info:?}"
    );
    same("endpoint", info.endpoint, context.engine().endpoint())?;
    ensure!(
        [1, 2].contains(&info.cgroup_version),
        "control groups v{}",
        info.cgroup_version
    );
    Ok(())
}

async fn unavailable(context: &Context) -> Checked {
    let rig = context.rig()?;
    for call in [Call::Probe, Call::EnsureImage] {
        rig.tap.fail(call, EngineErrorKind::Unavailable);
    }
    ensure!(!rig.backend.is_available().await, "available");
    let endpoint = context.engine().endpoint();
    let errors = [
        refused("info", rig.backend.info().await)?,
        refused("spawn", rig.backend.spawn(request(&SLEEPER)).await)?,
    ];
    for error in errors {
        ensure!(
            error.to_string().contains(&endpoint),
            "{endpoint} is not named: {error}"
        );
        ensure_matches!(error, ContainerError::EngineUnavailable { .. }, "the error");
    }
    Ok(())
}

async fn hung(context: &Context) -> Checked {
    let rig = context.rig_with(|setup| {
        setup.manager.timeouts = EngineTimeouts::all(Duration::from_secs(1));
    })?;
    rig.tap.hold(Call::Probe);
    rig.tap.hold(Call::EnsureImage);
    let (info, available, spawn) = tokio::join!(
        rig.backend.info(),
        rig.backend.is_available(),
        rig.backend.spawn(request(&SLEEPER))
    );
    ensure!(!available, "available");
    ensure_matches!(
        refused("info", info)?,
        ContainerError::EngineTimeout { .. },
        "info"
    );
    ensure_matches!(
        refused("spawn", spawn)?,
        ContainerError::EngineTimeout { .. },
        "spawn"
    );
    Ok(())
}

async fn lost_wait(context: &Context) -> Checked {
    let rig = context.rig()?;
    rig.tap.fail(Call::Wait, EngineErrorKind::Unavailable);
    let id = rig.sleeper().await?;
    rig.printed(&id, "ready\n").await?;
    // Process 1 dies without a word, so that the end is the engine's to tell.
    context.engine().kill(&id, Signal::Kill).await?;
    let exit = rig.backend.wait(&id).await?;
    same("exit code", exit.exit_code, Some(137))?;
    // At gate 1, by the wait that was lost, and after it. When that was depends on who is process 1.
    let asked = rig.tap.count(Call::Wait) + rig.tap.count(Call::Inspect);
    ensure!(asked > 2, "the engine was not asked again");
    let output = rig.backend.collect_output(&id).await?;
    same("stdout", output.stdout.text(), "ready\n")
}

async fn removal_tells_who(context: &Context) -> Checked {
    let id = ContainerId::generate();
    context.plant(&id, Labels::new()).await?;
    let engine = context.engine();
    same("the first removal", engine.remove(&id).await?, Removal::Now)?;
    let again = engine.remove(&id).await?;
    same("the second removal", again, Removal::AlreadyGone)
}
