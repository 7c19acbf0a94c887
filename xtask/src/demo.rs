//! `cargo xtask demo`: the whole thing in one command.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::consent::Consent;
use crate::engines::session::Session;
use crate::image::{FIXTURE_IMAGE, Fixture};
use crate::interrupt;
use crate::say::say;
use crate::table::table;
use crate::workspace::{self, cargo};

/// Looks around inside, and tries what must be refused.
const SCRIPT: &str = r#"
echo "user          $(id)"
echo "host name     $(hostname)"
echo "interfaces    $(ls /sys/class/net | tr '\n' ' ')"
echo "write to /    $(touch /proof 2>&1 && echo it worked)"
echo "write to /tmp $(touch /tmp/proof 2>&1 && echo it worked)"
grep -E '^(NoNewPrivs|CapEff|CapBnd|Seccomp):' /proc/self/status
"#;

pub(crate) fn run(consent: Consent) -> Result<()> {
    interrupt::note()?;
    let session = Session::begin_with_any_docker(consent)?;
    let shown = show(&session, consent);
    session.end()?;
    shown
}

fn show(session: &Session, consent: Consent) -> Result<()> {
    Fixture::build(consent)?.import(session)?;
    workspace::run(&mut cargo(["build", "-p", "clawbox", "--bin", "clawbox"])?)
        .context("build the clawbox command")?;

    let report = workspace::root()?.join("target/demo-report.json");
    let engine = session.endpoint.to_string();
    say!("\n$ clawbox run --backend docker --image {FIXTURE_IMAGE} -- sh -c '…'\n");
    let status = cargo(["run", "--quiet", "-p", "clawbox", "--bin", "clawbox", "--"])?
        .args(["run", "--backend", "docker", "--host", &engine])
        .args(["--image", FIXTURE_IMAGE, "--report"])
        .arg(&report)
        .args(["--", "sh", "-c", SCRIPT])
        .status()
        .context("start the clawbox command")?;
    if !status.success() {
        bail!("the clawbox command ended with {status}");
    }
    print_report(&report)
}

fn print_report(file: &Path) -> Result<()> {
    let text = fs::read(file).with_context(|| format!("read {}", file.display()))?;
    let report: Value =
        serde_json::from_slice(&text).with_context(|| format!("{} is not JSON", file.display()))?;
    let rows = rows(&report).with_context(|| format!("{} is not a report", file.display()))?;
    say!("\n{}", table(&rows));
    say!("the whole report: {}", file.display());
    Ok(())
}

/// The report's policy items under a heading. What was asked for is told where something else was found.
fn rows(report: &Value) -> Result<Vec<[String; 3]>> {
    let items = report["enforcement"]["items"]
        .as_array()
        .context("it has no enforcement.items")?;
    let rows = items.iter().map(|item| {
        let [name, observed, verdict] = ["item", "observed", "verdict"].map(|c| cell(&item[c]));
        let verdict = match item["observed"] == item["requested"] {
            true => verdict,
            false => format!("{verdict}; requested: {}", cell(&item["requested"])),
        };
        [name, observed, verdict]
    });
    let heading = ["item", "observed", "verdict"].map(String::from);
    Ok([heading].into_iter().chain(rows).collect())
}

fn cell(value: &Value) -> String {
    match value {
        Value::Null => "-".to_owned(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_report_becomes_rows() {
        let items = json!([
            {"item": "pids", "requested": 256, "observed": null, "verdict": "unverified"},
            {"item": "user", "requested": "1:1", "observed": "1:1", "verdict": "enforced"},
        ]);
        let rows = rows(&json!({"enforcement": {"items": items}})).unwrap();
        assert_eq!(
            rows[1..],
            [
                ["pids", "-", "unverified; requested: 256"],
                ["user", "1:1", "enforced"]
            ]
            .map(|row| row.map(String::from))
        );
    }

    #[test]
    fn what_is_not_a_report_is_an_error() {
        for value in [
            json!(null),
            json!([]),
            json!({"enforcement": {"items": {}}}),
        ] {
            assert!(rows(&value).is_err(), "{value}");
        }
    }
}
