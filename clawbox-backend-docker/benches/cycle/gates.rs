//! What the two gates cost of a spawn: the same spawns with both shut off, which exists here and nowhere else.
//!
//! Off, the engine's inspection before the start repeats the plan without asking Docker, and process 1 is asked nothing:
//! a relay between it and its manager answers with what another container's had said. On, all of it takes place, through
//! the same relay, and the asking is timed, as engines are too restless for a difference of two medians to tell of
//! milliseconds. What is left in both is core's own comparing, which is measured apart and added.

use crate::{
    Outcome,
    relay::Relay,
    request,
    table::{Table, percentile},
};
use async_trait::async_trait;
use clawbox_backend_docker::DockerEngine;
use clawbox_containers::{
    ContainerBackend, ContainerEngine, ContainerManager, ContainerPlan, ContainerSecurityConfig,
    ManagerConfig,
    engine::{
        EngineError, EngineErrorKind, EnginePhase, EngineResult, EngineState, EngineWarning,
        ImageFacts, Inspection, ListedContainer, OutputChunks, PullProgress, Removal, Signal,
    },
    facts::ObservedFacts,
    init::Carrier,
    kernel::{OwnNamespaces, judge},
    types::{ContainerId, EngineInfo, ImageRef, PullPolicy, Verdict},
    verify::verify,
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

const SPAWNS: usize = 60;
/// What both gates may cost, of a spawn.
const MOST: f64 = 0.05;
/// How often core compares, to see how long it takes.
const COMPARISONS: usize = 100;

pub(crate) async fn measure(host: &str) -> Outcome<()> {
    let clock = Arc::new(Clock::default());
    let relay = Arc::new(Relay::new(Arc::clone(&clock)));
    let manager = |gates| -> Outcome<_> {
        let engine = Gated {
            docker: DockerEngine::connect(Some(host))?,
            gates,
            clock: Arc::clone(&clock),
            relay: Arc::clone(&relay),
            first: Mutex::default(),
        };
        let security = ContainerSecurityConfig::default();
        Ok(ContainerManager::new(
            engine,
            &security,
            ManagerConfig::default(),
        )?)
    };
    let managers = [manager(Gates::Off)?, manager(Gates::On)?];
    // What its process 1 answers is repeated afterwards.
    spawn(&managers[1]).await?;
    let comparing = compare(&relay)?;

    let mut table = Table::new(["both gates off", "both gates on"]);
    let mut differences = Vec::new();
    for round in 0..=SPAWNS {
        let mut took = [Duration::ZERO; 2];
        for turn in 0..2 {
            let way = (round + turn) % 2;
            took[way] = spawn(&managers[way]).await?;
            table.note(round, way, took[way]);
        }
        if round > 0 {
            differences.push(millis(took[1]) - millis(took[0]));
        }
    }
    let [_, on] = table.print("spawns, each through the relay");
    differences.sort_unstable_by(f64::total_cmp);
    let quartile = |n| differences[differences.len() * n / 4];
    println!(
        "on, a spawn takes {:.2} ms more (the half in the middle: {:.2} to {:.2})",
        quartile(2),
        quartile(1),
        quartile(3)
    );

    let steps = [
        ("Docker's inspection", clock.p50(Step::Inspection)),
        ("process 1's answers", clock.p50(Step::Answers)),
        ("core's comparing", comparing),
    ];
    println!("\nwhat of it the gates are; milliseconds");
    println!("{:<24}{:>8}{:>12}", "", "p50", "of a spawn");
    let all = steps.iter().map(|(_, time)| time).sum();
    for (step, time) in steps.into_iter().chain([("both gates", all)]) {
        println!("{step:<24}{time:>8.2}{:>10.2} %", time / on * 100.0);
    }
    if all / on > MOST {
        return Err(format!("both gates may cost {:.0} % of a spawn", MOST * 100.0).into());
    }
    Ok(())
}

/// How long it takes until the command runs. The rest of the cycle is not counted.
async fn spawn(manager: &ContainerManager<Gated>) -> Outcome<Duration> {
    let start = Instant::now();
    let id = manager.spawn(request(["true"])).await?.container_id;
    let took = start.elapsed();
    let exit = manager.wait(&id).await?;
    manager.cleanup_stopped().await?;
    match exit.exit_code {
        Some(0) => Ok(took),
        _ => Err(format!("{exit:?}").into()),
    }
}

/// How long core compares what was planned with what it was told, at both gates: p50, in milliseconds.
fn compare(relay: &Relay) -> Outcome<f64> {
    let (spec, answers) = relay.recorded()?;
    let facts = ObservedFacts::as_planned(spec);
    let mut took = Vec::new();
    for _ in 0..COMPARISONS {
        let start = Instant::now();
        let own = OwnNamespaces::by_links(|path| {
            let target = std::fs::read_link(path).ok()?;
            Some(target.to_string_lossy().into_owned())
        });
        let report = judge(spec, &answers, &own, verify(spec, &facts, &[]));
        took.push(start.elapsed());
        let mut items = report.items.iter();
        if items.any(|item| item.verdict != Verdict::Enforced) {
            return Err(format!("the record is not of such a container: {report:?}").into());
        }
    }
    Ok(percentile(&mut took, 50))
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// A part of a spawn in which somebody is asked.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    Inspection,
    Answers,
}

/// How long each of them took, in every spawn with the gates on.
#[derive(Default)]
pub(crate) struct Clock([Mutex<Vec<Duration>>; 2]);

impl Clock {
    pub(crate) fn note(&self, step: Step, since: Instant) {
        self.times(step).push(since.elapsed());
    }

    fn p50(&self, step: Step) -> f64 {
        percentile(&mut self.times(step), 50)
    }

    fn times(&self, step: Step) -> MutexGuard<'_, Vec<Duration>> {
        let times = self.0[step as usize].lock();
        times.unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gates {
    On,
    Off,
}

struct Gated {
    docker: DockerEngine,
    gates: Gates,
    clock: Arc<Clock>,
    relay: Arc<Relay>,
    /// Of each container that was not inspected yet, what that is to repeat, if anything.
    first: Mutex<BTreeMap<String, Option<ObservedFacts>>>,
}

impl Gated {
    fn first(&self) -> MutexGuard<'_, BTreeMap<String, Option<ObservedFacts>>> {
        self.first.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl ContainerEngine for Gated {
    fn endpoint(&self) -> String {
        self.docker.endpoint()
    }

    fn carrier(&self) -> Carrier {
        self.docker.carrier()
    }

    async fn probe(&self) -> EngineResult<EngineInfo> {
        self.docker.probe().await
    }

    async fn ensure_image(
        &self,
        image: &ImageRef,
        pull: PullPolicy,
        progress: &(dyn Fn(PullProgress) + Send + Sync),
    ) -> EngineResult<ImageFacts> {
        self.docker.ensure_image(image, pull, progress).await
    }

    async fn create(&self, plan: &ContainerPlan) -> EngineResult<Vec<EngineWarning>> {
        let spec = plan.spec();
        let relayed = Arc::clone(&self.relay).stand_between(spec, self.gates);
        relayed.map_err(|error| {
            EngineError::new(EngineErrorKind::Refused, format!("the relay: {error}"))
        })?;
        let facts = (self.gates == Gates::Off).then(|| ObservedFacts::as_planned(spec));
        self.first().insert(spec.identity.name.clone(), facts);
        self.docker.create(plan).await
    }

    async fn inspect(&self, id: &ContainerId) -> EngineResult<Inspection> {
        let first = self.first().remove(&id.to_string());
        match first {
            None => self.docker.inspect(id).await,
            Some(None) => {
                let start = Instant::now();
                let inspection = self.docker.inspect(id).await;
                self.clock.note(Step::Inspection, start);
                inspection
            }
            Some(Some(facts)) => Ok(Inspection {
                facts,
                state: EngineState {
                    phase: EnginePhase::Created,
                    exit_code: None,
                    oom_killed: false,
                    started_at: None,
                    finished_at: None,
                },
            }),
        }
    }

    async fn attach(&self, id: &ContainerId) -> EngineResult<OutputChunks> {
        self.docker.attach(id).await
    }

    async fn logs(&self, id: &ContainerId) -> EngineResult<OutputChunks> {
        self.docker.logs(id).await
    }

    async fn start(&self, id: &ContainerId) -> EngineResult<()> {
        self.docker.start(id).await
    }

    async fn wait(&self, id: &ContainerId) -> EngineResult<i32> {
        self.docker.wait(id).await
    }

    async fn kill(&self, id: &ContainerId, signal: Signal) -> EngineResult<()> {
        self.docker.kill(id, signal).await
    }

    async fn remove(&self, id: &ContainerId) -> EngineResult<Removal> {
        self.docker.remove(id).await
    }

    async fn list(&self, labels: &BTreeMap<String, String>) -> EngineResult<Vec<ListedContainer>> {
        self.docker.list(labels).await
    }
}
