//! Tests on root's Podman as one program. `CLAWBOX_TEST_PODMAN_ROOTFUL_HOST` names it, and `cargo xtask test` sets that;
//! without it every test is listed as *not run*, which is a failure where `CLAWBOX_REQUIRE` names `podman-rootful`.

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use std::{env, process::ExitCode};

const HOST: &str = "CLAWBOX_TEST_PODMAN_ROOTFUL_HOST";
const REQUIRE: &str = "CLAWBOX_REQUIRE";
const ENGINE: &str = "podman-rootful";

/// Runs the tests, each of which is given Podman's endpoint.
pub(crate) fn run_all<T>(tests: impl IntoIterator<Item = (&'static str, T)>) -> ExitCode
where
    T: FnOnce(&str) -> Result<(), Failed> + Send + 'static,
{
    let arguments = Arguments::from_args();
    let host = env::var(HOST).ok();
    let required = env::var(REQUIRE).is_ok_and(|names| names.split(',').any(|it| it == ENGINE));
    let trials = tests.into_iter().map(|(name, test)| {
        let host = host.clone();
        Trial::ignorable_test(name, move || match host {
            None => Ok(Completion::ignored_with(format!(
                "not run: {HOST} is not set"
            ))),
            Some(host) => test(&host).map(|()| Completion::Completed),
        })
    });
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    if host.is_none() && required && !arguments.list {
        eprintln!("error: {ENGINE} is required by {REQUIRE} and was not run: {HOST} is not set");
        return ExitCode::FAILURE;
    }
    conclusion.exit_code()
}
