//! What the engine was asked, in order.

use crate::call::{Call, Op};
use clawbox_types::ContainerId;
use std::{collections::VecDeque, fmt::Write as _, time::Duration};

/// How many calls are remembered.
pub const JOURNAL_CAPACITY: usize = 4096;

/// A call that the engine got.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// How many calls came before it.
    pub number: u64,
    /// How long after the engine's making it came, on tokio's clock.
    pub at: Duration,
    /// The call.
    pub call: Call,
}

/// The last [`JOURNAL_CAPACITY`] calls.
#[derive(Debug, Default)]
pub(crate) struct Ring {
    entries: VecDeque<Entry>,
    next: u64,
}

impl Ring {
    pub(crate) fn push(&mut self, at: Duration, call: Call) {
        if self.entries.len() == JOURNAL_CAPACITY {
            self.entries.pop_front();
        }
        self.entries.push_back(Entry {
            number: self.next,
            at,
            call,
        });
        self.next += 1;
    }

    pub(crate) fn snapshot(&self) -> Journal {
        Journal {
            entries: self.entries.iter().cloned().collect(),
            forgotten: self.next - self.entries.len() as u64,
        }
    }

    /// Forgets what was called so far; the numbers go on.
    pub(crate) fn clear(&mut self) {
        self.entries.clear();
    }
}

/// The calls that an engine got up to some moment, in order.
#[derive(Debug, Clone, PartialEq)]
pub struct Journal {
    /// The calls.
    pub entries: Vec<Entry>,
    /// How many earlier calls are no longer remembered.
    pub forgotten: u64,
}

impl Journal {
    /// Those about one container.
    #[must_use]
    pub fn of(mut self, id: &ContainerId) -> Self {
        self.entries.retain(|entry| entry.call.is_about(id));
        self
    }

    /// Those of these kinds.
    #[must_use]
    pub fn only(mut self, ops: &[Op]) -> Self {
        self.entries.retain(|entry| ops.contains(&entry.call.op()));
        self
    }

    /// How many calls there were.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there were none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Asserts that the calls were these, by their [summaries](Call::summary).
    ///
    /// # Panics
    ///
    /// Where they were not, with the two lists side by side.
    #[track_caller]
    pub fn assert(&self, expected: &[&str]) {
        let called: Vec<String> = self.entries.iter().map(|e| e.call.summary()).collect();
        if called != expected {
            panic!(
                "the engine was not called as expected:\n{}",
                self.difference(expected)
            );
        }
    }

    /// The calls with their times, against what was expected: `-` is missing, `+` was not expected.
    fn difference(&self, expected: &[&str]) -> String {
        let called: Vec<String> = self.entries.iter().map(|e| e.call.summary()).collect();
        let common = common_lengths(expected, &called);
        let (mut e, mut c) = (0, 0);
        let mut text = String::new();
        if self.forgotten > 0 {
            text.push_str(&format!(
                "  ({} earlier calls are forgotten)\n",
                self.forgotten
            ));
        }
        while e < expected.len() || c < called.len() {
            let same = e < expected.len() && c < called.len() && expected[e] == called[c];
            let missing =
                c == called.len() || (e < expected.len() && common[e + 1][c] >= common[e][c + 1]);
            // Writing to a string does not fail.
            let _ = if same {
                (e, c) = (e + 1, c + 1);
                writeln!(text, "  {}", self.line(c - 1))
            } else if missing {
                e += 1;
                writeln!(text, "- {}", expected[e - 1])
            } else {
                c += 1;
                writeln!(text, "+ {}", self.line(c - 1))
            };
        }
        text
    }

    fn line(&self, index: usize) -> String {
        let Entry { at, call, .. } = &self.entries[index];
        format!("{:<24} at {:.3} s", call.summary(), at.as_secs_f64())
    }
}

/// At `[e][c]`: how many calls two lists have in common from there on, in order.
fn common_lengths(expected: &[&str], called: &[String]) -> Vec<Vec<usize>> {
    let mut common = vec![vec![0; called.len() + 1]; expected.len() + 1];
    for e in (0..expected.len()).rev() {
        for c in (0..called.len()).rev() {
            common[e][c] = if expected[e] == called[c] {
                common[e + 1][c + 1] + 1
            } else {
                common[e + 1][c].max(common[e][c + 1])
            };
        }
    }
    common
}
