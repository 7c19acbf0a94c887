//! One engine under the suite: made ready once, then case by case.

use crate::{
    case::{Case, in_turn},
    catalogue::judged,
    check::{Stop, chain},
    context::{Context, Scene},
    declared::Declarations,
    host::{DeadRun, Host},
    report::{CaseReport, Outcome, Summary},
    sabotage::Sabotage,
};
use clawbox_containers::{
    ContainerBackend, ContainerEngine, ContainerManager, ContainerResult, ContainerSecurityConfig,
    ManagerConfig,
    engine::{EngineError, EngineErrorKind},
};
use clawbox_types::{EngineInfo, ImageRef, PullPolicy};
use futures_util::{FutureExt, StreamExt, stream};
use std::{
    any::Any,
    env,
    error::Error,
    panic::AssertUnwindSafe,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{sync::RwLock, time::timeout};

/// The image that every case runs: a static busybox and the probe, made by `cargo xtask fixture`.
pub const FIXTURE_IMAGE: &str = "ghcr.io/n0xmare/clawbox-fixture:1";
/// The environment variable that names another image in its place.
pub const FIXTURE_VARIABLE: &str = "CLAWBOX_FIXTURE_IMAGE";

/// How many cases run at once: most of them wait for the engine.
pub(crate) const JOBS: usize = 4;
/// The environment variable that gives each case another time than a minute, in whole seconds: an emulated machine, say,
/// takes some twenty times as long as others.
pub const CASE_SECONDS_VARIABLE: &str = "CLAWBOX_CONFORMANCE_CASE_SECONDS";

/// How long one case may take; none should come near.
pub(crate) const CASE_LIMIT: Duration = Duration::from_secs(60);
/// How long ending what a case left running may take, likewise.
const CLOSE_LIMIT: Duration = Duration::from_secs(60);
/// How long the engine has to say who it is.
const PROBE_LIMIT: Duration = Duration::from_secs(10);

/// An engine that is ready for cases.
pub(crate) struct ReadyEngine {
    engine: Arc<dyn ContainerEngine>,
    pub(crate) info: EngineInfo,
    scene: Arc<Scene>,
    /// Held by every case; alone by those that measure time.
    turns: RwLock<()>,
}

/// Why no case can run.
#[derive(Debug, Clone)]
pub(crate) struct NotReady {
    pub(crate) why: String,
    /// The engine is there, so this is a failure wherever it happens.
    pub(crate) unfit: bool,
}

impl NotReady {
    pub(crate) fn from_engine(error: &EngineError) -> Self {
        Self {
            why: chain(error),
            unfit: error.kind() != EngineErrorKind::Unavailable,
        }
    }

    fn unfit(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            unfit: true,
        }
    }
}

impl ReadyEngine {
    /// Asks the engine who it is, removes what a crashed run left there, and looks for the fixture image.
    pub(crate) async fn prepare(
        engine: Arc<dyn ContainerEngine>,
        declared: Declarations,
    ) -> Result<Self, NotReady> {
        let endpoint = engine.endpoint();
        let info = timeout(PROBE_LIMIT, engine.probe())
            .await
            .map_err(|_| NotReady {
                why: format!("{endpoint} did not answer within {PROBE_LIMIT:?}"),
                unfit: false,
            })?
            .map_err(|error| NotReady::from_engine(&error))?;
        let case_limit = case_limit(env::var(CASE_SECONDS_VARIABLE).ok())?;
        let image = env::var(FIXTURE_VARIABLE).unwrap_or_else(|_| FIXTURE_IMAGE.to_owned());
        let (host, dead) = Host::enter(&endpoint)
            .map_err(|error| NotReady::unfit(format!("no directory for the run: {error}")))?;
        let ready = Self {
            engine,
            info,
            scene: Arc::new(Scene {
                image,
                host,
                declared,
                case_limit,
            }),
            turns: RwLock::default(),
        };
        ready.remove_leftovers(dead).await?;
        ready.find_image().await?;
        Ok(ready)
    }

    /// What is left of runs whose process is dead, as their leases tell.
    async fn remove_leftovers(&self, dead: Vec<DeadRun>) -> Result<(), NotReady> {
        let left = |error: &dyn Error| {
            NotReady::unfit(format!(
                "what an earlier run left could not be removed: {}",
                chain(error)
            ))
        };
        self.reap(self.scene.host.leases())
            .await
            .map_err(|e| left(&e))?;
        for run in dead {
            for dir in run.dirs().map_err(|e| left(&e))? {
                self.reap(&dir).await.map_err(|e| left(&e))?;
            }
            run.remove().map_err(|e| left(&e))?;
        }
        Ok(())
    }

    /// Removes the containers of owners whose leases below `dir` are dead.
    async fn reap(&self, dir: &Path) -> ContainerResult<()> {
        let config = ManagerConfig::default().with_state_dir(Some(dir.to_owned()));
        let security = ContainerSecurityConfig::default();
        let manager = ContainerManager::new(Arc::clone(&self.engine), &security, config)?;
        manager.reap_orphans().await.map(drop)
    }

    async fn find_image(&self) -> Result<(), NotReady> {
        let image: ImageRef = self
            .scene
            .image
            .parse()
            .map_err(|error| NotReady::unfit(format!("{FIXTURE_VARIABLE}: {error}")))?;
        let found = self
            .engine
            .ensure_image(&image, PullPolicy::Never, &|_| {})
            .await;
        found.map(drop).map_err(|error| {
            NotReady::unfit(format!(
                "{} has no image {image}; make it with `cargo xtask fixture`: {}",
                self.engine.endpoint(),
                chain(&error)
            ))
        })
    }

    /// Runs one case in its turn.
    pub(crate) async fn run(&self, case: &Case) -> CaseReport {
        let (shared, alone);
        if case.is_alone() {
            alone = self.turns.write().await;
            let _ = &alone;
        } else {
            shared = self.turns.read().await;
            let _ = &shared;
        }
        let engine = Arc::clone(&self.engine);
        run_case(engine, Arc::clone(&self.scene), None, case).await
    }
}

fn case_limit(seconds: Option<String>) -> Result<Duration, NotReady> {
    let Some(seconds) = seconds else {
        return Ok(CASE_LIMIT);
    };
    match seconds.parse::<u32>() {
        Ok(given @ 1..) => Ok(Duration::from_secs(given.into())),
        _ => Err(NotReady::unfit(format!(
            "{CASE_SECONDS_VARIABLE}: {seconds:?} is not a number of seconds from 1 to {}",
            u32::MAX
        ))),
    }
}

/// Runs one case, ends what it left running and looks for leaks.
pub(crate) async fn run_case(
    engine: Arc<dyn ContainerEngine>,
    scene: Arc<Scene>,
    sabotage: Option<&'static Sabotage>,
    case: &Case,
) -> CaseReport {
    if let Some(why) = scene.declared.excuse(case) {
        return report(case, Outcome::Skipped { why }, Duration::ZERO);
    }
    let started = Instant::now();
    let case_limit = scene.case_limit;
    let context = Context::new(engine, scene, sabotage);
    let ended = AssertUnwindSafe(timeout(case_limit, (case.function())(&context)))
        .catch_unwind()
        .await;
    let leaks = timeout(CLOSE_LIMIT, context.close()).await;
    let leaks =
        leaks.unwrap_or_else(|_| vec![format!("what could not be ended within {CLOSE_LIMIT:?}")]);
    let outcome = match ended {
        Ok(Ok(Ok(()))) if leaks.is_empty() => Outcome::Passed,
        Ok(Ok(Err(Stop::Skipped(why)))) if leaks.is_empty() => Outcome::Skipped { why },
        Ok(Ok(Ok(()) | Err(Stop::Skipped(_)))) => failed(String::new(), &leaks),
        Ok(Ok(Err(Stop::Failed(message)))) => failed(message, &leaks),
        Ok(Err(_)) => failed(format!("did not end within {case_limit:?}"), &leaks),
        Err(panic) => failed(format!("panicked: {}", words(&*panic)), &leaks),
    };
    report(case, outcome, started.elapsed())
}

fn failed(message: String, leaks: &[String]) -> Outcome {
    let leaks = leaks.iter().map(|leak| format!("left behind: {leak}"));
    let lines: Vec<String> = [message].into_iter().chain(leaks).collect();
    Outcome::Failed {
        message: lines.join("\n").trim_start().to_owned(),
    }
}

fn words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without words")
}

fn report(case: &Case, outcome: Outcome, took: Duration) -> CaseReport {
    CaseReport {
        id: case.id().to_owned(),
        area: case.area().to_owned(),
        title: case.title().to_owned(),
        outcome,
        millis: took.as_millis().try_into().unwrap_or(u64::MAX),
    }
}

/// Runs the cases that `filter` selects, on the caller's runtime, and tells `on_result` of each as it ends.
///
/// Cases that need what is `declared` are skipped, and its twins are run.
///
/// Where the engine cannot be reached, or does not hold the fixture image, every case is
/// [`NotRun`](Outcome::NotRun) with the reason.
pub async fn run_cases(
    engine: Arc<dyn ContainerEngine>,
    declared: Declarations,
    filter: impl Fn(&Case) -> bool,
    mut on_result: impl FnMut(&CaseReport),
) -> Summary {
    let selected: Vec<&'static Case> = declared.cases().filter(|case| filter(case)).collect();
    let ready = match ReadyEngine::prepare(engine, declared).await {
        Ok(ready) => Arc::new(ready),
        Err(NotReady { why, unfit }) => {
            let not_run = selected
                .iter()
                .map(|case| report(case, Outcome::NotRun { why: why.clone() }, Duration::ZERO));
            let cases: Vec<CaseReport> = not_run.collect();
            cases.iter().for_each(on_result);
            return Summary {
                engine: None,
                catalogue: Vec::new(),
                cases,
                unfit,
            };
        }
    };
    let mut results = stream::iter(in_turn(selected.iter().copied()))
        .map(|case| {
            let ready = Arc::clone(&ready);
            async move {
                let result = tokio::spawn(async move { ready.run(case).await }).await;
                // Panics of a case are caught with the case.
                result.unwrap_or_else(|error| {
                    report(case, failed(error.to_string(), &[]), Duration::ZERO)
                })
            }
        })
        .buffer_unordered(JOBS);
    let mut reports = Vec::new();
    while let Some(report) = results.next().await {
        on_result(&report);
        reports.push(report);
    }
    reports.sort_by_key(|report| selected.iter().position(|case| case.id() == report.id));
    Summary {
        engine: Some(ready.info.clone()),
        catalogue: judged(&reports),
        cases: reports,
        unfit: false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_has_a_minute_or_the_seconds_that_are_given() {
        assert_eq!(case_limit(None).unwrap(), Duration::from_secs(60));
        let given = case_limit(Some("900".to_owned())).unwrap();
        assert_eq!(given, Duration::from_secs(900));
        for bad in ["", "0", "-1", "1.5", "15m", "4294967296"] {
            let refused = case_limit(Some(bad.to_owned())).unwrap_err();
            assert!(refused.unfit);
            let named = format!("{CASE_SECONDS_VARIABLE}: {bad:?} is not");
            assert!(refused.why.starts_with(&named), "{}", refused.why);
        }
    }
}
