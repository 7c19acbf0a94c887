//! `cargo xtask matrix`: the conformance suite on every engine there is, as one page.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::consent::Consent;
use crate::engines::docker::Session;
use crate::image;
use crate::say::say;
use crate::workspace::{cargo, root};

const NOT_RUN: &str = "not run";
/// What a backend's column says of an area of which it ran no case.
const NO_CASES: &str = "-";
/// What marks a column that was kept because its engine was not there.
const EARLIER: &str = " (earlier run)";

const HEADING: &str = "area";
const RUNS_ON: &str = "*runs on*";
const ALL: &str = "**all**";

/// What the page says of a backend.
#[derive(Debug, PartialEq)]
struct Column {
    backend: &'static str,
    /// Its engine and version.
    runs_on: String,
    /// What came of each area, in the suite's order.
    areas: Vec<(String, String)>,
    all: String,
    /// A line for each case that did not pass.
    exceptions: Vec<String>,
}

/// Runs the suite everywhere and rewrites the page. Where there is no Docker, its column is kept.
pub(crate) fn run(consent: Consent) -> Result<()> {
    let path = path()?;
    let old = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let mock = measure("mock", None)?;
    let docker = docker(consent).unwrap_or_else(|why| {
        eprintln!("docker was not run, and its column is kept: {why:#}");
        kept(&old, "docker")
    });
    fs::write(&path, page(&[mock, docker])).with_context(|| format!("write {}", path.display()))?;
    say!("wrote {}", path.display());
    Ok(())
}

/// Whether the page tells what the suite on the mock says today.
pub(crate) fn check() -> Result<()> {
    let path = path()?;
    let page = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    if column(&page, "mock") != measure("mock", None)? {
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

/// What came of one case.
struct Row {
    area: String,
    outcome: String,
    /// What the page says of it, unless it passed.
    line: String,
}

/// Reads the suite's own report.
fn read(backend: &'static str, report: &str) -> Result<Column> {
    let report: Value = serde_json::from_str(report).context("the suite's report is no JSON")?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let Some(name) = report["engine"]["name"].as_str() else {
        bail!("the suite was not run: its report names no engine");
    };
    let cases = report["cases"].as_array().into_iter().flatten();
    let rows: Vec<Row> = cases
        .map(|case| {
            let words = text(&case["why"]) + &text(&case["message"]);
            let words = words.lines().next().unwrap_or_default();
            let (id, outcome) = (text(&case["id"]), text(&case["outcome"]));
            Row {
                line: format!("- {backend}: `{id}` {outcome}: {words}"),
                area: text(&case["area"]),
                outcome,
            }
        })
        .collect();
    let mut areas: Vec<(String, String)> = Vec::new();
    for Row { area, .. } in &rows {
        if !areas.iter().any(|(known, _)| known == area) {
            let cell = count(rows.iter().filter(|row| row.area == *area));
            areas.push((area.clone(), cell));
        }
    }
    let failed = rows.iter().filter(|row| row.outcome != "passed");
    Ok(Column {
        backend,
        runs_on: format!("{name} {}", text(&report["engine"]["version"])),
        areas,
        all: count(rows.iter()),
        exceptions: failed.map(|row| row.line.clone()).collect(),
    })
}

/// `5 pass, 1 fail, 2 skip`, without what there is none of.
fn count<'a>(rows: impl Iterator<Item = &'a Row> + Clone) -> String {
    let of = |outcome: &str| rows.clone().filter(|row| row.outcome == outcome).count();
    let words: Vec<String> = [("passed", "pass"), ("failed", "fail"), ("skipped", "skip")]
        .into_iter()
        .map(|(outcome, word)| (of(outcome), word))
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    words.join(", ")
}

/// The page: one row for each area, one column for each backend, and what did not pass.
fn page(columns: &[Column]) -> String {
    let mut areas: Vec<&str> = Vec::new();
    for (area, _) in columns.iter().flat_map(|column| &column.areas) {
        if !areas.contains(&area.as_str()) {
            areas.push(area);
        }
    }
    let line = |first: &str, cell: &dyn Fn(&Column) -> String| {
        let cells: Vec<String> = columns.iter().map(cell).collect();
        format!("| {first} | {} |", cells.join(" | "))
    };
    let of_area = |area: &&str| line(area, &|column| column.area(area));
    let mut lines = vec![
        "# Conformance\n".to_owned(),
        "What the conformance suite says of each backend, area by area: how many cases pass, fail and are".to_owned(),
        "skipped. Written by `cargo xtask matrix`; `cargo xtask test` checks the mock's column. A backend whose".to_owned(),
        "engine was not there keeps the column of its last run, marked as an earlier one.\n".to_owned(),
        line(HEADING, &|column| column.backend.to_owned()),
        line("---", &|_| "---".to_owned()),
        line(RUNS_ON, &|column| column.runs_on.clone()),
    ];
    lines.extend(areas.iter().map(of_area));
    lines.push(line(ALL, &|column| column.all.clone()));
    let mut exceptions = columns
        .iter()
        .flat_map(|column| &column.exceptions)
        .peekable();
    if exceptions.peek().is_some() {
        lines.push(String::new());
        lines.extend(exceptions.cloned());
    }
    lines.join("\n") + "\n"
}

impl Column {
    fn area(&self, area: &str) -> String {
        let found = self.areas.iter().find(|(known, _)| known == area);
        found.map_or_else(|| NO_CASES.to_owned(), |(_, cell)| cell.clone())
    }
}

/// A backend's column of a page, which says that it was not run where there is none.
fn column(page: &str, backend: &'static str) -> Column {
    let rows = page.lines().filter(|line| line.starts_with('|'));
    let rows: Vec<Vec<&str>> = rows
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let place = rows
        .first()
        .and_then(|heading| heading.iter().position(|cell| *cell == backend));
    let mut found = Column {
        backend,
        runs_on: NOT_RUN.to_owned(),
        areas: Vec::new(),
        all: NOT_RUN.to_owned(),
        exceptions: Vec::new(),
    };
    let cells = rows.iter().filter_map(|row| {
        let cell = row.get(place?)?;
        Some((*row.first()?, (*cell).to_owned()))
    });
    for (first, cell) in cells {
        match first {
            HEADING | "---" => {}
            RUNS_ON => found.runs_on = cell,
            ALL => found.all = cell,
            _ if cell == NO_CASES => {}
            area => found.areas.push((area.to_owned(), cell)),
        }
    }
    let start = format!("- {backend}: ");
    let exceptions = page.lines().filter(|line| line.starts_with(&start));
    found.exceptions.extend(exceptions.map(str::to_owned));
    found
}

/// The column of an engine that was not there this time.
fn kept(page: &str, backend: &'static str) -> Column {
    let mut column = column(page, backend);
    if column.runs_on != NOT_RUN && !column.runs_on.ends_with(EARLIER) {
        column.runs_on.push_str(EARLIER);
    }
    column
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
    const OTHER: &str = r#"{
        "engine": {"name": "crate", "version": "3"},
        "cases": [
            {"id": "c/four", "area": "c", "outcome": "skipped", "why": "no c"},
            {"id": "b/one", "area": "b", "outcome": "passed"}
        ]
    }"#;

    fn columns() -> [Column; 2] {
        [("mock", REPORT), ("docker", OTHER)]
            .map(|(backend, report)| read(backend, report).unwrap())
    }

    #[test]
    fn the_page_counts_by_area_and_says_what_did_not_pass() {
        let page = page(&columns());
        for line in [
            "| area | mock | docker |",
            "| *runs on* | box 2 | crate 3 |",
            "| b | 1 pass | 1 pass |",
            "| a | 1 fail, 1 skip | - |",
            "| c | - | 1 skip |",
            "| **all** | 1 pass, 1 fail, 1 skip | 1 pass, 1 skip |",
            "- mock: `a/two` skipped: cannot",
            "- mock: `a/three` failed: no",
            "- docker: `c/four` skipped: no c",
        ] {
            assert!(page.lines().any(|found| found == line), "{line}\n{page}");
        }
    }

    #[test]
    fn a_page_tells_the_columns_that_it_was_made_of() {
        let both = page(&columns());
        for made in columns() {
            // An area comes where the first column has it.
            let mut told = column(&both, made.backend);
            let place = |area: &str| made.areas.iter().position(|(known, _)| known == area);
            told.areas.sort_by_key(|(area, _)| place(area));
            assert_eq!(told, made);
        }
        for (old, new) in [
            ("| 1 pass |", "| 2 pass |"),
            ("cannot", "can"),
            ("box", "bag"),
        ] {
            assert_ne!(
                column(&both.replace(old, new), "mock"),
                columns()[0],
                "{old}"
            );
        }
    }

    #[test]
    fn an_engine_that_is_not_there_keeps_its_column_and_says_so() {
        let old = page(&columns());
        let again = || read("mock", REPORT).unwrap();
        let new = page(&[again(), kept(&old, "docker")]);
        let marked = old.replace("| crate 3 |", "| crate 3 (earlier run) |");
        assert_eq!(new, marked);
        assert_eq!(page(&[again(), kept(&new, "docker")]), new);
    }

    #[test]
    fn a_column_that_never_was_is_not_run() {
        for old in ["", &page(&[read("mock", REPORT).unwrap()])] {
            let new = page(&[read("mock", REPORT).unwrap(), kept(old, "docker")]);
            for line in [
                "| *runs on* | box 2 | not run |",
                "| b | 1 pass | - |",
                "| **all** | 1 pass, 1 fail, 1 skip | not run |",
            ] {
                assert!(new.lines().any(|found| found == line), "{line}\n{new}");
            }
            assert_eq!(
                page(&[read("mock", REPORT).unwrap(), kept(&new, "docker")]),
                new
            );
        }
    }

    #[test]
    fn a_report_without_an_engine_is_no_run() {
        assert!(read("docker", "{}").is_err());
    }
}
