//! A run of several steps: a heading and a time for each, and one table at the end.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::interrupt;
use crate::say::say;
use crate::table::table;

/// The steps so far.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    name: String,
    outcome: Outcome,
    note: String,
    time: Duration,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Ok,
    Failed,
    NotRun,
}

impl Steps {
    /// A step that must succeed; the steps after it run all the same.
    pub(crate) fn step<T>(&mut self, name: &str, work: impl FnOnce() -> Result<T>) -> Option<T> {
        self.unless_interrupted(name, Outcome::Failed, work)
    }

    /// A step that must succeed, and comes after a Ctrl-C too.
    pub(crate) fn last<T>(&mut self, name: &str, work: impl FnOnce() -> Result<T>) -> Option<T> {
        self.take(name, Outcome::Failed, work)
    }

    /// A step whose failure means that something was not run.
    pub(crate) fn optional<T>(
        &mut self,
        name: &str,
        work: impl FnOnce() -> Result<T>,
    ) -> Option<T> {
        self.unless_interrupted(name, Outcome::NotRun, work)
    }

    fn unless_interrupted<T>(
        &mut self,
        name: &str,
        on_error: Outcome,
        work: impl FnOnce() -> Result<T>,
    ) -> Option<T> {
        match interrupt::came() {
            true => None,
            false => self.take(name, on_error, work),
        }
    }

    fn take<T>(
        &mut self,
        name: &str,
        on_error: Outcome,
        work: impl FnOnce() -> Result<T>,
    ) -> Option<T> {
        say!("\n=== {name}");
        let start = Instant::now();
        let result = work();
        let time = start.elapsed();
        let outcome = match result {
            Ok(_) => Outcome::Ok,
            Err(_) => on_error,
        };
        let note = result.as_ref().err().map(|error| format!("{error:#}"));
        if let Some(note) = &note {
            say!("{}: {note}", outcome.word());
        }
        say!(
            "=== {name}: {} in {:.1} s",
            outcome.word(),
            time.as_secs_f32()
        );
        self.rows.push(Row {
            name: name.to_owned(),
            outcome,
            note: note.unwrap_or_default(),
            time,
        });
        result.ok()
    }

    /// Prints the table; an error when a step failed, or was not come to.
    pub(crate) fn finish(self) -> Result<()> {
        let heading = ["step", "result", "seconds", ""].map(String::from);
        let rows = self.rows.iter().map(|row| {
            [
                row.name.clone(),
                row.outcome.word().to_owned(),
                format!("{:.1}", row.time.as_secs_f32()),
                row.note.clone(),
            ]
        });
        say!(
            "\n{}",
            table(&[heading].into_iter().chain(rows).collect::<Vec<_>>())
        );
        if interrupt::came() {
            bail!("interrupted");
        }
        let failed: Vec<&str> = self
            .rows
            .iter()
            .filter(|row| row.outcome == Outcome::Failed)
            .map(|row| row.name.as_str())
            .collect();
        if !failed.is_empty() {
            bail!("failed: {}", failed.join(", "));
        }
        Ok(())
    }
}

impl Outcome {
    fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::NotRun => "not run",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_failed_step_fails_the_run_and_stops_no_other() {
        let mut steps = Steps::default();
        assert_eq!(steps.step("bad", || -> Result<()> { bail!("no") }), None);
        assert_eq!(steps.step("good", || Ok(1)), Some(1));
        let error = steps.finish().unwrap_err();
        assert_eq!(error.to_string(), "failed: bad");
    }

    #[test]
    fn what_was_not_run_fails_nothing() {
        let mut steps = Steps::default();
        assert_eq!(
            steps.optional("absent", || -> Result<()> { bail!("no") }),
            None
        );
        assert!(steps.finish().is_ok());
    }
}
