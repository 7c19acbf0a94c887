//! What the options of `run` and `shell` make of a sandbox.

use super::{engine, hints, pull::Pull, values};
use clap::ValueEnum;
use clawbox::{
    Capabilities, Config, ConnectOptions, ContainerResult, ContainerSecurityConfig,
    ContainerSpawnRequest, ImageRule, InitProgram, PolicyItem, PullPolicy, ResourceLimits,
    containers::seccomp::SeccompProfileName,
    types::{
        CpuQuota, DEFAULT_AGENT_IMAGE, MemoryLimit, OutputLimit, PidsLimit, Timeout, Workspace,
    },
};
use std::{collections::BTreeMap, os::unix::fs::MetadataExt, path::PathBuf, sync::Arc};

/// What a sandbox is to be, whatever runs in it.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(crate) struct Options {
    #[command(flatten)]
    pub(super) engine: engine::Options,
    #[arg(long, value_name = "REF", help = format!("The image [default: {DEFAULT_AGENT_IMAGE}]"))]
    image: Option<String>,
    /// Allow one more image, or a path that ends in / (repeatable)
    #[arg(long, value_name = "RULE")]
    allow_image: Vec<ImageRule>,
    /// Memory, such as 64m or 1g [default: 512m]
    #[arg(long, value_name = "SIZE", value_parser = values::memory, allow_negative_numbers = true)]
    memory: Option<MemoryLimit>,
    /// CPU time, such as 0.5 [default: 1]
    #[arg(long, value_name = "N", value_parser = values::cpus, allow_negative_numbers = true)]
    cpus: Option<CpuQuota>,
    /// Processes and threads at once [default: 256]
    #[arg(long, value_name = "N", value_parser = values::pids, allow_negative_numbers = true)]
    pids: Option<PidsLimit>,
    /// How long it may run, such as 500ms, 2s or 1h [default: 2m]
    #[arg(long, value_name = "DURATION", value_parser = values::timeout, allow_negative_numbers = true)]
    timeout: Option<Timeout>,
    /// How much of each output stream is shown [default: 256k]
    #[arg(long, value_name = "SIZE", value_parser = values::output, allow_negative_numbers = true)]
    max_output: Option<OutputLimit>,
    /// Set an environment variable (repeatable)
    #[arg(short, long = "env", value_name = "KEY=VALUE", value_parser = values::variable)]
    env: Vec<(String, String)>,
    /// Process 1: clawbox or engine [default: clawbox]
    ///
    /// With `engine` the kernel is not asked, the engine's records also keep the environment and the token, no command
    /// can be added, and only a live clawbox holds the deadline.
    #[arg(long, value_enum, value_name = "PROGRAM", hide_possible_values = true)]
    init: Option<Init>,
    /// System call filter: strict, compat or no-memfd [default: strict]
    ///
    /// `compat` is strict with shared memory: System V segments and semaphores, and /dev/shm. `no-memfd` is strict
    /// without memfd_create, so that nothing can be executed but what the image has.
    #[arg(long, value_enum, value_name = "FILTER", hide_possible_values = true)]
    profile: Option<Profile>,
    /// Run it in this directory, at /workspace; `:ro` keeps it as it is
    ///
    /// What is written there is its owner's, as whom the command runs.
    #[arg(long, value_name = "DIR[:ro]", value_parser = values::workspace)]
    workspace: Option<Workspace>,
    /// The socket of its proxy, DIRECTORY/proxy.sock
    #[arg(long, value_name = "PATH")]
    proxy_socket: Option<PathBuf>,
    /// Run it even where this policy item does not hold (repeatable)
    ///
    /// `memory` stands for `swap` too, and `cpu` for `cpu_shares`, as a host has both or none.
    #[arg(long, value_name = "ITEM")]
    allow_degraded: Vec<PolicyItem>,
    /// Fetch the image: never, if-missing or always [default: if-missing]
    #[arg(long, value_enum, value_name = "WHEN", hide_possible_values = true)]
    pull: Option<Pulling>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Pulling {
    Never,
    IfMissing,
    Always,
}

/// Who is process 1.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Init {
    /// clawbox-init
    Clawbox,
    /// The engine's own
    Engine,
}

/// The system call filter.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Profile {
    /// What agents need
    Strict,
    /// With System V segments and semaphores, and /dev/shm
    Compat,
    /// Without memfd_create
    NoMemfd,
}

impl Options {
    pub(super) fn image<'a>(&'a self, config: &'a Config) -> &'a str {
        let configured = config.security.as_ref().map(|it| it.default_image.as_str());
        let image = self.image.as_deref().or(configured);
        image.unwrap_or(DEFAULT_AGENT_IMAGE)
    }

    /// What the options say, or else the file.
    fn limits(&self, config: &Config) -> ResourceLimits {
        let mut limits = config.limits.clone();
        let set = |limit: &mut u64, option: Option<u64>| *limit = option.unwrap_or(*limit);
        set(&mut limits.timeout_ms, self.timeout.map(Into::into));
        set(&mut limits.memory_mb, self.memory.map(Into::into));
        set(
            &mut limits.max_output_bytes,
            self.max_output.map(Into::into),
        );
        limits.cpu_millis = self.cpus.map(Into::into).or(limits.cpu_millis);
        limits.pids = self.pids.map(Into::into).or(limits.pids);
        limits
    }

    /// A request without a command. A variable that is given twice is refused, as one of the two would be lost.
    pub(super) fn request(&self, config: &Config) -> ContainerResult<ContainerSpawnRequest> {
        let mut env = BTreeMap::new();
        for (key, value) in &self.env {
            if env.insert(key.clone(), value.clone()).is_some() {
                return hints::refused("env", key, "each variable once");
            }
        }
        let capabilities = Capabilities::default().with_resources(self.limits(config));
        let mut request =
            ContainerSpawnRequest::new("", capabilities).with_image(self.image(config));
        request.env = env;
        if let Some(workspace) = &self.workspace {
            request = request
                .with_working_dir(&workspace.target)
                .with_workspace(workspace.clone());
        }
        request.proxy_socket.clone_from(&self.proxy_socket);
        Ok(request)
    }

    /// The file's policy, or the least that allows what the options ask for; and what options change by their names.
    pub(super) fn options(&self, config: &Config, pull: &Arc<Pull>) -> ConnectOptions {
        let configured = config.security.clone();
        let mut security = configured.unwrap_or_else(|| self.own_policy(&self.limits(config)));
        if let Some(pull) = self.pull {
            security.pull = pull.into();
        }
        if let Some(profile) = self.profile {
            security.seccomp_profile = profile.into();
        }
        if let Some(init) = self.init {
            security.init = init.into();
        }
        let rules = self.allow_image.iter().map(ToString::to_string);
        security.allowed_images.extend(rules);
        for item in &self.allow_degraded {
            let with_it = match item {
                PolicyItem::Memory => Some(PolicyItem::Swap),
                PolicyItem::Cpu => Some(PolicyItem::CpuShares),
                _ => None,
            };
            security
                .allow_degraded
                .extend([*item].into_iter().chain(with_it));
        }
        ConnectOptions::new()
            .with_security(security)
            .with_pull_observer(pull.observer())
    }

    /// Operator and requester are the same person here: what the options ask for is allowed, and nothing else.
    fn own_policy(&self, limits: &ResourceLimits) -> ContainerSecurityConfig {
        let mut security = ContainerSecurityConfig::new();
        if let Some(workspace) = &self.workspace {
            security.workspace_roots.push(workspace.source.clone());
            if let Some(owner) = owner(workspace).filter(|_| !workspace.read_only) {
                security.user = owner;
            }
        }
        security.max_timeout_ms = limits.timeout_ms;
        security.max_memory_mb = limits.memory_mb;
        security.max_cpu_shares = limits.cpu_shares;
        security.max_output_bytes = limits.max_output_bytes;
        security.cpu_millis = limits.cpu_millis.unwrap_or(security.cpu_millis);
        security.pids = limits.pids.unwrap_or(security.pids);
        security
    }
}

/// Whose a directory is, as `uid:gid`; nobody where it is root's, as whom nothing runs.
fn owner(workspace: &Workspace) -> Option<String> {
    let metadata = std::fs::metadata(&workspace.source).ok()?;
    let (user, group) = (metadata.uid(), metadata.gid());
    // The group of root is as little to be had, and what counts is the user.
    let group = if group == 0 { user } else { group };
    (user != 0).then(|| format!("{user}:{group}"))
}

impl From<Pulling> for PullPolicy {
    fn from(pulling: Pulling) -> Self {
        match pulling {
            Pulling::Never => Self::Never,
            Pulling::IfMissing => Self::IfMissing,
            Pulling::Always => Self::Always,
        }
    }
}

impl From<Profile> for SeccompProfileName {
    fn from(profile: Profile) -> Self {
        match profile {
            Profile::Strict => Self::Strict,
            Profile::Compat => Self::Compat,
            Profile::NoMemfd => Self::NoMemfd,
        }
    }
}

impl From<Init> for InitProgram {
    fn from(init: Init) -> Self {
        match init {
            Init::Clawbox => Self::Clawbox,
            Init::Engine => Self::Engine,
        }
    }
}
