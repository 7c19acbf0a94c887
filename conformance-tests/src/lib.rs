//! One conformance suite for every clawbox backend.
//!
//! The suite is one table of [`Case`]s. Each is a plain function that drives a
//! [`ContainerManager`](clawbox_containers::ContainerManager) over the engine under test, mostly by
//! running the `probe` program of the [fixture image](FIXTURE_IMAGE) in containers of its own. After
//! each case nothing of it may be left: no container, no token, no place, no lease, no directory.
//!
//! A backend's whole effort is a test target with `harness = false`:
//!
//! ```no_run
//! # use clawbox_containers::{ContainerEngine, engine::EngineResult};
//! # async fn connect() -> EngineResult<std::sync::Arc<dyn ContainerEngine>> { std::future::pending().await }
//! fn main() -> std::process::ExitCode {
//!     clawbox_conformance::run("mine", || async { connect().await })
//! }
//! ```
//!
//! Where some cases cannot be tried, [`run_with_ledger`] takes the list of those, and holds the run to it.
//!
//! An engine that cannot be reached is *not run*: its cases are listed as ignored with the reason, which is
//! a failure only where the environment's `CLAWBOX_REQUIRE` names the backend. [`run_cases`] is the same
//! suite for programs that show results in their own way. [`sabotage`] is the suite's own test.

mod case;
mod cases;
mod check;
mod context;
mod harness;
mod host;
mod ledger;
mod planted;
mod proxy;
mod report;
mod rig;
pub mod sabotage;
mod suite;
mod tap;

pub use case::Case;
pub use cases::cases;
pub use harness::{REPORT_VARIABLE, REQUIRE_VARIABLE, run, run_with_ledger};
pub use report::{CaseReport, Outcome, Summary};
pub use suite::{FIXTURE_IMAGE, FIXTURE_VARIABLE, run_cases};
