//! The time of day, as a manager takes it.

use time::OffsetDateTime;
use tokio::time::Instant;

/// Where a manager takes the time of day from: when a container was registered, and the deadline on its label.
///
/// How long something lasts is not its matter: that is tokio's clock in any case.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Clock {
    /// The host's wall clock, read anew each time. Other processes compare a label with theirs, and tokio's
    /// clock knows nothing of a suspend or of a wall clock that was set.
    #[default]
    Wall,
    /// A clock that showed `at` at the moment `since` and follows tokio's from there, so that it is virtual
    /// where tokio's is paused.
    Tokio {
        /// What it showed.
        at: OffsetDateTime,
        /// When it showed that.
        since: Instant,
    },
}

impl Clock {
    /// A clock that shows `at` now and follows tokio's.
    #[must_use]
    pub fn starting_at(at: OffsetDateTime) -> Self {
        let since = Instant::now();
        Self::Tokio { at, since }
    }

    /// What it shows now.
    #[must_use]
    pub fn now(&self) -> OffsetDateTime {
        match self {
            Self::Wall => OffsetDateTime::now_utc(),
            Self::Tokio { at, since } => *at + since.elapsed(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    #[tokio::test(start_paused = true)]
    async fn virtual_time_moves_a_clock_of_tokios_and_not_the_wall() {
        let began = OffsetDateTime::now_utc();
        let start = OffsetDateTime::UNIX_EPOCH;
        let clock = Clock::starting_at(start);
        assert_eq!(clock.now(), start);
        tokio::time::sleep(DAY).await;
        assert_eq!(clock.now(), start + DAY);
        // A clock that followed tokio's would be a day ahead by now.
        let wall = Clock::default().now();
        assert!(
            (began..=OffsetDateTime::now_utc()).contains(&wall),
            "{wall}"
        );
    }
}
