//! What an engine's host cannot enforce, as its backend's author declares it.

use crate::{
    case::{Case, Role},
    cases::cases,
};
use clawbox_containers::InitProgram;
use clawbox_types::PolicyItem;
use std::{collections::BTreeMap, error::Error, fmt};

/// The items that may be declared: those that the control groups of the engine's host enforce, which not every host
/// hands on. All others are the baseline, without which there is no sandbox.
pub const DECLARABLE: [PolicyItem; 5] = [
    PolicyItem::Pids,
    PolicyItem::Memory,
    PolicyItem::Swap,
    PolicyItem::Cpu,
    PolicyItem::CpuShares,
];

/// What an engine's host cannot enforce, item by item, each with a reason.
///
/// The suite's backends are set up to [let these items fail](clawbox_containers::ContainerSecurityConfig::allow_degraded), cases
/// that need one of them are skipped with its reason, and for each a case of the area `cannot` shows that nothing
/// runs without it unless the operator says so.
///
/// It may also be declared that process 1 is the engine's own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Declarations {
    items: BTreeMap<PolicyItem, String>,
    engine_init: Option<String>,
}

/// Why something cannot be declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeclarationError {
    /// The item is of the baseline.
    Baseline(PolicyItem),
    /// No reason is given.
    NoReason(PolicyItem),
    /// The item is declared a second time.
    Twice(PolicyItem),
}

impl fmt::Display for DeclarationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Baseline(item) => write!(
                f,
                "{item} is of the baseline, which every backend must enforce: only {} may be declared",
                DECLARABLE.map(PolicyItem::name).join(", ")
            ),
            Self::NoReason(item) => write!(
                f,
                "{item} is declared without a reason: say why the host cannot enforce it"
            ),
            Self::Twice(item) => write!(f, "{item} is declared twice: give it one reason"),
        }
    }
}

impl Error for DeclarationError {}

impl Declarations {
    /// Checks what is declared.
    ///
    /// # Errors
    ///
    /// For an item that is not [`DECLARABLE`], one without a reason, and one that is there twice.
    pub fn new<R: Into<String>>(
        declared: impl IntoIterator<Item = (PolicyItem, R)>,
    ) -> Result<Self, DeclarationError> {
        let mut reasons = BTreeMap::new();
        for (item, reason) in declared {
            let reason = reason.into();
            if !DECLARABLE.contains(&item) {
                return Err(DeclarationError::Baseline(item));
            }
            if reason.trim().is_empty() {
                return Err(DeclarationError::NoReason(item));
            }
            if reasons.insert(item, reason).is_some() {
                return Err(DeclarationError::Twice(item));
            }
        }
        Ok(Self {
            items: reasons,
            engine_init: None,
        })
    }

    /// Declares also that process 1 is the engine's own, and why.
    #[must_use]
    pub fn with_engine_init(mut self, reason: impl Into<String>) -> Self {
        self.engine_init = Some(reason.into());
        self
    }

    /// Who is process 1.
    pub(crate) const fn init(&self) -> InitProgram {
        match self.engine_init {
            None => InitProgram::Clawbox,
            Some(_) => InitProgram::Engine,
        }
    }

    /// What is declared, and why.
    pub fn iter(&self) -> impl Iterator<Item = (PolicyItem, &str)> {
        self.items.iter().map(|(item, why)| (*item, why.as_str()))
    }

    pub(crate) fn has(&self, item: PolicyItem) -> bool {
        self.items.contains_key(&item)
    }

    /// The cases that are asked where this is declared.
    pub(crate) fn cases(&self) -> impl Iterator<Item = &'static Case> {
        let asked = |case: &&Case| match case.role() {
            Role::Always | Role::ProcessOne => true,
            Role::Twin(item) => self.has(item),
            Role::EngineInit => self.engine_init.is_some(),
        };
        cases().filter(asked)
    }

    /// Why a case cannot be tried.
    pub(crate) fn excuse(&self, case: &Case) -> Option<String> {
        let reasons: Vec<String> = self
            .iter()
            .filter(|(item, _)| case.needed().contains(item))
            .map(|(item, why)| format!("{item} cannot be enforced: {why}"))
            .chain(
                self.engine_init
                    .iter()
                    .filter(|_| case.role() == Role::ProcessOne)
                    .map(|why| format!("process 1 is the engine's own: {why}")),
            )
            .collect();
        (!reasons.is_empty()).then(|| reasons.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_limits_of_control_groups_may_be_declared() {
        for item in PolicyItem::ALL {
            let declared = Declarations::new([(*item, "no controller")]);
            if DECLARABLE.contains(item) {
                assert!(declared.expect("declarable").has(*item));
                continue;
            }
            assert_eq!(declared, Err(DeclarationError::Baseline(*item)));
        }
        let says = DeclarationError::Baseline(PolicyItem::Seccomp).to_string();
        for words in ["seccomp", "pids, memory, swap, cpu, cpu_shares"] {
            assert!(says.contains(words), "{says}");
        }
    }

    #[test]
    fn a_declaration_has_one_reason() {
        let memory = PolicyItem::Memory;
        for (declared, error) in [
            (vec![(memory, " ")], DeclarationError::NoReason(memory)),
            (
                vec![(memory, "a"), (memory, "b")],
                DeclarationError::Twice(memory),
            ),
        ] {
            assert_eq!(Declarations::new(declared), Err(error));
            assert!(error.to_string().contains("memory"), "{error}");
        }
    }

    #[test]
    fn each_declarable_item_has_a_twin_which_is_asked_where_it_is_declared() {
        let twins: Vec<PolicyItem> = cases()
            .filter_map(|case| match case.role() {
                Role::Twin(item) => Some(item),
                _ => None,
            })
            .collect();
        assert_eq!(twins, DECLARABLE);
        let twins_of = |declared: &Declarations| -> Vec<PolicyItem> {
            declared
                .cases()
                .filter_map(|case| match case.role() {
                    Role::Twin(item) => Some(item),
                    _ => None,
                })
                .collect()
        };
        assert_eq!(twins_of(&Declarations::default()), []);
        for item in DECLARABLE {
            let declared = Declarations::new([(item, "no controller")]).expect("declarable");
            assert_eq!(twins_of(&declared), [item]);
            let others = cases().filter(|case| case.is_ordinary());
            assert_eq!(declared.cases().count(), others.count() + 1);
        }
    }

    #[test]
    fn what_needs_a_declared_item_is_excused_with_its_reason() {
        let declared = Declarations::new([(PolicyItem::Swap, "no accounting")]);
        let declared = declared.expect("declarable");
        let excused: Vec<&str> = declared
            .cases()
            .filter(|case| declared.excuse(case).is_some())
            .map(Case::id)
            .collect();
        assert_eq!(
            excused,
            [
                "cgroups/no_swap",
                "limits/memory",
                "limits/locked_memory",
                "init/child_out_of_memory"
            ]
        );
        let case = cases().find(|case| case.id() == "limits/memory");
        let why = case.and_then(|case| declared.excuse(case));
        assert_eq!(
            why.as_deref(),
            Some("swap cannot be enforced: no accounting")
        );
    }
}
