//! The manager under random interleavings of calls, faults, time and callers that go away, held to what must be true
//! after every step.
//!
//! `PROPTEST_CASES=50000 cargo test --release -p clawbox-backend-mock --test model` makes so many runs; 256 where nothing
//! is said. What fails is shrunk to the shortest list of steps that still does. Such lists are kept in `regressions.rs`.

#![expect(clippy::unwrap_used, reason = "a test fails where it panics")]

mod calls;
mod invariants;
mod regressions;
mod settle;
mod step;
mod truth;
mod world;

use proptest::{
    collection::vec,
    test_runner::{Config, TestCaseError, TestRunner},
};
use step::{Setup, Step};
use world::World;

/// What is wrong, where something is.
type Checked = Result<(), String>;

/// One run: the steps, each with its invariants, and then what must come of it once nothing goes wrong any more.
fn run(setup: Setup, steps: &[Step]) -> Checked {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut world = World::new(setup);
        for (number, step) in steps.iter().enumerate() {
            let done = world.take(step).await;
            done.map_err(|what| format!("after step {number}, {step:?}: {what}"))?;
        }
        let settled = world.settle().await;
        settled.map_err(|what| format!("in the end: {what}"))
    })
}

#[test]
fn nothing_is_forgotten_guessed_or_left_whatever_happens_in_whatever_order() {
    let mut runner = TestRunner::new(Config {
        failure_persistence: None,
        max_shrink_iters: 20_000,
        ..Config::default()
    });
    let runs = (step::setups(), vec(step::steps(), 1..40));
    let outcome = runner.run(&runs, |(setup, steps)| {
        run(setup, &steps).map_err(TestCaseError::fail)
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}
