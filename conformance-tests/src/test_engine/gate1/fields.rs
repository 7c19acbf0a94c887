//! What can differ from a plan: each field, and each part of it that can be otherwise alone.

use super::Change;
use clawbox_containers::{
    aspects::{
        Bind, Binds, CapabilitySets, CommandLine, CpuBandwidth, DeviceAccess, EngineDuties,
        Environment, Init, Ipc, KernelPaths, LogBound, Name, Namespaces, Network, Resolver,
        Seccomp, Tmpfs, TmpfsOptions, Ulimit, Ulimits,
    },
    plan::PlanSpec,
};
use clawbox_types::PolicyItem;

/// Another image that the engine has.
const OTHER_IMAGE: &str = "ghcr.io/n0xmare/clawbox-hostile:1";

/// Each field, and each part of it that can be otherwise alone.
pub(super) const FIELDS: &[Change] = {
    use PolicyItem as Item;
    &[
        (Item::User, "user", |p| p.user = "1001:1000".into()),
        (Item::User, "group", |p| p.user = "1000:1001".into()),
        (Item::ReadOnlyRoot, "", |p| p.read_only_root = false),
        (Item::Capabilities, "added", |p| {
            p.capabilities.added.insert("CHOWN".into());
        }),
        (Item::Capabilities, "dropped", |p| {
            p.capabilities.dropped.clear();
        }),
        (Item::NoNewPrivileges, "", |p| p.no_new_privileges = false),
        (Item::Seccomp, "", |p| {
            p.seccomp = Seccomp::Other("unconfined".into());
        }),
        (Item::Network, "", |p| {
            p.network = Network::Other("bridge".into());
        }),
        (Item::Pids, "", |p| p.pids += 1),
        // No engine has a swap without the memory that it includes.
        (Item::Memory, "", |p| p.memory -= 1 << 20),
        (Item::Swap, "", |p| p.memory_and_swap += 1 << 20),
        (Item::Cpu, "quota", |p| p.cpu.quota_us += 1000),
        (Item::Cpu, "period", |p| p.cpu.period_us *= 2),
        (Item::CpuShares, "", |p| p.cpu_shares += 1),
        (Item::Tmpfs, "path", |p| {
            let scratch = p.tmpfs.0.values().next().cloned();
            p.tmpfs.0.extend(scratch.map(|it| ("/more".into(), it)));
        }),
        (Item::Tmpfs, "size", |p| scratch(p).size_bytes += 1 << 20),
        (Item::Tmpfs, "inodes", |p| scratch(p).max_inodes += 1),
        (Item::Tmpfs, "mode", |p| scratch(p).mode = 0o755),
        (Item::Tmpfs, "noexec", |p| {
            scratch(p).flags.remove("noexec");
        }),
        (Item::Tmpfs, "nosuid", |p| {
            scratch(p).flags.remove("nosuid");
        }),
        (Item::Tmpfs, "nodev", |p| {
            scratch(p).flags.remove("nodev");
        }),
        (Item::Mounts, "source", |p| {
            bind(p, |it| it.source = "/opt".into())
        }),
        (Item::Mounts, "target", |p| {
            bind(p, |it| it.target = "/mnt".into())
        }),
        (Item::Mounts, "read-only", |p| {
            bind(p, |it| it.read_only = false)
        }),
        (Item::Ipc, "", |p| p.ipc = Ipc::Other("private".into())),
        (Item::Namespaces, "pid", |p| {
            p.namespaces.private_pid = false
        }),
        (Item::Namespaces, "uts", |p| {
            p.namespaces.private_uts = false
        }),
        (Item::Namespaces, "cgroup", |p| {
            p.namespaces.private_cgroup = false;
        }),
        (Item::Ulimits, "name", |p| {
            p.ulimits.0.remove("core");
        }),
        (Item::Ulimits, "soft", |p| limit(p).soft -= 1),
        (Item::Ulimits, "hard", |p| limit(p).hard += 1),
        (Item::OomScore, "", |p| p.oom_score -= 1),
        (Item::KernelPaths, "masked", |p| {
            p.kernel_paths.masked.remove("/proc/keys");
        }),
        (Item::KernelPaths, "read-only", |p| {
            p.kernel_paths.read_only.remove("/proc/irq");
        }),
        (Item::Devices, "privileged", |p| p.devices.privileged = true),
        (Item::Devices, "device", |p| {
            p.devices.devices.insert("/dev/zero".into());
        }),
        (Item::Lifecycle, "ports", |p| {
            p.lifecycle.published_ports.insert("80/tcp".into());
        }),
        (Item::Lifecycle, "restarts", |p| p.lifecycle.restarts = true),
        (Item::Lifecycle, "removal", |p| {
            p.lifecycle.auto_remove = true
        }),
        (Item::Image, "", |p| p.image = OTHER_IMAGE.into()),
        (Item::Command, "arguments", |p| {
            p.command.argv.push("more".into());
        }),
        (Item::Command, "directory", |p| {
            p.command.working_dir = "/tmp".into();
        }),
        (Item::Command, "stop signal", |p| {
            p.command.stop_signal = "SIGCONT".into();
        }),
        (Item::Command, "health check", |p| {
            p.command.health_check = true
        }),
        (Item::Environment, "", |p| {
            p.environment.0.insert("MORE".into(), "x".parse().ok());
        }),
        (Item::Init, "", |p| p.init = Init::Engine),
        (Item::Log, "", |p| p.log.max_bytes *= 2),
        (Item::Identity, "host name", |p| {
            p.identity.hostname = "other".into();
        }),
        (Item::Identity, "resolver", |p| {
            p.identity.resolver = Resolver::Other("the host's".into());
        }),
        (Item::Identity, "labels", |p| {
            p.identity.labels.insert("clawbox.more".into(), "x".into());
        }),
    ]
};

/// What differs in a way of its own: the container's name, by which it is asked after, and `noexec` of a bind, which not
/// every engine can do. A new field does not compile until it is here or above.
const _: fn(PlanSpec) = |spec| {
    let PlanSpec {
        user: _,
        read_only_root: _,
        capabilities: CapabilitySets {
            added: _,
            dropped: _,
        },
        no_new_privileges: _,
        seccomp: _,
        network: _,
        pids: _,
        memory: _,
        memory_and_swap: _,
        cpu: CpuBandwidth {
            quota_us: _,
            period_us: _,
        },
        cpu_shares: _,
        tmpfs: Tmpfs(_),
        mounts: Binds(_),
        ipc: _,
        namespaces:
            Namespaces {
                private_pid: _,
                private_uts: _,
                private_cgroup: _,
            },
        ulimits: Ulimits(_),
        oom_score: _,
        kernel_paths: KernelPaths {
            masked: _,
            read_only: _,
        },
        devices: DeviceAccess {
            privileged: _,
            devices: _,
        },
        lifecycle:
            EngineDuties {
                published_ports: _,
                restarts: _,
                auto_remove: _,
            },
        image: _,
        command:
            CommandLine {
                argv: _,
                working_dir: _,
                stop_signal: _,
                health_check: _,
            },
        environment: Environment(_),
        init: _,
        log: LogBound { max_bytes: _ },
        identity:
            Name {
                name: _,
                hostname: _,
                resolver: _,
                labels: _,
            },
    } = spec;
    let _: fn(TmpfsOptions) = |TmpfsOptions {
                                   size_bytes: _,
                                   max_inodes: _,
                                   mode: _,
                                   flags: _,
                               }| {};
    let _: fn(Bind) = |Bind {
                           source: _,
                           target: _,
                           read_only: _,
                           noexec: _,
                       }| {};
    let _: fn(Ulimit) = |Ulimit { soft: _, hard: _ }| {};
};

fn scratch(plan: &mut PlanSpec) -> &mut TmpfsOptions {
    plan.tmpfs.0.get_mut("/tmp").expect("scratch space")
}

fn limit(plan: &mut PlanSpec) -> &mut Ulimit {
    plan.ulimits.0.get_mut("nofile").expect("a limit of files")
}

fn bind(plan: &mut PlanSpec, change: fn(&mut Bind)) {
    let mut bind = plan.mounts.0.pop_first().expect("a bind");
    change(&mut bind);
    plan.mounts.0.insert(bind);
}
