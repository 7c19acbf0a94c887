//! The suite's own test, over the engine in memory: every sabotage is caught by a case, and every case catches a
//! sabotage.
//!
//! `CLAWBOX_SABOTAGE=all` tries every case under every sabotage, and prints the whole table.

use clawbox_backend_mock::{Fault, Limit, MockEngine, fixture};
use clawbox_conformance::{
    Case, DECLARABLE, Declarations, Outcome, cases,
    sabotage::{Bench, Sabotage, sabotages},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    env,
    num::NonZero,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};
use tokio::{runtime::Builder, time::timeout};

/// They run one plain container each, and read its report. Where even that fails, that another case fails too says
/// nothing about that one.
const CANARIES: [&str; 2] = ["lifecycle/spawn_tells_what_runs", "policy/seccomp"];

/// The cases that no sabotage here can fail, and why. The list may only shrink.
const UNPROVEN: &str = include_str!("unproven.txt");

/// How long a case may take that needs the real clock. None needs a tenth of it.
const REAL_TIME: Duration = Duration::from_secs(2);

/// Where cases are run: the twins of declarations where everything is declared that may be, all others where
/// nothing is.
struct Benches {
    whole: Bench,
    without_limits: Bench,
}

impl Benches {
    fn new() -> Self {
        let missing = DECLARABLE.map(|item| (item, "the mock was made without it"));
        let missing = Declarations::new(missing).expect("they may be declared");
        let bench = |declared| Bench::new("mock:sabotage", declared);
        Self {
            whole: bench(Declarations::default()).expect("the suite has a directory"),
            without_limits: bench(missing).expect("the suite has a directory"),
        }
    }
}

/// Whether a case fails, on an engine and a clock of its own.
fn fails(benches: &Benches, sabotage: Option<&'static Sabotage>, case: &Case) -> Option<String> {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .start_paused(!case.is_real_time())
        .build()
        .expect("a runtime can be built");
    let outcome = runtime.block_on(async {
        let engine = MockEngine::new();
        fixture::install(&engine);
        if let Some(weaken) = sabotage.and_then(Sabotage::weakening) {
            engine.fail(Fault::weakened_in_secret(weaken).always());
        }
        let bench = if case.twin_of().is_some() {
            Limit::ALL
                .into_iter()
                .for_each(|limit| engine.without(limit));
            &benches.without_limits
        } else {
            &benches.whole
        };
        let run = bench.run(Arc::new(engine), sabotage, case);
        if case.is_real_time() {
            let report = timeout(REAL_TIME, run).await.ok()?;
            Some(report.outcome)
        } else {
            Some(run.await.outcome)
        }
    });
    match outcome {
        None => Some(format!("did not end within {REAL_TIME:?}")),
        Some(Outcome::Failed { message }) => Some(message),
        Some(_) => None,
    }
}

/// Does the work for each of the items, on all processors.
fn each<T: Sync>(items: &[T], work: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    work(item);
                }
            });
        }
    });
}

/// What is known so far.
#[derive(Default)]
struct Verdicts {
    /// By sabotage: the cases that caught it.
    caught: BTreeMap<&'static str, Vec<&'static str>>,
    /// The cases that caught a sabotage under which the canaries live.
    proven: BTreeSet<&'static str>,
}

/// Tries the cases that have caught nothing yet, and, where none of them catches it, the others.
fn try_one(benches: &Benches, verdicts: &Mutex<Verdicts>, sabotage: &'static Sabotage, all: bool) {
    let verdicts = || verdicts.lock().unwrap_or_else(PoisonError::into_inner);
    let fails = |case: &&Case| fails(benches, Some(sabotage), case).is_some();
    let is_canary = |case: &&Case| CANARIES.contains(&case.id());
    let mut caught: Vec<&Case> = cases().filter(is_canary).filter(fails).collect();
    let lives = caught.is_empty();
    if lives || all {
        let proven = verdicts().proven.clone();
        let (mut known, fresh): (Vec<_>, Vec<_>) = cases()
            .filter(|case| !is_canary(case))
            .partition(|case| proven.contains(case.id()) && !all);
        caught.extend(fresh.into_iter().filter(fails));
        // The likely ones first.
        known.sort_by_key(|case| !sabotage.id().starts_with(case.area()));
        if caught.is_empty() {
            caught.extend(known.into_iter().find(fails));
        }
    }
    let mut verdicts = verdicts();
    let caught: Vec<_> = caught.into_iter().map(Case::id).collect();
    let proven = caught.iter().filter(|id| lives || CANARIES.contains(id));
    verdicts.proven.extend(proven);
    verdicts.caught.insert(sabotage.id(), caught);
}

/// The ids of the list, each of which must have a reason.
fn unproven() -> BTreeSet<&'static str> {
    let lines = UNPROVEN.lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            let (id, why) = line.split_once(": ").unwrap_or((line, ""));
            assert!(!why.is_empty(), "unproven.txt gives no reason for {id}");
            id
        })
        .collect()
}

#[test]
fn every_sabotage_has_its_own_name() {
    let ids: BTreeSet<&str> = sabotages().map(Sabotage::id).collect();
    assert_eq!(ids.len(), sabotages().count());
}

#[test]
fn every_sabotage_is_caught_and_every_case_catches_one() {
    let benches = Benches::new();
    let failed = Mutex::new(Vec::new());
    each(&cases().collect::<Vec<_>>(), |case| {
        if let Some(message) = fails(&benches, None, case) {
            let mut failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
            failed.push(format!("{}: {message}", case.id()));
        }
    });
    let failed = failed.into_inner().expect("no thread panicked");
    assert!(failed.is_empty(), "without sabotage: {failed:#?}");

    let all = env::var("CLAWBOX_SABOTAGE").is_ok_and(|which| which == "all");
    let verdicts = Mutex::default();
    each(&sabotages().collect::<Vec<_>>(), |sabotage| {
        try_one(&benches, &verdicts, sabotage, all);
    });
    let Verdicts { caught, proven } = verdicts.into_inner().expect("no thread panicked");
    if all {
        for (sabotage, cases) in &caught {
            println!("{sabotage} {} {}", cases.len(), cases.join(" "));
        }
    }

    let free: Vec<String> = sabotages()
        .filter(|sabotage| caught[sabotage.id()].is_empty())
        .map(|sabotage| format!("{}: {}", sabotage.id(), sabotage.breaks()))
        .collect();
    let every: BTreeSet<&str> = cases().map(Case::id).collect();
    let idle: BTreeSet<&str> = every.difference(&proven).copied().collect();
    let listed = unproven();
    let unlisted: Vec<_> = idle.difference(&listed).collect();
    let stale: Vec<_> = listed.difference(&idle).collect();
    assert!(
        free.is_empty() && unlisted.is_empty() && stale.is_empty(),
        "sabotages that no case catches: {free:#?}\n\
         cases that catch no sabotage: {unlisted:#?}\n\
         cases that are listed as such and should not: {stale:#?}"
    );
}
