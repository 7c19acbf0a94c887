//! The checked-in table of what is known to catch what, and what is wrong with it.

use super::{Verdicts, sabotages};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

/// For every case a sabotage that it catches, and for every sabotage a case that does.
///
/// The table has a line for each pair: a case's id, a colon and the id of a sabotage. Beside it is a list of what has no
/// such line, and why: a case's id, or the word `sabotage` and the id of one, a colon and the reason. Lines that begin
/// with `#` say something to their readers.
#[derive(Debug, Default)]
pub struct Proofs {
    /// By sabotage: the cases that catch it.
    pairs: BTreeMap<String, Vec<String>>,
    unproven: BTreeSet<String>,
    malformed: Vec<(String, &'static str)>,
}

impl Proofs {
    /// Reads the table and the list.
    #[must_use]
    pub fn parse(table: &str, unproven: &str) -> Self {
        let mut proofs = Self::default();
        for line in lines(table) {
            let added = line.split_once(": ").map(|(case, sabotage)| {
                let cases = proofs.pairs.entry(sabotage.to_owned()).or_default();
                let new = !cases.iter().any(|it| it == case);
                cases.push(case.to_owned());
                new
            });
            let wrong = match added {
                Some(true) => continue,
                Some(false) => "is in the table twice",
                None => "is no pair of a case and a sabotage",
            };
            proofs.malformed.push((line.to_owned(), wrong));
        }
        for line in lines(unproven) {
            let wrong = match line.split_once(": ") {
                Some((id, _)) if proofs.unproven.insert(id.to_owned()) => continue,
                Some(_) => "is listed twice",
                None => "is listed without a reason",
            };
            proofs.malformed.push((line.to_owned(), wrong));
        }
        proofs
    }

    /// The cases that are told to catch this sabotage.
    pub(super) fn of<'a>(&'a self, sabotage: &str) -> impl Iterator<Item = &'a str> {
        let cases = self.pairs.get(sabotage).into_iter().flatten();
        cases.map(String::as_str)
    }

    /// Whether this is listed as unproven.
    pub(super) fn lists(&self, id: &str) -> bool {
        self.unproven.contains(id)
    }

    /// Whether all of it is so, and nothing is missing.
    ///
    /// # Errors
    ///
    /// All that is wrong, as a table for people.
    pub fn hold(&self, verdicts: &Verdicts) -> Result<(), String> {
        let mut wrong: Vec<(String, String)> = self
            .malformed
            .iter()
            .map(|(line, why)| (line.clone(), (*why).to_owned()))
            .collect();
        let mut named = BTreeSet::new();
        for (sabotage, cases) in &self.pairs {
            let known = sabotages().any(|it| it.id() == sabotage);
            named.insert(format!("sabotage {sabotage}"));
            for case in cases {
                named.insert(case.clone());
                let free = match verdicts.refutation(sabotage, case) {
                    _ if !known => "there is no such sabotage".to_owned(),
                    Some(why) => format!("goes free: its case {case} {why}"),
                    None => continue,
                };
                wrong.push((format!("sabotage {sabotage}"), free));
            }
        }
        for (id, found) in verdicts.findings() {
            let listed = self.unproven.contains(&id);
            let says = match (named.contains(&id), listed, found) {
                (true, true, _) => "is listed as unproven, and in the table".to_owned(),
                (true, false, _) | (false, true, Err(_)) => continue,
                (false, true, Ok(pair)) => format!("is listed as unproven, and this holds: {pair}"),
                (false, false, Ok(pair)) => {
                    format!("is not in the table, where this holds: {pair}")
                }
                (false, false, Err(why)) => why,
            };
            wrong.push((id, says));
        }
        let known: BTreeSet<String> = verdicts.findings().map(|(id, _)| id).collect();
        let stale = self.unproven.iter().filter(|id| !known.contains(*id));
        wrong.extend(stale.map(|id| {
            let why = "is listed as unproven, and there is no such thing here";
            (id.clone(), why.to_owned())
        }));
        if wrong.is_empty() {
            return Ok(());
        }
        let width = wrong.iter().map(|(id, _)| id.len()).max().unwrap_or(0);
        let mut table = String::new();
        for (id, why) in wrong {
            let line = writeln!(table, "{id:width$}  {why}");
            debug_assert!(line.is_ok(), "a string takes every line");
        }
        Err(table)
    }
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    let lines = text.lines().map(str::trim);
    lines.filter(|line| !line.is_empty() && !line.starts_with('#'))
}
