//! What a manager counts, through the `metrics` facade where the feature of that name is on; the names are in
//! docs/EVENTS.md, and stay.

/// What happens, and is counted for the whole process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Count {
    /// A spawn came back with a container.
    Spawned,
    /// A spawn came to nothing, whoever refused it.
    Refused,
    /// A gate saw that the policy is not in force.
    VerificationFailed,
    /// A container was ended at its deadline.
    TimedOut,
    /// A dead owner's container was removed.
    Reaped,
}

impl Count {
    pub(crate) fn up(self) {
        #[cfg(feature = "metrics")]
        metrics::counter!(match self {
            Self::Spawned => "clawbox_containers_spawned",
            Self::Refused => "clawbox_spawns_refused",
            Self::VerificationFailed => "clawbox_verification_failures",
            Self::TimedOut => "clawbox_containers_timed_out",
            Self::Reaped => "clawbox_orphans_reaped",
        })
        .increment(1);
    }
}

/// A container that a manager sees to, from its registration until it is gone or left to others.
#[derive(Debug)]
pub(crate) struct Live(());

impl Live {
    pub(crate) fn new() -> Self {
        #[cfg(feature = "metrics")]
        metrics::gauge!(LIVE).increment(1.0);
        Self(())
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        #[cfg(feature = "metrics")]
        metrics::gauge!(LIVE).decrement(1.0);
    }
}

#[cfg(feature = "metrics")]
const LIVE: &str = "clawbox_containers_live";
