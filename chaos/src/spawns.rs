//! Many spawns through one manager: each accounted for, and the memory they take.

use crate::chore::Chore;
use crate::counts::Counts;
use crate::place::{IMAGE, Manager, Place};
use anyhow::{Context as _, Result};
use clawbox::{Capabilities, ContainerBackend as _, ContainerError, ContainerSpawnRequest};
use std::{fs, sync::Arc, time::Instant};
use tokio::{sync::Semaphore, task::JoinSet};

/// How many containers the manager may have.
const PLACES: usize = 16;
/// Before memory is looked at: what is made once is not a container's.
const WARM_UP: usize = 2 * PLACES;

pub(crate) async fn run(mut place: Place, count: usize, seed: u64) -> Result<()> {
    let folder = tempfile::tempdir().context("make the run's folder")?;
    let state = folder.path().join("state");
    place.state = Some(state.clone());
    let mut chore = Chore::new();
    let before = chore.names().await?;
    let manager = place.manager(PLACES)?;
    let mut counts = Counts::default();

    spawn_all(&manager, WARM_UP, &mut Counts::default()).await?;
    let (rss_before, since) = (resident()?, Instant::now());
    spawn_all(&manager, count, &mut counts).await?;
    let (rss_after, took) = (resident()?, since.elapsed());

    for info in manager.list() {
        counts.wrong(
            "leaked containers",
            format!("{}, in the manager's records", info.container_id),
        );
    }
    for _ in 0..manager.token_store().len() {
        counts.wrong("leaked tokens", "in the manager's store");
    }
    // As many as there are places, all at once: none may be taken still.
    let held = spawn_held(&manager).await?;
    for _ in held..PLACES {
        counts.wrong("lost slots", "of the manager's places");
    }
    let (lease, owner) = (
        state.join(format!("{}.lease", manager.owner())),
        manager.owner(),
    );
    drop(manager);
    crate::worker::gone(&lease).await;
    for entry in fs::read_dir(&state).context("look at the state folder")? {
        counts.wrong(
            "leaked directories",
            format!("{} of {owner}", entry?.path().display()),
        );
    }
    let after = chore.names().await?;
    crate::tally::compare(&before, &after, |_| false, &mut counts);

    let per_container = (rss_after as f64 - rss_before as f64) / count as f64;
    println!(
        "{count} spawns at most {PLACES} at once in {:.0} s, {:.1} a second",
        took.as_secs_f64(),
        count as f64 / took.as_secs_f64()
    );
    println!(
        "resident memory {rss_before} KiB before and {rss_after} KiB after: {per_container:.2} KiB for each container"
    );
    counts.finish(seed)
}

async fn spawn_all(manager: &Manager, count: usize, counts: &mut Counts) -> Result<()> {
    let places = Arc::new(Semaphore::new(PLACES));
    let mut spawns = JoinSet::new();
    for number in 0..count {
        let place = Arc::clone(&places).acquire_owned().await?;
        while let Some(ended) = spawns.try_join_next() {
            note(ended.context("a spawn's task")?, counts);
        }
        let manager = manager.clone();
        spawns.spawn(async move {
            let ended = one(&manager, number).await;
            drop(place);
            (number, ended)
        });
    }
    while let Some(ended) = spawns.join_next().await {
        note(ended.context("a spawn's task")?, counts);
    }
    manager.cleanup_stopped().await?;
    Ok(())
}

fn note((number, ended): (usize, Result<(), String>), counts: &mut Counts) {
    match ended {
        Ok(()) => counts.done("containers accounted for"),
        Err(why) => counts.wrong("wrong statuses", format!("spawn {number}: {why}")),
    }
}

/// Its own exit code and its own output, and then it is removed.
async fn one(manager: &Manager, number: usize) -> Result<(), String> {
    let code = i32::try_from(number % 100).map_err(|error| error.to_string())?;
    let script = format!("echo {number}; exit {code}");
    let told = async {
        let id = manager.spawn(request(&script)).await?.container_id;
        let exit = manager.wait(&id).await?;
        let output = manager.collect_output(&id).await?;
        manager.kill(&id).await?;
        Ok::<_, ContainerError>((exit.exit_code, output.stdout.text().into_owned()))
    };
    let told = told.await.map_err(|error| format!("{error:?}"))?;
    match told == (Some(code), format!("{number}\n")) {
        true => Ok(()),
        false => Err(format!("{told:?}")),
    }
}

async fn spawn_held(manager: &Manager) -> Result<usize> {
    let mut spawns = JoinSet::new();
    for _ in 0..PLACES {
        let manager = manager.clone();
        spawns.spawn(async move { manager.spawn(request("sleep 600")).await });
    }
    let mut held = 0;
    while let Some(spawned) = spawns.join_next().await {
        match spawned.context("a spawn's task")? {
            Ok(_) => held += 1,
            Err(ContainerError::LimitReached { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    for info in manager.list() {
        manager.kill(&info.container_id).await?;
    }
    manager.cleanup_stopped().await?;
    Ok(held)
}

pub(crate) fn request(script: &str) -> ContainerSpawnRequest {
    ContainerSpawnRequest::new("chaos", Capabilities::default())
        .with_image(IMAGE)
        .with_command(["sh", "-c", script])
}

/// This process' memory, in KiB.
pub(crate) fn resident() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status").context("read /proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.context("no VmRSS")?.parse()?)
}
