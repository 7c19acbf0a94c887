//! From a plan to the body of Docker's create call. Pure.
//!
//! The plan and each of its parts are taken apart without `..`: a new field does not compile until it is
//! sent. What Docker would otherwise decide itself is sent as well, also where the answer is "none".

#[cfg(test)]
mod tests;

use bollard::models::{
    ContainerCreateBody, HealthConfig, HostConfig, HostConfigCgroupnsModeEnum, HostConfigLogConfig,
    Mount, MountBindOptions, MountBindOptionsPropagationEnum, MountType, ResourcesUlimits,
    RestartPolicy, RestartPolicyNameEnum,
};
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
use std::collections::HashMap;

const DOCKER: Encoder = Encoder::new("docker");

/// A name server, a search domain and an option that say nothing. Docker writes into `/etc/resolv.conf` what the host
/// has there for each that nobody names, also where there is no network.
pub(crate) const NO_RESOLVER: [&str; 3] = ["0.0.0.0", ".", "ndots:1"];

/// A create call: the name travels in the query.
#[derive(Debug, PartialEq)]
pub(crate) struct Create {
    pub(crate) name: String,
    pub(crate) body: ContainerCreateBody,
}

/// What a policy never plans, and Docker is not asked for: it is an error and not left out.
pub(crate) fn create(spec: &PlanSpec) -> EngineResult<Create> {
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
    } = spec;
    DOCKER.never(!devices.is_empty(), "devices")?;
    DOCKER.never(!published_ports.is_empty(), "published ports")?;
    DOCKER.never(*restarts, "restarts")?;
    DOCKER.never(*health_check, "a health check")?;
    let (program, arguments) = argv
        .split_first()
        .ok_or_else(|| DOCKER.unsupported("an empty command"))?;
    if let Resolver::Other(word) = resolver {
        return Err(DOCKER.unsupported(format_args!("names of {word}")));
    }
    let [dns, dns_search, dns_options] = NO_RESOLVER.map(|word| Some(vec![word.to_owned()]));

    let host_config = HostConfig {
        readonly_rootfs: Some(*read_only_root),
        cap_add: Some(added.iter().cloned().collect()),
        cap_drop: Some(dropped.iter().cloned().collect()),
        security_opt: Some(vec![
            format!("no-new-privileges:{no_new_privileges}"),
            seccomp_option(seccomp)?,
        ]),
        network_mode: Some(match network {
            Network::None => "none".to_owned(),
            Network::Other(word) => return Err(DOCKER.unsupported(format_args!("network {word}"))),
        }),
        dns,
        dns_options,
        dns_search,
        extra_hosts: Some(Vec::new()),
        links: Some(Vec::new()),
        pids_limit: Some(DOCKER.number("pids", *pids)?),
        memory: Some(DOCKER.number("memory", *memory)?),
        memory_swap: Some(DOCKER.number("memory and swap", *memory_and_swap)?),
        oom_kill_disable: Some(false),
        // Never NanoCpus: Docker refuses the two together.
        cpu_quota: Some(DOCKER.number("cpu quota", *quota_us)?),
        cpu_period: Some(DOCKER.number("cpu period", *period_us)?),
        cpu_shares: Some(DOCKER.number("cpu shares", *cpu_shares)?),
        tmpfs: Some(
            tmpfs
                .iter()
                .map(|(path, options)| (path.clone(), tmpfs_options(options)))
                .collect(),
        ),
        mounts: Some(binds.iter().map(bind_mount).collect::<EngineResult<_>>()?),
        binds: Some(Vec::new()),
        volumes_from: Some(Vec::new()),
        ipc_mode: Some(match ipc {
            Ipc::None => "none".to_owned(),
            Ipc::Other(word) => return Err(DOCKER.unsupported(format_args!("ipc {word}"))),
        }),
        pid_mode: Some(namespace(*private_pid)),
        uts_mode: Some(namespace(*private_uts)),
        cgroupns_mode: Some(if *private_cgroup {
            HostConfigCgroupnsModeEnum::PRIVATE
        } else {
            HostConfigCgroupnsModeEnum::HOST
        }),
        // The daemon's own choice: a namespace for each container where it is set to remap, else none.
        userns_mode: Some(String::new()),
        cgroup_parent: Some(String::new()),
        ulimits: Some(
            ulimits
                .iter()
                .map(|(name, limit)| resource_limit(name, *limit))
                .collect::<EngineResult<_>>()?,
        ),
        oom_score_adj: Some(*oom_score),
        masked_paths: Some(masked.iter().cloned().collect()),
        readonly_paths: Some(read_only.iter().cloned().collect()),
        privileged: Some(*privileged),
        devices: Some(Vec::new()),
        device_cgroup_rules: Some(Vec::new()),
        device_requests: Some(Vec::new()),
        group_add: Some(Vec::new()),
        sysctls: Some(HashMap::new()),
        port_bindings: Some(HashMap::new()),
        publish_all_ports: Some(false),
        restart_policy: Some(RestartPolicy {
            name: Some(RestartPolicyNameEnum::NO),
            maximum_retry_count: Some(0),
        }),
        auto_remove: Some(*auto_remove),
        init: Some(match init {
            Init::Engine => true,
            Init::Clawbox | Init::None => false,
        }),
        log_config: Some(log_config(*max_bytes)),
        ..HostConfig::default()
    };
    let body = ContainerCreateBody {
        image: Some(image.clone()),
        user: Some(user.clone()),
        hostname: Some(hostname.clone()),
        domainname: Some(String::new()),
        // With an entrypoint given, Docker adds nothing of the image's command.
        entrypoint: Some(vec![program.clone()]),
        cmd: Some(arguments.to_vec()),
        working_dir: Some(working_dir.clone()),
        stop_signal: Some(stop_signal.clone()),
        healthcheck: Some(HealthConfig {
            test: Some(vec!["NONE".to_owned()]),
            ..HealthConfig::default()
        }),
        // A bare key takes the image's variable away.
        env: Some(
            environment
                .iter()
                .map(|(key, value)| match value {
                    Some(value) => format!("{key}={}", value.as_str()),
                    None => key.clone(),
                })
                .collect(),
        ),
        labels: Some(labels.clone().into_iter().collect()),
        attach_stdin: Some(false),
        open_stdin: Some(false),
        stdin_once: Some(false),
        tty: Some(false),
        // Docker's way to say that it has no network namespace to prepare; the file /etc/hosts, by which
        // `localhost` has an address, would go with it.
        network_disabled: Some(false),
        host_config: Some(host_config),
        ..ContainerCreateBody::default()
    };
    Ok(Create {
        name: name.clone(),
        body,
    })
}

/// Docker takes a profile's JSON itself, and not the path of a file.
fn seccomp_option(seccomp: &Seccomp) -> EngineResult<String> {
    match seccomp {
        Seccomp::Profile { name: _, json } => Ok(format!("seccomp={json}")),
        Seccomp::Other(word) => Err(DOCKER.unsupported(format_args!("seccomp {word}"))),
    }
}

fn tmpfs_options(options: &TmpfsOptions) -> String {
    let TmpfsOptions {
        size_bytes,
        max_inodes,
        mode,
        flags,
    } = options;
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    format!(
        "{},size={size_bytes},nr_inodes={max_inodes},mode={mode:o}",
        flags.join(",")
    )
}

/// As a mount and not in `Binds`, for which Docker would make a missing source, as root. Neither has words for `nosuid`
/// and `nodev`: they are as the source has them.
fn bind_mount(bind: &Bind) -> EngineResult<Mount> {
    let Bind {
        source,
        target,
        read_only,
        noexec,
    } = bind;
    DOCKER.never(*noexec, "a mount that is noexec")?;
    Ok(Mount {
        typ: Some(MountType::BIND),
        source: Some(DOCKER.path(source)?),
        target: Some(target.clone()),
        read_only: Some(*read_only),
        bind_options: Some(MountBindOptions {
            propagation: Some(MountBindOptionsPropagationEnum::RPRIVATE),
            // What is mounted below the source stays out: a read-only bind would not cover it.
            non_recursive: Some(true),
            create_mountpoint: Some(false),
            ..MountBindOptions::default()
        }),
        ..Mount::default()
    })
}

/// Docker's word for a namespace of the container's own is none.
fn namespace(private: bool) -> String {
    if private { "" } else { "host" }.to_owned()
}

fn resource_limit(name: &str, limit: Ulimit) -> EngineResult<ResourcesUlimits> {
    let Ulimit { soft, hard } = limit;
    Ok(ResourcesUlimits {
        name: Some(name.to_owned()),
        soft: Some(DOCKER.number(name, soft)?),
        hard: Some(DOCKER.number(name, hard)?),
    })
}

/// The `local` driver, which rotates. A slow disk loses lines of this copy instead of stopping the command,
/// and the daemon compresses nothing on a container's behalf.
fn log_config(max_bytes: u64) -> HostConfigLogConfig {
    const FILES: u64 = 2;
    let config = [
        ("max-size", (max_bytes / FILES).to_string()),
        ("max-file", FILES.to_string()),
        ("compress", "false".to_owned()),
        ("mode", "non-blocking".to_owned()),
        ("max-buffer-size", "1m".to_owned()),
    ];
    HostConfigLogConfig {
        typ: Some("local".to_owned()),
        config: Some(config.map(|(key, value)| (key.to_owned(), value)).into()),
    }
}
