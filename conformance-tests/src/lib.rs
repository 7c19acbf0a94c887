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
//! Where some cases cannot be tried, a [`Suite`] takes the [ledger](Suite::ledger) of those, and holds the run to
//! it. Where the engine's host [cannot](Suite::cannot) enforce a limit of its control groups, it takes that with
//! its reason as well: the cases that need the limit are then skipped, and a negative twin is run that shows that
//! such a host is refused unless the operator allows it, and that the declaration is true. All else is the
//! baseline, and [cannot be declared](DECLARABLE) away.
//!
//! A declaration is held against what the engine says: its warnings, and what its inspection reads back. Of an engine
//! that is silent and repeats what it was asked, the twin calls the declaration stale; the cases that look from
//! inside the container fail without one.
//!
//! An engine that cannot be reached is *not run*: its cases are listed as ignored with the reason, which is
//! a failure only where the environment's `CLAWBOX_REQUIRE` names the backend. [`run_cases`] is the same
//! suite for programs that show results in their own way. [`sabotage`] is the suite's own test.
//!
//! For what a backend has to show beyond the suite there are [`golden`], a plan for the unit tests of its encoder and its
//! decoder, and [`test_engine`], which runs its own tests on a real engine; with the feature `proptest` also `odd`, which
//! makes answers that no engine should give.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod case;
mod cases;
mod catalogue;
mod check;
mod context;
mod declared;
pub mod flood;
pub mod golden;
mod harness;
mod host;
mod ledger;
#[cfg(feature = "proptest")]
pub mod odd;
mod planted;
mod proxy;
mod report;
mod rig;
pub mod sabotage;
mod suite;
mod tap;
pub mod test_engine;

pub use case::{Case, Role};
pub use cases::cases;
pub use catalogue::{CATALOGUE, Entry, Proof};
pub use declared::{DECLARABLE, DeclarationError, Declarations};
pub use harness::{REPORT_VARIABLE, REQUIRE_VARIABLE, Suite, run};
pub use report::{CaseReport, EntryReport, Outcome, Summary};
pub use suite::{CASE_SECONDS_VARIABLE, FIXTURE_IMAGE, FIXTURE_VARIABLE, run_cases};
