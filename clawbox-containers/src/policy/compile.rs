//! What the image adds, and the plan.

use super::{
    admit::{Admission, What},
    image::{self, STOP_SIGNAL},
    scratch::scratch,
};
use crate::{
    aspects::{
        Bind, Binds, CapabilitySets, CommandLine, CpuBandwidth, DeviceAccess, EngineDuties,
        Environment, Init, Ipc, KernelPaths, LogBound, Name, Namespaces, Network, Resolver,
        Seccomp, Ulimit, Ulimits,
    },
    engine::ImageFacts,
    error::{ContainerError, ContainerResult},
    init::{CONTAINER_INIT, CONTAINER_INIT_DIR, CONTAINER_INIT_SOCKET, Errand},
    plan::{ContainerPlan, PlanSpec},
    proxy::{CONTAINER_SOCKET, CONTAINER_SOCKET_DIR},
    seccomp::SeccompProfile,
};
use clawbox_types::{
    ContainerIdentity, EnvValue, ImageIdentity, ImageRef, Violation, check_argv, check_working_dir,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

/// Who and where a container is: what the manager adds to an admitted request.
#[derive(Debug, Clone)]
pub struct Placement {
    /// The container's id and token.
    pub identity: ContainerIdentity,
    /// The labels by which it is found again.
    pub labels: BTreeMap<String, String>,
    /// The canonical directory of the proxy's socket, which holds nothing else.
    pub proxy_dir: Option<PathBuf>,
    /// The canonical directory of process 1's program and socket. `None`: process 1 is the engine's.
    pub init_dir: Option<PathBuf>,
}

/// The period of the CPU quota, in microseconds: the kernel's default.
const CPU_PERIOD_US: u64 = 100_000;

/// Where programs are looked for when neither the image nor the request says: what engines add by themselves.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Hidden from a container: what engines hide by default, what tells of the host's hardware and power, and the
/// POSIX message queues, which are a writable file system even where there is no shared memory.
const MASKED_PATHS: [&str; 14] = [
    "/dev/mqueue",
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
    "/sys/fs/selinux",
];

/// Read-only in a container: what engines make so by default.
const READ_ONLY_PATHS: [&str; 5] = [
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];

impl Admission {
    /// The plan for this request on this image. Pure: the same in, the same out.
    ///
    /// # Errors
    ///
    /// [`ContainerError::PolicyDenied`] with everything about the image that the policy forbids.
    pub fn compile(
        &self,
        image: &ImageFacts,
        placement: Placement,
    ) -> ContainerResult<ContainerPlan> {
        let mut labels = placement.labels;
        labels.insert("clawbox.policy".to_owned(), self.sandbox.to_string());
        let mut found = Vec::new();
        let argv = self.argv(image, &mut found);
        let working_dir = self.working_dir(image, &mut found);
        let environment = self.environment(image, &placement.identity, &mut found);
        found.extend(image::impossible(image, &labels));
        if self.policy.strict_images {
            found.extend(image::overridden(image));
        }
        let profile = self.policy.seccomp_profile;
        let shared = profile.has_shared_memory();
        let tmpfs = scratch(
            &self.policy.tmpfs,
            shared,
            &image.volumes,
            &self.workspaces,
            self.memory,
        )
        .map_err(|mut violations| found.append(&mut violations))
        .unwrap_or_default();
        if !found.is_empty() {
            return Err(ContainerError::PolicyDenied { violations: found });
        }
        let seccomp = SeccompProfile::named(profile);
        let pinned = |value| Ulimit {
            soft: value,
            hard: value,
        };
        let mounts = self.binds(placement.proxy_dir, placement.init_dir.clone());
        let (init, command, environment, errand) = match placement.init_dir {
            // The engine is told of process 1 alone: the command and its secrets are for process 1.
            Some(_) => (
                Init::Clawbox,
                command_line(
                    [CONTAINER_INIT, CONTAINER_INIT_SOCKET]
                        .map(str::to_owned)
                        .into(),
                    "/".to_owned(),
                ),
                of_image_only(image),
                Some(Errand {
                    argv,
                    directory: working_dir,
                    environment: set(environment),
                }),
            ),
            None => (
                Init::Engine,
                command_line(argv, working_dir),
                environment,
                None,
            ),
        };
        let spec = PlanSpec {
            user: self.policy.user.to_string(),
            read_only_root: true,
            capabilities: CapabilitySets {
                added: BTreeSet::new(),
                dropped: BTreeSet::from(["ALL".to_owned()]),
            },
            no_new_privileges: true,
            seccomp: Seccomp::Profile {
                name: seccomp.name().to_owned(),
                json: seccomp.to_oci_json(),
            },
            network: Network::None,
            pids: self.pids.into(),
            memory: self.memory.bytes(),
            memory_and_swap: self.memory.bytes(),
            cpu: CpuBandwidth {
                quota_us: u64::from(self.cpu) * CPU_PERIOD_US / 1000,
                period_us: CPU_PERIOD_US,
            },
            cpu_shares: self.cpu_shares.into(),
            tmpfs,
            mounts,
            ipc: Ipc::None,
            namespaces: Namespaces {
                private_pid: true,
                private_uts: true,
                private_cgroup: true,
            },
            ulimits: Ulimits(BTreeMap::from([
                ("core".to_owned(), pinned(0)),
                ("fsize".to_owned(), pinned(self.policy.max_file_bytes)),
                ("nofile".to_owned(), pinned(self.policy.open_files)),
            ])),
            // The sandbox goes before anything else of the host's when memory runs out.
            oom_score: 500,
            kernel_paths: KernelPaths {
                masked: MASKED_PATHS.map(str::to_owned).into(),
                read_only: READ_ONLY_PATHS.map(str::to_owned).into(),
            },
            devices: DeviceAccess::default(),
            lifecycle: EngineDuties::default(),
            image: image.id.clone(),
            command,
            environment,
            init,
            // A round number: Podman tells it with four digits.
            log: LogBound {
                max_bytes: 2_000_000,
            },
            identity: Name {
                name: placement.identity.id.to_string(),
                hostname: "clawbox".to_owned(),
                resolver: Resolver::None,
                labels,
            },
        };
        Ok(ContainerPlan::new(spec, errand, self.resolved(image)))
    }

    /// What was asked for, and what it was taken for.
    fn resolved(&self, image: &ImageFacts) -> ImageIdentity {
        let asked = &self.image;
        let digests = image.digests.iter();
        let named = digests.filter_map(|named| named.parse::<ImageRef>().ok());
        let mut same = named.filter(|named| {
            named.registry() == asked.registry() && named.repository() == asked.repository()
        });
        let digest = match asked.digest() {
            Some(digest) => same.find(|named| named.digest() == Some(digest)),
            None => same.next(),
        };
        let digest = digest.and_then(|named| named.digest().map(str::to_owned));
        ImageIdentity::new(asked.clone(), &image.id, digest)
    }

    /// What is ours, and the workspaces.
    fn binds(&self, proxy_dir: Option<PathBuf>, init_dir: Option<PathBuf>) -> Binds {
        let ours = [
            (proxy_dir, CONTAINER_SOCKET_DIR),
            (init_dir, CONTAINER_INIT_DIR),
        ];
        let ours = ours.into_iter().filter_map(|(source, target)| {
            Some(Bind {
                source: source?,
                target: target.to_owned(),
                read_only: true,
                noexec: false,
            })
        });
        let workspaces = self.workspaces.iter().map(|workspace| Bind {
            source: workspace.source.clone(),
            target: workspace.target.clone(),
            read_only: workspace.read_only,
            noexec: self.policy.workspace_noexec,
        });
        Binds(ours.chain(workspaces).collect())
    }

    fn argv(&self, image: &ImageFacts, found: &mut Vec<Violation>) -> Vec<String> {
        let argv = match &self.what {
            What::Command(argv) => argv.clone(),
            What::Args(args) => [image.entrypoint.as_slice(), args].concat(),
            What::Image => [image.entrypoint.as_slice(), &image.command].concat(),
        };
        if argv.is_empty() {
            found.push(Violation::new(
                "command",
                "none, and none in the image",
                "a command, where the image has no entrypoint and no command of its own",
            ));
        } else {
            found.extend(check_argv(&argv).err().map(|e| e.at("image.command")));
        }
        argv
    }

    fn working_dir(&self, image: &ImageFacts, found: &mut Vec<Violation>) -> String {
        match &self.working_dir {
            Some(dir) => dir.clone(),
            None if image.working_dir.is_empty() => "/".to_owned(),
            None => {
                let checked = check_working_dir(&image.working_dir);
                found.extend(checked.err().map(|e| e.at("image.working_dir")));
                image.working_dir.clone()
            }
        }
    }

    /// The image's variables, overridden by the request's, overridden by ours; what the image sets and
    /// nobody may set is taken away.
    fn environment(
        &self,
        image: &ImageFacts,
        identity: &ContainerIdentity,
        found: &mut Vec<Violation>,
    ) -> Environment {
        let mut env: BTreeMap<String, Option<EnvValue>> = BTreeMap::new();
        for entry in &image.env {
            let (key, value) = image::variable(entry);
            env.insert(key.to_owned(), value);
        }
        env.extend(
            self.env
                .iter()
                .map(|(key, value)| (key.clone(), Some(value.clone()))),
        );
        // A user without an entry in the image's passwd would have the read-only / as its home.
        let missing = [("HOME", "/tmp"), ("PATH", DEFAULT_PATH)]
            .into_iter()
            .filter(|(key, _)| !matches!(env.get(*key), Some(Some(_))))
            .map(|(key, value)| (key, value.to_owned()))
            .collect::<Vec<_>>();
        let ours = [
            ("CLAWBOX_CONTAINER_ID", identity.id.to_string()),
            ("CLAWBOX_PROXY_SOCKET", CONTAINER_SOCKET.to_owned()),
            ("CLAWBOX_PROXY_TOKEN", identity.token.reveal()),
        ];
        for (key, value) in ours.into_iter().chain(missing) {
            match value.parse::<EnvValue>() {
                Ok(value) => {
                    env.insert(key.to_owned(), Some(value));
                }
                Err(e) => found.push(e.at(format!("env.{key}"))),
            }
        }
        Environment(env)
    }
}

fn command_line(argv: Vec<String>, working_dir: String) -> CommandLine {
    CommandLine {
        argv,
        working_dir,
        stop_signal: STOP_SIGNAL.to_owned(),
        health_check: false,
    }
}

/// Takes away whatever the image sets.
fn of_image_only(image: &ImageFacts) -> Environment {
    let keys = image.env.iter().filter_map(|entry| entry.split('=').next());
    Environment(keys.map(|key| (key.to_owned(), None)).collect())
}

/// The variables that are set.
fn set(environment: Environment) -> BTreeMap<String, EnvValue> {
    let Environment(variables) = environment;
    variables
        .into_iter()
        .filter_map(|(key, value)| Some((key, value?)))
        .collect()
}
