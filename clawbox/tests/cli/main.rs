//! The `clawbox` command from outside: what goes in, what comes out, and what is left.
//!
//! What a sandboxed command sees is tried on the mock and, where `CLAWBOX_TEST_DOCKER_HOST` names one, on a
//! real Docker that holds the fixture image.

mod auto;
mod config;
mod docker;
mod doctor;
mod fake;
mod hanging;
mod rig;
mod sandbox;
mod shell;
mod usage;

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use rig::Rig;
use std::{env, process::ExitCode};

/// A test: its name, and what it tries.
type Case = (&'static str, fn(&Rig));

const DOCKER_HOST: &str = "CLAWBOX_TEST_DOCKER_HOST";

fn main() -> ExitCode {
    let host = env::var(DOCKER_HOST).ok().filter(|host| !host.is_empty());
    let required = env::var("CLAWBOX_REQUIRE")
        .is_ok_and(|names| names.split(',').any(|name| name.trim() == "docker"));
    let mut trials = Vec::new();
    let without_engine = [
        auto::CASES,
        config::CASES,
        doctor::CASES,
        shell::ANYWHERE,
        usage::CASES,
    ];
    for case in sandbox::CASES
        .iter()
        .chain(without_engine.into_iter().flatten())
    {
        trials.push(trial("mock", *case, Ok(None)));
    }
    let docker = match &host {
        Some(host) => Ok(Some(host.clone())),
        None => Err(required),
    };
    let on_docker = [sandbox::CASES, docker::CASES, shell::CASES];
    for case in on_docker.into_iter().flatten() {
        trials.push(trial("docker", *case, docker.clone()));
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// A case on an engine at this host; or on none, which is a failure where it must not happen.
fn trial(backend: &'static str, (name, case): Case, host: Result<Option<String>, bool>) -> Trial {
    let run = move || match host {
        Ok(host) => {
            case(&Rig::new(backend, host));
            Ok(Completion::Completed)
        }
        Err(true) => Err(Failed::from(format!(
            "not run: {DOCKER_HOST} names no engine"
        ))),
        Err(false) => Ok(Completion::ignored_with(format!(
            "not run: {DOCKER_HOST} names no engine"
        ))),
    };
    Trial::ignorable_test(format!("{backend}/{name}"), run)
}
