//! Which cases a backend is expected to skip, and why.

use crate::{case::Case, cases::cases, report::Outcome};
use std::collections::BTreeMap;

/// The expected skips: reasons by case.
#[derive(Debug, Default)]
pub(crate) struct Ledger(BTreeMap<&'static str, &'static str>);

impl Ledger {
    /// Reads one line for each case: `area/case: reason`.
    pub(crate) fn parse(text: &'static str) -> Result<Self, String> {
        let mut ledger = BTreeMap::new();
        let lines = text.lines().map(str::trim);
        for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (id, why) = line
                .split_once(": ")
                .ok_or_else(|| format!("{line:?} is not a case, a colon and a reason"))?;
            let case = cases().find(|case| case.id() == id);
            let case = case.ok_or_else(|| format!("there is no case {id}"))?;
            if !case.is_ordinary() {
                return Err(format!(
                    "{id} is never skipped: it is run where something is declared, and nowhere else"
                ));
            }
            if ledger.insert(id, why).is_some() {
                return Err(format!("{id} is listed twice"));
            }
        }
        Ok(Self(ledger))
    }

    /// A skip that is not listed is a failure, and so is a listed case that was not skipped.
    pub(crate) fn judge(&self, case: &Case, outcome: Outcome) -> Outcome {
        let failed = |message: String| Outcome::Failed { message };
        match (outcome, self.0.get(case.id())) {
            (Outcome::Skipped { why }, None) => failed(format!(
                "skipped, which the backend's ledger does not list: {why}"
            )),
            (Outcome::Passed, Some(why)) => failed(format!(
                "passed, and the backend's ledger still lists it as skipped: {why}"
            )),
            (outcome, _) => outcome,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(id: &str) -> &'static Case {
        cases().find(|case| case.id() == id).expect("a case")
    }

    #[test]
    fn only_what_is_listed_may_be_skipped_and_must_be() {
        let ledger = Ledger::parse("# ours\n\ncgroups/pids: it is hidden\n").expect("a ledger");
        let skipped = Outcome::Skipped {
            why: "cannot see it".to_owned(),
        };
        let (listed, other) = (case("cgroups/pids"), case("cgroups/memory"));
        assert_eq!(ledger.judge(listed, skipped.clone()), skipped);
        assert_eq!(ledger.judge(other, Outcome::Passed), Outcome::Passed);
        for (case, outcome, says) in [
            (other, skipped, "does not list: cannot see it"),
            (
                listed,
                Outcome::Passed,
                "still lists it as skipped: it is hidden",
            ),
        ] {
            let outcome = ledger.judge(case, outcome).to_string();
            assert!(outcome.contains(says), "{outcome}");
        }
    }

    #[test]
    fn a_ledger_of_something_else_is_refused() {
        for text in [
            "cgroups/pids",
            "cgroups/none: x",
            "cannot/memory: x",
            "cgroups/pids: x\ncgroups/pids: y",
        ] {
            assert!(Ledger::parse(text).is_err(), "{text}");
        }
    }
}
