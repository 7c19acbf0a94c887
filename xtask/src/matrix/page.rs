//! The page that the matrix is: a column for each engine.

/// What an engine's column says where it never ran.
const NOT_RUN: &str = "not run";
/// What it says of an area of which it ran no case.
const NO_CASES: &str = "-";
/// What marks a column that was kept because its engine was not there.
const EARLIER: &str = " (earlier run)";

const HEADING: &str = "area";
const RUNS_ON: &str = "*runs on*";
const ALL: &str = "**all**";
/// What begins the names of the catalogue's groups, which come after the areas.
pub(super) const CATALOGUE: &str = "catalogue ";

/// What the page says of an engine.
#[derive(Debug, PartialEq)]
pub(super) struct Column {
    /// The engine's name among those of the chores.
    pub(super) name: String,
    /// What it calls itself, and its version.
    pub(super) runs_on: String,
    /// What came of each area, in the suite's order.
    pub(super) areas: Vec<(String, String)>,
    pub(super) all: String,
    /// A line for each case that did not pass.
    pub(super) exceptions: Vec<String>,
}

/// The page: one row for each area, one column for each engine, and what did not pass.
pub(super) fn page(columns: &[Column]) -> String {
    let mut areas: Vec<&str> = Vec::new();
    for (area, _) in columns.iter().flat_map(|column| &column.areas) {
        if !areas.contains(&area.as_str()) {
            areas.push(area);
        }
    }
    areas.sort_by_key(|area| area.starts_with(CATALOGUE));
    let line = |first: &str, cell: &dyn Fn(&Column) -> String| {
        let cells: Vec<String> = columns.iter().map(cell).collect();
        format!("| {first} | {} |", cells.join(" | "))
    };
    let of_area = |area: &&str| line(area, &|column| column.area(area));
    let mut lines = vec![
        "# Conformance\n".to_owned(),
        "What the conformance suite says on each engine, area by area: how many cases pass, fail and are".to_owned(),
        "skipped. Written by `cargo xtask matrix --engines all`; `cargo xtask test` checks the mock's column. An".to_owned(),
        "engine that was not there keeps the column of its last run, marked as an earlier one. The guest's is of the".to_owned(),
        "last `cargo xtask guest`. The rows below the".to_owned(),
        "areas count the catalogue's, group by group; what is skipped there on every engine is not for this suite.\n".to_owned(),
        line(HEADING, &|column| column.name.clone()),
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
    /// The same, marked as that of an earlier run.
    pub(super) fn earlier(mut self) -> Self {
        if self.runs_on != NOT_RUN && !self.runs_on.ends_with(EARLIER) {
            self.runs_on.push_str(EARLIER);
        }
        self
    }

    fn area(&self, area: &str) -> String {
        let found = self.areas.iter().find(|(known, _)| known == area);
        found.map_or_else(|| NO_CASES.to_owned(), |(_, cell)| cell.clone())
    }
}

/// An engine's column of a page, which says that it was not run where there is none.
pub(super) fn column(page: &str, name: &str) -> Column {
    let rows = page.lines().filter(|line| line.starts_with('|'));
    let rows: Vec<Vec<&str>> = rows
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let place = rows
        .first()
        .and_then(|heading| heading.iter().position(|cell| *cell == name));
    let mut found = Column {
        name: name.to_owned(),
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
    let start = format!("- {name}: ");
    let exceptions = page.lines().filter(|line| line.starts_with(&start));
    found.exceptions.extend(exceptions.map(str::to_owned));
    found
}

/// The column of an engine that was not there this time.
pub(super) fn kept(page: &str, name: &str) -> Column {
    column(page, name).earlier()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::report::read;

    const REPORT: &str = r#"{
        "engine": {"name": "box", "version": "2"},
        "cases": [
            {"id": "b/one", "area": "b", "outcome": "passed", "millis": 7},
            {"id": "a/two", "area": "a", "outcome": "skipped", "why": "cannot"},
            {"id": "a/three", "area": "a", "outcome": "failed", "message": "no\nmore"}
        ],
        "catalogue": [
            {"id": "E01", "outcome": "passed"},
            {"id": "E02", "outcome": "skipped", "why": "elsewhere"},
            {"id": "N01", "outcome": "passed"}
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
        [("mock", REPORT), ("docker", OTHER)].map(|(name, report)| read(name, report).unwrap())
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
            "| catalogue E | 1 pass, 1 skip | - |",
            "| catalogue N | 1 pass | - |",
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
            let mut told = column(&both, &made.name);
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
}
