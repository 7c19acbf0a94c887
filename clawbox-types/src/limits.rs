//! Quantities with a range: what a limit must parse into before an engine hears of it.

use crate::InvalidValue;
use serde::{Deserialize, Serialize};
use std::{fmt, time::Duration};

/// Defines a checked number: its range, its unit in messages, and serde through the check.
macro_rules! quantity {
    ($(#[$docs:meta])* $name:ident($int:ty) = $min:expr, $max:expr, $unit:literal) => {
        $(#[$docs])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "u64", into = "u64")]
        pub struct $name($int);

        impl $name {
            /// The smallest accepted value.
            pub const MIN: $int = $min;
            /// The largest accepted value.
            pub const MAX: $int = $max;

            /// Checks `value` against the range.
            ///
            /// # Errors
            ///
            /// [`InvalidValue`] naming the range for a value outside it.
            pub fn new(value: u64) -> Result<Self, InvalidValue> {
                <$int>::try_from(value)
                    .ok()
                    .filter(|v| (Self::MIN..=Self::MAX).contains(v))
                    .map(Self)
                    .ok_or_else(|| {
                        InvalidValue::new(
                            value,
                            format!("{} to {} {}", Self::MIN, Self::MAX, $unit),
                        )
                    })
            }

            /// The number, in this type's unit.
            #[must_use]
            pub const fn get(self) -> $int {
                self.0
            }
        }

        impl TryFrom<u64> for $name {
            type Error = InvalidValue;

            fn try_from(value: u64) -> Result<Self, Self::Error> {
                Self::new(value)
            }
        }

        impl From<$name> for u64 {
            fn from(value: $name) -> Self {
                value.0.into()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{} {}", self.0, $unit)
            }
        }
    };
}

quantity! {
    /// A memory limit in MiB. Docker takes no less than 6 MiB; 16 TiB is beyond any host.
    MemoryLimit(u32) = 6, 16 * 1024 * 1024, "MiB"
}

quantity! {
    /// A relative CPU weight, in the kernel's range for cgroup v1's `cpu.shares`.
    CpuShares(u32) = 2, 262_144, "CPU shares"
}

quantity! {
    /// A CPU quota in thousandths of a CPU. The kernel takes no quota below 1 ms in a period of 100 ms.
    CpuQuota(u32) = 10, 1_024_000, "thousandths of a CPU"
}

quantity! {
    /// How many processes and threads may live at once. One is process 1, so two is the least;
    /// the kernel's own limit (`PID_MAX_LIMIT`) is the most.
    PidsLimit(u32) = 2, 4_194_304, "processes"
}

quantity! {
    /// How long a container may run, in milliseconds. Thirty days at most.
    Timeout(u64) = 100, 30 * 24 * 60 * 60 * 1000, "ms"
}

quantity! {
    /// How many bytes of each of stdout and stderr are kept. A limit of 0 keeps counts only.
    OutputLimit(u64) = 0, 1 << 30, "bytes"
}

impl MemoryLimit {
    /// The limit in bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        (self.0 as u64) << 20
    }
}

impl Timeout {
    /// The limit as a duration.
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_a_range_are_in_and_their_neighbours_out() {
        fn check<T: TryFrom<u64, Error = InvalidValue>>(least: u64, most: u64) {
            let taken = |value| T::try_from(value).is_ok();
            let name = std::any::type_name::<T>();
            assert!(taken(least) && taken(most), "{name}");
            assert!(least == 0 || !taken(least - 1), "{name}");
            assert!(!taken(most + 1) && !taken(u64::MAX), "{name}");
        }
        check::<MemoryLimit>(6, 16_777_216);
        check::<CpuShares>(2, 262_144);
        check::<CpuQuota>(10, 1_024_000);
        check::<PidsLimit>(2, 4_194_304);
        check::<Timeout>(100, 2_592_000_000);
        check::<OutputLimit>(0, 1_073_741_824);
    }

    #[test]
    fn a_value_beyond_the_integer_is_refused_and_not_wrapped() {
        let error = MemoryLimit::new(u64::from(u32::MAX) + 7).unwrap_err();
        assert!(error.to_string().contains("6 to 16777216 MiB"), "{error}");
    }

    #[test]
    fn the_largest_memory_limit_has_a_size_in_bytes() {
        assert_eq!(
            MemoryLimit::new(MemoryLimit::MAX.into()).unwrap().bytes(),
            1 << 44
        );
    }

    #[test]
    fn serde_goes_through_the_check() {
        assert!(serde_json::from_str::<PidsLimit>("0").is_err());
        assert!(serde_json::from_str::<PidsLimit>("-1").is_err());
        assert_eq!(serde_json::from_str::<PidsLimit>("7").unwrap().get(), 7);
    }
}
