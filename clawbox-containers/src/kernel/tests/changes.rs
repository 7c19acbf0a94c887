//! Each single difference from the plan denies exactly its item. What is mounted has a file of its own.

use super::*;
use PolicyItem::*;

/// A piece of what is read, another in its place, and what that denies.
type Change = (PolicyItem, Look, &'static str, &'static str);

fn status(item: PolicyItem, from: &'static str, to: &'static str) -> Change {
    (item, Look::read("/proc/self/status"), from, to)
}

fn limits(from: &'static str, to: &'static str) -> Change {
    (Ulimits, Look::read("/proc/self/limits"), from, to)
}

fn changes() -> Vec<Change> {
    let zero = "0000000000000000";
    let mut changes = vec![
        status(User, "Uid:\t1000\t", "Uid:\t0\t"),
        status(User, "Uid:\t1000\t1000\t1000", "Uid:\t1000\t1000\t0"),
        status(
            User,
            "Uid:\t1000\t1000\t1000\t1000",
            "Uid:\t1000\t1000\t1000\t0",
        ),
        status(
            User,
            "Uid:\t1000\t1000\t1000\t1000",
            "Uid:\t1001\t1001\t1001\t1001",
        ),
        status(
            User,
            "Uid:\t1000\t1000\t1000\t1000",
            "Uid:\t1000\t1000\t1000",
        ),
        status(User, "Uid:\t1000\t1000\t1000\t1000", "Uid:\t1000"),
        status(User, "Gid:\t1000\t1000", "Gid:\t1000\t0"),
        status(User, "Gid:\t1000\t1000\t1000\t1000", "Gid:\t0\t0\t0\t0"),
        status(User, "Groups:\t1000 ", "Groups:\t1000 27 "),
        status(User, "Groups:\t1000 ", "Groups:\t0 "),
        status(NoNewPrivileges, "NoNewPrivs:\t1", "NoNewPrivs:\t0"),
        status(NoNewPrivileges, "NoNewPrivs:\t1", "NoNewPrivs:\t"),
        status(Seccomp, "Seccomp:\t2", "Seccomp:\t0"),
        status(Seccomp, "Seccomp:\t2", "Seccomp:\t1"),
        status(Init, "\nPid:\t1\n", "\nPid:\t7\n"),
        status(Init, "\nPid:\t1\n", "\nPid:\t11\n"),
        limits(
            "Max core file size        0  ",
            "Max core file size        1  ",
        ),
        limits(
            "0                    0                    bytes",
            "0  unlimited  bytes",
        ),
        limits(
            "1073741824           1073741824",
            "1073741824           unlimited",
        ),
        limits(
            "1073741824           1073741824",
            "1073741825           1073741825",
        ),
        limits("1024                 1024", "1024                 4096"),
        limits("1024                 1024", "1023                 1024"),
        (
            OomScore,
            Look::read("/proc/self/oom_score_adj"),
            "500",
            "-1000",
        ),
        (
            OomScore,
            Look::read("/proc/self/oom_score_adj"),
            "500",
            "499",
        ),
        (
            Identity,
            Look::read("/proc/sys/kernel/hostname"),
            "clawbox",
            "the-host",
        ),
        (
            Identity,
            Look::read("/proc/sys/kernel/hostname"),
            "clawbox",
            "",
        ),
        (
            Network,
            Look::read("/proc/self/net/dev"),
            "    lo:",
            "  eth0: 0\n    lo:",
        ),
        (
            Network,
            Look::read("/proc/self/net/dev"),
            "    lo:",
            "  wlan0:",
        ),
        (
            Network,
            Look::read("/proc/self/net/dev"),
            "    lo:",
            "    lo ",
        ),
        (
            Environment,
            Look::read("/proc/self/environ"),
            "HOME=/tmp\0",
            "HOME=/tmp\0FOO=bar\0",
        ),
        (
            Environment,
            Look::read("/proc/self/environ"),
            "HOME=/tmp\0",
            "FOO\0",
        ),
        (
            Environment,
            Look::read("/proc/self/environ"),
            "HOME=/tmp\0",
            "home=/tmp\0",
        ),
        (Devices, Look::list("/dev"), "zero\0", "zero\0sda\0"),
        (Devices, Look::list("/dev"), "zero\0", "zero\0fuse\0"),
        (Init, Look::list("/proc/self/fd"), "6\0", "6\0\x316\0"),
        (Init, Look::list("/proc/self/fd"), "6\0", "6\0cwd\0"),
        (Init, Look::link("/proc/self/fd/0"), "/dev/null", "/"),
        (
            Init,
            Look::link("/proc/self/fd/0"),
            "/dev/null",
            "/home/someone (deleted)",
        ),
        // The host's namespaces, or a file without a name.
        (
            Init,
            Look::link("/proc/self/fd/3"),
            "anon_inode:[signalfd]",
            "mnt:[4026531841]",
        ),
        (
            Init,
            Look::link("/proc/self/fd/3"),
            "anon_inode:[signalfd]",
            "anon_inode:[io_uring]",
        ),
    ];
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        for mask in [
            "0000000000000001",
            "8000000000000000",
            "000001ffffffffff",
            "none",
        ] {
            let from: &'static str = format!("{set}:\t{zero}").leak();
            let to: &'static str = format!("{set}:\t{mask}").leak();
            changes.push(status(Capabilities, from, to));
        }
    }
    changes
}

#[test]
fn a_difference_denies_its_item_and_no_other() {
    for recorded in [CGROUP_1, CGROUP_2].map(record) {
        for (item, look, from, to) in changes() {
            let changed = replaced(&recorded, look.clone(), from, to);
            assert_denied(&format!("{look:?}: {to:?}"), &changed, &[item]);
        }
    }
}

/// What stands in no answer is not taken for something else.
#[test]
fn a_field_that_is_missing_is_not_proven() {
    for field in [
        "Uid",
        "Gid",
        "Groups",
        "CapInh",
        "CapAmb",
        "NoNewPrivs",
        "Seccomp",
        "Pid",
    ] {
        let item = match field {
            "Uid" | "Gid" | "Groups" => User,
            "NoNewPrivs" => NoNewPrivileges,
            "Seccomp" => Seccomp,
            "Pid" => Init,
            _ => Capabilities,
        };
        let from = format!("\n{field}:");
        let changed = replaced(
            &record(CGROUP_1),
            Look::read("/proc/self/status"),
            &from,
            "\nOther:",
        );
        let report = judged(&SPEC, &changed);
        let text = format!("/proc/self/status has no field {field}");
        assert_eq!(denied(&report), [(item, text)].into());
    }
    let look = Look::read("/proc/self/limits");
    for words in ["Max core file size", "Max file size ", "Max open files"] {
        let changed = replaced(&record(CGROUP_1), look.clone(), words, "Max");
        assert_denied(words, &changed, &[Ulimits]);
    }
    for text in ["", "many", "5 00"] {
        let changed = with(
            &record(CGROUP_1),
            Look::read("/proc/self/oom_score_adj"),
            text,
        );
        assert_denied(text, &changed, &[OomScore]);
    }
}

/// A limit of a plan that the kernel has no word for is not proven.
#[test]
fn an_unknown_limit_is_not_proven() {
    let mut spec = SPEC.clone();
    let limit = spec.ulimits.0["core"];
    spec.ulimits.0.insert("nproc".to_owned(), limit);
    let seen = denied(&judged(&spec, &record(CGROUP_1)));
    assert_eq!(seen.keys().collect::<Vec<_>>(), [&Ulimits]);
    assert!(seen[&Ulimits].contains("nproc"), "{seen:?}");
}

#[test]
fn a_call_that_is_answered_otherwise_denies_the_filter() {
    let recorded = record(CGROUP_1);
    let calls = refused_calls().iter().map(|it| (Look::Call(it), it.errno));
    let sockets = refused_sockets()
        .iter()
        .map(|it| (Look::Socket(it), it.errno));
    let tried: Vec<_> = calls.chain(sockets).collect();
    assert_eq!(tried.len(), 18);
    for (look, errno) in tried {
        for result in [0, errno, -errno - 1, -14, -22] {
            let changed = with_result(&recorded, look.clone(), result);
            assert_denied(&format!("{look:?} {result}"), &changed, &[Seccomp]);
        }
    }
}

/// The kernel's interfaces of every network are no way out.
#[test]
fn interfaces_that_the_kernel_makes_are_no_network() {
    let look = Look::read("/proc/self/net/dev");
    for name in super::super::spaces::FALLBACK_INTERFACES {
        let line = format!(" {name}: 0\n    lo:");
        let changed = replaced(&record(CGROUP_1), look.clone(), "    lo:", &line);
        assert_denied(name, &changed, &[]);
    }
}

#[test]
fn a_namespace_of_the_hosts_is_none_of_the_containers() {
    let recorded = record(CGROUP_1);
    for (name, first, item) in [
        ("pid", 4_026_531_836_u32, Namespaces),
        ("uts", 4_026_531_838, Namespaces),
        ("cgroup", 4_026_531_835, Namespaces),
        ("ipc", 4_026_531_839, Ipc),
        ("net", 4_026_531_833, Network),
    ] {
        let look = Look::link(&format!("/proc/self/ns/{name}"));
        // The first one, and this manager's.
        for number in [first, 4_026_530_000] {
            let changed = with(&recorded, look.clone(), format!("{name}:[{number}]"));
            assert_denied(&format!("{name} {number}"), &changed, &[item]);
            let report = judged(&SPEC, &changed);
            assert!(
                report
                    .items
                    .iter()
                    .all(|it| it.verdict != Verdict::Unverified)
            );
        }
        // What is no namespace's name proves nothing.
        for text in [
            "",
            name,
            "user:[4026532837]",
            &format!("{name}:[]"),
            &format!("{name}:[1"),
        ] {
            let changed = with(&recorded, look.clone(), text);
            let report = judged(&SPEC, &changed);
            let unverified = report
                .items
                .iter()
                .find(|it| it.verdict == Verdict::Unverified);
            assert_eq!(unverified.map(|it| it.item), Some(item), "{name} {text:?}");
            assert_denied(text, &changed, &[item]);
        }
    }
}

#[test]
fn each_namespace_of_ones_own_is_asked_for() {
    let own = OwnNamespaces::by_links(|path| Some(path.to_owned()));
    let names = ["pid", "uts", "ipc", "cgroup", "net"];
    assert_eq!(own.0, names.map(|name| format!("/proc/self/ns/{name}")));
}

/// The listing's own descriptor is closed when it is looked at, and no other.
#[test]
fn one_descriptor_may_be_closed_meanwhile() {
    let recorded = record(CGROUP_1);
    let fourth = Look::link("/proc/self/fd/4");
    assert_denied("two", &with_result(&recorded, fourth.clone(), -2), &[Init]);
    assert_denied("errno", &with_result(&recorded, fourth, -13), &[Init]);
    let high = Look::link("/proc/self/fd/15");
    assert_denied("a pipe", &with(&recorded, high.clone(), "pipe:[7]"), &[]);
    assert_denied("unlisted", &with(&recorded, high, "/etc"), &[Init]);
    let listed = Look::list("/proc/self/fd");
    let text = text(&recorded, &listed) + "15\0";
    let changed = with(&recorded, listed, text);
    assert_denied("listed", &changed, &[Init]);
}

/// Files of control groups: with another number, with no limit, with no number, and missing.
#[test]
fn each_limit_of_the_control_group_is_looked_at() {
    let one = |item, file: &str, value: &'static str| {
        (CGROUP_1, item, format!("/sys/fs/cgroup/{file}"), value)
    };
    let two = |item, file: &str, value: &'static str| {
        (CGROUP_2, item, format!("/sys/fs/cgroup/{file}"), value)
    };
    let cases = [
        one(Pids, "pids/pids.max", "63"),
        one(Pids, "pids/pids.max", "max"),
        two(Pids, "pids.max", "65"),
        two(Pids, "pids.max", "max"),
        one(
            Memory,
            "memory/memory.limit_in_bytes",
            "9223372036854771712",
        ),
        one(Memory, "memory/memory.limit_in_bytes", "629145601"),
        one(Swap, "memory/memory.memsw.limit_in_bytes", "1258291200"),
        one(Swap, "memory/memory.memsw.limit_in_bytes", "-1"),
        two(Swap, "memory.swap.max", "1"),
        two(Swap, "memory.swap.max", "max"),
        two(Swap, "memory.swap.max", ""),
        one(Cpu, "cpu/cpu.cfs_quota_us", "-1"),
        one(Cpu, "cpu/cpu.cfs_quota_us", "50001"),
        one(Cpu, "cpu/cpu.cfs_period_us", "50000"),
        one(Cpu, "cpu/cpu.cfs_period_us", ""),
        two(Cpu, "cpu.max", "max 100000"),
        two(Cpu, "cpu.max", "50000 50000"),
        two(Cpu, "cpu.max", "100000 100000"),
        two(Cpu, "cpu.max", "50000"),
        two(Cpu, "cpu.max", "many 100000"),
        one(CpuShares, "cpu/cpu.shares", "1025"),
        one(CpuShares, "cpu/cpu.shares", "2"),
        two(CpuShares, "cpu.weight", "38"),
        two(CpuShares, "cpu.weight", "40"),
        two(CpuShares, "cpu.weight", "99"),
        two(CpuShares, "cpu.weight", "1024"),
        two(CpuShares, "cpu.weight", "light"),
    ];
    for (recorded, item, file, value) in cases {
        let changed = with(
            &record(recorded),
            Look::Read(file.clone()),
            format!("{value}\n"),
        );
        assert_denied(&format!("{file} {value}"), &changed, &[item]);
    }
    for file in super::super::cgroup::LOOKS {
        for recorded in RECORDS.map(record) {
            let look = Look::read(file);
            let there = recorded.get(&look).unwrap().result >= 0;
            let both = file.ends_with("memory.max") || file.ends_with("memory.limit_in_bytes");
            let version_2 = recorded
                .get(&Look::read("/sys/fs/cgroup/pids.max"))
                .unwrap()
                .result
                > 0;
            let items = match file {
                _ if both && version_2 => vec![Memory, Swap],
                _ if both => vec![Memory],
                _ if file.contains("pids") => vec![Pids],
                _ if file.contains("memory") => vec![Swap],
                _ if file.contains("cpu.max") || file.contains("cfs") => vec![Cpu],
                _ => vec![CpuShares],
            };
            if there {
                // Not there, and not to be read.
                for errno in [2, 13] {
                    let changed = with_result(&recorded, look.clone(), -errno);
                    assert_denied(file, &changed, &items);
                }
                assert_denied(file, &with(&recorded, look, "\u{b2}"), &items);
            } else if file != "/sys/fs/cgroup/cpu/cpu.cfs_period_us" {
                // Of both versions: one of them cannot be what holds.
                assert_denied(file, &with(&recorded, look, "64\n"), &items);
            }
        }
    }
    // Memory of version 2 has swap on top.
    let look = Look::read("/sys/fs/cgroup/memory.max");
    let changed = with(&record(CGROUP_2), look, "max\n");
    assert_denied("memory.max", &changed, &[Memory, Swap]);
}

/// A group of version 2 that is seen and lacks the file has no such limit. Where nothing is seen, nobody knows.
#[test]
fn a_controller_that_was_not_handed_on_is_no_limit() {
    let mut recorded = record(CGROUP_2);
    for file in super::super::cgroup::LOOKS {
        recorded = with_result(&recorded, Look::read(file), -2);
    }
    let limits = [Pids, Memory, Swap, Cpu, CpuShares];
    let verdicts = |answers: &Answers| {
        let report = judged(&SPEC, answers);
        limits.map(|item| report.get(item).unwrap().verdict)
    };
    assert_eq!(verdicts(&recorded), [Verdict::NotEnforced; 5]);
    let mounts = Look::read("/proc/self/mountinfo");
    let hidden = text(&recorded, &mounts).replace(" cgroup2 ", " tmpfs ");
    let unseen = with(&recorded, mounts, hidden);
    assert_eq!(verdicts(&unseen), [Verdict::Unverified; 5]);
}

/// Both formulas, with values that were worked out apart from the code.
#[test]
fn a_weight_stands_for_shares_by_either_formula() {
    let look = Look::read("/sys/fs/cgroup/cpu.weight");
    for (shares, line, curve) in [
        (2, 1, 1),
        (1024, 39, 100),
        (2048, 79, 174),
        (262_144, 10_000, 10_000),
    ] {
        let mut spec = SPEC.clone();
        spec.cpu_shares = shares;
        for weight in [line, curve] {
            let changed = with(&record(CGROUP_2), look.clone(), format!("{weight}\n"));
            let seen = denied(&judged(&spec, &changed));
            assert_eq!(seen, BTreeMap::new(), "{shares} {weight}");
        }
        for weight in [0, line + 1, curve + 1] {
            let changed = with(&record(CGROUP_2), look.clone(), format!("{weight}\n"));
            let seen = denied(&judged(&spec, &changed));
            assert_eq!(seen.len(), 1, "{shares} {weight}");
        }
    }
}

/// Several ids are another user's, and not a line that nobody understands.
#[test]
fn another_user_is_no_riddle() {
    let look = Look::read("/proc/self/status");
    let changed = replaced(
        &record(CGROUP_1),
        look,
        "Uid:\t1000\t1000\t1000",
        "Uid:\t1000\t0\t1000",
    );
    let report = judged(&SPEC, &changed);
    let user = report.items.iter().find(|it| it.item == User).unwrap();
    assert_eq!(user.verdict, Verdict::NotEnforced);
}

/// The lowest number has no opposite.
#[test]
fn no_number_is_too_low() {
    for look in looks(&SPEC) {
        let changed = with_result(&record(CGROUP_1), look.clone(), i64::MIN);
        let report = judged(&SPEC, &changed);
        assert_eq!(report.items.len(), PolicyItem::ALL.len(), "{look:?}");
    }
}
