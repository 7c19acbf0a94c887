//! How a container was configured, in the plan's terms.

use super::{
    mounts::{binds, scratch},
    security::{capabilities, security_options, telling},
};
use clawbox_containers::{
    aspects::{
        CommandLine, CpuBandwidth, DeviceAccess, EngineDuties, Environment, Init, Ipc, LogBound,
        Name, Namespaces, Network, Resolver, Ulimits,
    },
    decode::{Extras, environment, limit, other, own_labels, said, ulimits},
    engine::EngineResult,
    facts::{Observed, ObservedFacts},
    init::CONTAINER_INIT,
};
use podman_api::models::{
    ContainerInspectResponseLibpod, InspectContainerConfig, InspectContainerHostConfig,
    InspectIdMappings, InspectLogConfig, InspectUlimit,
};

/// What precedes the command where Podman's own process 1 runs it: `define.ContainerInitPath`.
const ENGINES_INIT: [&str; 2] = ["/run/podman-init", "--"];
/// `SIGTERM`, which libpod tells as a number.
const SIGTERM: u64 = 15;

/// Podman's configuration of a container is taken apart without `..`: what a new version of the client can
/// tell does not compile until it is either a fact or knowingly none.
pub(super) fn facts(answer: ContainerInspectResponseLibpod) -> EngineResult<ObservedFacts> {
    let InspectContainerHostConfig {
        auto_remove,
        // What is under Mounts, in another form.
        binds: _,
        blkio_device_read_bps,
        blkio_device_read_i_ops,
        blkio_device_write_bps,
        blkio_device_write_i_ops,
        blkio_weight,
        blkio_weight_device,
        cap_add,
        cap_drop,
        cgroup,
        cgroup_conf,
        cgroup_manager,
        cgroup_mode,
        cgroup_parent,
        cgroups,
        // Windows, and the command line client.
        console_size: _,
        container_id_file: _,
        cpu_count: _,
        cpu_percent: _,
        disk_quota: _,
        io_maximum_bandwidth: _,
        io_maximum_i_ops: _,
        isolation: _,
        cpu_period,
        cpu_quota,
        cpu_realtime_period,
        cpu_realtime_runtime,
        cpu_shares,
        cpuset_cpus,
        cpuset_mems,
        devices,
        dns,
        dns_options,
        dns_search,
        extra_hosts,
        group_add,
        id_mappings,
        init,
        ipc_mode,
        kernel_memory,
        links,
        log_config,
        memory,
        memory_reservation,
        memory_swap,
        // How eagerly to swap, where the plan leaves nothing to swap to.
        memory_swappiness: _,
        // The quota once more.
        nano_cpus: _,
        network_mode,
        oom_kill_disable,
        oom_score_adj,
        pid_mode,
        pids_limit,
        port_bindings,
        privileged,
        publish_all_ports,
        readonly_rootfs,
        restart_policy,
        // Always "oci"; which one is under OCIRuntime.
        runtime: _,
        security_opt,
        // A size is named also where there is no /dev/shm: see ipc_mode.
        shm_size: _,
        tmpfs,
        ulimits: r_limits,
        userns_mode,
        uts_mode,
        volume_driver,
        volumes_from,
    } = said("HostConfig", answer.host_config)?;
    let InspectContainerConfig {
        annotations,
        // The client's wishes at create, without an effect later.
        attach_stderr: _,
        attach_stdin: _,
        attach_stdout: _,
        stdin_once: _,
        chroot_dirs,
        // What is executed is in Path and Args.
        cmd: _,
        entrypoint: _,
        create_command: _,
        domainname,
        env,
        healthcheck,
        healthcheck_on_failure_action: _,
        hostname,
        // The name; the id is in Image.
        image: _,
        labels,
        on_build: _,
        open_stdin,
        // Whether a missing user would have been written to a file: it is read-only, and a mount.
        passwd: _,
        secrets,
        stop_signal,
        stop_timeout: _,
        systemd_mode,
        // Seconds after which Podman itself would end the container.
        timeout,
        timezone: _,
        tty,
        umask: _,
        user,
        // The image's; what became of them is under Mounts.
        volumes: _,
        working_dir,
        sd_notify_mode: _,
        sd_notify_socket: _,
    } = said("Config", answer.config)?;

    let mut extras = Extras::default();
    let no_new_privileges = security_options(security_opt.unwrap_or_default(), &mut extras);
    extras.note("Devices", devices);
    extras.note("Annotations", telling(annotations.unwrap_or_default()));
    let parent = cgroup_parent.filter(|parent| !is_default_parent(parent, &cgroup_manager));
    extras.note("CgroupParent", parent);
    extras.note("Cgroup", cgroup);
    extras.note("Cgroups", cgroups.filter(|mode| mode != "default"));
    extras.note("CgroupConf", cgroup_conf);
    extras.note("OomKillDisable", oom_kill_disable);
    extras.note("MemoryReservation", memory_reservation);
    extras.note("KernelMemory", kernel_memory);
    extras.note("CpuRealtimePeriod", cpu_realtime_period);
    extras.note("CpuRealtimeRuntime", cpu_realtime_runtime);
    extras.note("CpusetCpus", cpuset_cpus);
    extras.note("CpusetMems", cpuset_mems);
    extras.note("BlkioWeight", blkio_weight);
    extras.note("BlkioWeightDevice", blkio_weight_device);
    extras.note("BlkioDeviceReadBps", blkio_device_read_bps);
    extras.note("BlkioDeviceWriteBps", blkio_device_write_bps);
    extras.note("BlkioDeviceReadIOps", blkio_device_read_i_ops);
    extras.note("BlkioDeviceWriteIOps", blkio_device_write_i_ops);
    extras.note("Tty", tty);
    extras.note("OpenStdin", open_stdin);
    extras.note("SystemdMode", systemd_mode);
    extras.note("ChrootDirs", chroot_dirs);
    extras.note("Secrets", secrets);
    extras.note("Pod", answer.pod);
    extras.note("Rootfs", answer.rootfs);
    extras.note("Dependencies", answer.dependencies);
    let app_armor = answer.app_armor_profile;
    extras.note("AppArmorProfile", app_armor.filter(|it| it == "unconfined"));

    let mut of_mounts = Extras::default();
    of_mounts.note("VolumesFrom", volumes_from);
    of_mounts.note("VolumeDriver", volume_driver);

    let mut of_user = Extras::default();
    of_user.note("GroupAdd", group_add);
    let mounts = binds(answer.mounts.unwrap_or_default(), of_mounts.into_set())?;
    let user = said("Config.User", user)?;
    let keeps_own = |mode: &str| mode == "private" || mode.starts_with("keep-id");
    let is_kept = userns_mode.as_deref().is_some_and(keeps_own)
        && mounts.writes()
        && id_mappings
            .as_ref()
            .is_some_and(|map| keeps_user(map, &user));
    if !is_kept {
        of_user.note("IDMappings", id_mappings);
        // "host" is what was asked for, which for a rootless Podman is its own user namespace.
        of_user.note("UsernsMode", userns_mode.filter(|mode| mode != "host"));
    }

    let mut of_network = Extras::default();
    of_network.note("ExtraHosts", extra_hosts);
    of_network.note("Links", links);
    let networks = answer.network_settings.and_then(|it| it.networks);
    let networks = networks.unwrap_or_default().into_keys();
    let others: Vec<String> = networks.filter(|name| name != "none").collect();
    of_network.note("Networks", others);
    let network_mode = said("NetworkMode", network_mode)?;

    let mut of_names = Extras::default();
    of_names.note("Dns", dns);
    of_names.note("DnsOptions", dns_options);
    of_names.note("DnsSearch", dns_search);

    let mut argv: Vec<String> = std::iter::once(said("Path", answer.path)?)
        .chain(answer.args.unwrap_or_default())
        .collect();
    let init = match init {
        Some(true) if argv.iter().take(2).eq(ENGINES_INIT) => {
            argv.drain(..2);
            Init::Engine
        }
        // Whatever the flag says, this is not executed under it.
        Some(true) => Init::None,
        // Podman knows ours by its path only; the bind at that path is among the mounts.
        _ if argv
            .first()
            .is_some_and(|program| program == CONTAINER_INIT) =>
        {
            Init::Clawbox
        }
        Some(false) | None => Init::None,
    };
    let mut hostname = said("Config.Hostname", hostname)?;
    let environment = without_engines(environment(env.unwrap_or_default())?, &hostname);
    if let Some(domain) = domainname.filter(|domain| !domain.is_empty()) {
        hostname = format!("{hostname}.{domain}");
    }

    use Observed::{Seen, Unseen};
    Ok(ObservedFacts {
        user: Seen(of_user.after(&user)),
        read_only_root: Seen(said("ReadonlyRootfs", readonly_rootfs)?),
        capabilities: Seen(capabilities(
            cap_add.unwrap_or_default(),
            cap_drop.unwrap_or_default(),
            [answer.effective_caps, answer.bounding_caps],
        )),
        no_new_privileges: Seen(no_new_privileges),
        seccomp: Unseen("podman does not tell what is in the filter".to_owned()),
        network: Seen(if network_mode == "none" && of_network.is_empty() {
            Network::None
        } else {
            Network::Other(of_network.after(&other(&network_mode)))
        }),
        pids: Seen(limit("PidsLimit", pids_limit)?),
        memory: Seen(limit("Memory", memory)?),
        memory_and_swap: Seen(limit("MemorySwap", memory_swap)?),
        cpu: Seen(CpuBandwidth {
            quota_us: limit("CpuQuota", cpu_quota)?,
            period_us: cpu_period.unwrap_or(0),
        }),
        cpu_shares: Seen(cpu_shares.unwrap_or(0)),
        tmpfs: Seen(scratch(tmpfs.unwrap_or_default())?),
        mounts: Seen(mounts),
        ipc: match said("IpcMode", ipc_mode)?.as_str() {
            "none" => Seen(Ipc::None),
            // 4.3 says so of every namespace that is the container's own, with shared memory or without.
            "shareable" => Unseen("podman calls every private namespace shareable".to_owned()),
            word => Seen(Ipc::Other(other(word))),
        },
        namespaces: Seen(Namespaces {
            private_pid: is_own(pid_mode),
            private_uts: is_own(uts_mode),
            private_cgroup: is_own(cgroup_mode),
        }),
        ulimits: Seen(resource_limits(r_limits.unwrap_or_default())?),
        oom_score: Seen(said("OomScoreAdj", oom_score_adj)?),
        kernel_paths: Unseen("podman does not tell which paths are hidden".to_owned()),
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
            restarts: restart_policy
                .and_then(|policy| policy.name)
                .is_some_and(|name| !matches!(name.as_str(), "" | "no")),
            auto_remove: said("AutoRemove", auto_remove)? || timeout.unwrap_or(0) != 0,
        }),
        image: Seen(said("Image", answer.image)?),
        command: Seen(CommandLine {
            argv,
            working_dir: said("Config.WorkingDir", working_dir)?,
            stop_signal: match stop_signal {
                Some(SIGTERM) => "SIGTERM".to_owned(),
                other => format!("{other:?}"),
            },
            health_check: healthcheck
                .is_some_and(|check| check.test.is_none_or(|test| test != ["NONE"])),
        }),
        environment: Seen(environment),
        init: Seen(init),
        log: log_bound(log_config),
        identity: Seen(Name {
            name: said("Name", answer.name)?,
            hostname,
            resolver: match of_names.is_empty() {
                true => Resolver::None,
                false => Resolver::Other(of_names.after("podman's")),
            },
            labels: own_labels(labels.unwrap_or_default()),
        }),
    })
}

/// Whether the container's user is Podman's own, and everybody else in the container one of its subordinate ids. Each
/// entry is `inside:outside:count`, in which 0 outside is Podman's own user.
fn keeps_user(maps: &InspectIdMappings, user: &str) -> bool {
    let keeps = |map: &Option<Vec<String>>, id: &str| {
        let own = format!("{id}:0:1");
        let map = map.iter().flatten();
        let others = map.clone().filter(|entry| **entry != own);
        let is_other = |entry: &String| entry.split(':').nth(1).is_some_and(|id| id != "0");
        map.clone().any(|entry| *entry == own) && others.into_iter().all(is_other)
    };
    user.split_once(':')
        .is_some_and(|(uid, gid)| keeps(&maps.uid_map, uid) && keeps(&maps.gid_map, gid))
}

/// Where systemd makes the service's control groups, Podman names the slice that it takes for a user or for root.
fn is_default_parent(parent: &str, manager: &Option<String>) -> bool {
    manager.as_deref() == Some("systemd") && ["user.slice", "machine.slice"].contains(&parent)
}

fn is_own(namespace: Option<String>) -> bool {
    namespace.as_deref() == Some("private")
}

/// From `RLIMIT_NOFILE` and the like. How many processes the user may have is always told: the encoder sends what
/// Podman would otherwise choose, and the pids limit is an item of its own.
fn resource_limits(all: Vec<InspectUlimit>) -> EngineResult<Ulimits> {
    let mut named = Vec::new();
    for InspectUlimit { name, soft, hard } in all {
        let name = said("Ulimits.Name", name)?.to_ascii_lowercase();
        let name = name.strip_prefix("rlimit_").unwrap_or(&name);
        if name != "nproc" {
            named.push((name.to_owned(), soft, hard));
        }
    }
    ulimits(named)
}

/// Podman adds the host name to every environment.
fn without_engines(mut environment: Environment, hostname: &str) -> Environment {
    let is_engines = |value: &Option<_>| {
        value
            .as_ref()
            .map(clawbox_containers::types::EnvValue::as_str)
            == Some(hostname)
    };
    if environment.0.get("HOSTNAME").is_some_and(is_engines) {
        environment.0.remove("HOSTNAME");
    }
    environment
}

/// Podman tells the size with four digits and a unit of a power of 1000. Any other driver than ours has no bound that
/// is known here.
fn log_bound(log: Option<InspectLogConfig>) -> Observed<LogBound> {
    let log = log.filter(|log| log.type_.as_deref() == Some("k8s-file"));
    let Some(size) = log.and_then(|log| log.size) else {
        return Observed::Seen(LogBound { max_bytes: 0 });
    };
    let bytes = || {
        let digits = size.find(|c: char| !c.is_ascii_digit())?;
        let (number, unit) = size.split_at(digits);
        let unit: u64 = match unit {
            "B" => 1,
            "kB" => 1000,
            "MB" => 1_000_000,
            "GB" => 1_000_000_000,
            _ => return None,
        };
        number.parse::<u64>().ok()?.checked_mul(unit)
    };
    match bytes() {
        Some(max_bytes) => Observed::Seen(LogBound { max_bytes }),
        None => Observed::Unseen(format!("podman tells the size as {size:.40}")),
    }
}
