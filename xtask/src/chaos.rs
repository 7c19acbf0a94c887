//! `cargo xtask chaos`: managers on a private engine that is killed, stopped and emptied under them.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::consent::Consent;
use crate::engines::session::Session;
use crate::engines::{Fallen, Kind, Service, runner};
use crate::image::Fixture;
use crate::interrupt;
use crate::say::say;
use crate::workspace::cargo;

/// What begins a line that is for us; all others are for people.
const MARK: &str = "@engine ";

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// How long faults are injected
    #[arg(long, default_value_t = 10)]
    minutes: u64,
    /// On which engine; one after the other on both where none is named
    #[arg(long, value_enum)]
    engine: Option<Engine>,
    /// What chance is made of; another each time where none is named
    #[arg(long)]
    seed: Option<u64>,
    /// No faults: so many spawns through a manager that may have sixteen containers
    #[arg(long, value_name = "COUNT", conflicts_with = "minutes")]
    spawns: Option<u64>,
    /// No faults: so many containers that a dead manager has left, and a reaper
    #[arg(long, value_name = "COUNT", conflicts_with_all = ["minutes", "spawns"])]
    orphans: Option<u64>,
    /// Install missing packages, and make the rootless engine's user, without asking
    #[arg(long)]
    yes: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Engine {
    Docker,
    PodmanRootless,
}

impl Engine {
    fn kind(self) -> Kind {
        match self {
            Self::Docker => Kind::Docker,
            Self::PodmanRootless => Kind::PodmanRootless,
        }
    }
}

pub(crate) fn run(options: &Options) -> Result<()> {
    interrupt::note()?;
    let consent = Consent::new(options.yes);
    let fixture = Fixture::build(consent)?;
    let kinds = match options.engine {
        Some(engine) => vec![engine.kind()],
        None => vec![Kind::Docker, Kind::PodmanRootless],
    };
    let part = match (options.spawns, options.orphans) {
        (Some(count), _) => Part::Spawns(count),
        (None, Some(count)) => Part::Orphans(count),
        (None, None) => Part::Run(options.minutes * 60),
    };
    for kind in kinds {
        let seed = options.seed.unwrap_or_else(any_seed);
        on(kind, consent, &fixture, part, seed)?;
    }
    Ok(())
}

/// Each fault once, on all of these engines at a time: the part of the test command.
pub(crate) fn short(kinds: &[Kind], consent: Consent) -> Result<()> {
    let fixture = &Fixture::build(consent)?;
    let part = Part::Run(SHORT);
    thread::scope(|scope| {
        let start = |&kind| scope.spawn(move || on(kind, consent, fixture, part, any_seed()));
        let runs: Vec<_> = kinds.iter().map(start).collect();
        let ends: Vec<_> = runs.into_iter().map(|run| run.join()).collect();
        ends.into_iter().try_for_each(|end| match end {
            Ok(end) => end,
            Err(_) => bail!("a run of chaos panicked"),
        })
    })
}

fn on(kind: Kind, consent: Consent, fixture: &Fixture, part: Part, seed: u64) -> Result<()> {
    let session = Session::begin_on_small_disk(kind, consent)?;
    let done = fixture
        .import(&session)
        .and_then(|()| wreak(&session, part, seed));
    session.end()?;
    done
}

fn any_seed() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// So many seconds are over before each fault has been there, and then it ends.
const SHORT: u64 = 15;

/// What is done to an engine.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Part {
    /// Faults, for so many seconds.
    Run(u64),
    /// So many spawns.
    Spawns(u64),
    /// So many containers without a manager.
    Orphans(u64),
}

/// Runs the managers, and does to their engine what they ask for.
pub(crate) fn wreak(session: &Session, part: Part, seed: u64) -> Result<()> {
    let service = Service::of_workspace(session.kind)?;
    if service.endpoint() != session.endpoint {
        let endpoint = &session.endpoint;
        bail!("the engine at {endpoint} is not of our own, and is not to be killed");
    }
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let (name, version) = (service.name(), session.endpoint.version()?);
    say!(
        "{name} {version}, Linux {}, {part:?}, seed {seed}",
        kernel.trim()
    );
    let mut program = cargo(["run", "--quiet", "-p", "clawbox-chaos"])?;
    if session.kind == Kind::PodmanRootless {
        let mut runner = runner::as_user(&service)?;
        if !runner.is_empty() {
            // It ends with what its program has in the environment.
            runner.push(format!("DOCKER_HOST={}", session.endpoint));
            program.args(["--config", &runner::as_setting(&runner)]);
        }
    }
    program.args(["--", "--engine", session.kind.name()]);
    program.args(["--endpoint", &session.endpoint.to_string()]);
    program.args(["--seed", &seed.to_string()]);
    match part {
        Part::Run(seconds) => program.args(["run", "--seconds", &seconds.to_string()]),
        Part::Spawns(count) => program.args(["spawns", "--count", &count.to_string()]),
        Part::Orphans(count) => program.args(["orphans", "--count", &count.to_string()]),
    };
    program.env("DOCKER_HOST", session.endpoint.to_string());
    attend(&mut program, &service)
}

fn attend(program: &mut Command, service: &Service) -> Result<()> {
    let mut child = program
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("start the managers")?;
    let mut answers = child.stdin.take().context("the managers' input")?;
    let told = child.stdout.take().context("the managers' output")?;
    let mut engine = Held {
        service,
        fallen: None,
    };
    for line in BufReader::new(told).lines() {
        let line = line.context("hear the managers")?;
        let Some(order) = line.strip_prefix(MARK) else {
            say!("{}: {line}", service.name());
            continue;
        };
        let answer = match engine.obey(order) {
            Ok(Value::Null) => "done ".to_owned(),
            Ok(Value::String(word)) => format!("done {word}"),
            Ok(value) => format!("done {value}"),
            Err(why) => format!("failed {why:#}").replace('\n', " | "),
        };
        writeln!(answers, "{answer}").context("answer the managers")?;
    }
    drop(answers);
    let status = child.wait().context("wait for the managers")?;
    // Whatever has become of them, the engine is to be ended, and a stopped one could not.
    service.resume()?;
    if !status.success() {
        bail!("chaos ended with {status}");
    }
    Ok(())
}

/// An engine, and its mounts while it is away.
struct Held<'a> {
    service: &'a Service,
    fallen: Option<Fallen>,
}

impl Held<'_> {
    fn obey(&mut self, order: &str) -> Result<Value> {
        match order {
            "kill" => self.fallen = Some(self.service.kill()?),
            "leave" => self.fallen = Some(self.service.leave()?),
            "start" => {
                let fallen = self.fallen.take().context("it was not killed")?;
                self.service.rise(&fallen)?;
            }
            "stop" => self.service.stop()?,
            "continue" => self.service.resume()?,
            "fill" => {
                let filled = self.service.fill()?;
                return Ok(filled.unwrap_or_else(|| "none".to_owned()).into());
            }
            "empty" => self.service.empty()?,
            "names" => return self.names(),
            other => bail!("no such order: {other:?}"),
        }
        Ok(Value::Null)
    }

    /// All containers and volumes, in the words that both engines have.
    fn names(&self) -> Result<Value> {
        let endpoint = self.service.endpoint();
        let get = |path| endpoint.request("GET", path, &[])?.json();
        let containers = get("/containers/json?all=1")?;
        let containers = containers.as_array().context("no list of containers")?;
        let name = |it: &Value| {
            let name = it["Names"][0].as_str().unwrap_or_default();
            name.trim_start_matches('/').to_owned()
        };
        let containers: Vec<String> = containers.iter().map(name).collect();
        let volumes = get("/volumes")?;
        let volumes = volumes["Volumes"].as_array();
        let volumes: Vec<&str> = volumes
            .into_iter()
            .flatten()
            .filter_map(|it| it["Name"].as_str())
            .collect();
        Ok(json!({ "containers": containers, "volumes": volumes }))
    }
}
