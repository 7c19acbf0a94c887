//! What came of a run, as data.

use crate::{cases::cases as all_cases, catalogue::judged, harness::REPORT_VARIABLE};
use clawbox_types::EngineInfo;
use serde::{Deserialize, Serialize};
use std::{env, fmt, fs, io};

/// What came of one case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// It holds, and nothing was left.
    Passed,
    /// It does not hold, or something was left.
    Failed {
        /// What was expected and what was found.
        message: String,
    },
    /// It cannot be tried on this engine or host.
    Skipped {
        /// Why not.
        why: String,
    },
    /// The suite could not be run at all.
    NotRun {
        /// Why not.
        why: String,
    },
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Passed => f.write_str("passed"),
            Self::Failed { message } => write!(f, "failed: {message}"),
            Self::Skipped { why } => write!(f, "skipped: {why}"),
            Self::NotRun { why } => write!(f, "not run: {why}"),
        }
    }
}

/// One case of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseReport {
    /// The case's id, `area/what_holds`.
    pub id: String,
    /// The part of the contract that it belongs to.
    pub area: String,
    /// What holds where it passes.
    pub title: String,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// How long it took, with its cleaning up.
    pub millis: u64,
}

/// One row of the [catalogue](crate::CATALOGUE).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryReport {
    /// The row's id.
    pub id: String,
    /// What is tried.
    pub tried: String,
    /// The cases that try it.
    pub cases: Vec<String>,
    /// What came of the worst of them; where there is none, why it is skipped.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// A whole run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// The engine, where it answered.
    pub engine: Option<EngineInfo>,
    /// Every selected case, in the table's order.
    pub cases: Vec<CaseReport>,
    /// What the cases say of the catalogue: the rows of which all were selected.
    pub catalogue: Vec<EntryReport>,
    /// Whether the suite could have run and did not: an engine that answers, but not with what cases need.
    pub unfit: bool,
}

impl Summary {
    /// Whether nothing failed. What was not run did not fail, but proves nothing either.
    #[must_use]
    pub fn is_good(&self) -> bool {
        let failed = |case: &CaseReport| matches!(case.outcome, Outcome::Failed { .. });
        !self.unfit && !self.cases.iter().any(failed)
    }
}

/// Writes a run of the whole table down where the environment asks for it; `engine` is `None` where it was not run.
pub(crate) fn write(engine: Option<EngineInfo>, mut cases: Vec<CaseReport>) -> io::Result<()> {
    let Some(path) = env::var_os(REPORT_VARIABLE) else {
        return Ok(());
    };
    let place = |report: &CaseReport| all_cases().position(|case| case.id() == report.id);
    cases.sort_by_key(place);
    let summary = Summary {
        engine,
        catalogue: judged(&cases),
        cases,
        unfit: false,
    };
    fs::write(path, serde_json::to_vec_pretty(&summary)?)
}
