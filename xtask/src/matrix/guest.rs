//! The column of the guest, whose runs take too long for this: it is of the last one.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::time::SystemTime;

use anyhow::{Context as _, Result};

use super::page::{self, Column};
use super::report::read;

const NAME: &str = "podman-rootless-guest";

/// What the last run left, or else what the page has. It is an earlier run's where a source of the command that was run
/// has changed since.
pub(super) fn column(root: &Path, old: &str) -> Result<Column> {
    let file = |name: &str| root.join("target/guest").join(name);
    let report = match fs::read_to_string(file("report.json")) {
        Ok(report) => report,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(page::kept(old, NAME)),
        Err(error) => return Err(error).context("read the guest's report"),
    };
    let versions = fs::read_to_string(file("versions")).context("read the guest's versions")?;
    let column = made_of(&report, &versions)?;
    let ran = changed(&file("report.json")).context("look at the guest's report")?;
    let sources = fs::read_to_string(root.join("target/release/clawbox.d")).unwrap_or_default();
    Ok(match is_newer(ran, &sources) {
        true => column,
        false => column.earlier(),
    })
}

fn made_of(report: &str, versions: &str) -> Result<Column> {
    let mut column = read(NAME, report).context("the guest's report")?;
    for version in versions.lines().filter(|it| !it.starts_with("podman ")) {
        column.runs_on = format!("{}, {version}", column.runs_on);
    }
    Ok(column)
}

/// Whether a run was after the last change of all sources that cargo lists for a program.
fn is_newer(ran: SystemTime, listed: &str) -> bool {
    let Some((_, sources)) = listed.split_once(": ") else {
        return false;
    };
    let mut sources = sources.split_whitespace().map(Path::new);
    sources.all(|source| changed(source).is_ok_and(|changed| changed < ran))
}

fn changed(file: &Path) -> Result<SystemTime> {
    Ok(fs::metadata(file)?.modified()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
    use std::time::Duration;

    const REPORT: &str = r#"{
        "engine": {"name": "podman", "version": "5"},
        "cases": [{"id": "b/one", "area": "b", "outcome": "passed"}]
    }"#;

    #[test]
    fn the_versions_are_told_and_an_old_run_is_marked() {
        let root = std::env::temp_dir().join(format!("clawbox-guest-{}", std::process::id()));
        let write = |name: &str, text: &str| {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            path
        };
        let never = column(&root, "").unwrap();
        assert_eq!(never.runs_on, "not run");

        let source = write("src/main.rs", "");
        let list = format!(
            "{0}/target/release/clawbox: {0}/src/main.rs\n",
            root.display()
        );
        write("target/release/clawbox.d", &list);
        write(
            "target/guest/versions",
            "debian 13\npodman 5-2\ncases all\n",
        );
        let report = write("target/guest/report.json", REPORT);
        let later = fs::metadata(&source).unwrap().modified().unwrap() + Duration::from_secs(9);
        File::options()
            .write(true)
            .open(&report)
            .and_then(|file| file.set_modified(later))
            .unwrap();
        let fresh = column(&root, "").unwrap();
        assert_eq!(fresh.runs_on, "podman 5, debian 13, cases all");
        assert_eq!(fresh.all, "1 pass");

        File::options()
            .write(true)
            .open(&source)
            .and_then(|file| file.set_modified(later + Duration::from_secs(9)))
            .unwrap();
        let marked = column(&root, "").unwrap();
        assert_eq!(
            marked.runs_on,
            "podman 5, debian 13, cases all (earlier run)"
        );

        let page = page::page(&[marked]);
        fs::remove_dir_all(&root).unwrap();
        let kept = column(&root, &page).unwrap();
        assert_eq!(kept.runs_on, "podman 5, debian 13, cases all (earlier run)");
        assert_eq!(kept.all, "1 pass");
    }
}
