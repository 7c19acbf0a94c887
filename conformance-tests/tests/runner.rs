//! The runner seen from outside: this program starts itself as a backend's test, and reads its lines.

use async_trait::async_trait;
use clawbox_conformance::{Outcome, REPORT_VARIABLE, Summary, cases, run_cases};
use clawbox_containers::{
    ContainerEngine, ContainerPlan,
    engine::{
        EngineError, EngineErrorKind, EngineResult, EngineWarning, ImageFacts, Inspection,
        ListedContainer, OutputChunks, PullProgress, Removal, Signal,
    },
};
use clawbox_types::{ContainerId, EngineInfo, ImageRef, PullPolicy};
use libtest_mimic::{Arguments, Failed, Trial};
use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    process::{Command, ExitCode, Output},
    sync::Arc,
};

/// Says which of the engines below this program is to be the test of.
const ROLE: &str = "CLAWBOX_RUNNER_TEST_ROLE";

fn main() -> ExitCode {
    match env::var(ROLE).as_deref() {
        Ok("absent") => clawbox_conformance::run("absent", || async { Ok(Absent) }),
        Ok("unreachable") => {
            clawbox_conformance::run("unreachable", || async { Err::<Absent, _>(unavailable()) })
        }
        Ok("wrong-ledger") => {
            let ledger = "kill/no_such_case: it is not there";
            clawbox_conformance::run_with_ledger("wrong-ledger", ledger, || async { Ok(Absent) })
        }
        Ok("bare") => clawbox_conformance::run("bare", || async { Ok(Bare) }),
        _ => libtest_mimic::run(&Arguments::from_args(), trials()).exit_code(),
    }
}

fn trials() -> Vec<Trial> {
    let test = |name, check: fn() -> Result<(), Failed>| Trial::test(name, check);
    vec![
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
    ]
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

fn listing_asks_no_engine() -> Result<(), Failed> {
    let (output, text) = as_test_of("unreachable", "unreachable", &["--list"])?;
    assert!(output.status.success(), "{text}");
    assert_eq!(count(&text, ": test"), cases().count(), "{text}");
    Ok(())
}

fn an_absent_engine_is_not_run() -> Result<(), Failed> {
    for role in ["absent", "unreachable"] {
        let (output, text) = as_test_of(role, "docker,absent2", &[])?;
        assert!(output.status.success(), "{text}");
        let lines = count(&text, "ignored (not run: nothing listens there)");
        assert_eq!(lines, cases().count(), "{text}");
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

    let bare = runtime.block_on(run_cases(Arc::new(Bare), |_| true, |_| {}));
    assert!(!bare.is_good());
    Ok(())
}

fn unavailable() -> EngineError {
    EngineError::new(EngineErrorKind::Unavailable, "nothing listens there")
}

/// Defines an engine that answers to `probe`, `list` and `ensure_image` as given, and to nothing else.
macro_rules! engine {
    ($(#[$docs:meta])* $name:ident: $probe:expr, $list:expr, $image:expr) => {
        $(#[$docs])*
        struct $name;

        #[async_trait]
        impl ContainerEngine for $name {
            fn endpoint(&self) -> String {
                "nowhere".to_owned()
            }

            async fn probe(&self) -> EngineResult<EngineInfo> {
                $probe
            }

            async fn ensure_image(
                &self,
                _: &ImageRef,
                _: PullPolicy,
                _: &(dyn Fn(PullProgress) + Send + Sync),
            ) -> EngineResult<ImageFacts> {
                $image
            }

            async fn create(&self, _: &ContainerPlan) -> EngineResult<Vec<EngineWarning>> {
                Err(unavailable())
            }

            async fn inspect(&self, _: &ContainerId) -> EngineResult<Inspection> {
                Err(unavailable())
            }

            async fn attach(&self, _: &ContainerId) -> EngineResult<OutputChunks> {
                Err(unavailable())
            }

            async fn start(&self, _: &ContainerId) -> EngineResult<()> {
                Err(unavailable())
            }

            async fn wait(&self, _: &ContainerId) -> EngineResult<i32> {
                Err(unavailable())
            }

            async fn kill(&self, _: &ContainerId, _: Signal) -> EngineResult<()> {
                Err(unavailable())
            }

            async fn remove(&self, _: &ContainerId) -> EngineResult<Removal> {
                Err(unavailable())
            }

            async fn list(
                &self,
                _: &BTreeMap<String, String>,
            ) -> EngineResult<Vec<ListedContainer>> {
                $list
            }
        }
    };
}

engine! {
    /// Nothing is there.
    Absent: Err(unavailable()), Err(unavailable()), Err(unavailable())
}

engine! {
    /// It is there, and has no image.
    Bare: Ok(EngineInfo::new("bare", "1", "nowhere")),
    Ok(Vec::new()),
    Err(EngineError::new(EngineErrorKind::ImageNotFound, "no such image"))
}
