//! What the probe answers: one line of JSON, of the type that the command names.
//!
//! An errno is always its name, such as `EROFS`, or `E` and the number where the name is not known.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Whether one thing could be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// Why not; `None` when it was done.
    pub errno: Option<String>,
}

/// How far something could be repeated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Count {
    /// How often, or how many bytes.
    pub count: u64,
    /// What ended it; `None` when it came to the number asked for, or to the end of the file.
    pub errno: Option<String>,
}

/// What a unix socket answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// Everything read, at most 64 KiB, with what is no UTF-8 replaced; `None` on an error.
    pub reply: Option<String>,
    /// What failed; EAGAIN when nothing came for ten seconds.
    pub errno: Option<String>,
}

/// Whether the probe could run a copy of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyExec {
    /// What stopped it; `None` when the copy ran.
    pub failed: Option<CopyExecFailure>,
}

/// What stopped a [`CopyExec`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyExecFailure {
    /// The step that failed.
    pub step: CopyExecStep,
    /// Its errno; for a copy that ran and did not exit 0, its exit status in words.
    pub errno: String,
}

/// The steps of a [`CopyExec`], in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CopyExecStep {
    /// Reading its own executable.
    Read,
    /// Writing the copy.
    Write,
    /// Making the copy executable.
    Chmod,
    /// Running it.
    Exec,
}

/// What came of each attempt that a sandbox must refuse, by the attempt's name: `ok`, the errno's
/// name, or `killed:` and the signal's name.
///
/// The arguments are such that an attempt does no harm where it is allowed, so "allowed" can also
/// show as an errno about them (EFAULT, EINVAL, EBADF, ENODEV, ENOEXEC, ESTALE). EPERM, EACCES,
/// ENOSYS and EAFNOSUPPORT are refusals.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Syscalls(pub BTreeMap<String, String>);

/// What a process in the container sees of itself and its surroundings.
///
/// Sources are files below `/proc/self` unless another is named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Real user id.
    pub uid: u32,
    /// Effective user id.
    pub euid: u32,
    /// Real group id.
    pub gid: u32,
    /// Effective group id.
    pub egid: u32,
    /// Supplementary groups.
    pub groups: Vec<u32>,
    /// Its process id.
    pub pid: u32,
    /// Its parent's process id.
    pub ppid: u32,
    /// The host name.
    pub hostname: String,
    /// The working directory.
    pub cwd: String,
    /// The whole argument vector.
    pub argv: Vec<String>,
    /// The whole environment.
    pub env: BTreeMap<String, String>,
    /// Inheritable capabilities, as a bit mask.
    pub cap_inh: u64,
    /// Permitted capabilities.
    pub cap_prm: u64,
    /// Effective capabilities.
    pub cap_eff: u64,
    /// The capability bounding set.
    pub cap_bnd: u64,
    /// Ambient capabilities.
    pub cap_amb: u64,
    /// Whether no-new-privileges is set.
    pub no_new_privs: bool,
    /// Seccomp mode: 0 none, 1 strict, 2 filter.
    pub seccomp: u32,
    /// Names of the network interfaces.
    pub interfaces: Vec<String>,
    /// The name servers of `/etc/resolv.conf`; none where there is no such file.
    pub name_servers: Vec<String>,
    /// Every mount, in the kernel's order.
    pub mounts: Vec<Mount>,
    /// RLIMIT_NOFILE.
    pub nofile: Limit,
    /// RLIMIT_CORE, in bytes.
    pub core: Limit,
    /// RLIMIT_FSIZE, in bytes.
    pub fsize: Limit,
    /// The paths of its control groups, from `/proc/self/cgroup`.
    pub cgroup_paths: Vec<String>,
    /// The limits of its control group.
    pub cgroup: CgroupLimits,
    /// How willingly the kernel kills it for memory, -1000 to 1000.
    pub oom_score_adj: i32,
    /// What standard input is.
    pub stdin: Stdin,
    /// Every open descriptor.
    pub descriptors: Vec<Descriptor>,
}

/// One line of `/proc/self/mountinfo`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// Where it is mounted.
    pub target: String,
    /// The filesystem type.
    pub fstype: String,
    /// Options of this mount, such as `ro` or `nosuid`.
    pub options: Vec<String>,
    /// Options of the filesystem behind it, such as `size=16384k`.
    pub super_options: Vec<String>,
}

/// A soft and a hard resource limit; `u64::MAX` is unlimited.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// The limit in force.
    pub soft: u64,
    /// What the process may raise it to.
    pub hard: u64,
}

/// Control group limits below `/sys/fs/cgroup`, of either version.
///
/// `None` means that the container cannot see it, `u64::MAX` that it is unlimited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CgroupLimits {
    /// Memory, in bytes.
    pub memory: Option<u64>,
    /// Memory and swap together, in bytes.
    pub memory_and_swap: Option<u64>,
    /// Number of tasks.
    pub pids: Option<u64>,
    /// CPU time per period, in microseconds.
    pub cpu_quota_us: Option<u64>,
    /// The period, in microseconds.
    pub cpu_period_us: Option<u64>,
    /// Relative CPU share, version 1 only (1024 is the kernel's default).
    pub cpu_shares: Option<u64>,
    /// Relative CPU weight, version 2 only (100 is the kernel's default).
    pub cpu_weight: Option<u64>,
}

/// What kind of file standard input is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stdin {
    /// `/dev/null`, also where standard input was closed.
    Null,
    /// A pipe.
    Pipe,
    /// A socket.
    Socket,
    /// A terminal.
    Terminal,
    /// Anything else.
    Other,
}

/// An open descriptor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Descriptor {
    /// Its number.
    pub fd: u32,
    /// What it refers to, as `/proc/self/fd` names it.
    pub target: String,
}
