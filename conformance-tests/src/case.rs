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
    twin_of: Option<PolicyItem>,
    run: Run,
}

pub(crate) type Run = fn(&Context) -> BoxFuture<'_, Checked>;

impl Case {
    pub(crate) const fn new(id: &'static str, title: &'static str, run: Run) -> Self {
        Self {
            id,
            title,
            alone: false,
            needed: &[],
            twin_of: None,
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
        self.twin_of = Some(*item);
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

    /// The item whose declaration it holds to be true. It is no part of a run that does not declare that.
    #[must_use]
    pub const fn twin_of(&self) -> Option<PolicyItem> {
        self.twin_of
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
/// those that measure time, `needs` those that cannot be tried where one of these items is not enforced, and
/// `twin` those that are asked where this item is declared as such.
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
