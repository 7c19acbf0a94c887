//! `cargo xtask matrix`: the conformance suite on every engine there is, as one page.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::consent::Consent;
use crate::engines::docker::Session;
use crate::image;
use crate::workspace::{cargo, root};

const NOT_RUN: &str = "not run";

/// A backend's run.
#[derive(Debug, PartialEq)]
struct Column {
    backend: &'static str,
    /// Its engine and version; `None`: it was not run.
    engine: Option<String>,
    cases: Vec<Row>,
}

/// What came of one case.
#[derive(Debug, PartialEq)]
struct Row {
    id: String,
    area: String,
    outcome: String,
    words: String,
}

/// Runs the suite everywhere and rewrites the page.
pub(crate) fn run(consent: Consent) -> Result<()> {
    let mock = measure("mock", None)?;
    let docker = match docker(consent) {
        Ok(column) => column,
        Err(why) => {
            eprintln!("docker was not run: {why:#}");
            read("docker", "{}")?
        }
    };
    let page = page(&[mock, docker]);
    let path = path()?;
    fs::write(&path, page).with_context(|| format!("write {}", path.display()))?;
    println!("wrote {}", path.display());
    Ok(())
}

/// Whether the page tells what the suite on the mock says today.
pub(crate) fn check() -> Result<()> {
    let path = path()?;
    let page = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let fresh = self::page(&[measure("mock", None)?]);
    if cells(&page, "mock") != cells(&fresh, "mock") {
        bail!(
            "{} is not what the mock does today: rewrite it with `cargo xtask matrix`",
            path.display()
        );
    }
    Ok(())
}

fn path() -> Result<PathBuf> {
    Ok(root()?.join("docs/CONFORMANCE.md"))
}

/// The column of the engine that `CLAWBOX_TEST_DOCKER_HOST` names, or else of one of ours.
fn docker(consent: Consent) -> Result<Column> {
    if let Ok(host) = std::env::var("CLAWBOX_TEST_DOCKER_HOST") {
        return measure("docker", Some(&host));
    }
    let session = Session::begin(consent)?;
    let column = image::import(&session.endpoint, consent)
        .and_then(|()| measure("docker", Some(&session.endpoint.to_string())));
    session.end()?;
    column
}

/// Runs the suite on one backend, as its own test.
fn measure(backend: &'static str, docker: Option<&str>) -> Result<Column> {
    let report = tempfile(backend)?;
    let package = format!("clawbox-backend-{backend}");
    let mut suite = cargo(["test", "--quiet", "-p", &package, "--test", "conformance"])?;
    suite.env("CLAWBOX_CONFORMANCE_REPORT", &report);
    if let Some(host) = docker {
        suite.env("CLAWBOX_TEST_DOCKER_HOST", host);
    }
    // A failed case is in the report as well.
    let status = suite.status().context("start cargo test")?;
    let text = fs::read_to_string(&report);
    let text = text.with_context(|| format!("the suite on {backend} left no report ({status})"))?;
    fs::remove_file(&report).with_context(|| format!("remove {}", report.display()))?;
    read(backend, &text)
}

/// Where a run leaves its report; there is none yet.
fn tempfile(backend: &str) -> Result<PathBuf> {
    let name = format!("clawbox-conformance-{backend}-{}.json", std::process::id());
    let path = std::env::temp_dir().join(name);
    if path.exists() {
        fs::remove_file(&path).with_context(|| format!("remove {}", path.display()))?;
    }
    Ok(path)
}

/// Reads the suite's own report.
fn read(backend: &'static str, report: &str) -> Result<Column> {
    let report: Value = serde_json::from_str(report).context("the suite's report is no JSON")?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let engine = report["engine"]["name"]
        .as_str()
        .map(|name| format!("{name} {}", text(&report["engine"]["version"])));
    let cases = report["cases"].as_array().into_iter().flatten();
    let cases = cases.map(|case| Row {
        id: text(&case["id"]),
        area: text(&case["area"]),
        outcome: text(&case["outcome"]),
        words: text(&case["why"]) + &text(&case["message"]),
    });
    Ok(Column {
        backend,
        engine,
        cases: cases.collect(),
    })
}

/// The page: one row for each area, one column for each backend, and what did not pass.
fn page(columns: &[Column]) -> String {
    let mut areas: Vec<&str> = Vec::new();
    let mut seen = BTreeSet::new();
    for row in columns.iter().flat_map(|column| &column.cases) {
        if seen.insert(row.area.as_str()) {
            areas.push(&row.area);
        }
    }
    let line = |first: &str, cell: &dyn Fn(&Column) -> String| {
        let cells: Vec<String> = columns.iter().map(cell).collect();
        format!("| {first} | {} |", cells.join(" | "))
    };
    let of_area = |area: &&str| line(area, &|column| count(column, |row| row.area == *area));
    let engine = |column: &Column| column.engine.clone().unwrap_or_else(|| NOT_RUN.to_owned());
    let mut lines = vec![
        "# Conformance\n".to_owned(),
        "What the conformance suite says of each backend, area by area: how many cases pass, fail and are".to_owned(),
        "skipped. Written by `cargo xtask matrix`; `cargo xtask test` checks the mock's column.\n".to_owned(),
        line("area", &|column| column.backend.to_owned()),
        line("---", &|_| "---".to_owned()),
        line("*runs on*", &engine),
    ];
    lines.extend(areas.iter().map(of_area));
    lines.push(line("**all**", &|column| count(column, |_| true)));
    let exceptions: Vec<String> = columns.iter().flat_map(exceptions).collect();
    if !exceptions.is_empty() {
        lines.push(String::new());
        lines.extend(exceptions);
    }
    lines.join("\n") + "\n"
}

/// A line for each case that did not pass.
fn exceptions(column: &Column) -> impl Iterator<Item = String> {
    let rows = column.cases.iter().filter(|row| row.outcome != "passed");
    rows.map(|row| {
        let words = row.words.lines().next().unwrap_or_default();
        let (backend, id, outcome) = (column.backend, &row.id, &row.outcome);
        format!("- {backend}: `{id}` {outcome}: {words}")
    })
}

/// `5 pass, 1 fail, 2 skip`, without what there is none of.
fn count(column: &Column, which: impl Fn(&Row) -> bool) -> String {
    if column.engine.is_none() {
        return NOT_RUN.to_owned();
    }
    let of = |outcome: &str| {
        let rows = column.cases.iter();
        rows.filter(|row| which(row) && row.outcome == outcome)
            .count()
    };
    let words: Vec<String> = [("passed", "pass"), ("failed", "fail"), ("skipped", "skip")]
        .into_iter()
        .map(|(outcome, word)| (of(outcome), word))
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    words.join(", ")
}

/// A backend's column of a page, each cell with its area. Empty where the page has none.
fn cells(page: &str, backend: &str) -> Vec<(String, String)> {
    let rows = page.lines().filter(|line| line.starts_with('|'));
    let rows: Vec<Vec<&str>> = rows
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let Some(column) = rows
        .first()
        .and_then(|heading| heading.iter().position(|cell| *cell == backend))
    else {
        return Vec::new();
    };
    let cell = |row: &Vec<&str>| Some(((*row.first()?).to_owned(), (*row.get(column)?).to_owned()));
    rows.iter().filter_map(cell).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = r#"{
        "engine": {"name": "box", "version": "2"},
        "cases": [
            {"id": "b/one", "area": "b", "outcome": "passed", "millis": 7},
            {"id": "a/two", "area": "a", "outcome": "skipped", "why": "cannot"},
            {"id": "a/three", "area": "a", "outcome": "failed", "message": "no\nmore"}
        ]
    }"#;

    fn columns() -> [Column; 2] {
        [("mock", REPORT), ("docker", "{}")].map(|(backend, report)| read(backend, report).unwrap())
    }

    #[test]
    fn the_page_counts_by_area_and_says_what_did_not_pass() {
        let page = page(&columns());
        for line in [
            "| area | mock | docker |",
            "| *runs on* | box 2 | not run |",
            "| b | 1 pass | not run |",
            "| a | 1 fail, 1 skip | not run |",
            "| **all** | 1 pass, 1 fail, 1 skip | not run |",
            "- mock: `a/two` skipped: cannot",
            "- mock: `a/three` failed: no",
        ] {
            assert!(page.lines().any(|found| found == line), "{line}\n{page}");
        }
    }

    #[test]
    fn one_column_is_compared_and_no_other() {
        let both = page(&columns());
        let alone = page(&columns()[..1]);
        assert_eq!(cells(&both, "mock"), cells(&alone, "mock"));
        assert_eq!(cells(&both, "mock").len(), 6);
        let stale = both.replace("| 1 pass |", "| 2 pass |");
        assert_ne!(cells(&stale, "mock"), cells(&alone, "mock"));
        assert_eq!(cells("", "mock"), []);
    }
}
