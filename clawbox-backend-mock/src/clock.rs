//! The engine's clock: a wall clock that follows tokio's, so that it is virtual where tokio's is.

use time::OffsetDateTime;
use tokio::time::{Duration, Instant};

#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    wall: OffsetDateTime,
    since: Instant,
}

impl Clock {
    pub(crate) fn starting_at(wall: OffsetDateTime) -> Self {
        Self {
            wall,
            since: Instant::now(),
        }
    }

    pub(crate) fn now(&self) -> OffsetDateTime {
        self.wall + self.elapsed()
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.since.elapsed()
    }
}
