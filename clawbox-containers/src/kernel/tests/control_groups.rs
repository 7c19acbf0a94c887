//! The limits of a control group, as either version tells of them.

use super::*;
use PolicyItem::*;

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
