//! Running the suite on one engine, as the backend's own test.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};

use super::page::Column;
use super::report::read;
use crate::engines::{Kind, Service, runner};
use crate::workspace::cargo;

/// The package and the test of it that is the suite.
fn test_of(kind: Kind) -> [&'static str; 2] {
    match kind {
        Kind::Docker => ["clawbox-backend-docker", "conformance"],
        Kind::PodmanRootless => ["clawbox-backend-podman", "rootless"],
        Kind::PodmanRootful => ["clawbox-backend-podman", "rootful"],
    }
}

pub(super) fn on_mock(name: &str) -> Result<Column> {
    column(
        name,
        &mut suite(["clawbox-backend-mock", "conformance"], &[])?,
    )
}

/// On an engine that somebody named, as who we are.
pub(super) fn on_host(service: &Service, host: &str) -> Result<Column> {
    run(service, host, &[])
}

/// On an engine of ours, a rootless one as its user.
pub(super) fn on_ours(service: &Service, host: &str) -> Result<Column> {
    match service.kind {
        Kind::PodmanRootless => run(service, host, &runner::as_user(service)?),
        Kind::Docker | Kind::PodmanRootful => run(service, host, &[]),
    }
}

fn run(service: &Service, host: &str, runner: &[String]) -> Result<Column> {
    let mut suite = suite(test_of(service.kind), runner)?;
    column(&service.name(), suite.env(service.kind.variable(), host))
}

fn suite([package, test]: [&str; 2], runner: &[String]) -> Result<Command> {
    let mut suite = cargo(["test", "--quiet", "-p", package, "--test", test])?;
    if !runner.is_empty() {
        suite.args(["--config", &runner::as_setting(runner)]);
    }
    Ok(suite)
}

fn column(name: &str, suite: &mut Command) -> Result<Column> {
    let report = tempfile(name)?;
    suite.env("CLAWBOX_CONFORMANCE_REPORT", &report);
    // A failed case is in the report as well.
    let status = suite.status().context("start cargo test")?;
    let text = fs::read_to_string(&report);
    let text = text.with_context(|| format!("the suite on {name} left no report ({status})"))?;
    fs::remove_file(&report).with_context(|| format!("remove {}", report.display()))?;
    read(name, &text)
}

/// Where a run leaves its report; there is none yet.
fn tempfile(name: &str) -> Result<PathBuf> {
    let file = format!("clawbox-conformance-{name}-{}.json", std::process::id());
    let path = std::env::temp_dir().join(file);
    if path.exists() {
        fs::remove_file(&path).with_context(|| format!("remove {}", path.display()))?;
    }
    Ok(path)
}
