//! Control group limits, as a container sees its own.

use std::fs;
use std::path::Path;

use clawbox_probe::CgroupLimits;

/// Reads the limits below the directory where the control groups are mounted.
pub(crate) fn limits(root: &Path) -> CgroupLimits {
    if root.join("cgroup.controllers").exists() {
        version_2(root)
    } else {
        version_1(root)
    }
}

/// The paths of a table like `/proc/self/cgroup`: the third field of each line.
pub(crate) fn paths(table: &str) -> Vec<String> {
    let path = |line: &str| Some(line.splitn(3, ':').nth(2)?.to_owned());
    table.lines().filter_map(path).collect()
}

fn version_1(root: &Path) -> CgroupLimits {
    let value = |file| limit(&text(root, file)?);
    CgroupLimits {
        memory: value("memory/memory.limit_in_bytes"),
        memory_and_swap: value("memory/memory.memsw.limit_in_bytes"),
        pids: value("pids/pids.max"),
        cpu_quota_us: value("cpu/cpu.cfs_quota_us"),
        cpu_period_us: value("cpu/cpu.cfs_period_us"),
        cpu_shares: value("cpu/cpu.shares"),
        cpu_weight: None,
    }
}

fn version_2(root: &Path) -> CgroupLimits {
    let value = |file| limit(&text(root, file)?);
    let memory = value("memory.max");
    let swap = value("memory.swap.max");
    let cpu = text(root, "cpu.max");
    let mut cpu = cpu
        .iter()
        .flat_map(|line| line.split_whitespace())
        .map(limit);
    CgroupLimits {
        memory,
        memory_and_swap: memory
            .zip(swap)
            .map(|(memory, swap)| memory.saturating_add(swap)),
        pids: value("pids.max"),
        cpu_quota_us: cpu.next().flatten(),
        cpu_period_us: cpu.next().flatten(),
        cpu_shares: None,
        cpu_weight: value("cpu.weight"),
    }
}

fn text(root: &Path, file: &str) -> Option<String> {
    fs::read_to_string(root.join(file)).ok()
}

/// A number, or one of the ways to say that there is none: `max`, -1, and version 1's largest
/// number of pages in bytes.
fn limit(text: &str) -> Option<u64> {
    const PAGE_MAX: u64 = 1 << 16;
    match text.trim() {
        "max" | "-1" => Some(u64::MAX),
        number => number.parse().ok().map(|number| {
            if number > i64::MAX as u64 - PAGE_MAX {
                u64::MAX
            } else {
                number
            }
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(files: &[(&str, &str)]) -> CgroupLimits {
        let root = tempfile::tempdir().expect("a directory");
        for (file, content) in files {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
            fs::write(path, content).expect("a file");
        }
        limits(root.path())
    }

    #[test]
    fn version_1_is_read_as_it_stands() {
        let limits = read(&[
            ("memory/memory.limit_in_bytes", "536870912\n"),
            (
                "memory/memory.memsw.limit_in_bytes",
                "9223372036854771712\n",
            ),
            ("pids/pids.max", "256\n"),
            ("cpu/cpu.cfs_quota_us", "-1\n"),
            ("cpu/cpu.cfs_period_us", "100000\n"),
        ]);
        let expected = CgroupLimits {
            memory: Some(536_870_912),
            memory_and_swap: Some(u64::MAX),
            pids: Some(256),
            cpu_quota_us: Some(u64::MAX),
            cpu_period_us: Some(100_000),
            ..CgroupLimits::default()
        };
        assert_eq!(limits, expected);
    }

    #[test]
    fn version_2_swap_is_added_to_memory() {
        let limits = read(&[
            ("cgroup.controllers", "cpu memory pids\n"),
            ("memory.max", "536870912\n"),
            ("memory.swap.max", "1024\n"),
            ("pids.max", "max\n"),
            ("cpu.max", "150000 100000\n"),
            ("cpu.weight", "39\n"),
        ]);
        let expected = CgroupLimits {
            memory: Some(536_870_912),
            memory_and_swap: Some(536_871_936),
            pids: Some(u64::MAX),
            cpu_quota_us: Some(150_000),
            cpu_period_us: Some(100_000),
            cpu_shares: None,
            cpu_weight: Some(39),
        };
        assert_eq!(limits, expected);
    }

    #[test]
    fn what_cannot_be_seen_is_none() {
        assert_eq!(read(&[]), CgroupLimits::default());
    }
}
