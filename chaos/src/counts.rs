//! What a run ends with: what was done, and what should not be there.

use anyhow::{Result, bail};
use std::collections::BTreeMap;

/// In the order in which they are told; all have to be empty.
pub(crate) const WRONGS: [&str; 8] = [
    "leaked containers",
    "leaked volumes",
    "leaked directories",
    "leaked tokens",
    "lost slots",
    "wrong statuses",
    "overdue deadlines",
    "foreign containers removed",
];

#[derive(Debug, Default)]
pub(crate) struct Counts {
    done: BTreeMap<String, usize>,
    wrong: BTreeMap<&'static str, Vec<String>>,
}

impl Counts {
    pub(crate) fn done(&mut self, what: impl Into<String>) {
        *self.done.entry(what.into()).or_default() += 1;
    }

    pub(crate) fn wrong(&mut self, what: &'static str, which: impl Into<String>) {
        self.wrong.entry(what).or_default().push(which.into());
    }

    /// Says all of it.
    ///
    /// # Errors
    ///
    /// Where anything was wrong.
    pub(crate) fn finish(self, seed: u64) -> Result<()> {
        for (what, count) in &self.done {
            println!("{count:6}  {what}");
        }
        for what in WRONGS {
            let which = self.wrong.get(what).map(Vec::as_slice).unwrap_or_default();
            println!("{:6}  {what}", which.len());
            for one in which {
                println!("        {one}");
            }
        }
        println!("        seed {seed}");
        let wrong: usize = self.wrong.values().map(Vec::len).sum();
        if wrong > 0 {
            bail!("{wrong} things are not as they have to be");
        }
        Ok(())
    }
}
