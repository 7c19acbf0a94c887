//! The suite's own test, over the engine in memory: every sabotage is caught by a case, and every case catches a
//! sabotage.
//!
//! `CLAWBOX_SABOTAGE=all` tries every case under every sabotage, and prints what caught what; `CLAWBOX_SABOTAGE=write`
//! writes the table anew.

use clawbox_backend_mock::{Errno, Fault, InitFault, Limit, MockEngine, fixture};
use clawbox_conformance::{
    Case, DECLARABLE, Declarations, Outcome, Role, cases,
    sabotage::{Bench, InitLie, Proofs, Sabotage, Tried, TwoWay, sabotages},
};
use std::{collections::BTreeSet, env, fs, num::NonZero, sync::Arc, thread, time::Duration};
use tokio::{runtime::Builder, time::timeout};

/// What is known to catch what.
const TABLE: &str = include_str!("proofs.txt");
const TABLE_FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/proofs.txt");

/// The cases that no sabotage here can fail, and why. The list may only shrink.
const UNPROVEN: &str = include_str!("unproven.txt");

/// How long a case may take that needs the real clock. None needs a tenth of it.
const REAL_TIME: Duration = Duration::from_secs(2);

/// Where cases are run: those that are asked where something is declared, where that is declared; all others where
/// nothing is.
struct Benches {
    whole: Bench,
    without_limits: Bench,
    engine_init: Bench,
}

impl Benches {
    fn new() -> Self {
        let missing = DECLARABLE.map(|item| (item, "the mock was made without it"));
        let missing = Declarations::new(missing).expect("they may be declared");
        let engine_init = Declarations::default().with_engine_init("for these cases");
        let bench = |declared| Bench::new("mock:sabotage", declared);
        Self {
            whole: bench(Declarations::default()).expect("the suite has a directory"),
            without_limits: bench(missing).expect("the suite has a directory"),
            engine_init: bench(engine_init).expect("the suite has a directory"),
        }
    }

    fn of(&self, case: &Case, engine: &MockEngine) -> &Bench {
        match case.role() {
            Role::Twin(_) => {
                Limit::ALL
                    .into_iter()
                    .for_each(|limit| engine.without(limit));
                &self.without_limits
            }
            Role::EngineInit => &self.engine_init,
            _ => &self.whole,
        }
    }
}

/// Runs a case on an engine and a clock of its own.
fn attempt(benches: &Benches, sabotage: Option<&'static Sabotage>, case: &Case) -> Tried {
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
        match sabotage.and_then(Sabotage::init_lie) {
            None => {}
            Some(InitLie::Echo(weaken)) => {
                engine.fail(Fault::weakened_in_secret(weaken).always());
                engine.fail(Fault::process_one(InitFault::Echo).always());
            }
            Some(InitLie::Blind(path)) => {
                let blind = InitFault::Blind {
                    path: path.to_owned(),
                    errno: Errno::EACCES,
                };
                engine.fail(Fault::process_one(blind).always());
            }
            Some(InitLie::Late(time)) => {
                engine.fail(Fault::process_one(InitFault::Late(time)).always());
            }
        }
        let bench = benches.of(case, &engine);
        let run = bench.run(Arc::new(engine), sabotage, case);
        if case.is_real_time() {
            let report = timeout(REAL_TIME, run).await.ok()?;
            Some(report.outcome)
        } else {
            Some(run.await.outcome)
        }
    });
    match outcome {
        None => Tried::Failed(format!("did not end within {REAL_TIME:?}")),
        Some(Outcome::Failed { message }) => Tried::Failed(message),
        Some(_) => Tried::Held,
    }
}

#[test]
fn every_sabotage_has_its_own_name() {
    let ids: BTreeSet<&str> = sabotages().map(Sabotage::id).collect();
    assert_eq!(ids.len(), sabotages().count());
}

#[test]
fn every_sabotage_is_caught_and_every_case_catches_one() {
    let benches = Benches::new();
    let wanted = env::var("CLAWBOX_SABOTAGE").unwrap_or_default();
    let wanted = |word| wanted.split(',').any(|it| it == word);
    let jobs = thread::available_parallelism().map_or(1, NonZero::get);
    let two_way = TwoWay::new(cases(), sabotages(), jobs).all(wanted("all"));

    let wrong = two_way.controls(cases(), |case| attempt(&benches, None, case));
    assert!(wrong.is_empty(), "without sabotage: {wrong:#?}");
    let mut proofs = Proofs::parse(TABLE, UNPROVEN);
    let verdicts = two_way.judge(&proofs, |sabotage, case| {
        attempt(&benches, Some(sabotage), case)
    });
    if wanted("all") {
        for (sabotage, case, why) in verdicts.catches() {
            println!("{sabotage} {case} {why}");
        }
    }
    if wanted("write") {
        let table = verdicts.table();
        fs::write(TABLE_FILE, &table).expect("the table can be written");
        proofs = Proofs::parse(&table, UNPROVEN);
    }
    if let Err(wrong) = proofs.hold(&verdicts) {
        panic!("\n{wrong}");
    }
}
