//! A process with a manager and a reaper of its own: it runs containers until it is told to stop, or killed.

use crate::place::{Engine, IMAGE, Manager, Place};
use crate::random::Random;
use crate::story::{Asked, Done, Left, Line, Outcome, Story, now};
use anyhow::{Context as _, Result, bail};
use clawbox::{
    Capabilities, ContainerBackend as _, ContainerError, ContainerId, ContainerSpawnRequest,
    ExitReport, ResourceLimits,
};
use std::{fs::File, io::Write as _, path::Path, time::Duration};
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{Instant, sleep, timeout},
};

/// How many containers it has at once, and for how many it has places: one that failed in the engine's trouble may hold
/// its place for a while.
const AT_ONCE: u64 = 4;
const PLACES: usize = 16;

/// Between two looks at what has to come.
const LOOK: Duration = Duration::from_millis(50);
/// An engine that is away refuses at once, and is not to be asked for nothing else.
const AFTER_REFUSAL: Duration = Duration::from_millis(500);
/// After that, an orderly end is not waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long a container may run that is to be ended by others: longer than any trouble.
const LONG: u64 = 300_000;

pub(crate) async fn run(place: &Place, seed: u64) -> Result<()> {
    let manager = place.manager(PLACES)?;
    let (stop, stopped) = watch::channel(false);
    let (stop_reaper, reaper_stopped) = watch::channel(false);
    let reaper = manager.spawn_reaper(reaper_stopped);
    // A thread of its own, which the process does not wait for at its end.
    std::thread::spawn(move || {
        // Its end is an order to stop as well.
        drop(std::io::stdin().read_line(&mut String::new()));
        stop.send(true).ok();
    });
    let mut slots = JoinSet::new();
    for number in 0..AT_ONCE {
        let (manager, engine) = (manager.clone(), place.engine()?);
        let (stopped, mut random) = (stopped.clone(), Random::new(seed.wrapping_add(number)));
        slots.spawn(async move {
            while !*stopped.borrow() {
                let story = one(&manager, &engine, &mut random).await?;
                tell(&Line::Story(story))?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(slot) = slots.join_next().await {
        slot.context("a slot's task")??;
    }
    let left = leave(&manager).await?;
    tell(&Line::Left(left))?;
    stop_reaper.send(true)?;
    reaper.await.context("the reaper's task")?;
    let lease = format!("{}.lease", manager.owner());
    drop(manager);
    if let Some(state) = &place.state {
        gone(&state.join(lease)).await;
    }
    Ok(())
}

/// Waits until a manager has put its lease away, or left it to others. What is left is counted by who looks at the folder.
pub(crate) async fn gone(lease: &Path) {
    let since = Instant::now();
    let held = || File::open(lease).is_ok_and(|file| file.try_lock_shared().is_err());
    while held() && since.elapsed() < PATIENCE {
        sleep(LOOK).await;
    }
}

fn tell(line: &Line) -> Result<()> {
    let mut text = serde_json::to_string(line)?;
    text.push('\n');
    // In one piece: a process that is killed leaves no half of a line in front of another's.
    std::io::stdout()
        .write_all(text.as_bytes())
        .context("tell the run")
}

fn choose(random: &mut Random) -> (Asked, Done) {
    match random.between(0, 11) {
        0 | 1 => (Asked::Exit(0), Done::Nothing),
        2 => {
            let codes = [1, 2, 42, 125, 126, 127, 255];
            let which = random.between(0, 6) as usize;
            (Asked::Exit(codes[which]), Done::Nothing)
        }
        3 | 4 => (Asked::Print(random.between(0, 200_000)), Done::Nothing),
        5 | 6 => {
            let limit = random.between(1_000, 3_000);
            (Asked::Overstay(limit), Done::Nothing)
        }
        7 => (Asked::Stay, Done::Killed),
        8 => (Asked::Stay, Done::Removed),
        _ => (Asked::Stay, Done::Dropped(random.between(0, 400))),
    }
}

fn request(asked: Asked) -> ContainerSpawnRequest {
    let (script, limit) = match asked {
        Asked::Exit(code) => (format!("exit {code}"), LONG),
        Asked::Print(bytes) => (format!("head -c {bytes} /dev/zero"), LONG),
        Asked::Overstay(limit) => ("sleep 600".to_owned(), limit),
        Asked::Stay => ("sleep 600".to_owned(), LONG),
    };
    let limits = ResourceLimits::new(limit, 64);
    let capabilities = Capabilities::default().with_resources(limits);
    ContainerSpawnRequest::new("chaos", capabilities)
        .with_image(IMAGE)
        .with_command(["sh", "-c", &script])
}

/// One container from its spawn until its manager has it no more.
async fn one(manager: &Manager, engine: &Engine, random: &mut Random) -> Result<Story> {
    let (asked, mut done) = choose(random);
    let identity = manager.pre_generate_id()?;
    let id = identity.id.clone();
    let begun = now();
    let spawn = manager.spawn(request(asked).with_identity(identity));
    let spawned = match done {
        Done::Dropped(after) => timeout(Duration::from_millis(after), spawn).await,
        _ => Ok(spawn.await),
    };
    let outcome = match spawned {
        Err(_) => {
            let lingered = forgotten(manager, &id).await;
            Outcome::Dropped { lingered }
        }
        Ok(Err(error)) => {
            forgotten(manager, &id).await;
            sleep(AFTER_REFUSAL).await;
            Outcome::Refused(chain(&error))
        }
        Ok(Ok(_)) => {
            // It was up before its caller lost patience.
            if matches!(done, Done::Dropped(_)) {
                done = Done::Killed;
            }
            see(manager, engine, &id, done, random.between(0, 1_500)).await?
        }
    };
    Ok(Story {
        id: id.to_string(),
        asked,
        done,
        begun,
        ended: now(),
        outcome,
    })
}

/// Sees a container to its end, and has it removed.
async fn see(
    manager: &Manager,
    engine: &Engine,
    id: &ContainerId,
    done: Done,
    after: u64,
) -> Result<Outcome> {
    let after = Duration::from_millis(after);
    match done {
        Done::Killed => {
            sleep(after).await;
            kill(manager, id).await?;
        }
        Done::Removed => {
            sleep(after).await;
            // The engine may be away.
            while !matches!(timeout(PATIENCE, engine.remove(id)).await, Ok(Ok(_))) {
                sleep(LOOK).await;
            }
        }
        Done::Nothing | Done::Dropped(_) => {}
    }
    let report = manager.wait(id).await?;
    let output = manager.collect_output(id).await?;
    kill(manager, id).await?;
    let ExitReport {
        status,
        exit_code,
        started_at,
        finished_at,
        ..
    } = report;
    let ran = finished_at.zip(started_at).map(|(end, start)| end - start);
    Ok(Outcome::Ended {
        status,
        exit_code,
        ran: ran.and_then(|ran| u64::try_from(ran.whole_milliseconds()).ok()),
        printed: output.stdout.bytes.len() as u64 + report.stdout_dropped,
        incomplete: report.output_incomplete,
    })
}

/// Kills it, as often as it takes an engine in trouble to confirm.
async fn kill(manager: &Manager, id: &ContainerId) -> Result<()> {
    loop {
        match manager.kill(id).await {
            Ok(()) => return Ok(()),
            Err(ContainerError::EngineTimeout { .. }) => {}
            Err(error) => bail!("killing {id}: {}", chain(&error)),
        }
    }
}

/// Waits until the manager holds it no more, and tells for how long it did.
async fn forgotten(manager: &Manager, id: &ContainerId) -> u64 {
    let since = now();
    while manager.get(id).is_some() {
        sleep(LOOK).await;
    }
    now() - since
}

/// Ends all that there is, and takes every place once more.
async fn leave(manager: &Manager) -> Result<Left> {
    for info in manager.list() {
        kill(manager, &info.container_id).await?;
    }
    manager.cleanup_stopped().await?;
    let mut left = Left::default();
    let mut spawns = JoinSet::new();
    for _ in 0..PLACES {
        let manager = manager.clone();
        spawns.spawn(async move { manager.spawn(request(Asked::Stay)).await });
    }
    while let Some(spawned) = spawns.join_next().await {
        match spawned.context("a spawn's task")? {
            Ok(_) => {}
            Err(ContainerError::LimitReached { .. }) => left.slots += 1,
            Err(error) => bail!("spawning on an engine that is well: {}", chain(&error)),
        }
    }
    for info in manager.list() {
        kill(manager, &info.container_id).await?;
    }
    manager.cleanup_stopped().await?;
    let records = manager.list();
    left.records = records
        .iter()
        .map(|info| info.container_id.to_string())
        .collect();
    left.tokens = manager.token_store().len();
    Ok(left)
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text = format!("{text}: {inner}");
        source = inner.source();
    }
    text
}
