//! The runner seen from outside: this program starts itself as a backend's test, and reads its lines.

mod declared;
mod engines;

use clawbox_conformance::{
    Declarations, Outcome, REPORT_VARIABLE, Suite, Summary, cases, run_cases,
};
use engines::{Absent, Bare, unavailable};
use libtest_mimic::{Arguments, Failed, Trial};
use std::{
    collections::BTreeSet,
    env, fs,
    process::{Command, ExitCode, Output},
    sync::Arc,
};

/// Says which backend this program is to be the test of.
const ROLE: &str = "CLAWBOX_RUNNER_TEST_ROLE";

fn main() -> ExitCode {
    match env::var(ROLE).as_deref() {
        Ok("absent") => clawbox_conformance::run("absent", || async { Ok(Absent) }),
        Ok("unreachable") => {
            clawbox_conformance::run("unreachable", || async { Err::<Absent, _>(unavailable()) })
        }
        Ok("wrong-ledger") => {
            let suite = Suite::new("wrong-ledger").ledger("kill/no_such_case: it is not there");
            suite.run(|| async { Ok(Absent) })
        }
        Ok("bare") => clawbox_conformance::run("bare", || async { Ok(Bare) }),
        Ok(role) => declared::run(role),
        Err(_) => libtest_mimic::run(&Arguments::from_args(), trials()).exit_code(),
    }
}

fn trials() -> Vec<Trial> {
    let mut trials = vec![
        test("every_case_has_its_own_name", every_case_has_its_own_name),
        test("listing_asks_no_engine", listing_asks_no_engine),
        test("an_absent_engine_is_not_run", an_absent_engine_is_not_run),
        test(
            "a_required_engine_must_be_run",
            a_required_engine_must_be_run,
        ),
        test("a_missing_image_is_a_failure", a_missing_image_is_a_failure),
        test(
            "a_ledger_of_no_case_is_a_failure",
            a_ledger_of_no_case_is_a_failure,
        ),
        test("a_report_is_written", a_report_is_written),
        test(
            "the_programmatic_form_says_the_same",
            the_programmatic_form_says_the_same,
        ),
    ];
    trials.extend(declared::trials());
    trials
}

fn test(name: &str, check: fn() -> Result<(), Failed>) -> Trial {
    Trial::test(name, check)
}

fn every_case_has_its_own_name() -> Result<(), Failed> {
    let ids: BTreeSet<&str> = cases().map(|case| case.id()).collect();
    assert_eq!(ids.len(), cases().count());
    for case in cases() {
        assert!(
            case.id().starts_with(&format!("{}/", case.area())),
            "{case:?}"
        );
        assert!(!case.title().is_empty(), "{case:?}");
    }
    Ok(())
}

/// This program as the test of the engine `role`.
fn as_test_of(role: &str, required: &str, arguments: &[&str]) -> Result<(Output, String), Failed> {
    let output = Command::new(env::current_exe()?)
        .args(arguments)
        .env(ROLE, role)
        .env("CLAWBOX_REQUIRE", required)
        .output()?;
    let text = [output.stdout.as_slice(), &output.stderr].concat();
    let text = String::from_utf8(text)?;
    Ok((output, text))
}

fn count(text: &str, words: &str) -> usize {
    text.lines().filter(|line| line.contains(words)).count()
}

/// The cases of a run that declares nothing.
fn undeclared() -> usize {
    cases().filter(|case| case.is_ordinary()).count()
}

fn listing_asks_no_engine() -> Result<(), Failed> {
    let (output, text) = as_test_of("unreachable", "unreachable", &["--list"])?;
    assert!(output.status.success(), "{text}");
    assert_eq!(count(&text, ": test"), undeclared(), "{text}");
    assert_eq!(count(&text, "cannot/"), 0, "{text}");
    let (_, text) = as_test_of("stale", "", &["--list"])?;
    assert_eq!(count(&text, ": test"), undeclared() + 1, "{text}");
    assert_eq!(count(&text, "cannot/memory: test"), 1, "{text}");
    Ok(())
}

fn an_absent_engine_is_not_run() -> Result<(), Failed> {
    for role in ["absent", "unreachable"] {
        let (output, text) = as_test_of(role, "docker,absent2", &[])?;
        assert!(output.status.success(), "{text}");
        let lines = count(&text, "ignored (not run: nothing listens there)");
        assert_eq!(lines, undeclared(), "{text}");
        assert!(
            text.contains(&format!("{role} was not run: nothing listens there")),
            "{text}"
        );
    }
    Ok(())
}

fn a_required_engine_must_be_run() -> Result<(), Failed> {
    for role in ["absent", "unreachable"] {
        // Whichever cases are asked for.
        for arguments in [&[][..], &["no-such-case"]] {
            let (output, text) = as_test_of(role, &format!("docker, {role}"), arguments)?;
            assert!(!output.status.success(), "{text}");
            assert!(text.contains(&format!("{role} is required")), "{text}");
        }
    }
    Ok(())
}

fn a_missing_image_is_a_failure() -> Result<(), Failed> {
    let (output, text) = as_test_of("bare", "", &[])?;
    assert!(!output.status.success(), "{text}");
    assert!(
        text.contains("make it with `cargo xtask fixture`"),
        "{text}"
    );
    Ok(())
}

fn a_ledger_of_no_case_is_a_failure() -> Result<(), Failed> {
    let (output, text) = as_test_of("wrong-ledger", "", &[])?;
    assert!(!output.status.success(), "{text}");
    let says = "the ledger of wrong-ledger: there is no case kill/no_such_case";
    assert!(text.contains(says), "{text}");
    Ok(())
}

fn a_report_is_written() -> Result<(), Failed> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("report.json");
    let status = Command::new(env::current_exe()?)
        .env(ROLE, "absent")
        .env_remove("CLAWBOX_REQUIRE")
        .env(REPORT_VARIABLE, &path)
        .output()?
        .status;
    assert!(status.success());
    let summary: Summary = serde_json::from_slice(&fs::read(path)?)?;
    assert_eq!((summary.engine, summary.cases.len()), (None, 0));
    Ok(())
}

fn the_programmatic_form_says_the_same() -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut told = Vec::new();
    let summary = runtime.block_on(run_cases(
        Arc::new(Absent),
        Declarations::default(),
        |case| case.area() == "kill",
        |report| told.push(report.clone()),
    ));
    assert!(summary.is_good());
    assert_eq!(summary.engine, None);
    assert_eq!(summary.cases, told);
    let kills = cases().filter(|case| case.area() == "kill").count();
    assert_eq!(told.len(), kills);
    let not_run = Outcome::NotRun {
        why: "nothing listens there".to_owned(),
    };
    assert!(
        told.iter().all(|report| report.outcome == not_run),
        "{told:?}"
    );
    let json = serde_json::to_value(&told[0])?;
    assert_eq!(json["outcome"], "not_run");
    assert_eq!(json["area"], "kill");

    let bare = runtime.block_on(run_cases(
        Arc::new(Bare),
        Declarations::default(),
        |_| true,
        |_| {},
    ));
    assert!(!bare.is_good());
    Ok(())
}
