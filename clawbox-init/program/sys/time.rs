//! The clock that goes on while the machine sleeps.

use super::arch::number;
use super::{Fd, Result, call, read, syscall};

const CLOCK_BOOTTIME: usize = 7;
const NANOSECONDS: u64 = 1_000_000_000;

/// A point in time, in nanoseconds since the machine was started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(u64);

impl Moment {
    /// This one.
    pub(crate) fn now() -> Self {
        let mut parts = [0u64; 2];
        // SAFETY: the kernel writes two numbers. This clock is there on every kernel that the program runs on.
        let _ = unsafe {
            syscall(
                number::CLOCK_GETTIME,
                [CLOCK_BOOTTIME, parts.as_mut_ptr() as usize],
            )
        };
        let [seconds, nanoseconds] = parts;
        Self(
            seconds
                .saturating_mul(NANOSECONDS)
                .saturating_add(nanoseconds),
        )
    }

    /// So much later, or as late as can be said.
    pub(crate) fn after_nanoseconds(self, nanoseconds: u64) -> Self {
        Self(self.0.saturating_add(nanoseconds))
    }

    /// So much later, or as late as can be said.
    pub(crate) fn after_milliseconds(self, milliseconds: u64) -> Self {
        self.after_nanoseconds(milliseconds.saturating_mul(1_000_000))
    }

    /// How long it is since then, in nanoseconds.
    pub(crate) fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Nanoseconds as the kernel takes them.
    pub(super) fn parts(nanoseconds: u64) -> [u64; 2] {
        [nanoseconds / NANOSECONDS, nanoseconds % NANOSECONDS]
    }
}

/// A descriptor that can be read from at a moment.
pub(crate) struct Timer {
    pub(crate) descriptor: Fd,
    set: Option<Moment>,
}

impl Timer {
    pub(crate) fn new() -> Result<Self> {
        const TFD_NONBLOCK: usize = 0o4000;
        const TFD_CLOEXEC: usize = 0o2_000_000;

        let given = call(
            number::TIMERFD_CREATE,
            [CLOCK_BOOTTIME, TFD_NONBLOCK | TFD_CLOEXEC],
        );
        Ok(Self {
            descriptor: Fd::given(given?)?,
            set: None,
        })
    }

    /// Sets it to this moment, or to none.
    pub(crate) fn set(&mut self, moment: Option<Moment>) -> Result<()> {
        const TFD_TIMER_ABSTIME: usize = 1;

        if self.set == moment {
            return Ok(());
        }
        let [seconds, nanoseconds] = Moment::parts(moment.map_or(0, |moment| moment.0));
        // No interval, then the moment. All zeros is none.
        let setting = [0, 0, seconds, nanoseconds];
        // SAFETY: the kernel reads four numbers, and writes no old setting.
        unsafe {
            syscall(
                number::TIMERFD_SETTIME,
                [
                    self.descriptor.argument(),
                    TFD_TIMER_ABSTIME,
                    setting.as_ptr() as usize,
                    0,
                ],
            )
        }?;
        self.set = moment;
        Ok(())
    }

    /// Takes note that it has gone off.
    pub(crate) fn acknowledge(&mut self) {
        let mut count = [0; 8];
        // Nothing to be read is what is wanted.
        let _ = read(&self.descriptor, &mut count);
        self.set = None;
    }
}
