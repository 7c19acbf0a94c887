//! The suite as a test target.

use crate::{
    case::{Case, in_turn},
    declared::Declarations,
    ledger::Ledger,
    report::{self, CaseReport, Outcome},
    suite::{JOBS, NotReady, ReadyEngine},
};
use clawbox_containers::{ContainerEngine, engine::EngineResult};
use clawbox_types::{EngineInfo, PolicyItem};
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use std::{
    env,
    future::Future,
    process::ExitCode,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::runtime::{Builder, Handle};

/// The environment variable that lists, with commas between them, the backends that must be reached.
pub const REQUIRE_VARIABLE: &str = "CLAWBOX_REQUIRE";

/// The environment variable that names a file for the [`Summary`](crate::Summary) of a whole run, as JSON.
pub const REPORT_VARIABLE: &str = "CLAWBOX_CONFORMANCE_REPORT";

/// Runs the suite as a test program's whole `main`, with the usual arguments and output of one.
///
/// No case may be skipped: [`Suite`] is for backends where some are.
///
/// `connect` is called once, on the suite's runtime. An error of kind `Unavailable`, from it or from the
/// engine's `probe`, means that the engine is not there: every case is then ignored as *not run*, and the exit
/// status is a success unless `CLAWBOX_REQUIRE` names this backend. Any other error is a failure, as is a
/// missing [fixture image](crate::FIXTURE_IMAGE).
///
/// Four cases run at once, where `--test-threads` says nothing else; those that measure time wait until they
/// are alone.
pub fn run<E, F, Fut>(name: &'static str, connect: F) -> ExitCode
where
    F: FnOnce() -> Fut,
    Fut: Future<Output = EngineResult<E>>,
    E: ContainerEngine,
{
    Suite::new(name).run(connect)
}

/// The suite as the test of a backend that cannot be asked everything.
///
/// ```no_run
/// # use clawbox_conformance::Suite;
/// # use clawbox_containers::{ContainerEngine, engine::EngineResult};
/// # use clawbox_types::PolicyItem;
/// # async fn connect() -> EngineResult<std::sync::Arc<dyn ContainerEngine>> { std::future::pending().await }
/// fn main() -> std::process::ExitCode {
///     Suite::new("mine")
///         .cannot(PolicyItem::Swap, "the kernel keeps no account of swap")
///         .ledger("limits/memory: memory goes to swap\ncgroups/no_swap: there is no limit to see")
///         .run(connect)
/// }
/// ```
#[derive(Debug)]
#[must_use = "nothing is run before `run`"]
pub struct Suite {
    name: &'static str,
    ledger: &'static str,
    declared: Vec<(PolicyItem, String)>,
    engine_init: Option<String>,
}

impl Suite {
    /// The suite as [`run`] runs it, for the backend of this name.
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            ledger: "",
            declared: Vec::new(),
            engine_init: None,
        }
    }

    /// Lists the cases that are expected to be skipped: a line for each, with its id, a colon and the reason.
    /// Lines that begin with `#` say something to their readers.
    ///
    /// A case that is skipped and not in the ledger fails, and so does one that is there and was not skipped.
    pub const fn ledger(mut self, ledger: &'static str) -> Self {
        self.ledger = ledger;
        self
    }

    /// Declares that the engine's host cannot enforce this item, and why.
    ///
    /// All cases run with that item in `allow_degraded`, those that need it are skipped, and its negative twin
    /// is run: without `allow_degraded` a spawn is refused and leaves nothing, with it the report says that the
    /// item is not enforced. An item that is enforced all the same fails there. What is not
    /// [declarable](crate::DECLARABLE), has no reason or is declared twice fails the whole run at once.
    pub fn cannot(mut self, item: PolicyItem, reason: impl Into<String>) -> Self {
        self.declared.push((item, reason.into()));
        self
    }

    /// Declares that process 1 is the engine's own, and why: the engine shares no files with this process, say.
    ///
    /// All cases run with [`InitProgram::Engine`](clawbox_containers::InitProgram::Engine), and those that need process 1 of ours are skipped.
    pub fn engine_init(mut self, reason: impl Into<String>) -> Self {
        self.engine_init = Some(reason.into());
        self
    }

    /// Runs it as [`run`] does.
    pub fn run<E, F, Fut>(self, connect: F) -> ExitCode
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = EngineResult<E>>,
        E: ContainerEngine,
    {
        match self.try_run(connect) {
            Ok(code) => code,
            Err(wrong) => {
                eprintln!("error: {wrong}");
                ExitCode::FAILURE
            }
        }
    }

    fn try_run<E, F, Fut>(self, connect: F) -> Result<ExitCode, String>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = EngineResult<E>>,
        E: ContainerEngine,
    {
        let Self {
            name,
            ledger,
            declared,
            engine_init,
        } = self;
        let ledger = Ledger::parse(ledger);
        let ledger = ledger.map_err(|wrong| format!("the ledger of {name}: {wrong}"))?;
        let declared = Declarations::new(declared);
        let mut declared =
            declared.map_err(|wrong| format!("the declarations of {name}: {wrong}"))?;
        if let Some(why) = engine_init {
            eprintln!("{name}: process 1 is the engine's own: {why}");
            declared = declared.with_engine_init(why);
        }
        let cases: Vec<&'static Case> = in_turn(declared.cases()).collect();
        let mut arguments = Arguments::from_args();
        arguments.test_threads.get_or_insert(JOBS);
        if arguments.list {
            let listed = cases
                .iter()
                .map(|case| trial(case, || Ok(Completion::Completed)));
            return Ok(libtest_mimic::run(&arguments, listed.collect()).exit_code());
        }
        let runtime = Builder::new_multi_thread().enable_all().build();
        let runtime = runtime.map_err(|error| format!("no runtime to run cases on: {error}"))?;
        let ready = runtime.block_on(async {
            let engine = connect().await;
            let engine = engine.map_err(|error| NotReady::from_engine(&error))?;
            ReadyEngine::prepare(Arc::new(engine), declared.clone()).await
        });
        let ready = match ready {
            Ok(ready) => ready,
            Err(not_ready) => return not_run(name, &arguments, &cases, &not_ready),
        };
        let info = ready.info.clone();
        eprintln!(
            "{name}: {} {} at {}",
            info.name, info.version, info.endpoint
        );
        for (item, why) in declared.iter() {
            eprintln!("{name}: {item} cannot be enforced: {why}");
        }
        let run = Arc::new(Run {
            ready,
            ledger,
            handle: runtime.handle().clone(),
            told: Mutex::default(),
        });
        let trials = cases.into_iter().map(|case| {
            let run = Arc::clone(&run);
            trial(case, move || run.judge(case))
        });
        let conclusion = libtest_mimic::run(&arguments, trials.collect());
        let told = std::mem::take(&mut *run.told());
        write(Some(info), told)?;
        Ok(conclusion.exit_code())
    }
}

/// What the cases of one run share.
struct Run {
    ready: ReadyEngine,
    ledger: Ledger,
    handle: Handle,
    told: Mutex<Vec<CaseReport>>,
}

impl Run {
    fn judge(&self, case: &Case) -> Result<Completion, Failed> {
        let mut report = self.handle.block_on(self.ready.run(case));
        report.outcome = self.ledger.judge(case, report.outcome);
        let outcome = report.outcome.clone();
        self.told().push(report);
        match outcome {
            Outcome::Passed => Ok(Completion::Completed),
            Outcome::Failed { message } => Err(format!("{}\n{message}", case.title()).into()),
            skipped => Ok(Completion::ignored_with(skipped)),
        }
    }

    fn told(&self) -> MutexGuard<'_, Vec<CaseReport>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn write(engine: Option<EngineInfo>, cases: Vec<CaseReport>) -> Result<(), String> {
    report::write(engine, cases).map_err(|error| format!("the report cannot be written: {error}"))
}

/// Lists every case with the reason why none was run, which is a failure where it must not happen.
fn not_run(
    name: &str,
    arguments: &Arguments,
    cases: &[&'static Case],
    not_ready: &NotReady,
) -> Result<ExitCode, String> {
    let NotReady { why, unfit } = not_ready;
    let trials = cases.iter().map(|case| {
        let outcome = Outcome::NotRun { why: why.clone() };
        trial(case, move || Ok(Completion::ignored_with(outcome)))
    });
    let conclusion = libtest_mimic::run(arguments, trials.collect());
    write(None, Vec::new())?;
    if *unfit {
        return Err(format!("{name} was not run: {why}"));
    }
    if is_required(name) {
        return Err(format!(
            "{name} is required by {REQUIRE_VARIABLE} and was not run: {why}"
        ));
    }
    eprintln!("{name} was not run: {why}");
    Ok(conclusion.exit_code())
}

pub(crate) fn is_required(name: &str) -> bool {
    env::var(REQUIRE_VARIABLE).is_ok_and(|names| names.split(',').any(|word| word.trim() == name))
}

fn trial(case: &Case, run: impl FnOnce() -> Result<Completion, Failed> + Send + 'static) -> Trial {
    Trial::ignorable_test(case.id(), run)
}
