//! The kernel's files about a process, in the form of proc(5) and of cgroup-v2.rst.

use super::{Mount, cgroup, first_pid, host_name, interfaces, limit, mounts, name_server, user};
use crate::capability;
use clawbox_containers::{
    aspects::{Seccomp, Ulimit},
    plan::PlanSpec,
};
use std::fmt::Write as _;

/// What of a container is in `path` as its first process reads it, where that is one of these files.
pub(crate) fn of_first_process(plan: &PlanSpec, path: &str) -> Option<String> {
    let group = cgroup(plan);
    Some(match path {
        "/proc/self/status" => status(plan),
        "/proc/self/mountinfo" => mountinfo(plan),
        "/proc/self/limits" => limits(plan),
        "/proc/self/uid_map" | "/proc/self/gid_map" => line("0 0 4294967295"),
        "/proc/self/oom_score_adj" => line(plan.oom_score),
        "/proc/self/net/dev" => network(plan),
        "/proc/self/environ" => environment(plan),
        "/proc/sys/kernel/hostname" => line(host_name(plan)),
        "/etc/resolv.conf" => line(format!("nameserver {}", name_server(plan)?)),
        "/sys/fs/cgroup/pids.max" => line(or_max(group.pids)),
        "/sys/fs/cgroup/memory.max" => line(or_max(group.memory)),
        "/sys/fs/cgroup/memory.swap.max" => match (group.memory, group.memory_and_swap) {
            (_, u64::MAX) => line("max"),
            // Version 2 cannot say that.
            (u64::MAX, _) => return None,
            (memory, both) => line(both.saturating_sub(memory)),
        },
        // Of both together without one of memory alone, as a hierarchy of version 1 has it.
        "/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes" if group.memory == u64::MAX => {
            line(or_max(group.memory_and_swap))
        }
        "/sys/fs/cgroup/cpu.max" => {
            let quota = or_max(group.cpu_quota_us);
            line(format!("{quota} {}", group.cpu_period_us))
        }
        "/sys/fs/cgroup/cpu.weight" => line(group.cpu_weight),
        _ => return None,
    })
}

fn line(value: impl std::fmt::Display) -> String {
    format!("{value}\n")
}

fn or_max(value: u64) -> String {
    match value {
        u64::MAX => "max".to_owned(),
        value => value.to_string(),
    }
}

fn status(plan: &PlanSpec) -> String {
    let (uid, gid) = user(plan);
    let (bounding, effective) = (capability::bounding(plan), capability::effective(plan, uid));
    // A profile that is none was refused when the container was created.
    let filter = match plan.seccomp {
        Seccomp::Profile { .. } => 2,
        Seccomp::Other(_) => 0,
    };
    let pid = first_pid(plan);
    let no_new_privileges = u8::from(plan.no_new_privileges);
    format!(
        "Name:\tinit\nState:\tR (running)\nPid:\t{pid}\n\
         Uid:\t{uid}\t{uid}\t{uid}\t{uid}\nGid:\t{gid}\t{gid}\t{gid}\t{gid}\nGroups:\t{gid} \n\
         CapInh:\t{:016x}\nCapPrm:\t{effective:016x}\nCapEff:\t{effective:016x}\nCapBnd:\t{bounding:016x}\n\
         CapAmb:\t{:016x}\nNoNewPrivs:\t{no_new_privileges}\nSeccomp:\t{filter}\n",
        0, 0
    )
}

fn mountinfo(plan: &PlanSpec) -> String {
    let mut text = String::new();
    for (number, mount) in mounts(plan).into_iter().enumerate() {
        let Mount {
            root,
            target,
            kind,
            options,
            super_options,
        } = mount;
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "{} 1 0:{} {} {} {} - {kind} {kind} {}",
            number + 100,
            number + 50,
            escape(&root),
            escape(&target),
            options.join(","),
            super_options.join(",")
        );
    }
    text
}

fn escape(path: &str) -> String {
    path.replace('\\', "\\134")
        .replace(' ', "\\040")
        .replace('\n', "\\012")
}

fn limits(plan: &PlanSpec) -> String {
    let mut text =
        "Limit                     Soft Limit           Hard Limit           Units\n".to_owned();
    let shown = |value| match value {
        u64::MAX => "unlimited".to_owned(),
        value => value.to_string(),
    };
    for (words, name, unit) in [
        ("Max file size", "fsize", "bytes"),
        ("Max core file size", "core", "bytes"),
        ("Max open files", "nofile", "files"),
    ] {
        let Ulimit { soft, hard } = limit(plan, name);
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "{words:<25} {:<20} {:<20} {unit}",
            shown(soft),
            shown(hard)
        );
    }
    text
}

fn network(plan: &PlanSpec) -> String {
    let head =
        "Inter-|   Receive      |  Transmit\n face |bytes packets   |bytes packets\n".to_owned();
    interfaces(plan).fold(head, |text, name| text + &format!("{name:>6}: 0 0 0 0\n"))
}

/// What the plan sets, and what engines add to it.
fn environment(plan: &PlanSpec) -> String {
    let set = plan.environment.0.iter();
    let set = set.filter_map(|(key, value)| Some((key.as_str(), value.as_ref()?.as_str())));
    [
        ("PATH", "/usr/local/bin:/usr/bin:/bin"),
        ("HOSTNAME", host_name(plan)),
    ]
    .into_iter()
    .chain(set)
    .map(|(key, value)| format!("{key}={value}\0"))
    .collect()
}
