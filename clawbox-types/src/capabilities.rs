//! What a sub-agent is allowed: its isolation, its proxy's network, its share of the host.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

use crate::{
    CpuQuota, CpuShares, InvalidValue, MemoryLimit, OutputLimit, PidsLimit, Timeout, Violation,
};

/// How a task is isolated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SandboxPolicy {
    /// A WASM sandbox and no container; a container backend refuses it.
    WasmOnly,
    /// A container, with tools in WASM inside it. No network.
    #[default]
    Container,
    /// A container without WASM, for tasks that need a whole Linux environment. No network either.
    ContainerDirect,
}

impl SandboxPolicy {
    /// Whether this policy asks for a container.
    #[must_use]
    pub const fn uses_container(self) -> bool {
        matches!(self, Self::Container | Self::ContainerDirect)
    }
}

impl fmt::Display for SandboxPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WasmOnly => "wasm_only",
            Self::Container => "container",
            Self::ContainerDirect => "container_direct",
        })
    }
}

impl FromStr for SandboxPolicy {
    type Err = InvalidValue;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        [Self::WasmOnly, Self::Container, Self::ContainerDirect]
            .into_iter()
            .find(|policy| policy.to_string() == s)
            .ok_or_else(|| {
                InvalidValue::new(s, "a policy is wasm_only, container or container_direct")
            })
    }
}

/// What a task may use.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Capabilities {
    /// What the container's proxy may reach. The container itself never has a network.
    pub network: NetworkCapabilities,
    /// Names of the credentials that the proxy may add, such as `github`.
    pub credentials: Vec<String>,
    /// Time, memory, CPU and output.
    pub resources: ResourceLimits,
}

impl Capabilities {
    /// Capabilities with this network and the default limits.
    #[must_use]
    pub fn new(network: NetworkCapabilities) -> Self {
        Self {
            network,
            ..Self::default()
        }
    }

    /// Adds the name of a credential.
    #[must_use]
    pub fn with_credential(mut self, name: impl Into<String>) -> Self {
        self.credentials.push(name.into());
        self
    }

    /// Sets the limits.
    #[must_use]
    pub fn with_resources(mut self, resources: ResourceLimits) -> Self {
        self.resources = resources;
        self
    }
}

/// What a container's proxy may reach. It is data for the proxy: clawbox gives no container a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct NetworkCapabilities {
    /// Domains that the proxy may reach. Empty: none.
    pub allowlist: Vec<String>,
    /// How many connections the proxy may hold open at once.
    pub max_concurrent: usize,
}

impl NetworkCapabilities {
    /// A network of these domains, with ten connections at once.
    pub fn new<S: Into<String>>(allowlist: impl IntoIterator<Item = S>) -> Self {
        Self {
            allowlist: allowlist.into_iter().map(Into::into).collect(),
            ..Self::default()
        }
    }

    /// Sets how many connections may be open at once.
    #[must_use]
    pub const fn with_max_concurrent(mut self, max: usize) -> Self {
        self.max_concurrent = max;
        self
    }
}

impl Default for NetworkCapabilities {
    fn default() -> Self {
        Self {
            allowlist: Vec::new(),
            max_concurrent: 10,
        }
    }
}

/// The limits that a request asks for. The operator's configuration says how high each may be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct ResourceLimits {
    /// How long the container may run, in milliseconds ([`Timeout`]). 120,000 by default.
    pub timeout_ms: u64,
    /// Memory in MiB ([`MemoryLimit`]); swap is never added. 512 by default.
    pub memory_mb: u64,
    /// Relative CPU weight ([`CpuShares`]). 1024 by default.
    pub cpu_shares: u64,
    /// How many bytes of each of stdout and stderr are kept ([`OutputLimit`]). 262,144 by default.
    pub max_output_bytes: u64,
    /// CPU quota in thousandths of a CPU ([`CpuQuota`]). `None`: the operator's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_millis: Option<u64>,
    /// How many processes and threads may live at once ([`PidsLimit`]). `None`: the operator's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pids: Option<u64>,
}

impl ResourceLimits {
    /// Limits with this time and memory, the rest by default.
    #[must_use]
    pub fn new(timeout_ms: u64, memory_mb: u64) -> Self {
        Self {
            timeout_ms,
            memory_mb,
            ..Self::default()
        }
    }

    /// Sets the CPU weight.
    #[must_use]
    pub const fn with_cpu_shares(mut self, cpu_shares: u64) -> Self {
        self.cpu_shares = cpu_shares;
        self
    }

    /// Sets how many bytes of each output stream are kept.
    #[must_use]
    pub const fn with_max_output_bytes(mut self, max_output_bytes: u64) -> Self {
        self.max_output_bytes = max_output_bytes;
        self
    }

    /// Sets the CPU quota, in thousandths of a CPU.
    #[must_use]
    pub const fn with_cpu_millis(mut self, cpu_millis: u64) -> Self {
        self.cpu_millis = Some(cpu_millis);
        self
    }

    /// Sets how many processes may live at once.
    #[must_use]
    pub const fn with_pids(mut self, pids: u64) -> Self {
        self.pids = Some(pids);
        self
    }

    /// Every value that is outside what any host could take.
    pub(crate) fn violations(&self, found: &mut Vec<Violation>) {
        let mut check = |field: &str, error: Option<InvalidValue>| {
            found.extend(error.map(|e| e.at(format!("capabilities.resources.{field}"))));
        };
        check("timeout_ms", Timeout::new(self.timeout_ms).err());
        check("memory_mb", MemoryLimit::new(self.memory_mb).err());
        check("cpu_shares", CpuShares::new(self.cpu_shares).err());
        check(
            "max_output_bytes",
            OutputLimit::new(self.max_output_bytes).err(),
        );
        check(
            "cpu_millis",
            self.cpu_millis.and_then(|n| CpuQuota::new(n).err()),
        );
        check("pids", self.pids.and_then(|n| PidsLimit::new(n).err()));
    }
}

impl Default for ResourceLimits {
    fn default() -> Self {
        Self {
            timeout_ms: 120_000,
            memory_mb: 512,
            cpu_shares: 1024,
            max_output_bytes: 256 * 1024,
            cpu_millis: None,
            pids: None,
        }
    }
}
