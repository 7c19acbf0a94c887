//! One case of the suite.

use crate::{check::Checked, context::Context};
use clawbox_types::PolicyItem;
use futures_util::future::BoxFuture;

/// One question to a backend.
#[derive(Debug, Clone, Copy)]
pub struct Case {
    id: &'static str,
    title: &'static str,
    alone: bool,
    needed: &'static [PolicyItem],
    role: Role,
    run: Run,
}

/// When a case is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Role {
    /// In every run.
    Always,
    /// In every run, and skipped where process 1 is declared to be the engine's own.
    ProcessOne,
    /// Only where process 1 is declared to be the engine's own.
    EngineInit,
    /// Only where this item is declared as what cannot be enforced: it holds the declaration to be true.
    Twin(PolicyItem),
}

pub(crate) type Run = fn(&Context) -> BoxFuture<'_, Checked>;

impl Case {
    pub(crate) const fn new(id: &'static str, title: &'static str, run: Run) -> Self {
        Self {
            id,
            title,
            alone: false,
            needed: &[],
            role: Role::Always,
            run,
        }
    }

    /// Nothing else of the suite runs meanwhile: for a case that measures time.
    pub(crate) const fn alone(mut self) -> Self {
        self.alone = true;
        self
    }

    /// What the host must enforce, or there is nothing to see.
    pub(crate) const fn needs(mut self, items: &'static [PolicyItem]) -> Self {
        self.needed = items;
        self
    }

    /// It is asked where this item is declared as what cannot be enforced, and only there.
    pub(crate) const fn twin(mut self, [item]: &'static [PolicyItem; 1]) -> Self {
        self.role = Role::Twin(*item);
        self
    }

    /// It cannot be tried where process 1 is the engine's own.
    pub(crate) const fn process_one(mut self) -> Self {
        self.role = Role::ProcessOne;
        self
    }

    /// It is asked where process 1 is the engine's own, and only there.
    pub(crate) const fn engine_init(mut self) -> Self {
        self.role = Role::EngineInit;
        self
    }

    /// Its name, `area/what_holds`.
    #[must_use]
    pub const fn id(&self) -> &'static str {
        self.id
    }

    /// The part of the contract that it belongs to.
    #[must_use]
    pub fn area(&self) -> &'static str {
        self.id.split_once('/').map_or(self.id, |(area, _)| area)
    }

    /// What holds where it passes, in a few words.
    #[must_use]
    pub const fn title(&self) -> &'static str {
        self.title
    }

    /// Whether it measures time, so that nothing else of the suite may run meanwhile.
    #[must_use]
    pub const fn is_alone(&self) -> bool {
        self.alone
    }

    /// The items without which it cannot be tried: where one of them is declared it is skipped.
    #[must_use]
    pub const fn needed(&self) -> &'static [PolicyItem] {
        self.needed
    }

    /// When it is asked.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }

    /// Whether it is part of every run, so that only a declaration can have it skipped.
    #[must_use]
    pub const fn is_ordinary(&self) -> bool {
        matches!(self.role, Role::Always | Role::ProcessOne)
    }

    /// Whether it talks over real sockets, for which a paused clock does not wait.
    #[must_use]
    pub fn is_real_time(&self) -> bool {
        self.area() == "proxy"
    }

    pub(crate) const fn function(&self) -> Run {
        self.run
    }
}

/// The cases in an order that keeps nobody waiting: those that must be alone come last.
pub(crate) fn in_turn(
    cases: impl Iterator<Item = &'static Case>,
) -> impl Iterator<Item = &'static Case> {
    let (alone, together): (Vec<_>, Vec<_>) = cases.partition(|case| case.is_alone());
    together.into_iter().chain(alone)
}

/// A table of an area's cases: each a function of that name, and what holds where it passes. `alone` marks
/// those that measure time, `needs` those that cannot be tried where one of these items is not enforced,
/// `twin` those that are asked where this item is declared as such, `process_one` and `engine_init` those that cannot be
/// tried, or are asked only, where process 1 is the engine's own.
macro_rules! table {
    ($area:literal: $($(#[$mark:ident $(($($item:ident),+))?])* $name:ident = $title:literal,)+) => {
        pub(super) const CASES: &[$crate::case::Case] = &[
            $($crate::case::Case::new(
                concat!($area, "/", stringify!($name)),
                $title,
                |context| Box::pin($name(context)),
            )$(.$mark($(&[$(clawbox_types::PolicyItem::$item),+])?))*,)+
        ];
    };
}

pub(crate) use table;
