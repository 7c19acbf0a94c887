//! What an engine reports of a container, in the plan's own terms.

use crate::{
    aspects::{
        Binds, CapabilitySets, CommandLine, CpuBandwidth, DeviceAccess, EngineDuties, Environment,
        Init, Ipc, KernelPaths, LogBound, Name, Namespaces, Network, Seccomp, Tmpfs, Ulimits,
    },
    plan::PlanSpec,
};

/// Something that was read back, or why it could not be.
#[derive(Debug, Clone, PartialEq)]
pub enum Observed<T> {
    /// This was seen.
    Seen(T),
    /// Nothing could be seen; the text says why.
    Unseen(String),
}

/// What was observed of a container: [`PlanSpec`] field by field.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    missing_docs,
    reason = "each field is documented where the plan has it"
)]
pub struct ObservedFacts {
    pub user: Observed<String>,
    pub read_only_root: Observed<bool>,
    pub capabilities: Observed<CapabilitySets>,
    pub no_new_privileges: Observed<bool>,
    pub seccomp: Observed<Seccomp>,
    pub network: Observed<Network>,
    pub pids: Observed<u64>,
    pub memory: Observed<u64>,
    pub memory_and_swap: Observed<u64>,
    pub cpu: Observed<CpuBandwidth>,
    pub cpu_shares: Observed<u64>,
    pub tmpfs: Observed<Tmpfs>,
    pub mounts: Observed<Binds>,
    pub ipc: Observed<Ipc>,
    pub namespaces: Observed<Namespaces>,
    pub ulimits: Observed<Ulimits>,
    pub oom_score: Observed<i64>,
    pub kernel_paths: Observed<KernelPaths>,
    pub devices: Observed<DeviceAccess>,
    pub lifecycle: Observed<EngineDuties>,
    pub image: Observed<String>,
    pub command: Observed<CommandLine>,
    pub environment: Observed<Environment>,
    pub init: Observed<Init>,
    pub log: Observed<LogBound>,
    pub identity: Observed<Name>,
}

impl ObservedFacts {
    /// The facts of a container that is exactly as planned: for engines in memory, and as a start for tests.
    #[must_use]
    pub fn as_planned(spec: &PlanSpec) -> Self {
        use Observed::Seen;
        let PlanSpec {
            user,
            read_only_root,
            capabilities,
            no_new_privileges,
            seccomp,
            network,
            pids,
            memory,
            memory_and_swap,
            cpu,
            cpu_shares,
            tmpfs,
            mounts,
            ipc,
            namespaces,
            ulimits,
            oom_score,
            kernel_paths,
            devices,
            lifecycle,
            image,
            command,
            environment,
            init,
            log,
            identity,
        } = spec.clone();
        Self {
            user: Seen(user),
            read_only_root: Seen(read_only_root),
            capabilities: Seen(capabilities),
            no_new_privileges: Seen(no_new_privileges),
            seccomp: Seen(seccomp),
            network: Seen(network),
            pids: Seen(pids),
            memory: Seen(memory),
            memory_and_swap: Seen(memory_and_swap),
            cpu: Seen(cpu),
            cpu_shares: Seen(cpu_shares),
            tmpfs: Seen(tmpfs),
            mounts: Seen(mounts),
            ipc: Seen(ipc),
            namespaces: Seen(namespaces),
            ulimits: Seen(ulimits),
            oom_score: Seen(oom_score),
            kernel_paths: Seen(kernel_paths),
            devices: Seen(devices),
            lifecycle: Seen(lifecycle),
            image: Seen(image),
            command: Seen(command),
            environment: Seen(environment),
            init: Seen(init),
            log: Seen(log),
            identity: Seen(identity),
        }
    }
}
