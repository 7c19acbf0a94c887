//! The run: managers in processes of their own, and what befalls them and their engine.

use crate::chore::{Chore, Names, Order};
use crate::counts::Counts;
use crate::foreign::Foreign;
use crate::place::{Engine, Place};
use crate::random::Random;
use crate::story::{Done, Kind, LATE, Left, Line, Outcome, Story, Trouble, Wrong, now};
use anyhow::{Context as _, Result, bail};
use clap::ValueEnum as _;
use clawbox::{ContainerBackend as _, containers::engine::EnginePhase};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::DirBuilderExt as _,
    path::Path,
    process::Stdio,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    process::{Child, ChildStdin, Command},
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

const MANAGERS: usize = 2;
/// How long a manager's orderly end may take.
const ENDING: Duration = Duration::from_secs(180);
/// How long it may take until what killed managers left is reaped.
const REAPING: Duration = Duration::from_secs(30);

pub(crate) async fn run(mut place: Place, length: Duration, seed: u64) -> Result<()> {
    let folder = tempfile::tempdir().context("make the run's folder")?;
    let [state, temporary] = ["state", "tmp"].map(|name| folder.path().join(name));
    for made in [&state, &temporary] {
        let made = fs::DirBuilder::new().mode(0o700).create(made);
        made.context("make the managers' folders")?;
    }
    place.state = Some(state.clone());
    let mut chore = Chore::new();
    let before = chore.names().await?;
    let foreign = Foreign::start().await?;
    let (lines, heard) = mpsc::unbounded_channel();
    let mut run = Run {
        engine: place.engine()?,
        place,
        temporary: temporary.clone(),
        chore,
        random: Random::new(seed),
        lines,
        troubles: Vec::new(),
        counts: Counts::default(),
        managers: Vec::new(),
    };
    for _ in 0..MANAGERS {
        let manager = run.start_manager()?;
        run.managers.push(manager);
    }
    let overdue = Overdue::watch(Arc::clone(&run.engine));
    run.trouble(length).await?;
    run.end_managers().await?;
    run.reap(&foreign).await?;
    for id in overdue.end() {
        run.counts.wrong("overdue deadlines", id);
    }
    let Run {
        mut chore,
        mut counts,
        troubles,
        lines,
        ..
    } = run;
    drop(lines);
    judge(heard, &troubles, &mut counts).await;
    for folder in [&state, &temporary] {
        for left in entries(folder)? {
            counts.wrong("leaked directories", left);
        }
    }
    let after = chore.names().await?;
    for name in foreign.missing(&after.containers) {
        counts.wrong("foreign containers removed", name);
    }
    compare(&before, &after, |name| foreign.has(name), &mut counts);
    foreign.end().await?;
    counts.finish(seed)
}

/// What is there now and was not before, and is not somebody else's.
pub(crate) fn compare(
    before: &Names,
    after: &Names,
    foreign: impl Fn(&str) -> bool,
    counts: &mut Counts,
) {
    for name in &after.containers {
        if !before.containers.contains(name) && !foreign(name) {
            counts.wrong("leaked containers", name);
        }
    }
    for name in &after.volumes {
        if !before.volumes.contains(name) {
            counts.wrong("leaked volumes", name);
        }
    }
}

fn entries(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).context("look at a folder of the managers'")? {
        names.push(entry?.path().display().to_string());
    }
    Ok(names)
}

async fn judge(
    mut heard: mpsc::UnboundedReceiver<Line>,
    troubles: &[Trouble],
    counts: &mut Counts,
) {
    while let Some(line) = heard.recv().await {
        match line {
            Line::Story(story) => {
                note(&story, counts);
                let Some(wrong) = story.judge(troubles) else {
                    continue;
                };
                let which = match wrong {
                    Wrong::Container => "leaked containers",
                    Wrong::Status => "wrong statuses",
                    Wrong::Deadline => "overdue deadlines",
                };
                let Story { begun, ended, .. } = story;
                let near: Vec<_> = troubles.iter().filter(|t| t.to + 5_000 >= begun).collect();
                let near = near.iter().filter(|t| t.from <= ended + 5_000);
                let near: Vec<_> = near.collect();
                counts.wrong(which, format!("{story:?}, near {near:?}"));
            }
            Line::Left(Left {
                records,
                tokens,
                slots,
            }) => {
                for id in records {
                    counts.wrong("leaked containers", format!("{id}, in a manager's records"));
                }
                for _ in 0..tokens {
                    counts.wrong("leaked tokens", "in a manager's store");
                }
                for _ in 0..slots {
                    counts.wrong("lost slots", "of a manager's places");
                }
            }
        }
    }
}

fn note(story: &Story, counts: &mut Counts) {
    counts.done("containers accounted for");
    match (&story.outcome, story.done) {
        (Outcome::Dropped { .. }, _) => counts.done("fault: spawn dropped by its caller"),
        (Outcome::Refused(_), _) => counts.done("containers refused in the engine's trouble"),
        (Outcome::Ended { .. }, Done::Removed) => {
            counts.done("fault: container removed from outside")
        }
        (Outcome::Ended { .. }, _) => {}
    }
    if let Outcome::Ended { status, .. } = story.outcome {
        counts.done(format!("containers {status}"));
    }
}

/// A process with a manager.
struct ManagerProcess {
    child: Child,
    /// Its end tells it to stop.
    orders: ChildStdin,
    reader: JoinHandle<()>,
}

struct Run {
    place: Place,
    engine: Engine,
    temporary: std::path::PathBuf,
    chore: Chore,
    random: Random,
    lines: mpsc::UnboundedSender<Line>,
    troubles: Vec<Trouble>,
    counts: Counts,
    managers: Vec<ManagerProcess>,
}

impl Run {
    fn start_manager(&mut self) -> Result<ManagerProcess> {
        let value = self.place.engine.to_possible_value();
        let engine = value.context("an engine without a name")?;
        let state = self.place.state.as_deref().context("no state folder")?;
        // Itself, also where its file was built anew meanwhile.
        let mut child = Command::new("/proc/self/exe")
            .args(["--engine", engine.get_name()])
            .args(["--endpoint", &self.place.endpoint])
            .args(["--seed", &self.random.next().to_string()])
            .arg("--state")
            .arg(state)
            .arg("worker")
            .env("TMPDIR", &self.temporary)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("start a manager's process")?;
        let orders = child.stdin.take().context("a manager's input")?;
        let told = child.stdout.take().context("a manager's output")?;
        let lines = self.lines.clone();
        let reader = tokio::spawn(async move {
            let mut told = BufReader::new(told).lines();
            while let Ok(Some(line)) = told.next_line().await {
                // A killed process' last line may be cut off.
                if let Ok(line) = serde_json::from_str(&line) {
                    drop(lines.send(line));
                }
            }
        });
        Ok(ManagerProcess {
            child,
            orders,
            reader,
        })
    }

    /// Fault after fault, each kind once at first.
    async fn trouble(&mut self, length: Duration) -> Result<()> {
        let since = Instant::now();
        let mut number = self.random.between(0, 2);
        for round in 0_u64.. {
            self.rest(1_000, 4_000).await;
            if since.elapsed() >= length {
                break;
            }
            if round >= 3 {
                number = self.random.between(0, 2);
            }
            match number % 3 {
                0 => self.kill_manager().await?,
                1 => self.kill_engine().await?,
                _ => self.stop_engine(length).await?,
            }
            number += 1;
        }
        Ok(())
    }

    async fn rest(&mut self, low: u64, high: u64) {
        sleep(Duration::from_millis(self.random.between(low, high))).await;
    }

    async fn kill_manager(&mut self) -> Result<()> {
        let which = self.random.between(0, MANAGERS as u64 - 1) as usize;
        let new = self.start_manager()?;
        let mut old = std::mem::replace(&mut self.managers[which], new);
        if let Some(status) = old.child.try_wait().context("look at a manager")? {
            bail!("a manager ended by itself with {status}");
        }
        old.child.kill().await.context("kill a manager")?;
        old.reader.await.context("hear a manager")?;
        self.counts.done("fault: manager killed");
        Ok(())
    }

    async fn kill_engine(&mut self) -> Result<()> {
        let from = now();
        self.chore.order(Order::Kill).await?;
        self.rest(0, 3_000).await;
        if self.random.between(0, 2) == 0 {
            self.kill_manager().await?;
        }
        self.chore.order(Order::Start).await?;
        self.note(Kind::Killed, from, "fault: engine killed and started");
        Ok(())
    }

    async fn stop_engine(&mut self, length: Duration) -> Result<()> {
        let longest = length.as_millis().min(120_000) as u64 / 6;
        let from = now();
        self.chore.order(Order::Stop).await?;
        self.rest(500, longest.max(1_000)).await;
        if self.random.between(0, 2) == 0 {
            self.kill_manager().await?;
        }
        self.chore.order(Order::Continue).await?;
        self.note(Kind::Stopped, from, "fault: engine stopped for a while");
        Ok(())
    }

    fn note(&mut self, kind: Kind, from: u64, what: &str) {
        let to = now();
        self.troubles.push(Trouble { kind, from, to });
        self.counts.done(what);
    }

    async fn end_managers(&mut self) -> Result<()> {
        for manager in &mut self.managers {
            let stop = manager.orders.write_all(b"stop\n").await;
            stop.context("tell a manager to stop")?;
        }
        for mut manager in self.managers.drain(..) {
            let ended = timeout(ENDING, manager.child.wait()).await;
            let status = ended.context("a manager does not come to its end")??;
            if !status.success() {
                bail!("a manager ended with {status}");
            }
            manager.reader.await.context("hear a manager")?;
        }
        Ok(())
    }

    /// What a manager that starts now finds left of killed ones goes.
    async fn reap(&mut self, foreign: &Foreign) -> Result<()> {
        let manager = self.place.manager(1)?;
        let since = Instant::now();
        loop {
            for _ in 0..manager.reap_orphans().await? {
                self.counts.done("containers reaped by the last manager");
            }
            let listed = self.engine.list(&selector()).await?;
            if listed.iter().all(|it| foreign.has(&it.name)) || since.elapsed() > REAPING {
                return Ok(());
            }
            sleep(Duration::from_millis(500)).await;
        }
    }
}

fn selector() -> BTreeMap<String, String> {
    BTreeMap::from([("clawbox.schema".to_owned(), "1".to_owned())])
}

/// How long an engine that was away may still take a container for running that has ended meanwhile, in milliseconds.
const LAG: u64 = 3_000;

/// Looks at the engine for containers that run after their deadline, whoever should have ended them.
struct Overdue {
    found: Arc<Mutex<BTreeSet<String>>>,
    task: JoinHandle<()>,
}

impl Overdue {
    fn watch(engine: Engine) -> Self {
        let found = Arc::<Mutex<BTreeSet<String>>>::default();
        let noted = Arc::clone(&found);
        let task = tokio::spawn(async move {
            let mut suspects = BTreeMap::<String, u64>::new();
            loop {
                sleep(Duration::from_secs(1)).await;
                let asked = now();
                // An engine that does not answer tells nothing.
                let Ok(Ok(listed)) =
                    timeout(Duration::from_secs(4), engine.list(&selector())).await
                else {
                    continue;
                };
                let known = std::mem::take(&mut suspects);
                for container in listed {
                    let deadline = container.labels.get("clawbox.deadline");
                    let deadline = deadline.and_then(|it| it.parse::<u64>().ok());
                    let is_ours =
                        container.labels.get("clawbox.container_id") == Some(&container.name);
                    let over = deadline.is_some_and(|it| it * 1_000 + LATE < asked);
                    if !is_ours || !over || container.phase != EnginePhase::Running {
                        continue;
                    }
                    let since = known.get(&container.name).copied().unwrap_or(asked);
                    if since + LAG < asked {
                        let mut noted = noted.lock().unwrap_or_else(PoisonError::into_inner);
                        noted.insert(container.name.clone());
                    }
                    suspects.insert(container.name, since);
                }
            }
        });
        Self { found, task }
    }

    fn end(self) -> BTreeSet<String> {
        self.task.abort();
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *found)
    }
}
