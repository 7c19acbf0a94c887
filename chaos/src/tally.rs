//! What a run has done and found, put into its counts.

use crate::chore::Names;
use crate::counts::Counts;
use crate::story::{Done, Left, Line, Outcome, Story, Trouble, Wrong};
use anyhow::{Context as _, Result};
use std::{fs, path::Path};
use tokio::sync::mpsc;

/// What is there now and was not before, and is not somebody else's.
pub(crate) fn compare(
    before: &Names,
    after: &Names,
    foreign: impl Fn(&str) -> bool,
    counts: &mut Counts,
) {
    for name in &after.containers {
        if !before.containers.contains(name) && !foreign(name) {
            counts.wrong("leaked containers", name);
        }
    }
    for name in &after.volumes {
        if !before.volumes.contains(name) {
            counts.wrong("leaked volumes", name);
        }
    }
}

pub(crate) fn entries(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).context("look at a folder of the managers'")? {
        names.push(entry?.path().display().to_string());
    }
    Ok(names)
}

pub(crate) async fn judge(
    mut heard: mpsc::UnboundedReceiver<Line>,
    troubles: &[Trouble],
    counts: &mut Counts,
) {
    while let Some(line) = heard.recv().await {
        match line {
            Line::Story(story) => {
                note(&story, counts);
                let Some(wrong) = story.judge(troubles) else {
                    continue;
                };
                let which = match wrong {
                    Wrong::Container => "leaked containers",
                    Wrong::Status => "wrong statuses",
                    Wrong::Deadline => "overdue deadlines",
                };
                let Story { begun, ended, .. } = story;
                let near: Vec<_> = troubles.iter().filter(|t| t.to + 5_000 >= begun).collect();
                let near = near.iter().filter(|t| t.from <= ended + 5_000);
                let near: Vec<_> = near.collect();
                counts.wrong(which, format!("{story:?}, near {near:?}"));
            }
            Line::Left(Left {
                records,
                tokens,
                slots,
            }) => {
                for id in records {
                    counts.wrong("leaked containers", format!("{id}, in a manager's records"));
                }
                for _ in 0..tokens {
                    counts.wrong("leaked tokens", "in a manager's store");
                }
                for _ in 0..slots {
                    counts.wrong("lost slots", "of a manager's places");
                }
            }
        }
    }
}

fn note(story: &Story, counts: &mut Counts) {
    counts.done("containers accounted for");
    match (&story.outcome, story.done) {
        (Outcome::Dropped { .. }, _) => counts.done("fault: spawn dropped by its caller"),
        (Outcome::Refused(_), _) => counts.done("containers refused in the engine's trouble"),
        (Outcome::Ended { .. }, Done::Removed) => {
            counts.done("fault: container removed from outside")
        }
        (Outcome::Ended { .. }, _) => {}
    }
    if let Outcome::Ended { status, .. } = story.outcome {
        counts.done(format!("containers {status}"));
    }
}
