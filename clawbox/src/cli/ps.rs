//! `clawbox ps`: this user's containers at the engine, of whatever process.

use super::{engine, say::Say, status, table::table};
use clawbox::{ConnectOptions, ContainerResult, Liveness, SurveyedContainer};
use serde_json::json;
use std::time::Duration;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

const EXAMPLES: &str = "\
Examples:
  clawbox ps                                      who runs, and who is an orphan
  clawbox ps --json | jq '.[] | select(.orphan)'  orphans only";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(super) engine: engine::Options,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Lists the containers.
pub(crate) async fn execute(args: &Args, say: Say) -> ContainerResult<u8> {
    let backend = args.engine.connect(ConnectOptions::new(), say).await?;
    let mut found = backend.survey().await?;
    found.sort_by_key(|container| container.deadline);
    if args.json {
        let all: Vec<_> = found.iter().map(json).collect();
        super::print(&format!("{:#}\n", json!(all)))
    } else {
        let heading = ["ID", "OWNER", "PHASE", "DEADLINE", ""].map(str::to_owned);
        let rows = found.iter().map(row);
        let rows: Vec<_> = std::iter::once(heading).chain(rows).collect();
        super::print(&table(&rows))
    }
    Ok(status::OK)
}

fn json(container: &SurveyedContainer) -> serde_json::Value {
    json!({
        "id": container.id,
        "owner": container.owner.to_string(),
        "phase": container.phase.to_string(),
        // Only a year beyond 9999 has no such form.
        "deadline": container.deadline.format(&Rfc3339).ok(),
        "orphan": is_orphan(container),
    })
}

fn row(container: &SurveyedContainer) -> [String; 5] {
    [
        container.id.to_string(),
        container.owner.to_string(),
        container.phase.to_string(),
        relative(container.deadline - OffsetDateTime::now_utc()),
        match is_orphan(container) {
            true => "orphan".to_owned(),
            false => String::new(),
        },
    ]
}

fn is_orphan(container: &SurveyedContainer) -> bool {
    container.owner == Liveness::Dead
}

fn relative(time: time::Duration) -> String {
    let seconds = Duration::from_secs(time.whole_seconds().unsigned_abs());
    let text = humantime::format_duration(seconds);
    match time.is_negative() {
        true => format!("{text} ago"),
        false => format!("in {text}"),
    }
}
