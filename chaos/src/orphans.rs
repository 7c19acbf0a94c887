//! Many containers that a dead manager has left, and one pass of a reaper over them.

use crate::chore::Chore;
use crate::counts::Counts;
use crate::place::{Manager, Place};
use crate::spawns::{request, resident};
use crate::tally::{compare, entries};
use anyhow::{Context as _, Result};
use clawbox::{ContainerBackend as _, containers::Grace};
use std::{sync::Arc, time::Instant};
use tokio::{sync::Semaphore, task::JoinSet};

/// How many are spawned at once.
const AT_ONCE: usize = 16;

pub(crate) async fn run(mut place: Place, count: usize, seed: u64) -> Result<()> {
    let folder = tempfile::tempdir().context("make the run's folder")?;
    let state = folder.path().join("state");
    place.state = Some(state.clone());
    let mut chore = Chore::new();
    let before = chore.names().await?;
    let mut counts = Counts::default();

    let victim = place.manager(count)?;
    leave(&victim, count).await?;
    let kept = victim.shutdown(Grace::Keep).await.kept.len();
    drop(victim);
    for _ in kept..count {
        counts.wrong("leaked containers", "not left to others");
    }

    let reaper = place.manager(1)?;
    let (rss_before, since) = (resident()?, Instant::now());
    let reaped = reaper.reap_orphans().await?;
    let (rss_after, took) = (resident()?, since.elapsed());
    for _ in 0..reaped {
        counts.done("orphans reaped");
    }
    if reaped != count {
        counts.wrong("wrong statuses", format!("{reaped} of {count} counted"));
    }
    let after = chore.names().await?;
    compare(&before, &after, |_| false, &mut counts);
    for left in entries(&state)? {
        // Of the dead one, whom somebody may still be making a container for.
        if !left.ends_with(".lease") {
            counts.wrong("leaked directories", left);
        }
    }
    println!(
        "{count} ended containers of a dead manager's, reaped in {:.1} s, {:.1} a second",
        took.as_secs_f64(),
        count as f64 / took.as_secs_f64()
    );
    println!("resident memory {rss_before} KiB before and {rss_after} KiB after");
    counts.finish(seed)
}

/// Spawns so many, waits for their ends, and removes none.
async fn leave(manager: &Manager, count: usize) -> Result<()> {
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut spawns = JoinSet::new();
    for _ in 0..count {
        let place = Arc::clone(&places).acquire_owned().await?;
        let manager = manager.clone();
        spawns.spawn(async move {
            let id = manager.spawn(request("exit 0")).await?.container_id;
            manager.wait(&id).await?;
            drop(place);
            Ok::<_, clawbox::ContainerError>(())
        });
    }
    while let Some(spawned) = spawns.join_next().await {
        spawned.context("a spawn's task")??;
    }
    Ok(())
}
