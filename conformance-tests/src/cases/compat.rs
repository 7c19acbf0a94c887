//! The other system call filters that an operator may choose: what each gives or takes, and that the rest is strict.

use super::{
    files::{at, has},
    syscalls,
};
use crate::{
    case::table,
    check::{Checked, same},
    context::Context,
    rig::Rig,
};
use clawbox_containers::seccomp::SeccompProfileName;
use clawbox_probe::{Command, CopyExec, CopyExecFailure, CopyExecStep, Count, Facts};

const MIB: u64 = 1 << 20;

table! { "compat":
    segments = "under compat a segment can be made, and all else is refused as ever (R08)",
    shared_memory = "under compat /dev/shm is there, as bounded and as safely mounted as other scratch space (R08)",
    no_memory_files = "under no_memfd there is no file in memory to execute (E18)",
}

fn under(context: &Context, profile: SeccompProfileName) -> Checked<Rig> {
    context.rig_with(|setup| setup.security.seccomp_profile = profile)
}

async fn segments(context: &Context) -> Checked {
    let rig = under(context, SeccompProfileName::Compat)?;
    // A set of no semaphores is what the kernel itself refuses.
    syscalls::strict_but_for(&rig, &[("shmget", "ok"), ("semget", "EINVAL")]).await
}

async fn no_memory_files(context: &Context) -> Checked {
    let rig = under(context, SeccompProfileName::NoMemfd)?;
    let none = ["memfd_create", "memfd_exec"].map(|name| (name, "ENOSYS"));
    syscalls::strict_but_for(&rig, &none).await
}

/// Of a container's 64 MiB half are scratch space, and half of those are `/tmp`'s.
async fn shared_memory(context: &Context) -> Checked {
    let rig = under(context, SeccompProfileName::Compat)?;
    let facts: Facts = rig.report(&Command::Facts).await?;
    let shm = at(&facts.mounts, "/dev/shm")?;
    same("file system", shm.fstype.as_str(), "tmpfs")?;
    has(shm, &["rw", "noexec", "nosuid", "nodev"])?;

    let full = |count| Count {
        count,
        errno: Some("ENOSPC".to_owned()),
    };
    let fill = Command::Fill {
        path: "/dev/shm/f".to_owned(),
        max_bytes: 32 * MIB,
    };
    same("written", rig.report::<Count>(&fill).await?, full(16 * MIB))?;
    let files = Command::Files {
        dir: "/dev/shm".to_owned(),
        max: 2048,
    };
    same("files", rig.report::<Count>(&files).await?, full(1023))?;
    let copy = Command::CopyExec {
        path: "/dev/shm/copy".to_owned(),
    };
    let refused = CopyExecFailure {
        step: CopyExecStep::Exec,
        errno: "EACCES".to_owned(),
    };
    let copied: CopyExec = rig.report(&copy).await?;
    same("running a copy", copied.failed, Some(refused))
}
