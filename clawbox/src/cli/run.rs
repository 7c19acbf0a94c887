//! `clawbox run`: a command in a sandbox.

mod attend;
mod report;

use super::{engine, hints, pull::Pull, say::Say, status, values};
use clap::ValueEnum;
use clawbox::{
    Capabilities, ConnectOptions, ContainerResult, ContainerSecurityConfig, ContainerSpawnRequest,
    ImageRule, InitProgram, PolicyItem, PullPolicy, ResourceLimits,
    containers::seccomp::SeccompProfileName,
    types::{
        CpuQuota, DEFAULT_AGENT_IMAGE, MemoryLimit, OutputLimit, PidsLimit, Timeout, Workspace,
    },
};
use report::Report;
use std::{collections::BTreeMap, os::unix::fs::MetadataExt, path::PathBuf, sync::Arc};

const EXAMPLES: &str = "\
Exit status: the command's own; 124 at the deadline; 125 when clawbox refused or failed;
  126 not executable, 127 not found; 128 + n after signal n
Examples:
  clawbox run --image alpine -- sh -c 'id; exit 7'
  clawbox run --image alpine --memory 64m --timeout 2s --report r.json -- sleep 60";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    engine: engine::Options,
    /// The image
    #[arg(long, value_name = "REF", default_value = DEFAULT_AGENT_IMAGE)]
    image: String,
    /// Allow one more image, or a path that ends in / (repeatable)
    #[arg(long, value_name = "RULE")]
    allow_image: Vec<ImageRule>,
    /// Memory in whole MiB, such as 64m or 1g
    #[arg(long, value_name = "SIZE", value_parser = values::memory, allow_negative_numbers = true, default_value = "512m")]
    memory: MemoryLimit,
    /// CPU time, such as 0.5
    #[arg(long, value_name = "N", value_parser = values::cpus, allow_negative_numbers = true, default_value = "1")]
    cpus: CpuQuota,
    /// Processes and threads at once
    #[arg(long, value_name = "N", value_parser = values::pids, allow_negative_numbers = true, default_value = "256")]
    pids: PidsLimit,
    /// How long it may run, such as 500ms, 2s or 1h
    #[arg(long, value_name = "DURATION", value_parser = values::timeout, allow_negative_numbers = true, default_value = "2m")]
    timeout: Timeout,
    /// How much of each output stream is shown
    #[arg(long, value_name = "SIZE", value_parser = values::output, allow_negative_numbers = true, default_value = "256k")]
    max_output: OutputLimit,
    /// Set an environment variable (repeatable)
    #[arg(short, long = "env", value_name = "KEY=VALUE", value_parser = values::variable)]
    env: Vec<(String, String)>,
    /// Process 1; under `engine` the kernel is not asked
    ///
    /// With `engine` the engine's records also keep the environment and the token, no command can be added, and only
    /// a live clawbox holds the deadline.
    #[arg(long, value_enum, value_name = "PROGRAM", default_value_t)]
    init: Init,
    /// System call filter: strict, compat or no-memfd
    ///
    /// `compat` is strict with shared memory: System V segments and semaphores, and /dev/shm. `no-memfd` is strict
    /// without memfd_create, so that nothing can be executed but what the image has.
    #[arg(long, value_enum, value_name = "FILTER", default_value_t)]
    #[arg(hide_possible_values = true)]
    profile: Profile,
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
    /// When to fetch the image
    #[arg(long, value_enum, default_value_t)]
    pull: Pulling,
    /// Write what was enforced and how it ended, as JSON
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// The command and its arguments, without any shell
    #[arg(required = true, trailing_var_arg = true, value_name = "COMMAND")]
    command: Vec<String>,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Pulling {
    Never,
    #[default]
    IfMissing,
    Always,
}

/// Who is process 1.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Init {
    /// clawbox-init
    #[default]
    Clawbox,
    /// The engine's own
    Engine,
}

/// The system call filter.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum Profile {
    /// What agents need
    #[default]
    Strict,
    /// With System V segments and semaphores, and /dev/shm
    Compat,
    /// Without memfd_create
    NoMemfd,
}

/// Runs the command, and gives its exit status or clawbox's own.
pub(crate) async fn execute(args: &Args, say: Say) -> u8 {
    let file = match super::create(args.report.as_deref(), "--report", say) {
        Ok(file) => file,
        Err(status) => return status,
    };
    let mut report = Report::new(&args.image);
    let pull = Pull::new(&args.image, say);
    let ended = attend::attend(args, &pull, say, &mut report).await;
    report.exit_status = match ended {
        Ok(status) => status,
        Err(error) => {
            say.failure(&error, &hints::hints(&error, report.backend.as_ref()));
            report.error = Some((&error).into());
            status::of_failure(&error)
        }
    };
    if let Some(error) = file.and_then(|file| super::write_json(&report, file).err()) {
        say.problem(&format!("the report could not be written: {error}"));
        return status::REFUSED;
    }
    report.exit_status
}

impl Args {
    /// The request. A variable that is given twice is refused, as one of the two would be lost.
    fn request(&self) -> ContainerResult<ContainerSpawnRequest> {
        let mut env = BTreeMap::new();
        for (key, value) in &self.env {
            if env.insert(key.clone(), value.clone()).is_some() {
                return hints::refused("env", key, "each variable once");
            }
        }
        let resources = ResourceLimits::new(self.timeout.get(), self.memory.into())
            .with_max_output_bytes(self.max_output.get())
            .with_cpu_millis(self.cpus.into())
            .with_pids(self.pids.into());
        let task: String = self.command.join(" ").chars().take(200).collect();
        let capabilities = Capabilities::default().with_resources(resources);
        let mut request = ContainerSpawnRequest::new(task, capabilities)
            .with_image(&self.image)
            .with_command(&self.command);
        request.env = env;
        if let Some(workspace) = &self.workspace {
            request = request
                .with_working_dir(&workspace.target)
                .with_workspace(workspace.clone());
        }
        request.proxy_socket.clone_from(&self.proxy_socket);
        Ok(request)
    }

    /// Operator and requester are the same person here: what the options ask for is allowed, and nothing else.
    fn options(&self, pull: &Arc<Pull>) -> ConnectOptions {
        let mut security = ContainerSecurityConfig::new()
            .with_pull(self.pull.into())
            .with_seccomp_profile(self.profile.into())
            .with_init(self.init.into());
        let rules = self.allow_image.iter().map(ToString::to_string);
        security.allowed_images.extend(rules);
        if let Some(workspace) = &self.workspace {
            security.workspace_roots.push(workspace.source.clone());
            if let Some(owner) = owner(workspace).filter(|_| !workspace.read_only) {
                security.user = owner;
            }
        }
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
        security.max_timeout_ms = self.timeout.get();
        security.max_memory_mb = self.memory.into();
        security.max_output_bytes = self.max_output.get();
        security.cpu_millis = self.cpus.into();
        security.pids = self.pids.into();
        ConnectOptions::new()
            .with_security(security)
            .with_pull_observer(pull.observer())
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

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        run: Args,
    }

    fn parse(args: &[&str]) -> Args {
        let line = [&["run"], args, &["true"]].concat();
        Cli::try_parse_from(line).expect("accepted").run
    }

    #[test]
    fn without_options_the_limits_are_the_librarys() {
        let args = parse(&[]);
        let limits = args.request().unwrap().capabilities.resources;
        let default = ResourceLimits::default();
        let config = ContainerSecurityConfig::default();
        assert_eq!(
            limits,
            default
                .with_cpu_millis(config.cpu_millis)
                .with_pids(config.pids)
        );
        let security = args.options(&Pull::new("a", Say::default())).security;
        assert_eq!(security.allowed_images, config.allowed_images);
        assert_eq!(security.init, config.init);
        assert_eq!(security.seccomp_profile, config.seccomp_profile);
    }

    #[test]
    fn the_ceilings_are_what_the_options_ask_for() {
        let line = "--memory 9g --cpus 3.5 --pids 4000 --timeout 25h --max-output 17m \
                    --allow-image busybox --allow-degraded swap --pull never --init engine";
        let args = parse(&line.split_whitespace().collect::<Vec<_>>());
        let options = args.options(&Pull::new("a", Say::default()));
        let policy = clawbox::containers::policy::SecurityPolicy::new(&options.security).unwrap();
        let request = args.request().unwrap().with_image("busybox");
        assert!(policy.admit(&request).is_ok());
        assert_eq!(policy.pull(), PullPolicy::Never);
        assert_eq!(policy.init(), InitProgram::Engine);
        assert!(policy.allow_degraded().contains(&PolicyItem::Swap));
    }

    #[test]
    fn what_needs_one_controller_is_given_up_together() {
        use PolicyItem::{Cpu, CpuShares, Memory, Pids, Swap};
        for (given, expected) in [
            ("memory", &[Memory, Swap][..]),
            ("cpu", &[Cpu, CpuShares]),
            ("pids", &[Pids]),
            ("swap", &[Swap]),
        ] {
            let options =
                parse(&["--allow-degraded", given]).options(&Pull::new("a", Say::default()));
            let allowed = options.security.allow_degraded;
            assert!(allowed.iter().eq(expected), "{given}: {allowed:?}");
        }
    }

    #[test]
    fn each_profile_is_the_librarys_of_that_name() {
        for profile in SeccompProfileName::ALL {
            let name = profile.as_str().replace('_', "-");
            let options = parse(&["--profile", &name]).options(&Pull::new("a", Say::default()));
            assert_eq!(options.security.seccomp_profile, profile);
        }
    }

    #[test]
    fn no_variable_is_lost() {
        let args = parse(&["-e", "A=1", "-e", "B=", "-e", "A=2"]);
        assert!(args.request().is_err());
    }

    #[test]
    fn what_follows_the_command_is_the_commands() {
        let args = parse(&["ls", "--image", "x", "--", "-q"]);
        assert_eq!(args.command, ["ls", "--image", "x", "--", "-q", "true"]);
    }
}
