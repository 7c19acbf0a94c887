//! The container's control group, as it is mounted inside: version 2 at `/sys/fs/cgroup`, or version 1 with a
//! directory for each controller. cgroup-v1/ and cgroup-v2.rst of the kernel's documentation.

use super::{Answers, Given, Look, mounts};
use crate::{aspects::CpuBandwidth, plan::PlanSpec};
use std::fmt::Display;

/// A file of version 2, and its like of version 1.
type Files = [&'static str; 2];

const PIDS: Files = ["/sys/fs/cgroup/pids.max", "/sys/fs/cgroup/pids/pids.max"];
const MEMORY: Files = [
    "/sys/fs/cgroup/memory.max",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
];
/// Version 2 counts swap alone, version 1 memory and swap together.
const SWAP: Files = [
    "/sys/fs/cgroup/memory.swap.max",
    "/sys/fs/cgroup/memory/memory.memsw.limit_in_bytes",
];
/// Version 2 has the quota and the period in one file.
const CPU: Files = [
    "/sys/fs/cgroup/cpu.max",
    "/sys/fs/cgroup/cpu/cpu.cfs_quota_us",
];
const CPU_PERIOD: &str = "/sys/fs/cgroup/cpu/cpu.cfs_period_us";
const SHARES: Files = ["/sys/fs/cgroup/cpu.weight", "/sys/fs/cgroup/cpu/cpu.shares"];

pub(super) const LOOKS: [&str; 11] = [
    PIDS[0], PIDS[1], MEMORY[0], MEMORY[1], SWAP[0], SWAP[1], CPU[0], CPU[1], CPU_PERIOD,
    SHARES[0], SHARES[1],
];

/// What a file of the one version or of the other says.
enum Said<'a> {
    Version2(&'a str),
    Version1(&'a str),
}

/// Exactly one of them must be there, and be the kernel's. A group of version 2 that is seen and has no such file has no
/// such limit: its controller was not handed on.
fn said<'a>(answers: &'a Answers, files: Files) -> Result<Said<'a>, Given> {
    let [two, one] = files;
    let text = |file| {
        let text = answers.text_if_any(&Look::read(file));
        text.map_err(Given::Unseen)
    };
    let (file, said) = match (text(two)?, text(one)?) {
        (Some(text), None) => (two, Said::Version2(text.trim_end())),
        (None, Some(text)) => (one, Said::Version1(text.trim_end())),
        (None, None) if mounts::is_unified(answers).map_err(Given::Unseen)? => {
            return Err(Given::Other(format!("its control group has no {two}")));
        }
        (None, None) => {
            return Err(Given::Unseen(format!(
                "the container does not see {two} or {one} of its control group"
            )));
        }
        (Some(_), Some(_)) => {
            return Err(Given::Unseen(format!(
                "the container sees both {two} and {one}"
            )));
        }
    };
    if mounts::is_of_control_group(answers, file).map_err(Given::Unseen)? {
        Ok(said)
    } else {
        Err(Given::Unseen(format!("{file} is none of the kernel's")))
    }
}

fn given<T: PartialEq + Display>(planned: &T, seen: Result<T, Given>) -> Given {
    match seen {
        Ok(seen) => Given::of(planned, Ok(seen)),
        Err(given) => given,
    }
}

/// A number, or no limit.
fn number(text: &str, file: &str) -> Result<u64, Given> {
    match text {
        "max" | "-1" => Ok(u64::MAX),
        text => text.parse().map_err(|_| odd(file, text)),
    }
}

fn odd(file: &str, text: &str) -> Given {
    Given::Unseen(format!("{file} is {text:.40}"))
}

fn limit(answers: &Answers, files: Files) -> Result<u64, Given> {
    match said(answers, files)? {
        Said::Version2(text) => number(text, files[0]),
        Said::Version1(text) => number(text, files[1]),
    }
}

pub(super) fn pids(spec: &PlanSpec, answers: &Answers) -> Given {
    given(&spec.pids, limit(answers, PIDS))
}

pub(super) fn memory(spec: &PlanSpec, answers: &Answers) -> Given {
    given(&spec.memory, limit(answers, MEMORY))
}

pub(super) fn swap(spec: &PlanSpec, answers: &Answers) -> Given {
    let seen = || match said(answers, SWAP)? {
        Said::Version2(text) => {
            let memory = limit(answers, MEMORY)?;
            Ok(memory.saturating_add(number(text, SWAP[0])?))
        }
        Said::Version1(text) => number(text, SWAP[1]),
    };
    given(&spec.memory_and_swap, seen())
}

pub(super) fn cpu(spec: &PlanSpec, answers: &Answers) -> Given {
    let seen = || {
        let said = said(answers, CPU)?;
        // Only version 1 has it, but it is looked at either way.
        let period = answers.text_if_any(&Look::read(CPU_PERIOD));
        let period = period.map_err(Given::Unseen)?;
        let (quota, period) = match said {
            Said::Version2(text) => text.split_once(' ').ok_or_else(|| odd(CPU[0], text))?,
            Said::Version1(quota) => (quota, period.unwrap_or_default().trim_end()),
        };
        Ok(CpuBandwidth {
            quota_us: number(quota, CPU[0])?,
            period_us: number(period, CPU_PERIOD)?,
        })
    };
    given(&spec.cpu, seen())
}

/// Version 2 has a weight in the place of shares. Runtimes turn the one into the other by one of two formulas: a
/// straight line from 2..262144 to 1..10000, or, since runc 1.3.2 and crun 1.23, a curve through 1024 and 100.
pub(super) fn shares(spec: &PlanSpec, answers: &Answers) -> Given {
    let shares = spec.cpu_shares;
    let number = match said(answers, SHARES) {
        Ok(Said::Version2(text)) => number(text, SHARES[0]),
        Ok(Said::Version1(text)) => return given(&shares, number(text, SHARES[1])),
        Err(given) => Err(given),
    };
    match number {
        Ok(weight) if weight == line(shares) || weight == curve(shares) => {
            Given::Planned(format!("{shares} (weight {weight})"))
        }
        Ok(weight) => Given::Other(format!("weight {weight}")),
        Err(given) => given,
    }
}

fn line(shares: u64) -> u64 {
    1 + shares.saturating_sub(2) * 9999 / 262_142
}

/// 10^((l² + 125 l) / 612 − 7/34), with l the binary logarithm of the shares, rounded up.
fn curve(shares: u64) -> u64 {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "shares are at most 262144, weights at most 10000"
    )]
    let weight = {
        let l = (shares.clamp(2, 262_144) as f64).log2();
        10_f64.powf((l * l + 125.0 * l) / 612.0 - 7.0 / 34.0).ceil() as u64
    };
    weight
}
