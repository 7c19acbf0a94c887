//! Whether containers can be given a process 1 of ours.

use crate::cli::say::causes;
use clawbox::{ContainerError, ManagerConfig, containers::init::Readiness};
use serde::Serialize;
use std::path::PathBuf;

/// What there is for process 1.
#[derive(Debug, Serialize)]
pub(super) struct ProcessOne {
    program_bytes: Option<usize>,
    state_dir: Option<PathBuf>,
    /// Why it cannot be had, or may not be.
    problems: Vec<String>,
    /// What would mend it.
    mend: Vec<String>,
}

impl ProcessOne {
    pub(super) fn look() -> Self {
        let config = ManagerConfig::default();
        match Readiness::try_out(&config) {
            Ok(ready) => Self {
                program_bytes: Some(ready.program_bytes),
                state_dir: Some(ready.state_dir),
                problems: match ready.is_noexec {
                    true => vec![
                        "that is mounted noexec: Docker as root runs it all the same, other engines may not"
                            .to_owned(),
                    ],
                    false => Vec::new(),
                },
                mend: Vec::new(),
            },
            Err(error) => Self {
                program_bytes: None,
                state_dir: config.state_dir,
                problems: [error.to_string()].into_iter().chain(causes(&error)).collect(),
                mend: match error {
                    ContainerError::Io { .. } => {
                        vec!["name a directory of this user's, mode 0700, in XDG_RUNTIME_DIR".to_owned()]
                    }
                    _ => Vec::new(),
                },
            },
        }
    }

    pub(super) fn describe(&self, text: &mut String) {
        text.push_str("\nprocess 1\n");
        match (self.program_bytes, &self.state_dir) {
            (Some(bytes), Some(dir)) => {
                let (kib, dir) = (bytes.div_ceil(1024), dir.display());
                text.push_str(&format!("  clawbox-init of {kib} KiB, put below {dir}\n"));
            }
            _ => text.push_str("  clawbox-init CANNOT be had\n"),
        }
        for problem in &self.problems {
            text.push_str(&format!("  {problem}\n"));
        }
        for way in &self.mend {
            text.push_str(&format!("  to mend it: {way}\n"));
        }
        if self.program_bytes.is_none() {
            text.push_str("  ready only with --init engine\n");
        }
    }
}
