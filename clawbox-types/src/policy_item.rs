//! The names of what the policy holds a container to.

use crate::InvalidValue;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

macro_rules! policy_items {
    ($($(#[$docs:meta])* $variant:ident = $name:literal,)*) => {
        /// One thing that the policy sets, and that must be read back before a command runs.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[serde(rename_all = "snake_case")]
        #[non_exhaustive]
        pub enum PolicyItem {
            $($(#[$docs])* $variant,)*
        }

        impl PolicyItem {
            /// Every item, in the order of a report.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The name in reports, in errors and in `allow_degraded`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }
        }
    };
}

policy_items! {
    /// The user and group of every process.
    User = "user",
    /// The root filesystem cannot be written.
    ReadOnlyRoot = "read_only_root",
    /// No capability in any set.
    Capabilities = "capabilities",
    /// No program gains privileges by being executed.
    NoNewPrivileges = "no_new_privileges",
    /// The system call filter.
    Seccomp = "seccomp",
    /// No network.
    Network = "network",
    /// How many processes may live at once.
    Pids = "pids",
    /// How much memory may be used.
    Memory = "memory",
    /// No swap beyond the memory limit.
    Swap = "swap",
    /// How much CPU time may be used.
    Cpu = "cpu",
    /// The relative CPU weight.
    CpuShares = "cpu_shares",
    /// The writable scratch space, its size and its flags.
    Tmpfs = "tmpfs",
    /// What is bound from the host, and nothing else.
    Mounts = "mounts",
    /// System V and POSIX shared memory.
    Ipc = "ipc",
    /// Which namespaces are the container's own: process ids, host name, control groups.
    Namespaces = "namespaces",
    /// Open files, core dumps, file sizes.
    Ulimits = "ulimits",
    /// Which process the kernel ends first when memory runs out.
    OomScore = "oom_score",
    /// Paths of the kernel's that are hidden or cannot be written.
    KernelPaths = "kernel_paths",
    /// Not privileged, no devices.
    Devices = "devices",
    /// No published ports, no restart, no removal by the engine itself.
    Lifecycle = "lifecycle",
    /// The image by its id.
    Image = "image",
    /// Exactly the planned program and arguments, the working directory, the stop signal, no health check.
    Command = "command",
    /// Exactly the planned environment.
    Environment = "environment",
    /// Who is process 1.
    Init = "init",
    /// How much the engine's own log may take on the host.
    Log = "log",
    /// The container's name, host name and labels.
    Identity = "identity",
}

impl fmt::Display for PolicyItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for PolicyItem {
    type Err = InvalidValue;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .iter()
            .copied()
            .find(|item| item.name() == s)
            .ok_or_else(|| {
                let names: Vec<_> = Self::ALL.iter().map(|item| item.name()).collect();
                InvalidValue::new(s, format!("a policy item is one of {}", names.join(", ")))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_same_in_text_and_in_json() {
        for item in PolicyItem::ALL {
            assert_eq!(
                serde_json::to_value(item).unwrap(),
                serde_json::json!(item.name())
            );
            assert_eq!(item.name().parse(), Ok(*item));
        }
    }
}
