//! The `clawbox` command from outside: what goes in, what comes out, and what is left.
//!
//! What a sandboxed command sees is tried on the mock and, where `CLAWBOX_TEST_DOCKER_HOST` names one, on a
//! real Docker that holds the fixture image; what a killed command leaves on rootless Podman as well, where
//! `CLAWBOX_TEST_PODMAN_ROOTLESS_HOST` names it.

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

/// Which engine is where, by this variable; or else, whether it must not be missing.
type Place = (&'static str, Result<Option<String>, bool>);

fn place(variable: &'static str, engine: &str) -> Place {
    let required = env::var("CLAWBOX_REQUIRE")
        .is_ok_and(|names| names.split(',').any(|name| name.trim() == engine));
    let host = env::var(variable).ok().filter(|host| !host.is_empty());
    (variable, host.map(Some).ok_or(required))
}

fn main() -> ExitCode {
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
        trials.push(trial("mock", *case, ("", Ok(None))));
    }
    let docker = place("CLAWBOX_TEST_DOCKER_HOST", "docker");
    let on_docker = [sandbox::CASES, docker::CASES, shell::CASES];
    for case in on_docker.into_iter().flatten() {
        trials.push(trial("docker", *case, docker.clone()));
    }
    let podman = place("CLAWBOX_TEST_PODMAN_ROOTLESS_HOST", "podman-rootless");
    trials.push(trial("podman", docker::ORPHAN, podman));
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// A case on an engine at this host; or on none, which is a failure where it must not happen.
fn trial(backend: &'static str, (name, case): Case, (variable, host): Place) -> Trial {
    let run = move || match host {
        Ok(host) => {
            case(&Rig::new(backend, host));
            Ok(Completion::Completed)
        }
        Err(true) => Err(Failed::from(format!("not run: {variable} names no engine"))),
        Err(false) => Ok(Completion::ignored_with(format!(
            "not run: {variable} names no engine"
        ))),
    };
    Trial::ignorable_test(format!("{backend}/{name}"), run)
}
