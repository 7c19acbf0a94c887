//! The limits of control groups, and hosts that do not enforce them.

use clawbox_containers::{engine::EngineWarning, plan::PlanSpec};
use clawbox_types::{Ability, PolicyItem};

/// A limit that the control groups of an engine's host enforce, or do not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Limit {
    /// How many processes may live at once.
    Pids,
    /// How much memory may be used.
    Memory,
    /// How much memory and swap together may be used.
    Swap,
    /// How much CPU time may be used.
    Cpu,
    /// The relative CPU weight.
    CpuShares,
}

impl Limit {
    /// Every limit: a host without any is one of control groups v1 under a rootless engine.
    pub const ALL: [Self; 5] = [
        Self::Pids,
        Self::Memory,
        Self::Swap,
        Self::Cpu,
        Self::CpuShares,
    ];

    /// The policy item that it is the limit of.
    #[must_use]
    pub const fn item(self) -> PolicyItem {
        match self {
            Self::Pids => PolicyItem::Pids,
            Self::Memory => PolicyItem::Memory,
            Self::Swap => PolicyItem::Swap,
            Self::Cpu => PolicyItem::Cpu,
            Self::CpuShares => PolicyItem::CpuShares,
        }
    }

    /// What a container runs under where the limit is not enforced.
    pub(crate) fn lift(self, plan: &mut PlanSpec) {
        match self {
            Self::Pids => plan.pids = u64::MAX,
            Self::Memory => plan.memory = u64::MAX,
            Self::Swap => plan.memory_and_swap = u64::MAX,
            Self::Cpu => plan.cpu.quota_us = 0,
            // What the kernel gives to a group of which nothing is said.
            Self::CpuShares => plan.cpu_shares = 1024,
        }
    }

    /// What an inspection says there: that nothing was asked for.
    pub(crate) fn hide(self, plan: &mut PlanSpec) {
        match self {
            Self::Pids => plan.pids = 0,
            Self::Memory => plan.memory = 0,
            Self::Swap => plan.memory_and_swap = 0,
            Self::Cpu => plan.cpu.quota_us = 0,
            Self::CpuShares => plan.cpu_shares = 0,
        }
    }

    pub(crate) fn warning(self) -> EngineWarning {
        EngineWarning {
            item: Some(self.item()),
            text: format!("the host does not support {}: ignored", self.item()),
        }
    }

    pub(crate) fn ability(self) -> Ability {
        Ability::missing(self.item(), "the mock was made without it")
    }
}
