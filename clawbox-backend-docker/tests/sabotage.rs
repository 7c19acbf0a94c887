//! The suite's own test on a real Docker: every weakening of a container is caught by a case that looks from inside,
//! and every such case catches one. `CLAWBOX_TEST_DOCKER_HOST` names the Docker; without it the test is listed as
//! *not run*, which is a failure where `CLAWBOX_REQUIRE` names `docker`.
//!
//! `CLAWBOX_SABOTAGE=told` prints what caught what, and `CLAWBOX_SABOTAGE=all` tries every case under every weakening
//! before it does; `CLAWBOX_SABOTAGE=write` writes the table anew, and `CLAWBOX_SABOTAGE=unproven` looks again for what is
//! listed as unproven.

use clawbox_backend_docker::{DockerEngine, sabotage::create};
use clawbox_conformance::{
    Case, Declarations, Outcome, cases,
    sabotage::{
        Bench, Proofs, Sabotage, Tried, TwoWay, WeakenedEngine, canaries, kernel_cases, sabotages,
    },
    test_engine::TestEngine,
};
use libtest_mimic::Failed;
use std::{env, fs, process::ExitCode, sync::Arc};
use tokio::runtime::Runtime;

const DOCKER: TestEngine = TestEngine::new("docker", "CLAWBOX_TEST_DOCKER_HOST");

/// How many cases run at once: most of them wait for Docker.
const JOBS: usize = 6;

/// What is known to catch what.
const TABLE: &str = include_str!("proofs.txt");
const TABLE_FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/proofs.txt");

/// What no sabotage here can show, and why. The list may only shrink.
const UNPROVEN: &str = include_str!("unproven.txt");

fn main() -> ExitCode {
    DOCKER.run_blocking([(
        "every_weakening_is_caught_and_every_kernel_case_catches_one",
        both_ways,
    )])
}

fn both_ways(host: &str) -> Result<(), Failed> {
    let runtime = Runtime::new()?;
    let bench = Bench::new(host, Declarations::default())?;
    let attempt = |sabotage: Option<&'static Sabotage>, case: &'static Case| {
        runtime.block_on(attempt(host, &bench, sabotage, case))
    };
    let weakenings = sabotages().filter(|sabotage| sabotage.weakening().is_some());
    let wanted = env::var("CLAWBOX_SABOTAGE").unwrap_or_default();
    let wanted = |word| wanted.split(',').any(|it| it == word);
    // These run commands as well, and mostly look at something else.
    let witnesses = cases().filter(|case| ["image", "tokens"].contains(&case.area()));
    let two_way = TwoWay::new(kernel_cases(), weakenings, JOBS)
        .helped_by(witnesses)
        .believing(!wanted("unproven"))
        .all(wanted("all"));

    let wrong = two_way.controls(canaries(), |case| attempt(None, case));
    if !wrong.is_empty() {
        return Err(format!("without sabotage: {wrong:#?}").into());
    }
    let mut proofs = Proofs::parse(TABLE, UNPROVEN);
    let verdicts = two_way.judge(&proofs, |sabotage, case| attempt(Some(sabotage), case));
    if wanted("told") || wanted("all") {
        for (sabotage, case, why) in verdicts.catches() {
            println!("{sabotage:30} {case:35} {why}");
        }
    }
    if wanted("write") {
        let table = verdicts.table();
        fs::write(TABLE_FILE, &table)?;
        proofs = Proofs::parse(&table, UNPROVEN);
    }
    Ok(proofs.hold(&verdicts)?)
}

/// Runs a case on an engine of its own.
async fn attempt(
    host: &str,
    bench: &Bench,
    sabotage: Option<&'static Sabotage>,
    case: &'static Case,
) -> Tried {
    let docker = match DockerEngine::connect(Some(host)) {
        Ok(docker) => docker,
        Err(error) => return Tried::NotGiven(error.to_string()),
    };
    let weaken = sabotage.and_then(Sabotage::weakening).unwrap_or(|_| {});
    let engine = Arc::new(WeakenedEngine::new(docker, create, weaken));
    let report = bench.run(Arc::clone(&engine) as _, sabotage, case).await;
    match (report.outcome, engine.not_given()) {
        (Outcome::Failed { message }, None) => Tried::Failed(message),
        (Outcome::Failed { .. }, Some(why)) => Tried::NotGiven(why),
        _ => Tried::Held,
    }
}
