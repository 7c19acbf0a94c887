//! What the two-way rule came to.

use super::{Sabotage, Tried, likeness::Likeness};
use crate::case::Case;
use std::collections::{BTreeMap, BTreeSet};

/// What a table says of itself.
const HEADER: &str = "\
# Each case and a sabotage that it catches, each sabotage and a case that catches it. `CLAWBOX_SABOTAGE=write` writes this
# anew, from what is here and what is missing; `CLAWBOX_SABOTAGE=all,write` from every pair there is.";

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
    /// Also those that only help.
    tried: Vec<&'static Case>,
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
    pub(super) fn new(
        cases: &[&'static Case],
        tried: Vec<&'static Case>,
        sabotages: &[&'static Sabotage],
    ) -> Self {
        Self {
            cases: cases.to_vec(),
            tried,
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
                if !caught.iter().any(|(by, _)| *by == case.id()) {
                    caught.push((case.id(), why));
                }
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

    /// The sabotages of which nothing is seen so far.
    pub(super) fn uncaught(&self) -> Vec<&'static Sabotage> {
        let mut open = self.sabotages.clone();
        open.retain(|sabotage| {
            self.lives(sabotage) && self.shown_by(sabotage.id()).next().is_none()
        });
        open
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

    /// Why a case does not show that a sabotage is caught, where it does not.
    pub(super) fn refutation(&self, sabotage: &str, case: &str) -> Option<String> {
        if !self.tried.iter().any(|it| it.id() == case) {
            return Some("is gone".to_owned());
        }
        if self.shown_by(sabotage).any(|(by, _)| by == case) {
            return None;
        }
        Some(match self.not_given.get(sabotage) {
            Some(why) => format!("never saw it: {why}"),
            None if self.dead.contains(sabotage) => {
                "is not asked, as no plain container lives under it".to_owned()
            }
            None => "sees nothing wrong".to_owned(),
        })
    }

    /// For every case and every sabotage a pair that holds, or why there is none.
    pub(super) fn findings(&self) -> impl Iterator<Item = (String, Result<String, String>)> {
        let sabotages = self.sabotages.iter().map(|sabotage| {
            let id = sabotage.id();
            let shown = self.shown_by(id).next();
            let found = match (shown, self.not_given.get(id)) {
                (Some((case, why)), _) => {
                    let why = why.lines().next().unwrap_or_default();
                    Ok(format!("{case}: {id} ({why})"))
                }
                (None, Some(why)) => Err(format!("never ran: {why}")),
                (None, None) => Err(format!("is caught by no case: {}", sabotage.breaks())),
            };
            (format!("sabotage {id}"), found)
        });
        let cases = self.cases.iter().map(|case| {
            let id = case.id();
            let found = match self.proven.get(id) {
                Some(sabotage) => Ok(format!("{id}: {sabotage}")),
                None => Err(format!("catches no sabotage: {}", case.title())),
            };
            (id.to_owned(), found)
        });
        sabotages.chain(cases)
    }

    /// The cases that show that a sabotage is caught, and why they failed.
    fn shown_by(&self, sabotage: &str) -> impl Iterator<Item = (&'static str, &str)> {
        let dead = self.dead.contains(sabotage);
        let caught = self.caught.get(sabotage).into_iter().flatten();
        caught
            .filter(move |(case, _)| !dead || CANARIES.contains(case))
            .map(|(case, why)| (*case, why.as_str()))
    }

    /// The pairs that hold as the text of a table: for each case the sabotage that the fewest cases catch, and of
    /// those the likeliest; then a case for each sabotage that is left.
    #[must_use]
    pub fn table(&self) -> String {
        let likeness = Likeness::new(&self.cases);
        let mut pairs = BTreeSet::new();
        for case in &self.cases {
            let shown = |it: &&&Sabotage| self.shown_by(it.id()).any(|(by, _)| by == case.id());
            let best = self.sabotages.iter().filter(shown).min_by_key(|sabotage| {
                let catches = self.shown_by(sabotage.id()).count();
                (catches, likeness.of(sabotage, case))
            });
            pairs.extend(best.map(|sabotage| (case.id(), sabotage.id())));
        }
        for sabotage in &self.sabotages {
            if pairs.iter().any(|(_, named)| *named == sabotage.id()) {
                continue;
            }
            let best = self.tried.iter().filter(|case| {
                let mut shown = self.shown_by(sabotage.id());
                shown.any(|(by, _)| by == case.id())
            });
            let best = best.min_by_key(|case| likeness.of(sabotage, case));
            pairs.extend(best.map(|case| (case.id(), sabotage.id())));
        }
        let lines = pairs
            .into_iter()
            .map(|(case, sabotage)| format!("{case}: {sabotage}\n"));
        HEADER
            .lines()
            .map(|line| format!("{line}\n"))
            .chain(lines)
            .collect()
    }
}
