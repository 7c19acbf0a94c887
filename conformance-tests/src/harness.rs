//! The suite as a test target.

use crate::{
    case::{Case, in_turn},
    cases::cases,
    report::Outcome,
    suite::{JOBS, NotReady, Suite},
};
use clawbox_containers::{ContainerEngine, engine::EngineResult};
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use std::{env, future::Future, process::ExitCode, sync::Arc};
use tokio::runtime::{Builder, Handle};

/// The environment variable that lists, with commas between them, the backends that must be reached.
pub const REQUIRE_VARIABLE: &str = "CLAWBOX_REQUIRE";

/// Runs the suite as a test program's whole `main`, with the usual arguments and output of one.
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
            let suite = Arc::new(suite);
            let trials = in_turn(cases()).map(|case| {
                let (suite, handle) = (Arc::clone(&suite), runtime.handle().clone());
                trial(case, move || judge(&suite, &handle, case))
            });
            libtest_mimic::run(&arguments, trials.collect()).exit_code()
        }
        Err(not_ready) => not_run(name, &arguments, &not_ready),
    }
}

fn judge(suite: &Suite, handle: &Handle, case: &Case) -> Result<Completion, Failed> {
    match handle.block_on(suite.run(case)).outcome {
        Outcome::Passed => Ok(Completion::Completed),
        Outcome::Failed { message } => Err(format!("{}\n{message}", case.title()).into()),
        skipped => Ok(Completion::ignored_with(skipped)),
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
