//! The capabilities that a plan leaves to a process.

use clawbox_containers::plan::PlanSpec;

/// By number; see capabilities(7).
const NAMES: [&str; 41] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
];

/// What engines give to a container of which nothing is said.
const DEFAULT: [&str; 14] = [
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "NET_RAW",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

/// The mask of one capability, or of `ALL`; 0 for a name that is none.
pub(crate) fn mask(name: &str) -> u64 {
    if name == "ALL" {
        return (1 << NAMES.len()) - 1;
    }
    let number = NAMES.iter().position(|known| *known == name);
    number.map_or(0, |number| 1 << number)
}

/// What no process of the container can go beyond.
pub(crate) fn bounding(plan: &PlanSpec) -> u64 {
    if plan.devices.privileged {
        return mask("ALL");
    }
    let all = |names: &mut dyn Iterator<Item = &str>| names.fold(0, |set, name| set | mask(name));
    let sets = &plan.capabilities;
    let dropped = all(&mut sets.dropped.iter().map(String::as_str));
    let added = all(&mut sets.added.iter().map(String::as_str));
    all(&mut DEFAULT.into_iter()) & !dropped | added
}

/// What a process of this user has: only root's has any.
pub(crate) fn effective(plan: &PlanSpec, uid: u32) -> u64 {
    if uid == 0 { bounding(plan) } else { 0 }
}
