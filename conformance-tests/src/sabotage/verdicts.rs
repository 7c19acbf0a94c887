//! What the two-way rule came to, held against the list of what may stay unproven.

use super::{Sabotage, Tried};
use crate::case::Case;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

/// They run one plain container each, and read its report. Where even that fails, that another case fails too says
/// nothing about that one.
const CANARIES: [&str; 2] = ["lifecycle/spawn_tells_what_runs", "policy/seccomp"];

pub(super) fn is_canary(case: &Case) -> bool {
    CANARIES.contains(&case.id())
}

/// Which sabotages are caught, and which cases catch one.
#[derive(Debug)]
pub struct Verdicts {
    cases: Vec<&'static Case>,
    sabotages: Vec<&'static Sabotage>,
    /// By sabotage: the cases that caught it, and why they failed.
    caught: BTreeMap<&'static str, Vec<(&'static str, String)>>,
    /// By sabotage: why nothing ran under it.
    not_given: BTreeMap<&'static str, String>,
    /// The sabotages under which a canary does not live.
    dead: BTreeSet<&'static str>,
    /// By case: a sabotage that it caught, and under which the canaries live.
    proven: BTreeMap<&'static str, &'static str>,
}

impl Verdicts {
    pub(super) fn new(cases: &[&'static Case], sabotages: &[&'static Sabotage]) -> Self {
        Self {
            cases: cases.to_vec(),
            sabotages: sabotages.to_vec(),
            caught: BTreeMap::new(),
            not_given: BTreeMap::new(),
            dead: BTreeSet::new(),
            proven: BTreeMap::new(),
        }
    }

    pub(super) fn record(
        &mut self,
        sabotage: &'static Sabotage,
        case: &'static Case,
        tried: Tried,
    ) {
        let (sabotage, canary) = (sabotage.id(), is_canary(case));
        if canary && tried != Tried::Held {
            self.dead.insert(sabotage);
        }
        match tried {
            Tried::Held => {}
            Tried::NotGiven(why) => {
                self.not_given.insert(sabotage, why);
            }
            Tried::Failed(why) => {
                let caught = self.caught.entry(sabotage).or_default();
                caught.push((case.id(), why));
                if canary || !self.dead.contains(sabotage) {
                    self.proven.entry(case.id()).or_insert(sabotage);
                }
            }
        }
    }

    pub(super) fn lives(&self, sabotage: &Sabotage) -> bool {
        !self.dead.contains(sabotage.id())
    }

    /// The cases that have caught something.
    pub(super) fn proven(&self) -> BTreeSet<&'static str> {
        self.proven.keys().copied().collect()
    }

    /// The cases that have not, and the sabotages under which that may change.
    pub(super) fn still_open(&self) -> (Vec<&'static Case>, Vec<&'static Sabotage>) {
        let mut idle = self.cases.clone();
        idle.retain(|case| !self.proven.contains_key(case.id()));
        let mut living = self.sabotages.clone();
        living.retain(|sabotage| self.lives(sabotage));
        (idle, living)
    }

    /// Every catch: the sabotage, the case, and why that failed.
    pub fn catches(&self) -> impl Iterator<Item = (&'static str, &'static str, &str)> {
        let caught = self.caught.iter();
        caught.flat_map(|(sabotage, cases)| {
            let cases = cases.iter();
            cases.map(|(case, why)| (*sabotage, *case, why.as_str()))
        })
    }

    /// Whether every sabotage is caught and every case catches one, but for those in `unproven`.
    ///
    /// That is a list with a line for each: a case's id, or the word `sabotage` and the id of one, a colon and the
    /// reason. Lines that begin with `#` say something to their readers. What is listed and is proven is as wrong as
    /// what is neither.
    ///
    /// # Errors
    ///
    /// All that is wrong, as a table for people.
    pub fn hold(&self, unproven: &str) -> Result<(), String> {
        let mut wrong = Vec::new();
        let mut listed = BTreeSet::new();
        let lines = unproven.lines().map(str::trim);
        for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
            match line.split_once(": ") {
                Some((id, _)) if listed.insert(id) => {}
                Some((id, _)) => wrong.push((id.to_owned(), "is listed twice".to_owned())),
                None => wrong.push((line.to_owned(), "is listed without a reason".to_owned())),
            }
        }
        let mut open = BTreeSet::new();
        for sabotage in &self.sabotages {
            if self.caught.contains_key(sabotage.id()) {
                continue;
            }
            let why = match self.not_given.get(sabotage.id()) {
                Some(why) => format!("never ran: {why}"),
                None => format!("is caught by no case: {}", sabotage.breaks()),
            };
            open.insert((format!("sabotage {}", sabotage.id()), why));
        }
        for case in &self.cases {
            if !self.proven.contains_key(case.id()) {
                let why = format!("catches no sabotage: {}", case.title());
                open.insert((case.id().to_owned(), why));
            }
        }
        for id in &listed {
            if !open.iter().any(|(open, _)| open == id) {
                let why = self.proof(id);
                wrong.push((
                    (*id).to_owned(),
                    format!("is listed as unproven, and {why}"),
                ));
            }
        }
        wrong.extend(
            open.into_iter()
                .filter(|(id, _)| !listed.contains(id.as_str())),
        );
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

    /// What speaks against an entry of the list.
    fn proof(&self, id: &str) -> String {
        let sabotage = id.strip_prefix("sabotage ");
        if let Some((case, why)) = sabotage.and_then(|id| self.caught.get(id)?.first()) {
            return format!("{case} catches it: {why}");
        }
        match self.proven.get(id) {
            Some(sabotage) => format!("catches {sabotage}"),
            None => "there is no such thing here".to_owned(),
        }
    }
}
