//! What the operator sets.

use crate::{Clock, seccomp::SeccompProfileName};
use clawbox_types::{DEFAULT_AGENT_IMAGE, DEFAULT_ALLOWED_IMAGES, PolicyItem, PullPolicy};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, path::PathBuf, time::Duration};

/// The operator's security policy, as written; a request can only narrow it.
///
/// [`SecurityPolicy::new`](crate::policy::SecurityPolicy::new) checks it. What is always in force has no
/// field here: no capability, no new privileges, a read-only root, no network, a seccomp profile, no
/// devices, private namespaces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct ContainerSecurityConfig {
    /// `uid:gid` of every process. `1000:1000` by default; neither may be 0.
    pub user: String,
    /// Which images may run ([`ImageRule`](clawbox_types::ImageRule)). An empty list allows none.
    pub allowed_images: Vec<String>,
    /// The image of a request that names none.
    pub default_image: String,
    /// When images are fetched.
    pub pull: PullPolicy,
    /// The most processes and threads of a container. 256 by default.
    pub pids: u64,
    /// The most memory that a request may ask for, in MiB. 8192 by default.
    pub max_memory_mb: u64,
    /// The most CPU time, in thousandths of a CPU; also what a request gets that names none. 1000 by default.
    pub cpu_millis: u64,
    /// The highest CPU weight that a request may ask for. 1024 by default.
    pub max_cpu_shares: u64,
    /// The longest time that a request may ask for, in milliseconds. 24 hours by default.
    pub max_timeout_ms: u64,
    /// The most bytes of each output stream that a request may ask to keep. 16 MiB by default.
    pub max_output_bytes: u64,
    /// Writable scratch space ([`TmpfsMount`](clawbox_types::TmpfsMount)). All of it together may take half
    /// of a container's memory. `/tmp` by default.
    pub tmpfs: Vec<String>,
    /// Below which directories of the host's a request's workspaces must be, by their canonical paths. Empty by default:
    /// none may be had. Under rootless Podman a container that can write to one runs as the engine's own user on the host
    /// (`keep-id`), and an escape from it has that user's files; all others have subordinate ids.
    pub workspace_roots: Vec<PathBuf>,
    /// Whether nothing in a workspace can be executed. Off by default; Docker cannot do it.
    pub workspace_noexec: bool,
    /// How many files a process may hold open. 1024 by default.
    pub open_files: u64,
    /// How large a file a process may write, in bytes. 1 GiB by default.
    pub max_file_bytes: u64,
    /// The system call filter. `strict` by default.
    pub seccomp_profile: SeccompProfileName,
    /// Who is process 1. `clawbox` by default.
    pub init: InitProgram,
    /// Whether an image is refused that asks for what it does not get: a volume, a reserved variable, a health check,
    /// another stop signal, labels of clawbox's. Each is overridden or left out otherwise. `false` by default.
    pub strict_images: bool,
    /// The items that may fail to be enforced on this host. Empty by default: all must hold.
    pub allow_degraded: BTreeSet<PolicyItem>,
}

/// Who is process 1 in every container.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum InitProgram {
    /// `clawbox-init`, which tells what the kernel gives before the command runs.
    #[default]
    Clawbox,
    /// The engine's own init: for engines that share no files with this process. What only the kernel can tell stays
    /// unproven, the engine's records hold the token, and nothing more can be run in the container.
    Engine,
}

impl ContainerSecurityConfig {
    /// The default policy.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets which images may run.
    #[must_use]
    pub fn with_allowed_images<S: Into<String>>(
        mut self,
        rules: impl IntoIterator<Item = S>,
    ) -> Self {
        self.allowed_images = rules.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the image of a request that names none.
    #[must_use]
    pub fn with_default_image(mut self, image: impl Into<String>) -> Self {
        self.default_image = image.into();
        self
    }

    /// Sets when images are fetched.
    #[must_use]
    pub const fn with_pull(mut self, pull: PullPolicy) -> Self {
        self.pull = pull;
        self
    }

    /// Sets below which directories workspaces may be.
    #[must_use]
    pub fn with_workspace_roots<P: Into<PathBuf>>(
        mut self,
        roots: impl IntoIterator<Item = P>,
    ) -> Self {
        self.workspace_roots = roots.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the system call filter.
    #[must_use]
    pub const fn with_seccomp_profile(mut self, profile: SeccompProfileName) -> Self {
        self.seccomp_profile = profile;
        self
    }

    /// Sets who is process 1.
    #[must_use]
    pub const fn with_init(mut self, init: InitProgram) -> Self {
        self.init = init;
        self
    }

    /// Sets whether an image is refused that asks for what it does not get.
    #[must_use]
    pub const fn with_strict_images(mut self, strict: bool) -> Self {
        self.strict_images = strict;
        self
    }

    /// Lets `item` fail to be enforced.
    #[must_use]
    pub fn with_degraded(mut self, item: PolicyItem) -> Self {
        self.allow_degraded.insert(item);
        self
    }
}

impl Default for ContainerSecurityConfig {
    fn default() -> Self {
        Self {
            user: "1000:1000".to_owned(),
            allowed_images: DEFAULT_ALLOWED_IMAGES.map(str::to_owned).to_vec(),
            default_image: DEFAULT_AGENT_IMAGE.to_owned(),
            pull: PullPolicy::default(),
            pids: 256,
            max_memory_mb: 8192,
            cpu_millis: 1000,
            max_cpu_shares: 1024,
            max_timeout_ms: 24 * 60 * 60 * 1000,
            max_output_bytes: 16 << 20,
            tmpfs: vec!["/tmp".to_owned()],
            workspace_roots: Vec::new(),
            workspace_noexec: false,
            open_files: 1024,
            max_file_bytes: 1 << 30,
            seccomp_profile: SeccompProfileName::default(),
            init: InitProgram::default(),
            strict_images: false,
            allow_degraded: BTreeSet::new(),
        }
    }
}

/// How a manager runs, apart from security.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ManagerConfig {
    /// How many containers may exist at once, ended ones that are not cleaned up included. 64 by default.
    pub max_containers: usize,
    /// How long a command has between `SIGTERM` and `SIGKILL`. Two seconds by default; at a deadline it is
    /// inside the limit, and at most a tenth of it.
    pub stop_grace: Duration,
    /// How long each call to the engine may take.
    pub timeouts: EngineTimeouts,
    /// How often the reaper looks for orphans. 60 seconds by default.
    pub reap_interval: Duration,
    /// Where the manager keeps its ownership lease, and process 1's program and sockets: a directory that only this
    /// user may enter. `None`: nothing is kept on the host, other processes cannot tell whether this one lives, and
    /// process 1 is the engine's or talks in memory.
    pub state_dir: Option<PathBuf>,
    /// Where the time of day comes from: the host's wall clock by default.
    pub clock: Clock,
    /// By which name a later manager with the same `state_dir` knows that this one's containers are its own. Several
    /// managers may have the same at a time. `None` by default.
    pub owner_name: Option<String>,
    /// What this manager takes over of what dead ones have left at the same engine. Its namesakes' by default.
    pub adopt: Adopt,
}

/// Whose containers a manager adopts, once their own manager is dead: by
/// [`adopt_orphans`](crate::ContainerBackend::adopt_orphans), which its reaper does too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Adopt {
    /// Those of managers with the same `owner_name`; without a name, none.
    #[default]
    Namesakes,
    /// Those of every manager of this user's with the same `state_dir`.
    Orphans,
}

impl ManagerConfig {
    /// Sets how many containers may exist at once.
    #[must_use]
    pub const fn with_max_containers(mut self, max: usize) -> Self {
        self.max_containers = max;
        self
    }

    /// Sets the time between `SIGTERM` and `SIGKILL`.
    #[must_use]
    pub const fn with_stop_grace(mut self, grace: Duration) -> Self {
        self.stop_grace = grace;
        self
    }

    /// Sets how long each call to the engine may take.
    #[must_use]
    pub const fn with_timeouts(mut self, timeouts: EngineTimeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// Sets where the ownership lease is kept.
    #[must_use]
    pub fn with_state_dir(mut self, dir: Option<PathBuf>) -> Self {
        self.state_dir = dir;
        self
    }

    /// Sets by which name a later manager adopts this one's containers, and this one those of earlier ones.
    #[must_use]
    pub fn with_owner_name(mut self, name: impl Into<String>) -> Self {
        self.owner_name = Some(name.into());
        self
    }

    /// Sets whose containers are adopted.
    #[must_use]
    pub const fn with_adopt(mut self, adopt: Adopt) -> Self {
        self.adopt = adopt;
        self
    }

    /// Sets where the time of day comes from.
    #[must_use]
    pub const fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }
}

impl Default for ManagerConfig {
    fn default() -> Self {
        Self {
            max_containers: 64,
            stop_grace: Duration::from_secs(2),
            timeouts: EngineTimeouts::default(),
            reap_interval: Duration::from_secs(60),
            state_dir: Some(default_state_dir()),
            clock: Clock::default(),
            owner_name: None,
            adopt: Adopt::default(),
        }
    }
}

/// How long each kind of engine call may take before it is an `EngineTimeout`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct EngineTimeouts {
    /// Questions: probe, inspect, list. 10 seconds.
    pub query: Duration,
    /// Changes: create, attach, start, kill, remove. 60 seconds.
    pub change: Duration,
    /// Looking for and fetching an image. 15 minutes.
    pub image: Duration,
}

impl EngineTimeouts {
    /// The same bound for every call.
    #[must_use]
    pub const fn all(bound: Duration) -> Self {
        Self {
            query: bound,
            change: bound,
            image: bound,
        }
    }
}

impl Default for EngineTimeouts {
    fn default() -> Self {
        Self {
            query: Duration::from_secs(10),
            change: Duration::from_secs(60),
            image: Duration::from_secs(15 * 60),
        }
    }
}

/// `clawbox` below the user's runtime directory, or below `/tmp` with the user's number where there is none.
fn default_state_dir() -> PathBuf {
    match std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from) {
        Some(dir) if dir.is_absolute() => dir.join("clawbox"),
        _ => std::env::temp_dir().join(format!("clawbox-{}", rustix::process::getuid().as_raw())),
    }
}
