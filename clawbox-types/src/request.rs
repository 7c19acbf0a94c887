//! What a caller asks for.

use crate::{
    Capabilities, ContainerIdentity, ImageRef, SandboxPolicy, Violation, Workspace, check_argv,
    check_working_dir, command::check_args, env::env_violations, workspace,
};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, path::PathBuf};

/// The longest task description, in bytes.
pub const MAX_TASK_BYTES: usize = 16 * 1024;

/// When an image is fetched from its registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum PullPolicy {
    /// Only an image that the engine already holds will do.
    Never,
    /// Fetched where the engine does not hold it.
    #[default]
    IfMissing,
    /// Fetched before every spawn.
    Always,
}

/// A request to run a sub-agent in a container.
///
/// It holds values as the caller wrote them. [`check`](Self::check) finds the impossible ones, the
/// backend's policy also the forbidden ones; both report all of them at once. Deserializing refuses
/// unknown fields and impossible values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Wire", into = "Wire")]
#[non_exhaustive]
pub struct ContainerSpawnRequest {
    /// What the sub-agent is to do, for people; at most [`MAX_TASK_BYTES`]. It never reaches the engine.
    pub task: String,
    /// The image. `None`: the operator's default.
    pub image: Option<String>,
    /// How the task is isolated.
    pub policy: SandboxPolicy,
    /// What the task may use.
    pub capabilities: Capabilities,
    /// Environment variables. Reserved keys are refused by the policy.
    pub env: BTreeMap<String, String>,
    /// The exact argument vector, without a shell and without the image's entrypoint.
    /// `None`: the image's own entrypoint and command.
    pub command: Option<Vec<String>>,
    /// Arguments for the image's entrypoint, in place of the image's command. Not together with `command`.
    pub args: Option<Vec<String>>,
    /// The working directory. `None`: the image's own.
    pub working_dir: Option<String>,
    /// Directories of the host's, below those that the operator allows.
    pub workspaces: Vec<Workspace>,
    /// Whether the command reads what is written to the container's standard input, until that is shut. Otherwise it
    /// reads its end at once.
    pub stdin: bool,
    /// An identity from `pre_generate_id`. It holds a secret and is not part of the JSON form.
    pub identity: Option<ContainerIdentity>,
    /// The host path of the proxy's listening socket, `…/proxy.sock` in a directory of its own, which is
    /// bound read-only at `/run/clawbox`. A path on the host is not for others to choose: not part of the JSON form.
    pub proxy_socket: Option<PathBuf>,
}

/// The JSON form.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire {
    task: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    image: Option<String>,
    #[serde(default)]
    policy: SandboxPolicy,
    #[serde(default)]
    capabilities: Capabilities,
    #[serde(default)]
    env: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    command: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    args: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    working_dir: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    workspaces: Vec<Workspace>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    stdin: bool,
}

impl ContainerSpawnRequest {
    /// A request for `task` with `capabilities`, the default image and the image's own command.
    pub fn new(task: impl Into<String>, capabilities: Capabilities) -> Self {
        Self {
            task: task.into(),
            image: None,
            policy: SandboxPolicy::default(),
            capabilities,
            env: BTreeMap::new(),
            command: None,
            args: None,
            working_dir: None,
            workspaces: Vec::new(),
            stdin: false,
            identity: None,
            proxy_socket: None,
        }
    }

    /// Sets the image.
    #[must_use]
    pub fn with_image(mut self, image: impl Into<String>) -> Self {
        self.image = Some(image.into());
        self
    }

    /// Sets the isolation.
    #[must_use]
    pub const fn with_policy(mut self, policy: SandboxPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Sets an environment variable.
    #[must_use]
    pub fn with_env(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.env.insert(key.into(), value.into());
        self
    }

    /// Sets the exact argument vector.
    #[must_use]
    pub fn with_command<S: Into<String>>(mut self, argv: impl IntoIterator<Item = S>) -> Self {
        self.command = Some(argv.into_iter().map(Into::into).collect());
        self
    }

    /// Sets the arguments of the image's entrypoint.
    #[must_use]
    pub fn with_args<S: Into<String>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args = Some(args.into_iter().map(Into::into).collect());
        self
    }

    /// Sets the working directory.
    #[must_use]
    pub fn with_working_dir(mut self, dir: impl Into<String>) -> Self {
        self.working_dir = Some(dir.into());
        self
    }

    /// Adds a directory of the host's.
    #[must_use]
    pub fn with_workspace(mut self, workspace: Workspace) -> Self {
        self.workspaces.push(workspace);
        self
    }

    /// Lets the command read what is written to the container's standard input.
    #[must_use]
    pub const fn with_stdin(mut self) -> Self {
        self.stdin = true;
        self
    }

    /// Uses an identity that was made before.
    #[must_use]
    pub fn with_identity(mut self, identity: ContainerIdentity) -> Self {
        self.identity = Some(identity);
        self
    }

    /// Lets the container reach the proxy that listens at `path`.
    #[must_use]
    pub fn with_proxy_socket(mut self, path: impl Into<PathBuf>) -> Self {
        self.proxy_socket = Some(path.into());
        self
    }

    /// Finds every value that is impossible whatever the operator allows.
    ///
    /// # Errors
    ///
    /// All violations, in the order of the fields.
    pub fn check(&self) -> Result<(), Vec<Violation>> {
        let mut found = Vec::new();
        if self.task.len() > MAX_TASK_BYTES {
            found.push(Violation::new(
                "task",
                format_args!("a task of {} bytes", self.task.len()),
                format!("at most {MAX_TASK_BYTES} bytes"),
            ));
        }
        if let Some(image) = &self.image {
            found.extend(image.parse::<ImageRef>().err().map(|e| e.at("image")));
        }
        self.capabilities.resources.violations(&mut found);
        env_violations(&self.env, &mut found);
        if let Some(argv) = &self.command {
            found.extend(check_argv(argv).err().map(|e| e.at("command")));
        }
        if let Some(args) = &self.args {
            found.extend(check_args(args).err().map(|e| e.at("args")));
            if self.command.is_some() {
                found.push(Violation::new(
                    "args",
                    "given with a command",
                    "either a command or arguments for the image's entrypoint",
                ));
            }
        }
        if let Some(dir) = &self.working_dir {
            found.extend(check_working_dir(dir).err().map(|e| e.at("working_dir")));
        }
        workspace::violations(&self.workspaces, &mut found);
        if found.is_empty() { Ok(()) } else { Err(found) }
    }
}

impl TryFrom<Wire> for ContainerSpawnRequest {
    type Error = String;

    fn try_from(wire: Wire) -> Result<Self, Self::Error> {
        let Wire {
            task,
            image,
            policy,
            capabilities,
            env,
            command,
            args,
            working_dir,
            workspaces,
            stdin,
        } = wire;
        let request = Self {
            task,
            image,
            policy,
            capabilities,
            env,
            command,
            args,
            working_dir,
            workspaces,
            stdin,
            identity: None,
            proxy_socket: None,
        };
        request.check().map_err(|found| {
            let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
            lines.join("; ")
        })?;
        Ok(request)
    }
}

impl From<ContainerSpawnRequest> for Wire {
    fn from(request: ContainerSpawnRequest) -> Self {
        Self {
            task: request.task,
            image: request.image,
            policy: request.policy,
            capabilities: request.capabilities,
            env: request.env,
            command: request.command,
            args: request.args,
            working_dir: request.working_dir,
            workspaces: request.workspaces,
            stdin: request.stdin,
        }
    }
}
