//! The suite's report of one engine, as a column.

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::page::{CATALOGUE, Column};

/// What came of one case.
struct Row {
    area: String,
    outcome: String,
    /// What the page says of it, unless it passed.
    line: String,
}

/// Reads the suite's own report of an engine.
pub(super) fn read(engine: &str, report: &str) -> Result<Column> {
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
                line: format!("- {engine}: `{id}` {outcome}: {words}"),
                area: text(&case["area"]),
                outcome,
            }
        })
        .collect();
    let mut areas = by_area(&rows);
    let rows_of_catalogue: Vec<Row> = report["catalogue"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|row| Row {
            area: CATALOGUE.to_owned() + text(&row["id"]).get(..1).unwrap_or_default(),
            outcome: text(&row["outcome"]),
            line: String::new(),
        })
        .collect();
    areas.extend(by_area(&rows_of_catalogue));
    let failed = rows.iter().filter(|row| row.outcome != "passed");
    Ok(Column {
        name: engine.to_owned(),
        runs_on: format!("{name} {}", text(&report["engine"]["version"])),
        areas,
        all: count(rows.iter()),
        exceptions: failed.map(|row| row.line.clone()).collect(),
    })
}

/// The counts of each area, in the order in which they come.
fn by_area(rows: &[Row]) -> Vec<(String, String)> {
    let mut areas: Vec<(String, String)> = Vec::new();
    for Row { area, .. } in rows {
        if !areas.iter().any(|(known, _)| known == area) {
            let cell = count(rows.iter().filter(|row| row.area == *area));
            areas.push((area.clone(), cell));
        }
    }
    areas
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_without_an_engine_is_no_run() {
        assert!(read("docker", "{}").is_err());
    }
}
