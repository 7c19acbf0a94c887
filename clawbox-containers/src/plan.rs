//! The plan of a container: the one proof that the policy ran.

use crate::aspects::{
    Binds, CapabilitySets, CommandLine, CpuBandwidth, DeviceAccess, EngineDuties, Environment,
    Init, Ipc, KernelPaths, LogBound, Name, Namespaces, Network, Seccomp, Tmpfs, Ulimits,
};
use crate::init::Errand;
use clawbox_types::ImageIdentity;

/// A container as the policy wants it, complete and explicit.
///
/// It comes out of [`Admission::compile`](crate::policy::Admission::compile) and from nowhere else:
/// to hold one is to know that the policy ran.
#[derive(Debug, Clone, PartialEq)]
pub struct ContainerPlan {
    spec: PlanSpec,
    errand: Option<Errand>,
    image: ImageIdentity,
}

impl ContainerPlan {
    pub(crate) const fn new(spec: PlanSpec, errand: Option<Errand>, image: ImageIdentity) -> Self {
        Self {
            spec,
            errand,
            image,
        }
    }

    /// Which image was asked for, and what it was taken for. Containers are made of the latter.
    #[must_use]
    pub const fn image(&self) -> &ImageIdentity {
        &self.image
    }

    /// What process 1 is to run, where that is ours. The engine never hears of it.
    pub(crate) const fn errand(&self) -> Option<&Errand> {
        self.errand.as_ref()
    }

    /// Every field. Encoders take it apart without `..`, so that a new field breaks each backend's build
    /// until it is handled there.
    #[must_use]
    pub const fn spec(&self) -> &PlanSpec {
        &self.spec
    }
}

/// The fields of a plan, one for each [`PolicyItem`](clawbox_types::PolicyItem).
///
/// No value means "whatever the engine does by default". What an engine reports has the same types, in
/// [`ObservedFacts`](crate::facts::ObservedFacts).
#[derive(Debug, Clone, PartialEq)]
pub struct PlanSpec {
    /// `uid:gid`, both numbers.
    pub user: String,
    /// Whether the root filesystem is read-only.
    pub read_only_root: bool,
    /// Capabilities beyond, and taken from, the engine's default set.
    pub capabilities: CapabilitySets,
    /// Whether `no_new_privs` is set.
    pub no_new_privileges: bool,
    /// The system call filter.
    pub seccomp: Seccomp,
    /// The network.
    pub network: Network,
    /// How many processes and threads may live at once.
    pub pids: u64,
    /// Memory, in bytes.
    pub memory: u64,
    /// Memory and swap together, in bytes.
    pub memory_and_swap: u64,
    /// CPU time.
    pub cpu: CpuBandwidth,
    /// The relative CPU weight, on the scale of cgroup v1's `cpu.shares`.
    pub cpu_shares: u64,
    /// Writable scratch space.
    pub tmpfs: Tmpfs,
    /// What is bound from the host.
    pub mounts: Binds,
    /// Shared memory.
    pub ipc: Ipc,
    /// The other namespaces.
    pub namespaces: Namespaces,
    /// Resource limits of each process.
    pub ulimits: Ulimits,
    /// `oom_score_adj`, -1000 to 1000.
    pub oom_score: i64,
    /// Hidden and read-only paths of the kernel's.
    pub kernel_paths: KernelPaths,
    /// Privilege and devices.
    pub devices: DeviceAccess,
    /// What the engine does for the container on its own.
    pub lifecycle: EngineDuties,
    /// The image's id at the engine.
    pub image: String,
    /// What is executed, and where.
    pub command: CommandLine,
    /// The environment.
    pub environment: Environment,
    /// Who is process 1.
    pub init: Init,
    /// The engine's own log.
    pub log: LogBound,
    /// The name and the labels, and who tells other names.
    pub identity: Name,
}

#[cfg(test)]
mod tests {
    use crate::{
        ContainerSecurityConfig,
        engine::ImageFacts,
        policy::{Placement, SecurityPolicy},
    };
    use clawbox_types::{
        Capabilities, ContainerId, ContainerIdentity, ContainerSpawnRequest, ProxyToken,
    };

    #[test]
    fn only_process_1_of_ours_is_given_the_command_and_the_engine_then_is_not() {
        let request = ContainerSpawnRequest::new("task", Capabilities::default())
            .with_image("alpine")
            .with_command(["true", "argument"]);
        let policy = SecurityPolicy::new(&ContainerSecurityConfig::default()).unwrap();
        let admission = policy.admit(&request).unwrap();
        let plan = |init_dir: Option<&str>| {
            let placement = Placement {
                identity: ContainerIdentity::new(
                    ContainerId::generate(),
                    ProxyToken::from_bytes([1; 32]),
                ),
                labels: [].into(),
                proxy_dir: None,
                init_dir: init_dir.map(Into::into),
            };
            admission
                .compile(&ImageFacts::default(), placement)
                .unwrap()
        };
        let argv = ["true", "argument"];
        let ours = plan(Some("/state/c"));
        let errand = ours.errand().unwrap();
        assert_eq!(errand.argv, argv);
        assert!(errand.environment.contains_key("CLAWBOX_PROXY_TOKEN"));
        assert_eq!(ours.spec().environment.0, [].into());
        assert_ne!(ours.spec().command.argv, argv);
        let engines = plan(None);
        assert_eq!(engines.errand(), None);
        assert_eq!(engines.spec().command.argv, argv);
    }
}
