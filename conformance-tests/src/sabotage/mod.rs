//! The suite's own test: things that are broken on purpose, one at a time.
//!
//! A suite is worth what it catches. Each [`Sabotage`] breaks one thing: what an engine says or does, what a
//! container really runs under, what a backend makes of requests and answers. [`Bench`] runs one case under one of
//! them; [`TwoWay`] does that until it can say that every sabotage is caught by a case, and that every case catches
//! a sabotage; [`Proofs`] is the table in which both are written down, so that no case can go unnoticed.

mod backend;
mod bench;
mod engine;
mod likeness;
mod proofs;
mod table;
mod two_way;
mod verdicts;
mod weakened;

pub use bench::Bench;
pub use engine::Sabotaged;
pub use proofs::Proofs;
pub use two_way::{Tried, TwoWay, canaries, kernel_cases};
pub use verdicts::Verdicts;
pub use weakened::{Create, WeakenedEngine};

use crate::{
    case::{Case, Role},
    rig::Setup,
};
use clawbox_containers::plan::PlanSpec;
use clawbox_types::ContainerSpawnRequest;
use std::time::Duration;

/// One thing that is broken on purpose.
#[derive(Debug, Clone, Copy)]
pub struct Sabotage {
    id: &'static str,
    breaks: &'static str,
    how: How,
}

/// Where a sabotage sits.
#[derive(Debug, Clone, Copy)]
pub(crate) enum How {
    /// The engine lies.
    Engine(engine::Lie),
    /// The container gets another plan, and its engine repeats the one that was asked for.
    Plan(fn(&mut PlanSpec)),
    /// Process 1 of ours lies.
    Init(InitLie),
    /// The backend does not do what its operator set.
    Setup(fn(&mut Setup)),
    /// The backend does not do what its caller asks.
    Request(fn(&mut ContainerSpawnRequest)),
    /// The backend lies.
    Backend(backend::Lie),
}

/// What process 1 of ours may do wrong before the command runs.
#[derive(Debug, Clone, Copy)]
pub enum InitLie {
    /// The container gets another plan, and it answers as if it had the one that was asked for.
    Echo(fn(&mut PlanSpec)),
    /// It cannot read this file.
    Blind(&'static str),
    /// It answers so late.
    Late(Duration),
}

/// Every sabotage.
pub fn sabotages() -> impl Iterator<Item = &'static Sabotage> {
    table::TABLES.iter().copied().flatten()
}

impl Sabotage {
    pub(crate) const fn new(id: &'static str, breaks: &'static str, how: How) -> Self {
        Self { id, breaks, how }
    }

    /// Its name, `area/what_is_broken`.
    #[must_use]
    pub const fn id(&self) -> &'static str {
        self.id
    }

    /// What is broken, in a few words.
    #[must_use]
    pub const fn breaks(&self) -> &'static str {
        self.breaks
    }

    /// How it weakens a container in secret. Where it does, the engine must be made to apply that: plans cannot be
    /// changed from outside, so no decorator can.
    #[must_use]
    pub const fn weakening(&self) -> Option<fn(&mut PlanSpec)> {
        match self.how {
            How::Plan(weaken) => Some(weaken),
            _ => None,
        }
    }

    /// Whether a case can say anything of it: a weakened container is given to the engine's own init, as process 1 of
    /// ours would end it.
    pub(crate) fn reaches(&self, case: &Case) -> bool {
        self.weakening().is_none() || case.role() != Role::ProcessOne
    }

    /// What process 1 does wrong under it. The engine must be made to apply that too: process 1 is its own, and not
    /// that of any decorator.
    #[must_use]
    pub const fn init_lie(&self) -> Option<InitLie> {
        match self.how {
            How::Init(lie) => Some(lie),
            _ => None,
        }
    }

    pub(crate) const fn how(&self) -> How {
        self.how
    }
}
