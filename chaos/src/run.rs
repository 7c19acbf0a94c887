//! The run: managers in processes of their own, and what befalls them and their engine.

use crate::chore::{Chore, Order};
use crate::counts::Counts;
use crate::foreign::Foreign;
use crate::overdue::{Overdue, selector};
use crate::place::{Engine, Place};
use crate::random::Random;
use crate::story::{Kind, Line, Trouble, now};
use crate::tally::{compare, entries, judge};
use anyhow::{Context as _, Result, bail};
use clap::ValueEnum as _;
use clawbox::ContainerBackend as _;
use std::{fs, os::unix::fs::DirBuilderExt as _, process::Stdio, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    process::{Child, ChildStdin, Command},
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

const MANAGERS: usize = 2;
/// How many kinds of faults there are.
const FAULTS: u64 = 5;
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
        let mut number = self.random.between(0, FAULTS - 1);
        for round in 0_u64.. {
            self.rest(1_000, 4_000).await;
            if since.elapsed() >= length && round >= FAULTS {
                break;
            }
            if round >= FAULTS {
                number = self.random.between(0, FAULTS - 1);
            }
            match number % FAULTS {
                0 => self.kill_manager().await?,
                1 => {
                    self.down(Order::Kill, "fault: engine killed and started")
                        .await?
                }
                2 => self.stop_engine(length).await?,
                3 => self.fill_disk().await?,
                _ => {
                    self.down(Order::Leave, "fault: engine restarted in order")
                        .await?
                }
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

    /// The engine is away for a while.
    async fn down(&mut self, how: Order, fault: &str) -> Result<()> {
        let from = now();
        self.chore.order(how).await?;
        self.rest(0, 3_000).await;
        self.perhaps_kill_manager().await?;
        self.chore.order(Order::Start).await?;
        self.note(Kind::Down, from, fault);
        Ok(())
    }

    /// Its disk has no room for a while.
    async fn fill_disk(&mut self) -> Result<()> {
        let from = now();
        let filled = self.chore.order(Order::Fill).await?;
        if filled == "none" {
            self.counts
                .done("no fault: the engine has no disk of its own that could be filled");
            return Ok(());
        }
        self.rest(2_000, 6_000).await;
        self.perhaps_kill_manager().await?;
        self.chore.order(Order::Empty).await?;
        self.note(Kind::Full, from, &format!("fault: disk full ({filled})"));
        Ok(())
    }

    async fn perhaps_kill_manager(&mut self) -> Result<()> {
        match self.random.between(0, 2) {
            0 => self.kill_manager().await,
            _ => Ok(()),
        }
    }

    async fn stop_engine(&mut self, length: Duration) -> Result<()> {
        let longest = length.as_millis().min(120_000) as u64 / 6;
        let from = now();
        self.chore.order(Order::Stop).await?;
        self.rest(500, longest.max(1_000)).await;
        self.perhaps_kill_manager().await?;
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

    /// What a manager that starts now finds left of killed ones goes: containers, and then their owners' leases.
    async fn reap(&mut self, foreign: &Foreign) -> Result<()> {
        let manager = self.place.manager(1)?;
        let since = Instant::now();
        loop {
            for _ in 0..manager.reap_orphans().await? {
                self.counts.done("containers reaped by the last manager");
            }
            let listed = self.engine.list(&selector()).await?;
            let state = self.place.state.as_deref().context("no state folder")?;
            if listed.iter().all(|it| foreign.has(&it.name)) && entries(state)?.is_empty() {
                return Ok(());
            }
            if since.elapsed() > REAPING {
                for left in manager.survey().await? {
                    println!("still there: {left:?}");
                }
                return Ok(());
            }
            sleep(Duration::from_millis(500)).await;
        }
    }
}
