//! Containers of other processes: whose they are, who may end them, and what becomes of a dead one's.
//!
//! Each case has a directory of leases of its own, so that nobody else's reaper meets its orphans.

use crate::{
    case::table,
    check::{Checked, Stop, ensure, ensure_matches, refused, same},
    context::Context,
    rig::{Rig, SLEEPER, request, until},
    tap::Call,
};
use clawbox_containers::{
    ContainerError, Liveness, SurveyedContainer,
    engine::{EngineErrorKind, EnginePhase},
};
use clawbox_types::{ContainerId, ContainerStatus};
use std::path::{Path, PathBuf};
use tokio::sync::watch;

table! { "orphans":
    survey_tells_own = "survey has a backend's own containers, alive",
    survey_tells_others = "survey tells another live backend's containers, and the orphans of a dead one",
    reaped_once = "an orphan is reaped once, and nothing of the living is touched (P02)",
    two_reapers = "of two reapers at once each orphan counts for one (P06)",
    foreign_untouched = "what only looks like ours is neither surveyed, evicted nor reaped (P03)",
    unknown_owner_untouched = "without a lease to ask, an owner counts as alive (P05)",
    newborn_untouched = "a container that is just being created is not reaped (P04)",
    evicted_from_a_living_owner = "an evicted container ends, and its own backend sees that",
    evicted_orphan = "an evicted orphan is removed",
    evict_unknown = "evicting what is not there is `NotFound`",
    reaper_in_the_background = "the background reaper looks at once, and stops when it is told",
    reaper_survives = "the background reaper outlives an engine that is down (P07)",
}

/// Two backends that keep their leases together, and where.
fn neighbours(context: &Context) -> Checked<(Rig, Rig, PathBuf)> {
    let dir = context.dir()?;
    let rig = || context.rig_with(|setup| setup.manager.state_dir = Some(dir.clone()));
    Ok((rig()?, rig()?, dir.clone()))
}

/// An orphan at the engine, and a live container whose labels it has otherwise.
async fn orphan(context: &Context, rig: &Rig, dir: &Path) -> Checked<(ContainerId, ContainerId)> {
    let live = rig.sleeper().await?;
    let labels = context.labels_of(rig, &live).await?;
    Ok((context.plant_orphan(labels, dir).await?, live))
}

async fn find(rig: &Rig, id: &ContainerId) -> Checked<Option<SurveyedContainer>> {
    Ok(rig
        .backend
        .survey()
        .await?
        .into_iter()
        .find(|found| found.id == *id))
}

/// Whether the engine has it, and how.
async fn phase(context: &Context, id: &ContainerId) -> Checked<Option<EnginePhase>> {
    match context.engine().inspect(id).await {
        Ok(inspection) => Ok(Some(inspection.state.phase)),
        Err(error) if error.kind() == EngineErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

async fn survey_tells_own(context: &Context) -> Checked {
    let rig = context.rig()?;
    let id = rig.sleeper().await?;
    let found = find(&rig, &id)
        .await?
        .ok_or_else(|| Stop::Failed("not found".to_owned()))?;
    same("owner", found.owner, Liveness::Alive)?;
    same("phase", found.phase, EnginePhase::Running)?;
    let left = (found.deadline - context.now()).whole_seconds();
    // Its limit is a minute, and it has a little longer to be seen off.
    ensure!((45..=75).contains(&left), "the deadline is in {left} s");
    Ok(())
}

async fn survey_tells_others(context: &Context) -> Checked {
    let (one, other, dir) = neighbours(context)?;
    let (orphan, live) = orphan(context, &one, &dir).await?;
    let owner = |found: Option<SurveyedContainer>| found.map(|found| found.owner);
    same(
        "the living's",
        owner(find(&other, &live).await?),
        Some(Liveness::Alive),
    )?;
    same(
        "the orphan's",
        owner(find(&other, &orphan).await?),
        Some(Liveness::Dead),
    )
}

async fn reaped_once(context: &Context) -> Checked {
    let (one, other, dir) = neighbours(context)?;
    let (orphan, live) = orphan(context, &one, &dir).await?;
    same("reaped", other.backend.reap_orphans().await?, 1)?;
    same("the orphan", phase(context, &orphan).await?, None)?;
    same(
        "the living's",
        phase(context, &live).await?,
        Some(EnginePhase::Running),
    )?;
    same("reaped again", other.backend.reap_orphans().await?, 0)
}

async fn two_reapers(context: &Context) -> Checked {
    let (one, other, dir) = neighbours(context)?;
    let (first, live) = orphan(context, &one, &dir).await?;
    let labels = context.labels_of(&one, &live).await?;
    let second = context.plant_orphan(labels, &dir).await?;
    let (a, b) = tokio::join!(one.backend.reap_orphans(), other.backend.reap_orphans());
    same("reaped by both", a? + b?, 2)?;
    for orphan in [first, second] {
        same("an orphan", phase(context, &orphan).await?, None)?;
    }
    Ok(())
}

async fn foreign_untouched(context: &Context) -> Checked {
    let (one, other, dir) = neighbours(context)?;
    let (orphan, live) = orphan(context, &one, &dir).await?;
    // An orphan's labels under another name, as a user might copy them.
    let mut labels = context.labels_of(&one, &live).await?;
    let dead = context.engine().list(&labels).await?;
    same("with the living's labels", dead.len(), 1)?;
    labels.insert("clawbox.container_id".to_owned(), orphan.to_string());
    let foreign = ContainerId::generate();
    context.plant(&foreign, labels).await?;
    same("surveyed", find(&other, &foreign).await?, None)?;
    let error = refused("the eviction", other.backend.evict(&foreign).await)?;
    ensure_matches!(error, ContainerError::NotFound { .. }, "the eviction");
    same("reaped", other.backend.reap_orphans().await?, 1)?;
    same(
        "the foreign one",
        phase(context, &foreign).await?,
        Some(EnginePhase::Running),
    )
}

async fn unknown_owner_untouched(context: &Context) -> Checked {
    let (one, other, dir) = neighbours(context)?;
    let (orphan, _) = orphan(context, &one, &dir).await?;
    let elsewhere = context.dir()?;
    let stranger = context.rig_with(|setup| setup.manager.state_dir = Some(elsewhere))?;
    let owner = find(&stranger, &orphan).await?.map(|found| found.owner);
    same("the orphan's owner", owner, Some(Liveness::Unknown))?;
    same(
        "reaped by a stranger",
        stranger.backend.reap_orphans().await?,
        0,
    )?;
    same(
        "the orphan",
        phase(context, &orphan).await?,
        Some(EnginePhase::Running),
    )?;
    same(
        "reaped by a neighbour",
        other.backend.reap_orphans().await?,
        1,
    )
}

async fn newborn_untouched(context: &Context) -> Checked {
    let (one, other, _) = neighbours(context)?;
    let identity = one.backend.pre_generate_id()?;
    let gate = one.tap.hold(Call::Inspect);
    let spawn = one
        .backend
        .spawn(request(&SLEEPER).with_identity(identity.clone()));
    let reap = async {
        gate.reached(1).await?;
        let newborn = phase(context, &identity.id).await?;
        let reaped = (
            one.backend.reap_orphans().await?,
            other.backend.reap_orphans().await?,
        );
        one.tap.release();
        same("the newborn", newborn, Some(EnginePhase::Created))?;
        same("reaped", reaped, (0, 0))
    };
    let (spawned, reaped): (_, Checked) = tokio::join!(spawn, reap);
    reaped?;
    same("status", spawned?.status, ContainerStatus::Running)
}

async fn evicted_from_a_living_owner(context: &Context) -> Checked {
    let (one, other, _) = neighbours(context)?;
    let id = one.sleeper().await?;
    other.backend.evict(&id).await?;
    let exit = one.backend.wait(&id).await?;
    same("exit code", exit.exit_code, Some(137))?;
    ensure!(one.backend.get(&id).is_some(), "its own backend forgot it");
    let own = one.sleeper().await?;
    one.backend.evict(&own).await?;
    same("its own, evicted", phase(context, &own).await?, None)
}

async fn evicted_orphan(context: &Context) -> Checked {
    let (one, other, dir) = neighbours(context)?;
    let (orphan, live) = orphan(context, &one, &dir).await?;
    other.backend.evict(&orphan).await?;
    same("the orphan", phase(context, &orphan).await?, None)?;
    same(
        "the living's",
        phase(context, &live).await?,
        Some(EnginePhase::Running),
    )
}

async fn evict_unknown(context: &Context) -> Checked {
    let rig = context.rig()?;
    let id = ContainerId::generate();
    let error = refused("the eviction", rig.backend.evict(&id).await)?;
    ensure_matches!(error, ContainerError::NotFound { id: named } if *named == id, "the eviction");
    Ok(())
}

async fn reaper_in_the_background(context: &Context) -> Checked {
    let (one, other, dir) = neighbours(context)?;
    let (orphan, _) = orphan(context, &one, &dir).await?;
    let (stop, stopped) = watch::channel(false);
    let reaper = other.backend.spawn_reaper(stopped);
    until("the orphan is reaped", || async {
        Ok(phase(context, &orphan).await?.is_none())
    })
    .await?;
    ensure!(!reaper.is_finished(), "the reaper ended by itself");
    stop.send(true)?;
    Ok(reaper.await?)
}

async fn reaper_survives(context: &Context) -> Checked {
    let dir = context.dir()?;
    let rig = context.rig_with(|setup| {
        setup.manager.state_dir = Some(dir.clone());
        setup.manager.reap_interval = std::time::Duration::from_millis(50);
    })?;
    let (orphan, _) = orphan(context, &rig, &dir).await?;
    rig.tap.fail(Call::List, EngineErrorKind::Unavailable);
    let gate = rig.tap.hold(Call::List);
    let (stop, stopped) = watch::channel(false);
    let reaper = rig.backend.spawn_reaper(stopped);
    gate.reached(1).await?;
    rig.tap.release();
    rig.tap.hold(Call::List).reached(1).await?;
    rig.tap.clear();
    until("the orphan is reaped", || async {
        Ok(phase(context, &orphan).await?.is_none())
    })
    .await?;
    drop(stop);
    Ok(reaper.await?)
}
