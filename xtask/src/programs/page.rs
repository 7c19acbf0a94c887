//! What the programs did, as a table of `docs/SECCOMP.md`.

use anyhow::{Context as _, Result};

const BEGIN: &str = "<!-- programs: written by `cargo xtask programs` -->\n";
const END: &str = "<!-- end of programs -->\n";

/// A program, and what it did under `strict` and `compat` on every engine.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) version: String,
    pub(super) does: &'static str,
    pub(super) refused: Option<&'static str>,
}

/// The page with its table made anew. `engines` are those that every program ran on.
pub(super) fn with(page: &str, suite: &str, engines: &[String], rows: &[Row]) -> Result<String> {
    let (before, rest) = page
        .split_once(BEGIN)
        .context("the page has no table of programs")?;
    let (_, after) = rest
        .split_once(END)
        .context("the table of programs has no end")?;
    let mut lines = vec![
        "## Programs\n".to_owned(),
        format!("Debian {suite}'s programs, each run under the default limits on"),
        format!(
            "{}. `cargo xtask programs` does it again, and",
            engines.join(", ")
        ),
        "fails where a program does otherwise.\n".to_owned(),
        "| program | version | what it did | strict | compat |".to_owned(),
        "|---|---|---|---|---|".to_owned(),
    ];
    lines.extend(rows.iter().map(|row| {
        let strict = row.refused.map_or_else(
            || "works".to_owned(),
            |why| format!("refused by design: {why}"),
        );
        format!(
            "| {} | {} | {} | {strict} | works |",
            row.name, row.version, row.does
        )
    }));
    Ok(format!(
        "{before}{BEGIN}\n{}\n\n{END}{after}",
        lines.join("\n")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_replaced_and_the_rest_stays() {
        let rows = [("a", None), ("b", Some("no b"))].map(|(name, refused)| Row {
            name,
            version: "1".to_owned(),
            does: "runs",
            refused,
        });
        let old = format!("before\n{BEGIN}old\n{END}after\n");
        let engines = ["docker 1".to_owned(), "podman 2".to_owned()];
        let page = with(&old, "x", &engines, &rows).unwrap();
        for line in [
            "before",
            "docker 1, podman 2. `cargo xtask programs` does it again, and",
            "| a | 1 | runs | works | works |",
            "| b | 1 | runs | refused by design: no b | works |",
            "after",
        ] {
            assert!(page.lines().any(|found| found == line), "{line}\n{page}");
        }
        assert!(!page.contains("old"));
        assert_eq!(with(&page, "x", &engines, &rows).unwrap(), page);
        assert!(with("no table", "x", &engines, &rows).is_err());
    }
}
