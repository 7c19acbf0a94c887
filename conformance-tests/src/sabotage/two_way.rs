//! The two-way rule: every sabotage is caught by a case, and every case catches a sabotage.

use super::{Proofs, Sabotage, Verdicts, likeness::Likeness, verdicts::is_canary};
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
    believing: bool,
}

/// The areas whose cases look from inside a container at what the kernel makes of its plan.
const KERNELS: [&str; 9] = [
    "policy", "files", "syscalls", "compat", "cgroups", "limits", "proxy", "network", "hostile",
];

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
            believing: false,
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

    /// Whether what is listed as unproven is believed, and not looked for again.
    #[must_use]
    pub fn believing(mut self, believing: bool) -> Self {
        self.believing = believing;
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

    /// Tries the pairs that are known, and looks for others where something is in none that holds: for a case that
    /// catches, for each sabotage, and then for a sabotage that is caught, for each case; the
    /// likely ones first.
    pub fn judge(
        &self,
        known: &Proofs,
        attempt: impl Fn(&'static Sabotage, &'static Case) -> Tried + Sync,
    ) -> Verdicts {
        let likeness = Likeness::new(&self.cases);
        let tried = self.tried();
        let verdicts = Mutex::new(Verdicts::new(&self.cases, tried.clone(), &self.sabotages));
        let catches = |sabotage: &'static Sabotage, case| {
            if !sabotage.reaches(case) {
                return false;
            }
            let tried = attempt(sabotage, case);
            let caught = matches!(tried, Tried::Failed(_));
            lock(&verdicts).record(sabotage, case, tried);
            caught
        };
        let enough = |caught| caught && !self.all;
        let believed = |id: &str| self.believing && known.lists(id);

        each(self.jobs, &self.sabotages, |sabotage| {
            for case in tried.iter().filter(|case| is_canary(case)) {
                catches(sabotage, case);
            }
            let lives = lock(&verdicts).lives(sabotage);
            if !lives && !self.all {
                return;
            }
            for case in known.of(sabotage.id()) {
                let case = tried.iter().find(|it| it.id() == case && !is_canary(it));
                case.map(|case| catches(sabotage, case));
            }
        });

        let open = match self.all {
            true => self.sabotages.clone(),
            false => {
                let mut open = lock(&verdicts).uncaught();
                open.retain(|sabotage| !believed(&format!("sabotage {}", sabotage.id())));
                open
            }
        };
        each(self.jobs, &open, |sabotage| {
            let mut others = tried.clone();
            others.retain(|case| !is_canary(case));
            let proven = lock(&verdicts).proven();
            others.sort_by_cached_key(|case| {
                (likeness.of(sabotage, case), proven.contains(case.id()))
            });
            others.iter().any(|case| enough(catches(sabotage, case)));
        });

        let (mut idle, living) = lock(&verdicts).still_open();
        // Where all was tried, there is nothing left to look for.
        idle.retain(|case| !self.all && !believed(case.id()));
        each(self.jobs, &idle, |case| {
            let mut likely = living.clone();
            likely.sort_by_cached_key(|sabotage| likeness.of(sabotage, case));
            likely.iter().any(|sabotage| catches(sabotage, case));
        });
        verdicts
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// All cases that are ever run.
    fn tried(&self) -> Vec<&'static Case> {
        let mut tried = self.cases.clone();
        let more = self.witnesses.iter().copied().chain(canaries());
        for case in more {
            if !tried.iter().any(|it| it.id() == case.id()) {
                tried.push(case);
            }
        }
        tried
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
    fn verdicts(failing: &[(&str, &str)], known: &Proofs) -> Verdicts {
        let cases = cases().filter(|case| CASES.contains(&case.id()));
        let sabotages = sabotages().filter(|sabotage| SABOTAGES.contains(&sabotage.id()));
        TwoWay::new(cases, sabotages, 2).judge(known, |sabotage, case| {
            if sabotage.id() == "policy/privileged_root" {
                return Tried::NotGiven("no such thing".to_owned());
            }
            match failing.contains(&(sabotage.id(), case.id())) {
                true => Tried::Failed("as told".to_owned()),
                false => Tried::Held,
            }
        })
    }

    fn held(failing: &[(&str, &str)], table: &str, unproven: &str) -> Result<(), String> {
        let proofs = Proofs::parse(table, unproven);
        proofs.hold(&verdicts(failing, &proofs))
    }

    const ALL: [(&str, &str); 2] = [
        ("policy/network", "policy/network"),
        ("policy/pids", "cgroups/pids"),
    ];
    const TABLE: &str = "policy/network: policy/network\ncgroups/pids: policy/pids\n";
    const LIST: &str = "# ours\nsabotage policy/privileged_root: why\n";

    fn check(failing: &[(&str, &str)], table: &str, list: &str, says: &[&str]) {
        let wrong = held(failing, table, list).expect_err("something is wrong");
        assert_eq!(wrong.lines().count(), says.len(), "{wrong}");
        for says in says {
            assert!(wrong.contains(says), "no {says:?} in\n{wrong}");
        }
    }

    #[test]
    fn all_that_is_proven_or_listed_holds() {
        assert_eq!(held(&ALL, TABLE, LIST), Ok(()));
        let listed = [LIST, "sabotage policy/pids: why\ncgroups/pids: why\n"].concat();
        let table = "policy/network: policy/network\n";
        assert_eq!(held(&ALL[..1], table, &listed), Ok(()));
    }

    #[test]
    fn what_is_listed_is_looked_for_again_where_the_list_is_not_believed() {
        let trials = |believing| {
            let cases = cases().filter(|case| CASES.contains(&case.id()));
            let sabotages = sabotages().filter(|sabotage| SABOTAGES.contains(&sabotage.id()));
            let listed = [LIST, "sabotage policy/pids: why\ncgroups/pids: why\n"].concat();
            let known = Proofs::parse("policy/network: policy/network\n", &listed);
            let trials = AtomicUsize::new(0);
            let two_way = TwoWay::new(cases, sabotages, 1).believing(believing);
            two_way.judge(&known, |sabotage, case| {
                let canary = is_canary(case);
                trials.fetch_add(usize::from(!canary), Ordering::Relaxed);
                match (sabotage.id(), case.id()) {
                    ("policy/network", "policy/network") => Tried::Failed("so".to_owned()),
                    _ => Tried::Held,
                }
            });
            trials.into_inner()
        };
        assert_eq!(trials(true), 1, "the pair of the table alone");
        assert!(trials(false) > 1);
    }

    #[test]
    fn what_is_found_makes_a_table_that_holds() {
        let found = verdicts(&ALL, &Proofs::default()).table();
        assert_eq!(held(&ALL, &found, LIST), Ok(()), "{found}");
        for line in TABLE.lines() {
            assert!(found.lines().any(|found| found == line), "{found}");
        }
    }

    #[test]
    fn a_free_sabotage_an_idle_case_and_what_never_ran_are_told() {
        check(
            &ALL[..1],
            "policy/network: policy/network\n",
            "",
            &[
                "is caught by no case",
                "catches no sabotage",
                "never ran: no such thing",
            ],
        );
    }

    #[test]
    fn a_pair_that_does_not_hold_is_told_by_both_its_names() {
        let free = "sabotage policy/pids  goes free: its case policy/network sees nothing wrong";
        let table = "policy/network: policy/network\npolicy/network: policy/pids\n";
        let missing = "is not in the table, where this holds: cgroups/pids: policy/pids";
        check(&ALL, table, LIST, &[free, missing]);
    }

    #[test]
    fn a_case_that_is_gone_sets_its_sabotage_free() {
        let table = [TABLE, "policy/such: policy/network\n"].concat();
        let free = "sabotage policy/network  goes free: its case policy/such is gone";
        check(&ALL, &table, LIST, &[free]);
    }

    #[test]
    fn what_is_not_in_the_table_is_told_with_what_would_hold() {
        check(
            &ALL,
            "policy/network: policy/network\n",
            LIST,
            &[
                "is not in the table, where this holds: cgroups/pids: policy/pids",
                "is not in the table, where this holds: cgroups/pids: policy/pids (as told)",
            ],
        );
    }

    #[test]
    fn where_a_canary_dies_nothing_else_is_proven() {
        let dead = [
            ("policy/network", "policy/network"),
            ("policy/pids", "cgroups/pids"),
            ("policy/pids", "policy/seccomp"),
        ];
        check(
            &dead,
            TABLE,
            LIST,
            &["goes free: its case cgroups/pids is not asked"],
        );
    }

    #[test]
    fn a_table_or_list_that_is_stale_or_malformed_is_told() {
        let table = [TABLE, "policy/network\npolicy/network: no/such\n", TABLE].concat();
        let list = [
            LIST,
            "policy/network: why\nsabotage policy/pids: why\nno/such: why\ncgroups/pids\n",
        ]
        .concat();
        check(
            &ALL,
            &table,
            &list,
            &[
                "is no pair of a case and a sabotage",
                "policy/network: policy/network  is in the table twice",
                "cgroups/pids: policy/pids       is in the table twice",
                "sabotage no/such                there is no such sabotage",
                "policy/network                  is listed as unproven, and in the table",
                "sabotage policy/pids            is listed as unproven, and in the table",
                "is listed as unproven, and there is no such thing here",
                "is listed without a reason",
            ],
        );
    }

    #[test]
    fn what_is_listed_and_holds_is_told() {
        let list = [LIST, "sabotage policy/pids: why\ncgroups/pids: why\n"].concat();
        check(
            &ALL,
            "policy/network: policy/network\n",
            &list,
            &[
                "is listed as unproven, and this holds: cgroups/pids: policy/pids",
                "is listed as unproven, and this holds: cgroups/pids: policy/pids (as told)",
            ],
        );
    }
}
