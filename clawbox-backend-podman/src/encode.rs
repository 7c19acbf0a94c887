//! From a plan to the body of libpod's create call. Pure.
//!
//! The plan and each of its parts are taken apart without `..`: a new field does not compile until it is
//! sent. What `containers.conf` could otherwise decide is sent as well, also where the answer is "none".

mod spec;
#[cfg(test)]
mod tests;

pub(crate) use spec::Spec;

use clawbox_containers::{
    aspects::{
        Bind, Binds, CapabilitySets, CommandLine, CpuBandwidth, DeviceAccess, EngineDuties,
        Environment, Init, Ipc, KernelPaths, LogBound, Name, Namespaces, Network, Resolver,
        Seccomp, Tmpfs, TmpfsOptions, Ulimit, Ulimits,
    },
    encode::Encoder,
    engine::EngineResult,
    plan::PlanSpec,
};
use spec::{
    Cpu, HealthCheck, LogConfiguration, Memory, Mount, Namespace, Pids, ResourceLimit, Resources,
};

const PODMAN: Encoder = Encoder::new("podman");
/// Paths that libpod makes read-only in every container, and the only ones: there is no way to name others.
pub(crate) const READ_ONLY: [&str; 6] = [
    "/proc/asound",
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];

/// `RLIMIT_NPROC`, which libpod raises as far as it can where nobody names it, and fails to start where it may not.
/// This is its default on most hosts; how many processes a container may have is the pids limit's business.
pub(crate) const MAX_PROCESSES: u64 = 32_768;

/// A create call: what is sent, and the profile for a file of which the path is then put in.
#[derive(Debug, PartialEq)]
pub(crate) struct Create<'a> {
    pub(crate) spec: Spec,
    pub(crate) seccomp_profile: &'a str,
}

/// What a policy never plans, and libpod is not asked for: it is an error and not left out. `max_processes` is what
/// this process itself may have, which the service is taken to have as well.
pub(crate) fn create(
    plan: &PlanSpec,
    max_processes: u64,
    rootless: bool,
) -> EngineResult<Create<'_>> {
    let PlanSpec {
        user,
        read_only_root,
        capabilities: CapabilitySets { added, dropped },
        no_new_privileges,
        seccomp,
        network,
        pids,
        memory,
        memory_and_swap,
        cpu: CpuBandwidth {
            quota_us,
            period_us,
        },
        cpu_shares,
        tmpfs: Tmpfs(tmpfs),
        mounts: Binds(binds),
        ipc,
        namespaces:
            Namespaces {
                private_pid,
                private_uts,
                private_cgroup,
            },
        ulimits: Ulimits(ulimits),
        oom_score,
        kernel_paths: KernelPaths { masked, read_only },
        devices: DeviceAccess {
            privileged,
            devices,
        },
        lifecycle:
            EngineDuties {
                published_ports,
                restarts,
                auto_remove,
            },
        image,
        command:
            CommandLine {
                argv,
                working_dir,
                stop_signal,
                health_check,
            },
        environment: Environment(environment),
        init,
        log: LogBound { max_bytes },
        identity:
            Name {
                name,
                hostname,
                resolver,
                labels,
            },
    } = plan;
    PODMAN.never(!devices.is_empty(), "devices")?;
    PODMAN.never(!published_ports.is_empty(), "published ports")?;
    PODMAN.never(*restarts, "restarts")?;
    PODMAN.never(*health_check, "a health check")?;
    let (program, arguments) = argv
        .split_first()
        .ok_or_else(|| PODMAN.unsupported("an empty command"))?;
    let Seccomp::Profile { json, .. } = seccomp else {
        return Err(PODMAN.unsupported(format_args!("seccomp {seccomp}")));
    };
    if *network != Network::None {
        return Err(PODMAN.unsupported(format_args!("network {network}")));
    }
    if *ipc != Ipc::None {
        return Err(PODMAN.unsupported(format_args!("ipc {ipc}")));
    }
    if let Resolver::Other(word) = resolver {
        return Err(PODMAN.unsupported(format_args!("names of {word}")));
    }
    if stop_signal != "SIGTERM" {
        return Err(PODMAN.unsupported(format_args!("stop signal {stop_signal}")));
    }
    if let Some(path) = read_only
        .iter()
        .find(|path| !READ_ONLY.contains(&path.as_str()))
    {
        return Err(PODMAN.unsupported(format_args!("read-only {path}")));
    }

    let mut mounts: Vec<Mount> = tmpfs
        .iter()
        .map(|(path, options)| scratch(path, options))
        .collect();
    for bind in binds {
        mounts.push(bound(bind)?);
    }
    let mut r_limits: Vec<ResourceLimit> = ulimits
        .iter()
        .map(|(name, Ulimit { soft, hard })| ResourceLimit::new(name, *soft, *hard))
        .collect();
    if !ulimits.contains_key("nproc") {
        let most = max_processes.min(MAX_PROCESSES);
        r_limits.push(ResourceLimit::new("nproc", most, most));
    }
    let private = |private| Namespace::new(if private { "private" } else { "host" });

    let spec = Spec {
        name: name.clone(),
        image: image.clone(),
        // With an entrypoint given, libpod adds nothing of the image's command.
        entrypoint: vec![program.clone()],
        command: arguments.to_vec(),
        work_dir: working_dir.clone(),
        user: user.clone(),
        groups: Vec::new(),
        // Plain subordinate ids where Podman is rootless, whatever containers.conf says of keep-id; but Podman's own
        // user where the container writes to that user's files.
        userns: match user.split_once(':') {
            Some((uid, gid)) if rootless && binds.iter().any(|bind| !bind.read_only) => {
                Namespace::keep_id(uid, gid)
            }
            _ => Namespace::new("host"),
        },
        read_only_filesystem: *read_only_root,
        // Otherwise a read-only root comes with a writable /run, /var/tmp and more.
        read_write_tmpfs: false,
        cap_add: added.iter().cloned().collect(),
        cap_drop: dropped.iter().cloned().collect(),
        no_new_privileges: *no_new_privileges,
        privileged: *privileged,
        seccomp_profile_path: String::new(),
        umask: "0022",
        netns: Namespace::new("none"),
        pidns: private(*private_pid),
        utsns: private(*private_uts),
        cgroupns: private(*private_cgroup),
        ipcns: Namespace::new("none"),
        cgroups_mode: "enabled",
        resource_limits: Resources {
            memory: Memory {
                limit: PODMAN.number("memory", *memory)?,
                swap: PODMAN.number("memory and swap", *memory_and_swap)?,
            },
            pids: Pids {
                limit: PODMAN.number("pids", *pids)?,
            },
            cpu: Cpu {
                quota: PODMAN.number("cpu quota", *quota_us)?,
                period: *period_us,
                shares: *cpu_shares,
            },
        },
        r_limits,
        oom_score_adj: *oom_score,
        mounts,
        volumes: [],
        image_volume_mode: "ignore",
        devices: [],
        mask: masked.iter().cloned().collect(),
        unmask: [],
        sysctl: Default::default(),
        portmappings: [],
        publish_image_ports: false,
        hostname: hostname.clone(),
        // Neither the host's names nor its resolvers: there is no network to use them on.
        use_image_hosts: true,
        use_image_resolve_conf: true,
        manage_password: false,
        env: environment
            .iter()
            .filter_map(|(key, value)| Some((key.clone(), value.as_ref()?.as_str().to_owned())))
            .collect(),
        // All of the image's: what may stay of them is in the plan.
        unsetenvall: true,
        env_host: false,
        httpproxy: false,
        labels: labels.clone(),
        stop_signal: 15,
        healthconfig: HealthCheck { test: ["NONE"] },
        restart_policy: "no",
        remove: *auto_remove,
        terminal: false,
        stdin: false,
        init: match init {
            Init::Engine => true,
            Init::Clawbox | Init::None => false,
        },
        systemd: "false",
        sdnotify_mode: "ignore",
        log_configuration: LogConfiguration {
            driver: "k8s-file",
            size: PODMAN.number("log bytes", *max_bytes)?,
        },
    };
    Ok(Create {
        spec,
        seccomp_profile: json,
    })
}

/// libpod knows no `nr_inodes`. It takes the value of `size` as it is, and the kernel reads on after a comma.
fn scratch(path: &str, options: &TmpfsOptions) -> Mount {
    let TmpfsOptions {
        size_bytes,
        max_inodes,
        mode,
        flags,
    } = options;
    let mut options: Vec<String> = flags.iter().cloned().collect();
    options.push(format!("size={size_bytes},nr_inodes={max_inodes}"));
    options.push(format!("mode={mode:o}"));
    // Otherwise what the image has there is copied into memory.
    options.push("notmpcopyup".to_owned());
    options.push("private".to_owned());
    Mount {
        destination: path.to_owned(),
        kind: "tmpfs",
        source: "tmpfs".to_owned(),
        options,
    }
}

fn bound(bind: &Bind) -> EngineResult<Mount> {
    let Bind {
        source,
        target,
        read_only,
        noexec,
    } = bind;
    let access = if *read_only { "ro" } else { "rw" };
    // Not `rbind`: what is mounted below the source stays out, as a read-only bind would not cover it.
    let options = ["bind", access, "nosuid", "nodev", "private"].into_iter();
    let options = options.chain(noexec.then_some("noexec"));
    Ok(Mount {
        destination: target.clone(),
        kind: "bind",
        source: PODMAN.path(source)?,
        options: options.map(str::to_owned).collect(),
    })
}
