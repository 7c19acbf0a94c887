//! What happens at a limit.

use crate::{
    case::table,
    check::{Checked, Stop, ensure, errno, same},
    context::Context,
    rig::{limits, request_within},
};
use clawbox_probe::{Command, Count, Facts, Limit};
use clawbox_types::ContainerStatus;

const MIB: u64 = 1 << 20;

table! { "limits":
    #[needs(Memory, Swap)]
    memory = "a command that takes more memory than it has is killed, and the report says why (R02)",
    memory_within = "a command that takes less than its limit runs",
    #[needs(Pids)]
    processes = "no more processes than the limit, and EAGAIN beyond (R01)",
    scratch_bytes = "a full tmpfs is ENOSPC at its size (R05)",
    scratch_files = "a tmpfs without inodes is ENOSPC (R07)",
    scratch_within_memory = "filling all of the scratch space does not kill the command (R06)",
    #[needs(Memory, Swap)]
    locked_memory = "memory that is locked counts as any other (R19)",
    orphans = "process 1 waits for those that have lost their parents: 30 leave nothing (R12)",
    open_files = "no more open files than the limit (R11)",
    file_size = "no file larger than the limit (R17)",
    no_core_dump = "no core dump, and no way to ask for one (R13)",
}

async fn memory(context: &Context) -> Checked {
    let mut limits = limits();
    limits.memory_mb = 32;
    let rig = context.rig()?;
    // An engine may miss the kernel's notice and say that it does not know; it does not miss five.
    for _ in 0..5 {
        let alloc = request_within(&Command::Alloc { mebibytes: 256 }, limits.clone());
        let ran = rig.run_request(alloc).await?;
        same("exit code", ran.exit.exit_code, Some(137))?;
        same("status", ran.exit.status, ContainerStatus::Failed)?;
        same("stdout", ran.output.stdout.text(), "")?;
        ensure!(
            ran.exit.oom_killed != Some(false),
            "reported as no lack of memory: {:?}",
            ran.exit
        );
        if ran.exit.oom_killed == Some(true) {
            return Ok(());
        }
    }
    Err(Stop::Failed("lack of memory is never reported".to_owned()))
}

async fn memory_within(context: &Context) -> Checked {
    let ran = context
        .rig()?
        .run(&Command::Alloc { mebibytes: 24 })
        .await?;
    same("exit code", ran.exit.exit_code, Some(0))?;
    same("lack of memory", ran.exit.oom_killed, Some(false))?;
    same("stdout", ran.output.stdout.text(), "allocated\n")
}

async fn processes(context: &Context) -> Checked {
    let fork = request_within(&Command::Fork { max: 64 }, limits().with_pids(16));
    let count: Count = context.rig()?.run_request(fork).await?.report()?;
    errno("one too many", count.errno.as_deref(), &["EAGAIN"])?;
    // Beside the children there are the probe, process 1 and, at times, the runtime's last.
    ensure!(
        (12..=15).contains(&count.count),
        "{} children of 16 processes",
        count.count
    );
    Ok(())
}

async fn scratch_bytes(context: &Context) -> Checked {
    let rig = context.rig_with(|setup| setup.security.tmpfs = vec!["/tmp:size=1m".to_owned()])?;
    let fill = Command::Fill {
        path: "/tmp/f".to_owned(),
        max_bytes: 4 * MIB,
    };
    let count: Count = rig.report(&fill).await?;
    same(
        "written",
        count,
        Count {
            count: MIB,
            errno: Some("ENOSPC".to_owned()),
        },
    )
}

async fn scratch_files(context: &Context) -> Checked {
    let rig = context.rig_with(|setup| {
        setup.security.tmpfs = vec!["/tmp:size=1m,nr_inodes=64".to_owned()];
    })?;
    let files = Command::Files {
        dir: "/tmp".to_owned(),
        max: 200,
    };
    let count: Count = rig.report(&files).await?;
    errno("one too many", count.errno.as_deref(), &["ENOSPC"])?;
    // The top directory takes one.
    ensure!(
        (60..64).contains(&count.count),
        "{} files of 64 inodes",
        count.count
    );
    Ok(())
}

async fn scratch_within_memory(context: &Context) -> Checked {
    let fill = Command::Fill {
        path: "/tmp/f".to_owned(),
        max_bytes: 512 * MIB,
    };
    let ran = context.rig()?.run(&fill).await?;
    same("lack of memory", ran.exit.oom_killed, Some(false))?;
    let count: Count = ran.report()?;
    same(
        "written",
        count,
        Count {
            count: 32 * MIB,
            errno: Some("ENOSPC".to_owned()),
        },
    )
}

async fn locked_memory(context: &Context) -> Checked {
    let mut limits = limits();
    limits.memory_mb = 32;
    let lock = request_within(&Command::Lock { mebibytes: 256 }, limits);
    let ran = context.rig()?.run_request(lock).await?;
    if ran.exit.exit_code == Some(137) {
        return Ok(());
    }
    let count: Count = ran.report()?;
    errno(
        "more",
        count.errno.as_deref(),
        &["ENOMEM", "EPERM", "EAGAIN"],
    )?;
    ensure!(count.count <= 32, "{} MiB locked of 32", count.count);
    Ok(())
}

async fn orphans(context: &Context) -> Checked {
    let left: Count = context
        .rig()?
        .report(&Command::Orphan { count: 30 })
        .await?;
    same("processes left", left.count, 0)
}

async fn open_files(context: &Context) -> Checked {
    let rig = context.rig_with(|setup| setup.security.open_files = 64)?;
    let count: Count = rig.report(&Command::Open { max: 1000 }).await?;
    errno("one too many", count.errno.as_deref(), &["EMFILE"])?;
    ensure!(
        (50..64).contains(&count.count),
        "{} more files of 64",
        count.count
    );
    let facts: Facts = rig.report(&Command::Facts).await?;
    same("RLIMIT_NOFILE", facts.nofile, Limit { soft: 64, hard: 64 })
}

async fn file_size(context: &Context) -> Checked {
    let rig = context.rig_with(|setup| setup.security.max_file_bytes = MIB)?;
    let fill = Command::Fill {
        path: "/tmp/f".to_owned(),
        max_bytes: 4 * MIB,
    };
    let count: Count = rig.report(&fill).await?;
    same(
        "written",
        count,
        Count {
            count: MIB,
            errno: Some("EFBIG".to_owned()),
        },
    )?;
    let facts: Facts = rig.report(&Command::Facts).await?;
    same(
        "RLIMIT_FSIZE",
        facts.fsize,
        Limit {
            soft: MIB,
            hard: MIB,
        },
    )
}

async fn no_core_dump(context: &Context) -> Checked {
    let facts: Facts = context.rig()?.report(&Command::Facts).await?;
    same("RLIMIT_CORE", facts.core, Limit { soft: 0, hard: 0 })
}
