//! What the guest's results say: every limit held, and the suite found nothing wrong.

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::disks::Results;

/// The controllers without which a limit is only written down.
const CONTROLLERS: [&str; 3] = ["cpu", "memory", "pids"];

/// What came of a run.
pub(super) struct Verdict {
    /// The versions, and a line for each finding.
    pub(super) words: String,
    /// Whether all is as it should be.
    pub(super) good: bool,
}

pub(super) fn judge(results: &Results) -> Verdict {
    let findings = [
        ("versions", text(results, "versions").map(str::to_owned)),
        ("delegation", delegation(results)),
        ("suite", suite(results)),
        ("memory", memory(results)),
        ("processes", processes(results)),
    ];
    let good = findings.iter().all(|(_, finding)| finding.is_ok());
    let words = findings.map(|(name, finding)| match finding {
        Ok(words) => format!("{name}: {}", words.trim_end().replace('\n', ", ")),
        Err(why) => format!("{name}: WRONG: {why:#}"),
    });
    Verdict {
        words: words.join("\n"),
        good,
    }
}

fn delegation(results: &Results) -> Result<String> {
    let controllers = text(results, "controllers")?.trim();
    let has = |wanted: &&str| controllers.split(' ').any(|there| there == *wanted);
    match CONTROLLERS.iter().find(|wanted| !has(wanted)) {
        None => Ok(format!("the user has {controllers}")),
        Some(missing) => bail!("the user has no {missing}, but only {controllers}"),
    }
}

/// The suite passes where it ran, and nothing in it failed.
fn suite(results: &Results) -> Result<String> {
    let report = json(results, "report.json")?;
    let engine = &report["engine"];
    if engine["rootless"] != true || engine["cgroup_version"] != 2 {
        bail!("it was no rootless engine on control groups v2: {engine}");
    }
    let cases = report["cases"].as_array().context("no cases")?;
    let of = |wanted: &str| -> Vec<&str> {
        let cases = cases.iter().filter(|case| case["outcome"] == wanted);
        cases.filter_map(|case| case["id"].as_str()).collect()
    };
    let (passed, skipped) = (of("passed"), of("skipped"));
    let rest = cases.len() - passed.len() - skipped.len();
    if passed.is_empty() && rest == 0 {
        bail!("no case was tried");
    }
    if rest > 0 {
        let failed = of("failed");
        bail!(
            "{rest} of {} cases failed: {}",
            cases.len(),
            failed.join(", ")
        );
    }
    let mut words = format!("{} cases passed", passed.len());
    if !skipped.is_empty() {
        words += &format!(", {} skipped: {}", skipped.len(), skipped.join(", "));
    }
    Ok(words)
}

/// A command that takes more memory than it may is killed, and that is what clawbox says.
fn memory(results: &Results) -> Result<String> {
    let report = json(results, "memory.json")?;
    enforced(&report, "memory")?;
    let exit = &report["exit"];
    if exit["exit_code"] != 137 || exit["oom_killed"] != true {
        bail!("it was not killed for lack of memory: {exit}");
    }
    Ok("200 MiB in 64 MiB: exit code 137, oom_killed".to_owned())
}

/// A command that starts ever more processes is refused them, and so fails.
fn processes(results: &Results) -> Result<String> {
    let report = json(results, "processes.json")?;
    enforced(&report, "pids")?;
    let exit = &report["exit"];
    // The shell's own, where it cannot fork.
    if exit["exit_code"] != 2 {
        bail!("the shell went on, or ended otherwise: {exit}");
    }
    Ok("a fork bomb with 16 processes: refused, exit code 2".to_owned())
}

fn enforced(report: &Value, item: &str) -> Result<()> {
    let items = report["enforcement"]["items"].as_array();
    let found = items.into_iter().flatten().find(|row| row["item"] == item);
    match found {
        Some(row) if row["verdict"] != "enforced" => bail!("not enforced: {row}"),
        // Not only the engine's: the kernel of the guest says the same number.
        Some(row) if row["kernel"] != row["requested"] => bail!("the kernel says else: {row}"),
        Some(_) => Ok(()),
        None => bail!("the report says nothing of {item}: {}", report["error"]),
    }
}

fn json(results: &Results, name: &str) -> Result<Value> {
    serde_json::from_str(text(results, name)?).with_context(|| format!("{name} is no JSON"))
}

fn text<'a>(results: &'a Results, name: &str) -> Result<&'a str> {
    let content = results
        .get(name)
        .with_context(|| format!("there is no {name}"))?;
    std::str::from_utf8(content).with_context(|| format!("{name} is no text"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn good() -> Results {
        let item = |item: &str| {
            json!({"items": [
                {"item": item, "requested": "64", "kernel": "64", "verdict": "enforced"},
            ]})
        };
        let engine = json!({"rootless": true, "cgroup_version": 2});
        let files = [
            (
                "report.json",
                json!({"engine": engine, "cases": [
                    {"id": "a/passes", "outcome": "passed"},
                    {"id": "a/cannot", "outcome": "skipped", "why": "so"},
                ]}),
            ),
            (
                "memory.json",
                json!({"enforcement": item("memory"), "exit": {"exit_code": 137, "oom_killed": true}}),
            ),
            (
                "processes.json",
                json!({"enforcement": item("pids"), "exit": {"exit_code": 2}}),
            ),
        ];
        let mut results: Results = files
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value.to_string().into_bytes()))
            .collect();
        results.insert("versions".to_owned(), b"linux 6\npodman 5\n".to_vec());
        results.insert("controllers".to_owned(), b"cpu memory pids\n".to_vec());
        results
    }

    #[test]
    fn a_run_without_a_fault_is_good() {
        let verdict = judge(&good());
        assert!(verdict.good);
        assert_eq!(
            verdict.words,
            "versions: linux 6, podman 5\n\
             delegation: the user has cpu memory pids\n\
             suite: 1 cases passed, 1 skipped: a/cannot\n\
             memory: 200 MiB in 64 MiB: exit code 137, oom_killed\n\
             processes: a fork bomb with 16 processes: refused, exit code 2"
        );
    }

    /// The fault that a run has when one of its files is changed.
    #[track_caller]
    fn check(file: &str, from: &str, to: &str, fault: &str) {
        let mut results = good();
        let content = text(&results, file).unwrap();
        let changed = content.replace(from, to);
        assert_ne!(content, changed, "{from} is not in {file}");
        results.insert(file.to_owned(), changed.into_bytes());
        let verdict = judge(&results);
        assert!(!verdict.good);
        assert!(verdict.words.contains(fault), "{}", verdict.words);
    }

    #[test]
    fn each_fault_of_the_suite_is_named() {
        check(
            "report.json",
            "passed",
            "failed",
            "suite: WRONG: 1 of 2 cases failed: a/passes",
        );
        check("report.json", "passed", "not_run", "suite: WRONG: 1 of 2");
        check(
            "report.json",
            "passed",
            "skipped",
            "suite: WRONG: no case was tried",
        );
        let no_such_engine = "suite: WRONG: it was no rootless engine";
        check(
            "report.json",
            "\"rootless\":true",
            "\"rootless\":false",
            no_such_engine,
        );
        check(
            "report.json",
            "\"cgroup_version\":2",
            "\"cgroup_version\":1",
            no_such_engine,
        );
    }

    #[test]
    fn each_limit_that_does_not_hold_is_named() {
        check(
            "controllers",
            "cpu",
            "cpuset",
            "delegation: WRONG: the user has no cpu",
        );
        check(
            "memory.json",
            "enforced",
            "unverified",
            "memory: WRONG: not enforced",
        );
        for kernel in ["\"kernel\":\"max\"", "\"observed\":\"64\""] {
            let said = "memory: WRONG: the kernel says else";
            check("memory.json", "\"kernel\":\"64\"", kernel, said);
        }
        check(
            "memory.json",
            "137",
            "0",
            "memory: WRONG: it was not killed",
        );
        check(
            "memory.json",
            "true",
            "null",
            "memory: WRONG: it was not killed",
        );
        check(
            "processes.json",
            "\"pids\"",
            "\"cpu\"",
            "processes: WRONG: the report says nothing",
        );
        check(
            "processes.json",
            ":2",
            ":0",
            "processes: WRONG: the shell went on",
        );
    }

    #[test]
    fn what_is_missing_is_a_fault() {
        for name in good().keys() {
            let mut results = good();
            results.remove(name);
            let verdict = judge(&results);
            assert!(!verdict.good);
            assert!(verdict.words.contains(&format!("there is no {name}")));
        }
    }
}
