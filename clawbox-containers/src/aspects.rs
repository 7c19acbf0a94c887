//! The parts of a plan that have more than one value. A plan holds them as the policy wants them, an
//! engine reports them as they are, so each type can also say what the policy would never plan.

use clawbox_types::EnvValue;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::PathBuf,
};

/// Capabilities beyond, and taken from, an engine's default set, by their names without `CAP_`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CapabilitySets {
    /// Added; always empty in a plan.
    pub added: BTreeSet<String>,
    /// Dropped; always `ALL` in a plan.
    pub dropped: BTreeSet<String>,
}

impl fmt::Display for CapabilitySets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "dropped {}", words(&self.dropped))?;
        if !self.added.is_empty() {
            write!(f, ", added {}", words(&self.added))?;
        }
        Ok(())
    }
}

/// A system call filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seccomp {
    /// A profile: its name, and its body in the JSON form of the OCI runtime specification's engines.
    Profile {
        /// What people call it.
        name: String,
        /// What the engine is sent.
        json: String,
    },
    /// Something else, by the engine's own word for it, such as `unconfined`.
    Other(String),
}

impl fmt::Display for Seccomp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Profile { name, json } => write!(f, "profile {name} of {} bytes", json.len()),
            Self::Other(word) => write!(f, "{word:.60}"),
        }
    }
}

/// A container's network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Network {
    /// None: a namespace of its own with nothing but the loopback interface.
    None,
    /// Something else, by the engine's own word for it.
    Other(String),
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Other(word) => f.write_str(word),
        }
    }
}

/// CPU time in each period, both in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CpuBandwidth {
    /// How much time; 0 is "unlimited" at some engines and never planned.
    pub quota_us: u64,
    /// In how long a period.
    pub period_us: u64,
}

impl fmt::Display for CpuBandwidth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} µs in {} µs", self.quota_us, self.period_us)
    }
}

/// The tmpfs mounts of a container, by their paths.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tmpfs(pub BTreeMap<String, TmpfsOptions>);

/// How a tmpfs is mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TmpfsOptions {
    /// Its size, in bytes.
    pub size_bytes: u64,
    /// How many inodes it may hold.
    pub max_inodes: u64,
    /// The mode of its top directory.
    pub mode: u32,
    /// Its mount flags: always `noexec`, `nosuid`, `nodev` in a plan, and `rw`.
    pub flags: BTreeSet<String>,
}

impl fmt::Display for Tmpfs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mounts = self.0.iter().map(|(path, o)| {
            let flags: Vec<_> = o.flags.iter().map(String::as_str).collect();
            format!(
                "{path} ({}, {} bytes, {} inodes, mode {:o})",
                flags.join(","),
                o.size_bytes,
                o.max_inodes,
                o.mode
            )
        });
        f.write_str(&words(mounts))
    }
}

/// What is bound from the host.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Binds(pub BTreeSet<Bind>);

/// One path of the host's in the container.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bind {
    /// The canonical path on the host.
    pub source: PathBuf,
    /// The path in the container.
    pub target: String,
    /// Whether it cannot be written. What can be belongs, as the container sees it, to the container's user.
    pub read_only: bool,
    /// Whether nothing there can be executed.
    pub noexec: bool,
}

impl Binds {
    /// Whether anything of the host's can be written there.
    #[must_use]
    pub fn writes(&self) -> bool {
        self.0.iter().any(|bind| !bind.read_only)
    }
}

impl fmt::Display for Binds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let binds = self.0.iter().map(|bind| {
            let how = if bind.read_only { "ro" } else { "rw" };
            let exec = if bind.noexec { ",noexec" } else { "" };
            format!("{} at {} ({how}{exec})", bind.source.display(), bind.target)
        });
        f.write_str(&words(binds))
    }
}

/// Where POSIX shared memory is. A plan that has it has it among its tmpfs.
pub const SHARED_MEMORY: &str = "/dev/shm";

/// Shared memory: the IPC namespace, and what the engine mounts of its own accord.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ipc {
    /// A namespace of its own and no `/dev/shm` but a planned one.
    None,
    /// Something else, by the engine's own word for it.
    Other(String),
}

impl fmt::Display for Ipc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Other(word) => f.write_str(word),
        }
    }
}

/// Which namespaces are the container's own. What is `false` is shared with the host or another container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Namespaces {
    /// Process ids.
    pub private_pid: bool,
    /// Host name.
    pub private_uts: bool,
    /// Control groups.
    pub private_cgroup: bool,
}

impl fmt::Display for Namespaces {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mode = |private| if private { "private" } else { "shared" };
        write!(
            f,
            "pid {}, uts {}, cgroup {}",
            mode(self.private_pid),
            mode(self.private_uts),
            mode(self.private_cgroup)
        )
    }
}

/// Resource limits of each process: hard and soft alike, by their names without `RLIMIT_`, in lower case.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ulimits(pub BTreeMap<String, Ulimit>);

/// One resource limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ulimit {
    /// What a process starts with.
    pub soft: u64,
    /// What it may raise it to.
    pub hard: u64,
}

impl fmt::Display for Ulimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limits = self
            .0
            .iter()
            .map(|(name, limit)| format!("{name} {}/{}", limit.soft, limit.hard));
        f.write_str(&words(limits))
    }
}

/// Paths of the kernel's that the container does not see, or cannot write.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KernelPaths {
    /// Hidden.
    pub masked: BTreeSet<String>,
    /// Read-only.
    pub read_only: BTreeSet<String>,
}

impl fmt::Display for KernelPaths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "masked {}; read-only {}",
            words(&self.masked),
            words(&self.read_only)
        )
    }
}

/// Privilege and devices.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeviceAccess {
    /// Whether the container is privileged; never in a plan.
    pub privileged: bool,
    /// Devices beyond the usual harmless ones; none in a plan.
    pub devices: BTreeSet<String>,
}

impl fmt::Display for DeviceAccess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let privilege = if self.privileged {
            "privileged"
        } else {
            "not privileged"
        };
        write!(f, "{privilege}, devices {}", words(&self.devices))
    }
}

/// What an engine does for a container on its own: nothing, in a plan.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct EngineDuties {
    /// Published ports.
    pub published_ports: BTreeSet<String>,
    /// Whether it is started again after its end.
    pub restarts: bool,
    /// Whether the engine removes it at its end.
    pub auto_remove: bool,
}

impl fmt::Display for EngineDuties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let answer = |yes| if yes { "yes" } else { "no" };
        write!(
            f,
            "ports {}, restart {}, auto-remove {}",
            words(&self.published_ports),
            answer(self.restarts),
            answer(self.auto_remove)
        )
    }
}

/// What is executed, where, and how the engine may meddle.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CommandLine {
    /// The whole argument vector, with nothing of the image's left to add.
    pub argv: Vec<String>,
    /// The working directory.
    pub working_dir: String,
    /// The signal that asks it to end.
    pub stop_signal: String,
    /// Whether the engine runs a health check in it; never in a plan.
    pub health_check: bool,
}

impl fmt::Display for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown: String = format!("{:?}", self.argv).chars().take(160).collect();
        write!(
            f,
            "{shown} in {}, stopped by {}",
            self.working_dir, self.stop_signal
        )?;
        if self.health_check {
            f.write_str(", with a health check")?;
        }
        Ok(())
    }
}

/// The environment: a value for each variable that is set, `None` for each of the image's that is taken away.
///
/// Values may be secrets and are never printed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Environment(pub BTreeMap<String, Option<EnvValue>>);

impl Environment {
    /// Whether a process would be given the same. Some engines tell that a variable was taken away, and others only do
    /// not have it any more.
    pub(crate) fn gives_the_same(&self, other: &Self) -> bool {
        let given = |it: &Self| -> BTreeMap<String, EnvValue> {
            let variables = it.0.clone().into_iter();
            variables.filter_map(|(k, v)| Some((k, v?))).collect()
        };
        given(self) == given(other)
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.0.iter().map(|(key, value)| match value {
            Some(value) => format!("{key} ({} bytes)", value.as_str().len()),
            None => format!("no {key}"),
        });
        f.write_str(&words(names))
    }
}

/// Who is process 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Init {
    /// Ours, which tells what the kernel gives before it runs the command.
    Clawbox,
    /// The engine's own init, which forwards signals and reaps.
    Engine,
    /// The command itself.
    None,
}

impl fmt::Display for Init {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Clawbox => "clawbox-init",
            Self::Engine => "the engine's init",
            Self::None => "the command itself",
        })
    }
}

/// How much the engine's own log may take on the host. It is no more than a copy for recovery: output is
/// captured by attaching.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogBound {
    /// Bytes of all its files together; 0 is without bound and never planned.
    pub max_bytes: u64,
}

impl fmt::Display for LogBound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at most {} bytes", self.max_bytes)
    }
}

/// Whom a container asks for other names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Resolver {
    /// Nobody that the engine names: no server, domain or option of the host's.
    #[default]
    None,
    /// Something else, by the engine's own word for it.
    Other(String),
}

impl fmt::Display for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("no name server"),
            Self::Other(word) => f.write_str(word),
        }
    }
}

/// The name, the host name and the labels, and who tells other names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Name {
    /// The container's name at the engine, which is its id.
    pub name: String,
    /// The host name inside.
    pub hostname: String,
    /// Whom it asks for other names.
    pub resolver: Resolver,
    /// Our labels, those that begin with `clawbox.`; the image's are its own.
    pub labels: BTreeMap<String, String>,
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let labels = self
            .labels
            .iter()
            .map(|(key, value)| format!("{key}={value}"));
        write!(
            f,
            "{}, host name {}, {}, {}",
            self.name,
            self.hostname,
            self.resolver,
            words(labels)
        )
    }
}

/// The items with commas between them, or `none`.
fn words<S: AsRef<str>>(items: impl IntoIterator<Item = S>) -> String {
    let items: Vec<S> = items.into_iter().collect();
    if items.is_empty() {
        return "none".to_owned();
    }
    let items: Vec<&str> = items.iter().map(AsRef::as_ref).collect();
    items.join(", ")
}
