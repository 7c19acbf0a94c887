//! The suite as a test target.

use crate::{
    case::{Case, in_turn},
    cases::cases,
    ledger::Ledger,
    report::{self, CaseReport, Outcome},
    suite::{JOBS, NotReady, Suite},
};
use clawbox_containers::{ContainerEngine, engine::EngineResult};
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use std::{
    env,
    future::Future,
    process::ExitCode,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::runtime::{Builder, Handle};

/// The environment variable that lists, with commas between them, the backends that must be reached.
pub const REQUIRE_VARIABLE: &str = "CLAWBOX_REQUIRE";

/// The environment variable that names a file for the [`Summary`](crate::Summary) of a whole run, as JSON.
pub const REPORT_VARIABLE: &str = "CLAWBOX_CONFORMANCE_REPORT";

/// Runs the suite as a test program's whole `main`, with the usual arguments and output of one.
///
/// No case may be skipped: [`run_with_ledger`] is for backends where some are.
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
    run_with_ledger(name, "", connect)
}

/// As [`run`], for a backend that cannot be asked everything.
///
/// `ledger` has a line for each case that is expected to be skipped: its id, a colon and the reason. Lines that
/// begin with `#` say something to their readers. A case that is skipped and not in the ledger fails, and so does
/// one that is there and was not skipped.
pub fn run_with_ledger<E, F, Fut>(name: &'static str, ledger: &'static str, connect: F) -> ExitCode
where
    F: FnOnce() -> Fut,
    Fut: Future<Output = EngineResult<E>>,
    E: ContainerEngine,
{
    let ledger = match Ledger::parse(ledger) {
        Ok(ledger) => Arc::new(ledger),
        Err(wrong) => {
            eprintln!("error: the ledger of {name}: {wrong}");
            return ExitCode::FAILURE;
        }
    };
    let mut arguments = Arguments::from_args();
    arguments.test_threads.get_or_insert(JOBS);
    if arguments.list {
        let listed = cases().map(|case| trial(case, || Ok(Completion::Completed)));
        return libtest_mimic::run(&arguments, listed.collect()).exit_code();
    }
    let runtime = match Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: no runtime to run cases on: {error}");
            return ExitCode::FAILURE;
        }
    };
    let ready = runtime.block_on(async {
        let engine = connect().await;
        let engine = engine.map_err(|error| NotReady::from_engine(&error))?;
        Suite::prepare(Arc::new(engine)).await
    });
    match ready {
        Ok(suite) => {
            let info = &suite.info;
            eprintln!(
                "{name}: {} {} at {}",
                info.name, info.version, info.endpoint
            );
            let told = Arc::new(Mutex::new(Vec::new()));
            let run = Arc::new(Run {
                suite,
                ledger,
                handle: runtime.handle().clone(),
                told: Arc::clone(&told),
            });
            let info = run.suite.info.clone();
            let trials = in_turn(cases()).map(|case| {
                let run = Arc::clone(&run);
                trial(case, move || run.judge(case))
            });
            let conclusion = libtest_mimic::run(&arguments, trials.collect());
            let cases = std::mem::take(&mut *told.lock().unwrap_or_else(PoisonError::into_inner));
            match report::write(Some(info), cases) {
                Ok(()) => conclusion.exit_code(),
                Err(error) => {
                    eprintln!("error: the report cannot be written: {error}");
                    ExitCode::FAILURE
                }
            }
        }
        Err(not_ready) => not_run(name, &arguments, &not_ready),
    }
}

/// What the cases of one run share.
struct Run {
    suite: Suite,
    ledger: Arc<Ledger>,
    handle: Handle,
    told: Arc<Mutex<Vec<CaseReport>>>,
}

impl Run {
    fn judge(&self, case: &Case) -> Result<Completion, Failed> {
        let mut report = self.handle.block_on(self.suite.run(case));
        report.outcome = self.ledger.judge(case, report.outcome);
        let outcome = report.outcome.clone();
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.push(report);
        match outcome {
            Outcome::Passed => Ok(Completion::Completed),
            Outcome::Failed { message } => Err(format!("{}\n{message}", case.title()).into()),
            skipped => Ok(Completion::ignored_with(skipped)),
        }
    }
}

/// Lists every case with the reason why none was run, which is a failure where it must not happen.
fn not_run(name: &str, arguments: &Arguments, not_ready: &NotReady) -> ExitCode {
    let NotReady { why, unfit } = not_ready;
    let trials = cases().map(|case| {
        let outcome = Outcome::NotRun { why: why.clone() };
        trial(case, move || Ok(Completion::ignored_with(outcome)))
    });
    let conclusion = libtest_mimic::run(arguments, trials.collect());
    if let Err(error) = report::write(None, Vec::new()) {
        eprintln!("error: the report cannot be written: {error}");
        return ExitCode::FAILURE;
    }
    if *unfit {
        eprintln!("error: {name} was not run: {why}");
    } else if is_required(name) {
        eprintln!("error: {name} is required by {REQUIRE_VARIABLE} and was not run: {why}");
    } else {
        eprintln!("{name} was not run: {why}");
        return conclusion.exit_code();
    }
    ExitCode::FAILURE
}

fn is_required(name: &str) -> bool {
    env::var(REQUIRE_VARIABLE).is_ok_and(|names| names.split(',').any(|word| word.trim() == name))
}

fn trial(case: &Case, run: impl FnOnce() -> Result<Completion, Failed> + Send + 'static) -> Trial {
    Trial::ignorable_test(case.id(), run)
}
