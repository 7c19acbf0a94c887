//! The containers as they were recorded, and what of an answer is lost.

use super::*;

#[test]
fn a_recorded_container_is_as_planned() {
    for (record_of, engine) in [
        (CGROUP_1, "version 1"),
        (CGROUP_2, "version 2"),
        (PODMAN_CGROUP_2, "rootless Podman"),
    ] {
        let report = judged(&SPEC, &record(record_of));
        assert_eq!(denied(&report), BTreeMap::new(), "{engine}");
        let seen = report.items.iter().filter(|item| item.kernel.is_some());
        let seen: BTreeSet<_> = seen.map(|item| item.item).collect();
        assert_eq!(seen, ITEMS.into(), "{engine}");
    }
}

#[test]
fn what_the_kernel_gives_is_told_in_words() {
    let report = judged(&SPEC, &record(CGROUP_1));
    let told = |item| {
        let report = report.items.iter().find(|report| report.item == item);
        report.unwrap().kernel.clone().unwrap()
    };
    for (item, words) in [
        (PolicyItem::User, "1000:1000"),
        (PolicyItem::Capabilities, "none in any set"),
        (
            PolicyItem::Seccomp,
            "filter, which answers the 22 calls tried as planned",
        ),
        (PolicyItem::Network, "its own, with lo"),
        (PolicyItem::Ipc, "its own, without /dev/shm"),
        (PolicyItem::CpuShares, "1024"),
        (PolicyItem::Devices, "only harmless ones"),
        (PolicyItem::Environment, "nothing but the engine's own"),
        (PolicyItem::Init, "clawbox-init, with its own descriptors"),
        (PolicyItem::Identity, "host name clawbox, told of no other"),
    ] {
        assert_eq!(told(item), words, "{item}");
    }
    assert_eq!(told(PolicyItem::KernelPaths), SPEC.kernel_paths.to_string());
    let report = judged(&SPEC, &record(CGROUP_2));
    let shares = report
        .items
        .iter()
        .find(|it| it.item == PolicyItem::CpuShares);
    assert_eq!(shares.unwrap().kernel.as_deref(), Some("1024 (weight 39)"));
}

/// Which items each look is for.
fn items_of(look: &Look, version_2: bool) -> Vec<PolicyItem> {
    use PolicyItem::*;
    match look {
        Look::Call(_) | Look::Socket(_) => vec![Seccomp],
        Look::Stat(path) if path == "/tmp" => vec![Tmpfs],
        Look::Stat(_) => vec![KernelPaths],
        Look::Identity(_) => vec![Mounts],
        Look::List(path) if path == "/dev" => vec![Devices],
        Look::List(_) => vec![Init],
        Look::Read(path) | Look::Link(path) => match path.as_str() {
            "/proc/self/status" => vec![User, Capabilities, NoNewPrivileges, Seccomp, Init],
            "/proc/self/uid_map" if version_2 => vec![User],
            // Who may open what depends on whose devices they are.
            "/proc/self/uid_map" => vec![User, Devices],
            "/proc/self/gid_map" => vec![User],
            "/proc/self/limits" => vec![Ulimits],
            "/sys/fs/cgroup/devices/devices.list" => vec![Devices],
            "/etc/resolv.conf" | "/etc/hosts" => vec![Identity],
            "/proc/self/oom_score_adj" => vec![OomScore],
            "/proc/self/environ" => vec![Environment],
            "/proc/self/net/dev" | "/proc/self/ns/net" => vec![Network],
            "/proc/self/ns/ipc" => vec![Ipc],
            "/proc/sys/kernel/hostname" => vec![Identity],
            // The files of control groups are the kernel's only where they are mounted.
            "/proc/self/mountinfo" => vec![
                Identity,
                ReadOnlyRoot,
                Tmpfs,
                Mounts,
                Ipc,
                KernelPaths,
                Pids,
                Memory,
                Swap,
                Cpu,
                CpuShares,
            ],
            path if path.contains("pids.max") => vec![Pids],
            // Swap is counted apart from memory in version 2.
            "/sys/fs/cgroup/memory.max" | "/sys/fs/cgroup/memory/memory.limit_in_bytes" => {
                if version_2 {
                    vec![Memory, Swap]
                } else {
                    vec![Memory]
                }
            }
            path if path.contains("/memory") => vec![Swap],
            path if path.contains("cpu.max") || path.contains("cpu.cfs_") => vec![Cpu],
            path if path.contains("cpu.weight") || path.contains("cpu.shares") => vec![CpuShares],
            path if path.starts_with("/proc/self/ns/") => vec![Namespaces],
            path if path.starts_with("/proc/self/fd/") => vec![Init],
            path => panic!("{path}"),
        },
    }
}

#[test]
fn no_item_holds_without_each_of_its_answers() {
    for recorded in RECORDS {
        let version_2 = recorded != CGROUP_1;
        let all = record(recorded);
        for look in looks(&SPEC) {
            let mut answers = Answers::default();
            for other in looks(&SPEC).into_iter().filter(|other| *other != look) {
                let answer = all.get(&other).unwrap().clone();
                answers.insert(other, answer);
            }
            let items = items_of(&look, version_2);
            let report = judged(&SPEC, &answers);
            let seen = denied(&report);
            for item in &items {
                let why = seen.get(item);
                let why = why.unwrap_or_else(|| panic!("{item} holds without {look:?}"));
                assert!(why.contains("nobody looked at"), "{item}: {why}");
            }
            assert_eq!(seen.len(), items.len(), "{look:?}: {seen:?}");
            assert_eq!(unverified(&report), items.len(), "{look:?}");
        }
    }
}

#[test]
fn nothing_is_proven_where_nobody_looked() {
    let report = judged(&SPEC, &Answers::default());
    let seen: BTreeSet<_> = denied(&report).into_keys().collect();
    assert_eq!(seen, ITEMS.into());
    assert_eq!(refusals(&report, &BTreeSet::new()).len(), ITEMS.len());
}

/// An answer of a frame's length may have been cut: what a longer one would have told is not known.
#[test]
fn an_answer_that_may_be_cut_off_proves_nothing() {
    let all = record(CGROUP_1);
    let mounts = Look::read("/proc/self/mountinfo");
    let long = |length: usize| {
        let text = text(&all, &mounts);
        let option = "x".repeat(length - text.len());
        let text = text.replacen("ro,relatime", &format!("ro,relatime{option}"), 1);
        with(&all, mounts.clone(), text)
    };
    assert_denied("as long as may be", &long(65_536 - 8 - 256), &[]);
    assert_denied("longer", &long(65_536 - 8 - 255), &items_of(&mounts, false));
}

/// Each look is asked for in the protocol's words, and in its place.
#[test]
fn looks_are_asked_for_as_they_are() {
    use clawbox_init::protocol::{Question, Questions};
    let mut encoded = Vec::new();
    for look in looks(&SPEC) {
        look.encode(&mut encoded).unwrap();
    }
    let count = u32::try_from(looks(&SPEC).len()).unwrap();
    let questions = Questions::new(count, &encoded).unwrap();
    for (question, look) in questions.iter().zip(looks(&SPEC)) {
        let path = |path: &std::ffi::CStr| path.to_str().unwrap().to_owned();
        match (question, look) {
            (Question::Read(asked), Look::Read(look))
            | (Question::List(asked), Look::List(look))
            | (Question::Link(asked), Look::Link(look))
            | (Question::Stat(asked), Look::Stat(look)) => assert_eq!(path(asked), look),
            (Question::Call { number, arguments }, Look::Call(call)) => {
                assert_eq!((number, arguments), (call.number(), call.arguments));
            }
            (
                Question::Socket {
                    family,
                    kind,
                    protocol,
                },
                Look::Socket(socket),
            ) => {
                let look = (socket.family, socket.kind, socket.protocol);
                assert_eq!((family, kind, protocol), look);
            }
            (question, look) => panic!("{question:?} for {look:?}"),
        }
    }
}
