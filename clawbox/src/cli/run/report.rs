//! The report of a run, as JSON.

use crate::cli::say::causes;
use clawbox::{
    ContainerError, ContainerId, ContainerOutput, EnforcementReport, EngineInfo, ExitReport,
    ImageRef, PolicyItem, TransferReport, Violation,
    types::{CapturedStream, ItemReport},
};
use serde::Serialize;
use std::path::PathBuf;

/// What is known of a run; a part that it did not come to is `null`.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) container_id: Option<ContainerId>,
    /// In its canonical form, where it has one.
    image: String,
    pub(super) backend: Option<EngineInfo>,
    /// The status that `clawbox run` ends with.
    pub(super) exit_status: u8,
    pub(super) exit: Option<ExitReport>,
    pub(super) output: Option<Output>,
    pub(super) enforcement: Option<EnforcementReport>,
    /// The items that do not hold, and were allowed not to.
    pub(super) degraded: Vec<PolicyItem>,
    /// The files that went in and came out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) transfers: Vec<Transfer>,
    pub(super) error: Option<Failure>,
}

/// Files that went in or came out.
#[derive(Debug, Serialize)]
pub(super) struct Transfer {
    pub(super) direction: &'static str,
    pub(super) host: PathBuf,
    pub(super) inside: String,
    #[serde(flatten)]
    pub(super) report: TransferReport,
}

/// How much was printed.
#[derive(Debug, Serialize)]
pub(super) struct Output {
    stdout: Count,
    stderr: Count,
    /// Whether the streams broke off, so that more may be missing.
    incomplete: bool,
}

#[derive(Debug, Serialize)]
struct Count {
    kept: usize,
    dropped: u64,
}

/// Why the command did not run, or was not seen through.
#[derive(Debug, Serialize)]
pub(super) struct Failure {
    message: String,
    caused_by: Vec<String>,
    violations: Vec<Violation>,
    items: Vec<ItemReport>,
}

impl Report {
    /// The report of a run that has not come to anything yet.
    pub(super) fn new(image: &str) -> Self {
        let canonical = image.parse::<ImageRef>().map(|image| image.to_string());
        Self {
            container_id: None,
            image: canonical.unwrap_or_else(|_| image.to_owned()),
            backend: None,
            exit_status: crate::cli::status::REFUSED,
            exit: None,
            output: None,
            enforcement: None,
            degraded: Vec::new(),
            transfers: Vec::new(),
            error: None,
        }
    }
}

impl From<&ContainerOutput> for Output {
    fn from(output: &ContainerOutput) -> Self {
        let count = |stream: &CapturedStream| Count {
            kept: stream.bytes.len(),
            dropped: stream.dropped,
        };
        Self {
            stdout: count(&output.stdout),
            stderr: count(&output.stderr),
            incomplete: output.incomplete,
        }
    }
}

impl From<&ContainerError> for Failure {
    fn from(error: &ContainerError) -> Self {
        let violations = match error {
            ContainerError::PolicyDenied { violations }
            | ContainerError::InvalidRequest { violations } => violations.clone(),
            _ => Vec::new(),
        };
        let items = match error {
            ContainerError::PolicyNotEnforced { items, .. } => items.clone(),
            _ => Vec::new(),
        };
        Self {
            message: error.to_string(),
            caused_by: causes(error),
            violations,
            items,
        }
    }
}
