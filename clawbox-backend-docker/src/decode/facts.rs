//! How a container was configured, in the plan's terms.

use super::{
    mounts::{binds, tmpfs},
    security::{SecurityOptions, capabilities, security_options},
};
use crate::encode::NO_RESOLVER;
use bollard::models::{
    ContainerConfig, ContainerInspectResponse, HealthConfig, HostConfig,
    HostConfigCgroupnsModeEnum, HostConfigLogConfig, NetworkSettings, ResourcesUlimits,
    RestartPolicy, RestartPolicyNameEnum,
};
use clawbox_containers::{
    aspects::{
        CommandLine, CpuBandwidth, DeviceAccess, EngineDuties, Init, Ipc, KernelPaths, LogBound,
        Name, Namespaces, Network, Resolver, Ulimits,
    },
    decode::{Extras, environment, limit, other, own_labels, said, ulimits},
    engine::EngineResult,
    facts::{Observed, ObservedFacts},
    init::CONTAINER_INIT,
};

/// Runtimes that give a container what the plan says and nothing more. Another one may add devices, or not
/// know half of the plan.
const PLAIN_RUNTIMES: [&str; 4] = ["", "runc", "crun", "io.containerd.runc.v2"];

/// Docker's configuration of a container is taken apart without `..`: what a new version of the client can
/// tell does not compile until it is either a fact or knowingly none.
pub(super) fn facts(answer: ContainerInspectResponse) -> EngineResult<ObservedFacts> {
    let HostConfig {
        cpu_shares,
        memory,
        cgroup_parent,
        blkio_weight,
        blkio_weight_device,
        blkio_device_read_bps,
        blkio_device_write_bps,
        blkio_device_read_iops,
        blkio_device_write_iops,
        cpu_period,
        cpu_quota,
        cpu_realtime_period,
        cpu_realtime_runtime,
        cpuset_cpus,
        cpuset_mems,
        devices,
        device_cgroup_rules,
        device_requests,
        memory_reservation,
        memory_swap,
        // How eagerly to swap, where the plan leaves nothing to swap to.
        memory_swappiness: _,
        nano_cpus,
        oom_kill_disable,
        init,
        pids_limit,
        ulimits: r_limits,
        // Windows.
        cpu_count: _,
        cpu_percent: _,
        io_maximum_iops: _,
        io_maximum_bandwidth: _,
        console_size: _,
        isolation: _,
        binds: host_binds,
        // Something of the command line client's.
        container_id_file: _,
        log_config,
        network_mode,
        port_bindings,
        restart_policy,
        auto_remove,
        volume_driver,
        volumes_from,
        mounts,
        annotations,
        cap_add,
        cap_drop,
        cgroupns_mode,
        dns,
        dns_options,
        dns_search,
        extra_hosts,
        group_add,
        ipc_mode,
        cgroup,
        links,
        oom_score_adj,
        pid_mode,
        privileged,
        publish_all_ports,
        readonly_rootfs,
        security_opt,
        storage_opt,
        tmpfs: tmpfs_mounts,
        uts_mode,
        userns_mode,
        // Docker names a size also where there is no /dev/shm: see ipc_mode.
        shm_size: _,
        sysctls,
        runtime,
        masked_paths,
        readonly_paths,
    } = said("HostConfig", answer.host_config)?;
    let ContainerConfig {
        hostname,
        domainname,
        user,
        // The client's wishes at create, without an effect later.
        attach_stdin: _,
        attach_stdout: _,
        attach_stderr: _,
        stdin_once: _,
        // What an image would like to have published, or shown to its builders.
        exposed_ports: _,
        on_build: _,
        shell: _,
        tty,
        open_stdin,
        env,
        // What is executed is in Path and Args.
        cmd: _,
        entrypoint: _,
        args_escaped: _,
        healthcheck,
        // The name; the id is in Image.
        image: _,
        // The image's; what became of them is under Mounts.
        volumes: _,
        working_dir,
        network_disabled: _,
        labels,
        stop_signal,
        stop_timeout: _,
    } = said("Config", answer.config)?;

    let mut extras = Extras::default();
    let SecurityOptions {
        no_new_privileges,
        seccomp,
    } = security_options(security_opt.unwrap_or_default(), &mut extras);
    extras.note("Devices", devices);
    extras.note("DeviceCgroupRules", device_cgroup_rules);
    extras.note("DeviceRequests", device_requests);
    extras.note("Sysctls", sysctls);
    extras.note("Annotations", annotations);
    extras.note("StorageOpt", storage_opt);
    extras.note("CgroupParent", cgroup_parent);
    extras.note("Cgroup", cgroup);
    extras.note("OomKillDisable", oom_kill_disable);
    extras.note("MemoryReservation", memory_reservation);
    extras.note("CpuRealtimePeriod", cpu_realtime_period);
    extras.note("CpuRealtimeRuntime", cpu_realtime_runtime);
    extras.note("CpusetCpus", cpuset_cpus);
    extras.note("CpusetMems", cpuset_mems);
    extras.note("BlkioWeight", blkio_weight);
    extras.note("BlkioWeightDevice", blkio_weight_device);
    extras.note("BlkioDeviceReadBps", blkio_device_read_bps);
    extras.note("BlkioDeviceWriteBps", blkio_device_write_bps);
    extras.note("BlkioDeviceReadIOps", blkio_device_read_iops);
    extras.note("BlkioDeviceWriteIOps", blkio_device_write_iops);
    extras.note("Tty", tty);
    extras.note("OpenStdin", open_stdin);
    let runtime = runtime.filter(|name| !PLAIN_RUNTIMES.contains(&name.as_str()));
    extras.note("Runtime", runtime);
    let app_armor = answer.app_armor_profile;
    extras.note("AppArmorProfile", app_armor.filter(|it| it == "unconfined"));

    let mut of_user = Extras::default();
    of_user.note("GroupAdd", group_add);
    of_user.note("UsernsMode", userns_mode);

    let mut of_network = Extras::default();
    of_network.note("ExtraHosts", extra_hosts);
    of_network.note("Links", links);
    of_network.note("Networks", other_networks(answer.network_settings));

    let mut of_mounts = Extras::default();
    of_mounts.note("Binds", host_binds);
    of_mounts.note("VolumesFrom", volumes_from);
    of_mounts.note("VolumeDriver", volume_driver);

    let argv: Vec<String> = std::iter::once(said("Path", answer.path)?)
        .chain(answer.args.unwrap_or_default())
        .collect();
    let init = match init {
        Some(true) => Init::Engine,
        // Docker knows ours by its path only; the bind at that path is among the mounts.
        _ if argv
            .first()
            .is_some_and(|program| program == CONTAINER_INIT) =>
        {
            Init::Clawbox
        }
        Some(false) | None => Init::None,
    };
    let mut hostname = said("Config.Hostname", hostname)?;
    if let Some(domain) = domainname.filter(|domain| !domain.is_empty()) {
        hostname = format!("{hostname}.{domain}");
    }
    let name = said("Name", answer.name)?;

    use Observed::Seen;
    Ok(ObservedFacts {
        user: Seen(of_user.after(&said("Config.User", user)?)),
        read_only_root: Seen(said("ReadonlyRootfs", readonly_rootfs)?),
        capabilities: Seen(capabilities(
            cap_add.unwrap_or_default(),
            cap_drop.unwrap_or_default(),
        )),
        no_new_privileges: Seen(no_new_privileges),
        seccomp: Seen(seccomp),
        network: Seen(network(said("NetworkMode", network_mode)?, of_network)),
        pids: Seen(limit("PidsLimit", pids_limit)?),
        memory: Seen(limit("Memory", memory)?),
        memory_and_swap: Seen(limit("MemorySwap", memory_swap)?),
        cpu: Seen(cpu(cpu_quota, cpu_period, nano_cpus)?),
        cpu_shares: Seen(limit("CpuShares", cpu_shares)?),
        tmpfs: Seen(tmpfs(tmpfs_mounts.unwrap_or_default())?),
        mounts: Seen(binds(
            answer.mounts.unwrap_or_default(),
            &mounts.unwrap_or_default(),
            of_mounts.into_set().into_iter().collect(),
        )?),
        ipc: Seen(match said("IpcMode", ipc_mode)?.as_str() {
            "none" => Ipc::None,
            word => Ipc::Other(other(word)),
        }),
        namespaces: Seen(Namespaces {
            private_pid: is_own(&said("PidMode", pid_mode)?),
            private_uts: is_own(&said("UTSMode", uts_mode)?),
            private_cgroup: cgroupns_mode == Some(HostConfigCgroupnsModeEnum::PRIVATE),
        }),
        ulimits: Seen(resource_limits(r_limits.unwrap_or_default())?),
        oom_score: Seen(said("OomScoreAdj", oom_score_adj)?),
        kernel_paths: Seen(KernelPaths {
            masked: masked_paths.unwrap_or_default().into_iter().collect(),
            read_only: readonly_paths.unwrap_or_default().into_iter().collect(),
        }),
        devices: Seen(DeviceAccess {
            privileged: said("Privileged", privileged)?,
            devices: extras.into_set(),
        }),
        lifecycle: Seen(EngineDuties {
            published_ports: port_bindings
                .unwrap_or_default()
                .into_keys()
                .chain(publish_all_ports.unwrap_or(false).then(|| "all".to_owned()))
                .collect(),
            restarts: restarts(restart_policy),
            auto_remove: said("AutoRemove", auto_remove)?,
        }),
        image: Seen(said("Image", answer.image)?),
        command: Seen(CommandLine {
            argv,
            working_dir: said("Config.WorkingDir", working_dir)?,
            stop_signal: stop_signal.unwrap_or_default(),
            health_check: has_health_check(healthcheck),
        }),
        environment: Seen(environment(env.unwrap_or_default())?),
        init: Seen(init),
        log: Seen(log_bound(log_config)),
        identity: Seen(Name {
            name: name.strip_prefix('/').unwrap_or(&name).to_owned(),
            hostname,
            resolver: resolver([dns, dns_search, dns_options]),
            labels: own_labels(labels.unwrap_or_default()),
        }),
    })
}

/// `NanoCpus` is another way to say the same: billionths of a CPU, which Docker turns into a quota in its
/// own period of 100 ms.
fn cpu(
    quota: Option<i64>,
    period: Option<i64>,
    nano_cpus: Option<i64>,
) -> EngineResult<CpuBandwidth> {
    Ok(match limit("NanoCpus", nano_cpus)? {
        0 => CpuBandwidth {
            quota_us: limit("CpuQuota", quota)?,
            period_us: limit("CpuPeriod", period)?,
        },
        nano => CpuBandwidth {
            quota_us: nano / 10_000,
            period_us: 100_000,
        },
    })
}

fn is_own(namespace: &str) -> bool {
    matches!(namespace, "" | "private")
}

fn network(mode: String, extras: Extras) -> Network {
    if mode == "none" && extras.is_empty() {
        Network::None
    } else {
        Network::Other(extras.after(&other(&mode)))
    }
}

/// From the name servers, search domains and options.
fn resolver(settings: [Option<Vec<String>>; 3]) -> Resolver {
    let settings = settings.map(Option::unwrap_or_default);
    if settings
        .iter()
        .zip(NO_RESOLVER)
        .all(|(it, none)| *it == [none])
    {
        Resolver::None
    } else {
        let [servers, domains, options] = settings.map(|it| it.join(" "));
        Resolver::Other(other(&format!(
            "Dns [{servers}] DnsSearch [{domains}] DnsOptions [{options}]"
        )))
    }
}

fn other_networks(settings: Option<NetworkSettings>) -> Vec<String> {
    let networks = settings.and_then(|settings| settings.networks);
    let names = networks.unwrap_or_default().into_keys();
    names.filter(|name| name != "none").collect()
}

fn resource_limits(all: Vec<ResourcesUlimits>) -> EngineResult<Ulimits> {
    let named = all
        .into_iter()
        .map(|ResourcesUlimits { name, soft, hard }| Ok((said("Ulimits.Name", name)?, soft, hard)));
    ulimits(named.collect::<EngineResult<Vec<_>>>()?)
}

fn restarts(policy: Option<RestartPolicy>) -> bool {
    let name = policy.and_then(|policy| policy.name);
    !matches!(
        name,
        None | Some(RestartPolicyNameEnum::NO | RestartPolicyNameEnum::EMPTY)
    )
}

pub(super) fn has_health_check(check: Option<HealthConfig>) -> bool {
    check.is_some_and(|check| check.test.is_none_or(|test| test != ["NONE"]))
}

/// Any other driver than ours has no bound that is known here.
fn log_bound(log: Option<HostConfigLogConfig>) -> LogBound {
    let log = log.unwrap_or_default();
    let config = log.config.unwrap_or_default();
    let said = |key: &str| {
        let known = log.typ.as_deref() == Some("local");
        let text = config.get(key).filter(|_| known)?;
        text.parse::<u64>().ok()
    };
    let all_files = || said("max-size")?.checked_mul(said("max-file")?);
    LogBound {
        max_bytes: all_files().unwrap_or(0),
    }
}
