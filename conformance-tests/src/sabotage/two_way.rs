//! The two-way rule: every sabotage is caught by a case, and every case catches a sabotage.

use super::{Sabotage, Verdicts, likeness::Likeness, verdicts::is_canary};
use crate::{case::Case, cases::cases};
use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

/// What came of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tried {
    /// It saw nothing wrong.
    Held,
    /// It failed, for this reason.
    Failed(String),
    /// There was nothing to look at: the engine did not run the sabotaged container, for this reason.
    NotGiven(String),
}

/// Cases and sabotages that are held against each other.
#[derive(Debug)]
pub struct TwoWay {
    cases: Vec<&'static Case>,
    witnesses: Vec<&'static Case>,
    sabotages: Vec<&'static Sabotage>,
    jobs: usize,
    all: bool,
}

/// The areas whose cases look from inside a container at what the kernel makes of its plan.
const KERNELS: [&str; 6] = ["policy", "files", "syscalls", "cgroups", "limits", "proxy"];

/// The cases whose truth is the kernel's, so that no engine in memory can prove them.
pub fn kernel_cases() -> impl Iterator<Item = &'static Case> {
    cases().filter(|case| KERNELS.contains(&case.area()))
}

/// The cases that must live under a sabotage before another one's failure there says anything.
pub fn canaries() -> impl Iterator<Item = &'static Case> {
    cases().filter(|case| is_canary(case))
}

impl TwoWay {
    /// These cases against these sabotages, so many trials at once.
    pub fn new(
        cases: impl IntoIterator<Item = &'static Case>,
        sabotages: impl IntoIterator<Item = &'static Sabotage>,
        jobs: usize,
    ) -> Self {
        Self {
            cases: cases.into_iter().collect(),
            witnesses: Vec::new(),
            sabotages: sabotages.into_iter().collect(),
            jobs,
            all: false,
        }
    }

    /// Cases that may catch a sabotage, and need not.
    #[must_use]
    pub fn helped_by(mut self, witnesses: impl IntoIterator<Item = &'static Case>) -> Self {
        self.witnesses = witnesses.into_iter().collect();
        self
    }

    /// Whether every case is tried under every sabotage, and not only until the rule is seen to hold.
    #[must_use]
    pub fn all(mut self, all: bool) -> Self {
        self.all = all;
        self
    }

    /// Tries cases without any sabotage, and tells which do not hold, and why.
    pub fn controls(
        &self,
        cases: impl IntoIterator<Item = &'static Case>,
        attempt: impl Fn(&'static Case) -> Tried + Sync,
    ) -> Vec<String> {
        let wrong = Mutex::default();
        let cases: Vec<_> = cases.into_iter().collect();
        each(self.jobs, &cases, |case| match attempt(case) {
            Tried::Held => {}
            Tried::Failed(why) | Tried::NotGiven(why) => {
                let wrong: &Mutex<Vec<String>> = &wrong;
                lock(wrong).push(format!("{}: {why}", case.id()));
            }
        });
        wrong.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Looks for a case that catches, for each sabotage, and then for a sabotage that is caught, for each case that
    /// has caught none so far; the likely ones first.
    pub fn judge(
        &self,
        attempt: impl Fn(&'static Sabotage, &'static Case) -> Tried + Sync,
    ) -> Verdicts {
        let likeness = Likeness::new(&self.cases);
        let verdicts = Mutex::new(Verdicts::new(&self.cases, &self.sabotages));
        let catches = |sabotage, case| {
            let tried = attempt(sabotage, case);
            let caught = matches!(tried, Tried::Failed(_));
            lock(&verdicts).record(sabotage, case, tried);
            caught
        };
        let enough = |caught| caught && !self.all;

        each(self.jobs, &self.sabotages, |sabotage| {
            for case in canaries() {
                catches(sabotage, case);
            }
            if !self.all && !lock(&verdicts).lives(sabotage) {
                return;
            }
            let others = self.cases.iter().chain(&self.witnesses).copied();
            let mut others: Vec<_> = others.filter(|case| !is_canary(case)).collect();
            let proven = lock(&verdicts).proven();
            others.sort_by_cached_key(|case| {
                (likeness.of(sabotage, case), proven.contains(case.id()))
            });
            others.iter().any(|case| enough(catches(sabotage, case)));
        });

        let (idle, living) = lock(&verdicts).still_open();
        let idle = if self.all { Vec::new() } else { idle };
        each(self.jobs, &idle, |case| {
            let mut likely = living.clone();
            likely.sort_by_cached_key(|sabotage| likeness.of(sabotage, case));
            likely.iter().any(|sabotage| catches(sabotage, case));
        });
        verdicts
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Does the work for each of the items, so many at once.
fn each<T: Copy + Sync>(jobs: usize, items: &[T], work: impl Fn(T) + Sync) {
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    work(*item);
                }
            });
        }
    });
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sabotage::sabotages;

    const CASES: [&str; 2] = ["cgroups/pids", "policy/network"];
    const SABOTAGES: [&str; 3] = ["policy/network", "policy/pids", "policy/privileged_root"];

    /// The rule over two cases and three sabotages, of which these pairs of a sabotage and a case fail.
    fn held(failing: &[(&str, &str)], unproven: &str) -> Result<(), String> {
        let cases = cases().filter(|case| CASES.contains(&case.id()));
        let sabotages = sabotages().filter(|sabotage| SABOTAGES.contains(&sabotage.id()));
        let verdicts = TwoWay::new(cases, sabotages, 2).judge(|sabotage, case| {
            if sabotage.id() == "policy/privileged_root" {
                return Tried::NotGiven("no such thing".to_owned());
            }
            match failing.contains(&(sabotage.id(), case.id())) {
                true => Tried::Failed("as told".to_owned()),
                false => Tried::Held,
            }
        });
        verdicts.hold(unproven)
    }

    const ALL: [(&str, &str); 2] = [
        ("policy/network", "policy/network"),
        ("policy/pids", "cgroups/pids"),
    ];
    const LIST: &str = "# ours\nsabotage policy/privileged_root: why\n";

    fn check(failing: &[(&str, &str)], list: &str, says: &[&str]) {
        let table = held(failing, list).expect_err("something is wrong");
        assert_eq!(table.lines().count(), says.len(), "{table}");
        for says in says {
            assert!(table.contains(says), "no {says:?} in\n{table}");
        }
    }

    #[test]
    fn all_that_is_proven_or_listed_holds() {
        assert_eq!(held(&ALL, LIST), Ok(()));
        let listed = [LIST, "sabotage policy/pids: why\ncgroups/pids: why\n"].concat();
        assert_eq!(held(&ALL[..1], &listed), Ok(()));
    }

    #[test]
    fn a_free_sabotage_an_idle_case_and_what_never_ran_are_told() {
        check(
            &ALL[..1],
            "",
            &[
                "is caught by no case",
                "catches no sabotage",
                "never ran: no such thing",
            ],
        );
    }

    #[test]
    fn one_that_catches_two_leaves_the_other_idle() {
        let one = [ALL[0], ("policy/pids", "policy/network")];
        check(&one, LIST, &["cgroups/pids  catches no sabotage"]);
    }

    #[test]
    fn where_a_canary_dies_nothing_else_is_proven() {
        let dead = [
            ("policy/network", "policy/network"),
            ("policy/pids", "cgroups/pids"),
            ("policy/pids", "policy/seccomp"),
        ];
        check(&dead, LIST, &["cgroups/pids  catches no sabotage"]);
    }

    #[test]
    fn a_list_that_is_stale_or_malformed_is_told() {
        let list = [
            LIST,
            "policy/network: why\nsabotage policy/pids: why\nno/such: why\ncgroups/pids\n",
        ]
        .concat();
        check(
            &ALL,
            &list,
            &[
                "is listed as unproven, and catches policy/network",
                "is listed as unproven, and cgroups/pids catches it: as told",
                "is listed as unproven, and there is no such thing here",
                "is listed without a reason",
            ],
        );
    }
}
