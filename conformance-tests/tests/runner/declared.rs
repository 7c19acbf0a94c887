//! What may be declared, and what comes of it.

use super::{as_test_of, count, test};
use clawbox_backend_mock::{Fault, InitFault, Limit, MockEngine, fixture};
use clawbox_conformance::{Case, Declarations, Outcome, Suite, cases, run_cases};
use clawbox_types::PolicyItem;
use libtest_mimic::{Failed, Trial};
use std::{process::ExitCode, sync::Arc};

const WHY: &str = "the memory controller is not delegated";

/// An engine in memory whose host lacks these limits.
fn mock(missing: &[Limit]) -> MockEngine {
    let engine = MockEngine::new();
    fixture::install(&engine);
    missing.iter().for_each(|limit| engine.without(*limit));
    engine
}

/// The suite of a backend that declares that it cannot limit memory.
fn stale(name: &'static str, engine: impl FnOnce() -> MockEngine) -> ExitCode {
    let suite = Suite::new(name).cannot(PolicyItem::Memory, WHY);
    let suite = suite.ledger(
        "limits/memory: declared\nlimits/locked_memory: declared\ncgroups/memory: declared\ninit/child_out_of_memory: declared",
    );
    suite.run(|| async { Ok(engine()) })
}

/// This program as the test of a backend that declares something, or should.
pub(crate) fn run(role: &str) -> ExitCode {
    match role {
        "baseline" => {
            let suite = Suite::new("baseline").cannot(PolicyItem::Seccomp, WHY);
            suite.run(|| async { Ok(mock(&[])) })
        }
        "undeclared" => {
            clawbox_conformance::run("undeclared", || async { Ok(mock(&[Limit::Memory])) })
        }
        "unlisted" => {
            let suite = Suite::new("unlisted").cannot(PolicyItem::Memory, WHY);
            suite.run(|| async { Ok(mock(&[Limit::Memory])) })
        }
        "stale" => stale("stale", || mock(&[])),
        "silent" => stale("silent", || {
            let engine = mock(&[]);
            engine.fail(Fault::weakened_in_secret(|plan| plan.memory = u64::MAX).always());
            engine.fail(Fault::process_one(InitFault::Echo).always());
            engine
        }),
        other => panic!("no backend is {other}"),
    }
}

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        test(
            "a_missing_limit_must_be_declared",
            a_missing_limit_must_be_declared,
        ),
        test(
            "the_baseline_cannot_be_declared",
            the_baseline_cannot_be_declared,
        ),
        test(
            "a_declaration_excuses_no_unlisted_skip",
            a_declaration_excuses_no_unlisted_skip,
        ),
        test(
            "a_stale_declaration_is_a_failure",
            a_stale_declaration_is_a_failure,
        ),
        test(
            "a_declared_limit_is_all_that_is_missing",
            a_declared_limit_is_all_that_is_missing,
        ),
    ]
}

fn a_missing_limit_must_be_declared() -> Result<(), Failed> {
    let case = ["--exact", "policy/user"];
    let (output, text) = as_test_of("undeclared", "", &case)?;
    assert!(!output.status.success(), "{text}");
    assert!(text.contains("memory"), "{text}");
    let (output, text) = as_test_of("unlisted", "", &case)?;
    assert!(output.status.success(), "{text}");
    let says = format!("unlisted: memory cannot be enforced: {WHY}");
    assert!(text.contains(&says), "{text}");
    Ok(())
}

fn the_baseline_cannot_be_declared() -> Result<(), Failed> {
    let (output, text) = as_test_of("baseline", "", &[])?;
    assert!(!output.status.success(), "{text}");
    let says = "the declarations of baseline: seccomp is of the baseline";
    assert!(text.contains(says), "{text}");
    assert!(text.contains("only pids, memory, swap, cpu"), "{text}");
    assert_eq!(count(&text, "test "), 0, "{text}");
    Ok(())
}

fn a_declaration_excuses_no_unlisted_skip() -> Result<(), Failed> {
    let (output, text) = as_test_of("unlisted", "", &["--exact", "cgroups/memory"])?;
    assert!(!output.status.success(), "{text}");
    let says = format!("ledger does not list: memory cannot be enforced: {WHY}");
    assert!(text.contains(&says), "{text}");
    Ok(())
}

fn a_stale_declaration_is_a_failure() -> Result<(), Failed> {
    // Of an engine that hides what it does not enforce from both gates, nothing but its containers can tell.
    for role in ["stale", "silent"] {
        let (output, text) = as_test_of(role, "", &["memory"])?;
        assert!(!output.status.success(), "{text}");
        assert!(text.contains("memory: a stale declaration"), "{text}");
        assert_eq!(count(&text, "... FAILED"), 1, "{text}");
        assert_eq!(count(&text, "... ignored"), 4, "{text}");
    }
    Ok(())
}

fn a_declared_limit_is_all_that_is_missing() -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let areas = ["policy", "cgroups", "gate", "cannot", "limits"];
    let run = |missing: &[Limit], declared: &[PolicyItem]| {
        let declared = Declarations::new(declared.iter().map(|item| (*item, WHY)));
        let summary = runtime.block_on(run_cases(
            Arc::new(mock(missing)),
            declared.expect("declarable"),
            |case| areas.contains(&case.area()),
            |_| {},
        ));
        let ids = |wanted: fn(&Outcome) -> bool| -> Vec<String> {
            let cases = summary.cases.iter();
            let cases = cases.filter(|case| wanted(&case.outcome));
            cases.map(|case| case.id.clone()).collect()
        };
        (
            summary.cases.len(),
            ids(|outcome| matches!(outcome, Outcome::Skipped { .. })),
            ids(|outcome| matches!(outcome, Outcome::Failed { .. })),
        )
    };
    let selected = |case: &&Case| areas.contains(&case.area()) && case.is_ordinary();
    let all = cases().filter(selected).count();
    let none = || Vec::<String>::new();
    assert_eq!(run(&[], &[]), (all, none(), none()));
    for (limit, needed) in [
        (Limit::Pids, &["cgroups/pids", "limits/processes"][..]),
        (
            Limit::Memory,
            &["cgroups/memory", "limits/memory", "limits/locked_memory"],
        ),
        (
            Limit::Swap,
            &["cgroups/no_swap", "limits/memory", "limits/locked_memory"],
        ),
        (Limit::Cpu, &["cgroups/cpu_quota"]),
        (Limit::CpuShares, &["cgroups/cpu_shares"]),
    ] {
        let item = limit.item();
        let skipped = needed.iter().map(ToString::to_string).collect();
        assert_eq!(run(&[limit], &[item]), (all + 1, skipped, none()));
        // Another limit is missing than the one that is declared: next to nothing can be run.
        let other = Limit::ALL.into_iter().find(|other| *other != limit);
        let (_, _, failed) = run(other.as_slice(), &[item]);
        assert!(failed.contains(&format!("cannot/{item}")), "{failed:?}");
        assert!(failed.contains(&"policy/user".to_owned()), "{failed:?}");
    }
    Ok(())
}
