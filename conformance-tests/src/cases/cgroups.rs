//! The control group's limits, where the container sees them.

use crate::{
    case::table,
    check::{Checked, Stop, same},
    context::Context,
    rig::{limits, request_within},
};
use clawbox_probe::{CgroupLimits, Command, Facts};

table! { "cgroups":
    #[needs(Memory)]
    memory = "the memory limit is the request's",
    #[needs(Swap)]
    no_swap = "memory and swap together are no more than memory (R04)",
    #[needs(Pids)]
    pids = "the limit of processes is the request's",
    #[needs(Cpu)]
    cpu_quota = "the CPU quota is the request's (R14)",
    #[needs(CpuShares)]
    cpu_shares = "the CPU weight is the request's",
}

/// The limits as seen by a container that asked for 48 MiB, 33 processes, half a CPU and 512 shares.
async fn seen(context: &Context) -> Checked<CgroupLimits> {
    let mut limits = limits()
        .with_pids(33)
        .with_cpu_millis(500)
        .with_cpu_shares(512);
    limits.memory_mb = 48;
    let request = request_within(&Command::Facts, limits);
    let facts: Facts = context.rig()?.run_request(request).await?.report()?;
    Ok(facts.cgroup)
}

/// The limit, where it can be seen at all.
fn visible(what: &str, value: Option<u64>) -> Checked<u64> {
    value.ok_or_else(|| Stop::Skipped(format!("the container does not see {what}")))
}

async fn memory(context: &Context) -> Checked {
    let seen = visible("its memory limit", seen(context).await?.memory)?;
    same("memory", seen, 48 << 20)
}

async fn no_swap(context: &Context) -> Checked {
    let seen = visible("its swap limit", seen(context).await?.memory_and_swap)?;
    same("memory and swap", seen, 48 << 20)
}

async fn pids(context: &Context) -> Checked {
    let seen = visible("its limit of processes", seen(context).await?.pids)?;
    same("processes", seen, 33)
}

async fn cpu_quota(context: &Context) -> Checked {
    let seen = seen(context).await?;
    let quota = visible("its CPU quota", seen.cpu_quota_us)?;
    let period = visible("its CPU period", seen.cpu_period_us)?;
    same("quota and period", [quota, period], [50_000, 100_000])
}

async fn cpu_shares(context: &Context) -> Checked {
    let seen = seen(context).await?;
    if let Some(weight) = seen.cpu_weight {
        // The conversion of the OCI runtimes: 2 to 262144 shares become 1 to 10000.
        return same("weight", weight, 1 + ((512 - 2) * 9999) / 262_142);
    }
    same("shares", visible("its CPU weight", seen.cpu_shares)?, 512)
}
