//! What a kernel tells a process of a container under its plan, as values: the probe reports them, and process 1
//! answers with them.

mod held;
pub(crate) mod text;

pub(crate) use held::Held;

use crate::files::KernelPath;
use clawbox_containers::{
    aspects::{Init, Ipc, Network, Resolver, SHARED_MEMORY, Ulimit},
    init::CONTAINER_INIT,
    plan::PlanSpec,
};

/// What a container's processes get of the control group, as version 2 has it. `u64::MAX`: no limit.
pub(crate) struct Cgroup {
    pub(crate) pids: u64,
    pub(crate) memory: u64,
    pub(crate) memory_and_swap: u64,
    pub(crate) cpu_quota_us: u64,
    pub(crate) cpu_period_us: u64,
    pub(crate) cpu_weight: u64,
}

/// One line of the table of mounts.
pub(crate) struct Mount {
    /// Which part of its file system.
    pub(crate) root: String,
    pub(crate) target: String,
    pub(crate) kind: &'static str,
    pub(crate) options: Vec<String>,
    pub(crate) super_options: Vec<String>,
}

/// The numbers of a plan's `uid:gid`. Plans hold nothing else; an engine that was made to weaken one runs
/// what is no number as root, as engines do with an empty user.
pub(crate) fn user(plan: &PlanSpec) -> (u32, u32) {
    let (uid, gid) = plan.user.split_once(':').unwrap_or((&plan.user, "0"));
    (uid.parse().unwrap_or(0), gid.parse().unwrap_or(0))
}

/// Whether what the engine starts is `clawbox-init`.
pub(crate) fn starts_clawbox_init(plan: &PlanSpec) -> bool {
    plan.command
        .argv
        .first()
        .is_some_and(|program| program == CONTAINER_INIT)
}

/// Whether the command itself is process 1.
pub(crate) fn command_is_process_one(plan: &PlanSpec) -> bool {
    plan.init == Init::None && !starts_clawbox_init(plan)
}

/// The process id of what the engine starts.
pub(crate) fn first_pid(plan: &PlanSpec) -> u32 {
    match (plan.namespaces.private_pid, plan.init) {
        (true, Init::Clawbox | Init::None) => 1,
        (true, Init::Engine) => 2,
        (false, _) => 4200,
    }
}

/// The process ids of the command and of its parent.
pub(crate) fn command_pids(plan: &PlanSpec) -> (u32, u32) {
    if !plan.namespaces.private_pid {
        (4242, 4200)
    } else if command_is_process_one(plan) {
        (1, 0)
    } else {
        (2, 1)
    }
}

pub(crate) fn host_name(plan: &PlanSpec) -> &str {
    if plan.namespaces.private_uts {
        &plan.identity.hostname
    } else {
        "mock-host"
    }
}

pub(crate) fn interfaces(plan: &PlanSpec) -> impl Iterator<Item = &'static str> {
    let others = (plan.network != Network::None).then_some("eth0");
    ["lo"].into_iter().chain(others)
}

/// Who is asked for names, where that is somebody whom the engine wrote into `/etc/resolv.conf`.
pub(crate) fn name_server(plan: &PlanSpec) -> Option<&str> {
    match &plan.identity.resolver {
        Resolver::None => None,
        Resolver::Other(server) => Some(server),
    }
}

/// Whether its network namespace is the host's.
pub(crate) fn has_network_of_the_host(plan: &PlanSpec) -> bool {
    plan.network == Network::Other("host".to_owned())
}

pub(crate) fn limit(plan: &PlanSpec, name: &str) -> Ulimit {
    let none = Ulimit {
        soft: u64::MAX,
        hard: u64::MAX,
    };
    plan.ulimits.0.get(name).copied().unwrap_or(none)
}

pub(crate) fn cgroup(plan: &PlanSpec) -> Cgroup {
    let bounded = |value| if value == 0 { u64::MAX } else { value };
    Cgroup {
        pids: bounded(plan.pids),
        memory: bounded(plan.memory),
        memory_and_swap: bounded(plan.memory_and_swap),
        cpu_quota_us: bounded(plan.cpu.quota_us),
        cpu_period_us: plan.cpu.period_us,
        // How runc and crun turn shares of version 1 into a weight of version 2.
        cpu_weight: 1 + plan.cpu_shares.saturating_sub(2) * 9999 / 262_142,
    }
}

/// The path of the control group, as its own processes see it.
pub(crate) fn cgroup_path(plan: &PlanSpec) -> String {
    match plan.namespaces.private_cgroup {
        true => "/".to_owned(),
        false => format!("/mock/{}", plan.identity.name),
    }
}

/// A namespace of this kind, as its link reads. `container` tells containers apart.
pub(crate) fn namespace(plan: &PlanSpec, container: u64, kind: &str) -> Option<String> {
    // The host's are those of include/linux/proc_ns.h.
    let (host, private) = match kind {
        "pid" => (0xEFFF_FFFC_u64, plan.namespaces.private_pid),
        "uts" => (0xEFFF_FFFE, plan.namespaces.private_uts),
        "cgroup" => (0xEFFF_FFFB, plan.namespaces.private_cgroup),
        "ipc" => (0xEFFF_FFFF, plan.ipc != Ipc::Other("host".to_owned())),
        "mnt" => (0xEFFF_FFF8, true),
        "net" => (0xEFFF_FFF9, !has_network_of_the_host(plan)),
        _ => return None,
    };
    // Those of containers come long after the first ones.
    let number = if private { (1 << 32) + container } else { host };
    Some(format!("{kind}:[{number}]"))
}

/// The names in `/dev`.
pub(crate) fn devices(plan: &PlanSpec) -> Vec<&str> {
    let mut names = vec![
        "core", "fd", "full", "null", "ptmx", "pts", "random", "stderr", "stdin", "stdout", "tty",
        "urandom", "zero",
    ];
    if plan.ipc != Ipc::None || plan.tmpfs.0.contains_key(SHARED_MEMORY) {
        names.push("shm");
    }
    if plan.devices.privileged {
        names.extend(["kmsg", "mem", "sda"]);
    }
    let devices = plan.devices.devices.iter();
    names.extend(devices.filter_map(|device| device.strip_prefix("/dev/")));
    names
}

pub(crate) fn mounts(plan: &PlanSpec) -> Vec<Mount> {
    let mount = |root: &str, target: &str, kind, options: &[&str]| Mount {
        root: root.to_owned(),
        target: target.to_owned(),
        kind,
        options: options.iter().map(|&option| option.to_owned()).collect(),
        super_options: vec!["rw".to_owned()],
    };
    let how = |read_only| if read_only { "ro" } else { "rw" };
    let harmless = ["nosuid", "nodev", "noexec", "relatime"];
    let with = |first: &'static str| [&[first], &harmless[..]].concat();
    let sys = how(!plan.devices.privileged);
    let mut device_files = mount("/", "/dev", "tmpfs", &["rw", "nosuid"]);
    device_files.super_options.push("mode=755".to_owned());
    let mut all = vec![
        mount("/", "/", "overlay", &[how(plan.read_only_root), "relatime"]),
        mount("/", "/proc", "proc", &with("rw")),
        device_files,
        mount("/", "/dev/pts", "devpts", &["rw", "nosuid", "noexec"]),
        mount("/", "/sys", "sysfs", &with(sys)),
        mount("/", "/sys/fs/cgroup", "cgroup2", &with(sys)),
    ];
    if plan.ipc != Ipc::None {
        all.push(mount("/", "/dev/shm", "tmpfs", &with("rw")));
    }
    for (path, options) in &plan.tmpfs.0 {
        let flags: Vec<&str> = options.flags.iter().map(String::as_str).collect();
        let mut tmpfs = mount("/", path, "tmpfs", &flags);
        tmpfs.super_options.extend([
            format!("size={}k", options.size_bytes / 1024),
            format!("nr_inodes={}", options.max_inodes),
            format!("mode={:o}", options.mode),
        ]);
        all.push(tmpfs);
    }
    if name_server(plan).is_some() {
        let (root, target) = ("/engine/resolv.conf", "/etc/resolv.conf");
        all.push(mount(root, target, "ext4", &["ro", "relatime"]));
    }
    for bind in &plan.mounts.0 {
        let source = bind.source.to_string_lossy();
        let mut options = vec![how(bind.read_only), "relatime"];
        options.extend(bind.noexec.then_some("noexec"));
        all.push(mount(&source, &bind.target, "ext4", &options));
    }
    if !plan.devices.privileged {
        for path in &plan.kernel_paths.read_only {
            let root = path.strip_prefix("/proc").unwrap_or(path);
            all.push(mount(root, path, "proc", &with("ro")));
        }
        // Engines pass over what this kernel does not have.
        for path in &plan.kernel_paths.masked {
            match KernelPath::of(path) {
                Some(KernelPath::Directory) => {
                    let mut empty = mount("/", path, "tmpfs", &["ro"]);
                    empty.super_options = vec!["ro".to_owned()];
                    all.push(empty);
                }
                Some(KernelPath::File) => {
                    all.push(mount("/null", path, "tmpfs", &["rw", "nosuid"]));
                }
                None => {}
            }
        }
    }
    all
}
