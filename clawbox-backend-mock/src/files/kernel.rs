//! What the kernel itself shows in `/proc`, `/sys` and `/dev`: enough of it to see what a plan hides.

use super::{Kind, Node, path::within};
use clawbox_containers::{aspects::Ipc, plan::PlanSpec};

/// Where the kernel's file systems are mounted.
pub(super) const MOUNTS: [&str; 3] = ["/dev", "/proc", "/sys"];

const DIRECTORIES: [&str; 18] = [
    "/dev",
    "/proc",
    "/proc/acpi",
    "/proc/asound",
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/scsi",
    "/proc/self",
    "/proc/sys",
    "/proc/sys/kernel",
    "/proc/sys/vm",
    "/sys",
    "/sys/class",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
    "/sys/fs",
    "/sys/fs/selinux",
];

/// Files, their permissions, and something that stands in them where they are not hidden.
const FILES: [(&str, u32, &str); 13] = [
    ("/proc/interrupts", 0o444, "           CPU0\n"),
    ("/proc/kcore", 0o400, "\x7fELF"),
    ("/proc/keys", 0o444, "00000000 I--Q--- keyring\n"),
    ("/proc/latency_stats", 0o644, "Latency Top version : v0.1\n"),
    ("/proc/sched_debug", 0o444, "Sched Debug Version: v0.11\n"),
    ("/proc/self/oom_score_adj", 0o644, "0\n"),
    ("/proc/self/status", 0o444, "Name:\tmock\n"),
    ("/proc/sys/kernel/core_pattern", 0o644, "core\n"),
    ("/proc/sys/kernel/hostname", 0o644, "clawbox\n"),
    ("/proc/sys/vm/overcommit_memory", 0o644, "0\n"),
    ("/proc/sysrq-trigger", 0o200, ""),
    ("/proc/timer_list", 0o400, "Timer List Version: v0.10\n"),
    ("/proc/timer_stats", 0o644, "Timer Stats Version: v0.3\n"),
];

/// What a path is that this kernel has, hidden or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KernelPath {
    File,
    Directory,
}

impl KernelPath {
    pub(crate) fn of(path: &str) -> Option<Self> {
        if DIRECTORIES.contains(&path) {
            return Some(Self::Directory);
        }
        let file = FILES.iter().any(|(file, ..)| *file == path);
        file.then_some(Self::File)
    }
}

/// What is at `path` in one of the kernel's file systems.
pub(super) fn kernel_node(spec: &PlanSpec, path: &str) -> Option<Node> {
    match path {
        "/dev/null" => return Some(Node::of_root(0o666, Kind::Null)),
        "/dev/zero" | "/dev/random" | "/dev/urandom" => {
            return Some(Node::of_root(0o666, Kind::Zero));
        }
        "/dev/full" => return Some(Node::of_root(0o666, Kind::Full)),
        "/dev/shm" if spec.ipc != Ipc::None => return Some(Node::directory(0o1777)),
        device if spec.devices.devices.contains(device) => {
            return Some(Node::of_root(0o660, Kind::Zero));
        }
        _ => {}
    }
    let node = if DIRECTORIES.contains(&path) {
        Node::directory(0o555)
    } else {
        let (_, mode, text) = FILES.iter().find(|(file, ..)| *file == path)?;
        Node::file(*mode, text.as_bytes().to_vec().into())
    };
    // Hidden: a file behind /dev/null, a directory below an empty one.
    let masked = spec
        .kernel_paths
        .masked
        .iter()
        .filter(|_| !spec.devices.privileged);
    for mask in masked {
        match within(mask, path) {
            Some("") if matches!(node.kind, Kind::File(_)) => {
                return Some(Node::of_root(0o666, Kind::Null));
            }
            Some(rest) if !rest.is_empty() => return None,
            _ => {}
        }
    }
    Some(node)
}

/// Whether `path` refuses every write. `/sys` does in any container that is not privileged.
pub(super) fn read_only(spec: &PlanSpec, path: &str) -> bool {
    let paths = spec.kernel_paths.read_only.iter().map(String::as_str);
    !spec.devices.privileged && paths.chain(["/sys"]).any(|top| within(top, path).is_some())
}
