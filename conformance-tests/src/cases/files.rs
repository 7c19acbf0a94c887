//! What can be read, written and executed in the container.

use crate::{
    case::table,
    check::{Checked, Stop, ensure, errno, same},
    context::Context,
};
use clawbox_probe::{
    Attempt, Command, CopyExec, CopyExecFailure, CopyExecStep, Count, Facts, Mount,
};

table! { "files":
    root_is_read_only = "nothing of the image can be written, not even what is open to all (F01)",
    scratch_is_writable = "/tmp can be written",
    scratch_is_not_executable = "nothing that was written can be executed (E07)",
    scratch_is_mounted_safely = "/tmp is a tmpfs with noexec, nosuid, nodev",
    scratch_of_the_operator = "a tmpfs that the operator added is there, safely mounted",
    nothing_else_is_writable = "every other mount is read-only or the kernel's own (F02)",
    no_shared_memory = "there is no shared memory to write (R08)",
    control_groups = "the control groups cannot be written (F04)",
    own_control_group = "a process sees its control group as the root of all, and not where the engine put it (F07)",
    devices_cannot_be_added = "/dev cannot be written, and has no device of the host's (E08)",
    kernel_settings = "the kernel's settings cannot be written (F03)",
    kernel_secrets = "what tells of the host is masked (F05)",
}

async fn writing(context: &Context, path: &str) -> Checked<Option<String>> {
    let write = Command::Write {
        path: path.to_owned(),
    };
    let attempt: Attempt = context.rig()?.report(&write).await?;
    Ok(attempt.errno)
}

async fn mounts(context: &Context) -> Checked<Vec<Mount>> {
    let facts: Facts = context.rig()?.report(&Command::Facts).await?;
    Ok(facts.mounts)
}

/// The mount that is seen at a path: the last one there.
pub(super) fn at<'a>(mounts: &'a [Mount], target: &str) -> Checked<&'a Mount> {
    let found = mounts.iter().rev().find(|mount| mount.target == target);
    found.ok_or_else(|| Stop::Failed(format!("nothing is mounted at {target}")))
}

pub(super) fn has(mount: &Mount, options: &[&str]) -> Checked {
    for option in options {
        ensure!(
            mount.options.iter().any(|o| o == option),
            "not {option}: {mount:?}"
        );
    }
    Ok(())
}

async fn root_is_read_only(context: &Context) -> Checked {
    for path in ["/x", "/data/x", "/bin/evil"] {
        errno(path, writing(context, path).await?.as_deref(), &["EROFS"])?;
    }
    let accepted = ["EROFS", "EACCES"];
    errno(
        "/etc/passwd",
        writing(context, "/etc/passwd").await?.as_deref(),
        &accepted,
    )?;
    has(at(&mounts(context).await?, "/")?, &["ro"])
}

async fn scratch_is_writable(context: &Context) -> Checked {
    same("/tmp/x", writing(context, "/tmp/x").await?, None)
}

async fn scratch_is_not_executable(context: &Context) -> Checked {
    let copy = Command::CopyExec {
        path: "/tmp/copy".to_owned(),
    };
    let report: CopyExec = context.rig()?.report(&copy).await?;
    let refused = CopyExecFailure {
        step: CopyExecStep::Exec,
        errno: "EACCES".to_owned(),
    };
    same("running a copy", report.failed, Some(refused))
}

async fn scratch_is_mounted_safely(context: &Context) -> Checked {
    let mounts = mounts(context).await?;
    let tmp = at(&mounts, "/tmp")?;
    same("file system", tmp.fstype.as_str(), "tmpfs")?;
    has(tmp, &["rw", "noexec", "nosuid", "nodev"])
}

async fn scratch_of_the_operator(context: &Context) -> Checked {
    let rig = context.rig_with(|setup| setup.security.tmpfs.push("/data:size=1m".to_owned()))?;
    let facts: Facts = rig.report(&Command::Facts).await?;
    let data = at(&facts.mounts, "/data")?;
    same("file system", data.fstype.as_str(), "tmpfs")?;
    has(data, &["rw", "noexec", "nosuid", "nodev"])?;
    let write = Command::Write {
        path: "/data/x".to_owned(),
    };
    same("/data/x", rig.report::<Attempt>(&write).await?.errno, None)
}

async fn nothing_else_is_writable(context: &Context) -> Checked {
    let kernels = |target: &str| {
        ["/proc", "/dev", "/sys/fs/cgroup"].iter().any(|top| {
            target
                .strip_prefix(top)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    };
    for mount in mounts(context).await? {
        let written = mount.options.iter().any(|option| option == "rw");
        let known = mount.target == "/tmp" || kernels(&mount.target);
        ensure!(!written || known, "writable: {mount:?}");
    }
    Ok(())
}

async fn no_shared_memory(context: &Context) -> Checked {
    let denied = ["ENOENT", "EROFS", "EACCES"];
    for path in ["/dev/shm/x", "/dev/mqueue/x"] {
        errno(path, writing(context, path).await?.as_deref(), &denied)?;
    }
    Ok(())
}

async fn control_groups(context: &Context) -> Checked {
    let mounts = mounts(context).await?;
    let group = at(&mounts, "/sys/fs/cgroup")?;
    let mut paths = vec![
        "/sys/fs/cgroup/memory/cgroup.procs",
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/release_agent",
    ];
    if group.fstype == "tmpfs" && group.options.iter().any(|option| option == "rw") {
        // The directory of version 1's controllers is no control group, and crun lets everybody write to it.
        has(group, &["noexec", "nosuid", "nodev"])?;
    } else {
        paths.extend([
            "/sys/fs/cgroup/x",
            "/sys/fs/cgroup/cgroup.procs",
            "/sys/fs/cgroup/memory.max",
        ]);
    }
    for path in paths {
        let tried = writing(context, path).await?;
        errno(path, tried.as_deref(), &["ENOENT", "EROFS", "EACCES"])?;
    }
    Ok(())
}

async fn own_control_group(context: &Context) -> Checked {
    let facts: Facts = context.rig()?.report(&Command::Facts).await?;
    ensure!(!facts.cgroup_paths.is_empty(), "it is in no control group");
    let told = facts.cgroup_paths.iter().find(|path| *path != "/");
    same("a path of the engine's", told, None)
}

async fn devices_cannot_be_added(context: &Context) -> Checked {
    errno(
        "/dev/x",
        writing(context, "/dev/x").await?.as_deref(),
        &["EACCES", "EROFS"],
    )?;
    for path in [
        "/dev/mem",
        "/dev/kmsg",
        "/dev/fuse",
        "/dev/kvm",
        "/dev/net/tun",
    ] {
        let read = Command::Read {
            path: path.to_owned(),
        };
        let count: Count = context.rig()?.report(&read).await?;
        errno(path, count.errno.as_deref(), &["ENOENT", "EACCES", "EPERM"])?;
    }
    Ok(())
}

async fn kernel_settings(context: &Context) -> Checked {
    let denied = ["EROFS", "EACCES", "EPERM", "ENOENT"];
    for path in [
        "/proc/sysrq-trigger",
        "/proc/sys/kernel/core_pattern",
        "/proc/sys/kernel/hostname",
        "/sys/kernel/uevent_helper",
    ] {
        errno(path, writing(context, path).await?.as_deref(), &denied)?;
    }
    let mounts = mounts(context).await?;
    for target in ["/proc/sys", "/sys"] {
        has(at(&mounts, target)?, &["ro"])?;
    }
    Ok(())
}

async fn kernel_secrets(context: &Context) -> Checked {
    let mounts = mounts(context).await?;
    // Two that everybody may read where they are not masked.
    for path in ["/proc/interrupts", "/proc/keys"] {
        at(&mounts, path)?;
        let read = Command::Read {
            path: path.to_owned(),
        };
        let count: Count = context.rig()?.report(&read).await?;
        same(
            path,
            count,
            Count {
                count: 0,
                errno: None,
            },
        )?;
    }
    // Others that are root's, and that not every kernel has.
    for path in ["/proc/kcore", "/proc/timer_list", "/proc/sched_debug"] {
        let read = Command::Read {
            path: path.to_owned(),
        };
        let count: Count = context.rig()?.report(&read).await?;
        same(path, count.count, 0)?;
    }
    at(&mounts, "/sys/firmware").map(drop)
}
