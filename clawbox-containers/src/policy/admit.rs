//! What the request and the operator decide, before any engine is asked.

use super::{SecurityPolicy, reserved::reserved, scratch::overlap};
use crate::{
    config::InitProgram,
    error::{ContainerError, ContainerResult},
    proxy::check_proxy_path,
};
use clawbox_types::{
    ContainerSpawnRequest, CpuQuota, CpuShares, EnvValue, ExecRequest, ImageRef, MemoryLimit,
    OutputLimit, PidsLimit, SandboxPolicy, Timeout, Violation, Workspace,
};
use std::{collections::BTreeMap, path::PathBuf};

/// A request that the policy admits: everything but what the image has to say.
#[derive(Debug, Clone, PartialEq)]
pub struct Admission {
    pub(super) policy: SecurityPolicy,
    pub(super) image: ImageRef,
    pub(super) sandbox: SandboxPolicy,
    pub(super) what: What,
    pub(super) env: BTreeMap<String, EnvValue>,
    pub(super) working_dir: Option<String>,
    pub(super) workspaces: Vec<Workspace>,
    pub(super) proxy_socket: Option<PathBuf>,
    has_stdin: bool,
    pub(super) memory: MemoryLimit,
    pub(super) cpu: CpuQuota,
    pub(super) cpu_shares: CpuShares,
    pub(super) pids: PidsLimit,
    timeout: Timeout,
    max_output: OutputLimit,
}

/// What is to run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    /// The image's own entrypoint and command.
    Image,
    /// The image's entrypoint with these arguments.
    Args(Vec<String>),
    /// Exactly this.
    Command(Vec<String>),
}

impl Admission {
    /// The image, in its canonical form.
    #[must_use]
    pub const fn image(&self) -> &ImageRef {
        &self.image
    }

    /// How long the container may run.
    #[must_use]
    pub const fn timeout(&self) -> Timeout {
        self.timeout
    }

    /// How many bytes of each output stream are kept.
    #[must_use]
    pub const fn max_output(&self) -> OutputLimit {
        self.max_output
    }

    /// The directories of the host's that it works in.
    #[must_use]
    pub fn workspaces(&self) -> &[Workspace] {
        &self.workspaces
    }

    /// Whether the command has something to read.
    #[must_use]
    pub const fn has_stdin(&self) -> bool {
        self.has_stdin
    }

    /// Where the proxy listens on the host.
    #[must_use]
    pub const fn proxy_socket(&self) -> Option<&PathBuf> {
        self.proxy_socket.as_ref()
    }
}

impl SecurityPolicy {
    /// Decides on a further command in a running container.
    ///
    /// # Errors
    ///
    /// All violations at once, as [`admit`](Self::admit).
    pub fn admit_exec(&self, request: &ExecRequest) -> ContainerResult<()> {
        let impossible = request.check().err().unwrap_or_default();
        let mut forbidden = reserved_keys(&request.env);
        let most = self.max_output.get();
        if let Some(limit) = request.max_output_bytes.filter(|limit| *limit > most) {
            forbidden.push(Violation::new(
                "max_output_bytes",
                limit,
                format!("at most {most}"),
            ));
        }
        refuse(impossible, forbidden)
    }

    /// Decides on a request, without asking any engine.
    ///
    /// # Errors
    ///
    /// All violations at once: [`ContainerError::InvalidRequest`] where no configuration could accept any of
    /// them, [`ContainerError::ImageNotAllowed`] where the image is the only thing wrong, and otherwise
    /// [`ContainerError::PolicyDenied`]. [`ContainerError::Unsupported`] for a standard input without a process 1 of
    /// clawbox's own.
    pub fn admit(&self, request: &ContainerSpawnRequest) -> ContainerResult<Admission> {
        let impossible = request.check().err().unwrap_or_default();
        let mut forbidden = Vec::new();
        if !request.policy.uses_container() {
            forbidden.push(Violation::new(
                "policy",
                request.policy,
                "container or container_direct; wasm_only asks for no container",
            ));
        }
        self.limits_forbid(request, &mut forbidden);
        forbidden.extend(reserved_keys(&request.env));
        if let Some(path) = &request.proxy_socket {
            forbidden.extend(check_proxy_path(path).err().map(|e| e.at("proxy_socket")));
        }
        self.workspaces_forbid(&request.workspaces, &mut forbidden);
        let image = match &request.image {
            Some(image) => image.parse().ok(),
            None => Some(self.default_image.clone()),
        };
        let denied_image = image.as_ref().filter(|image| !self.is_allowed_image(image));
        if let Some(image) = denied_image {
            if impossible.is_empty() && forbidden.is_empty() {
                return Err(ContainerError::ImageNotAllowed {
                    image: Box::new(image.clone()),
                    allowed: self.allowed_images.clone(),
                });
            }
            let rules: Vec<_> = self
                .allowed_images
                .iter()
                .map(ToString::to_string)
                .collect();
            forbidden.push(Violation::new(
                "image",
                image,
                format!("one of {}", rules.join(", ")),
            ));
        }
        refuse(impossible, forbidden)?;
        if request.stdin && self.init == InitProgram::Engine {
            return Err(ContainerError::Unsupported {
                what: "a standard input".to_owned(),
                reason: "process 1 of the container is the engine's".to_owned(),
            });
        }
        // Every value was checked above; a checked type is still the only way on, and its refusal is an error.
        let invalid = |violation| ContainerError::InvalidRequest {
            violations: vec![violation],
        };
        self.admission(request, image).map_err(invalid)
    }

    fn limits_forbid(&self, request: &ContainerSpawnRequest, found: &mut Vec<Violation>) {
        let limits = &request.capabilities.resources;
        let mut above = |field: &str, asked: u64, allowed: u64, unit: &str| {
            if asked > allowed {
                found.push(Violation::new(
                    format!("capabilities.resources.{field}"),
                    asked,
                    format!("at most the operator's {allowed} {unit}"),
                ));
            }
        };
        above(
            "timeout_ms",
            limits.timeout_ms,
            self.max_timeout.get(),
            "ms",
        );
        above("memory_mb", limits.memory_mb, self.max_memory.into(), "MiB");
        above(
            "cpu_shares",
            limits.cpu_shares,
            self.max_cpu_shares.into(),
            "CPU shares",
        );
        above(
            "max_output_bytes",
            limits.max_output_bytes,
            self.max_output.get(),
            "bytes",
        );
        above(
            "cpu_millis",
            limits.cpu_millis.unwrap_or(0),
            self.cpu.into(),
            "thousandths of a CPU",
        );
        above(
            "pids",
            limits.pids.unwrap_or(0),
            self.pids.into(),
            "processes",
        );
    }

    /// What can be told from the paths alone; the directories themselves are looked at later.
    fn workspaces_forbid(&self, workspaces: &[Workspace], found: &mut Vec<Violation>) {
        let field = "workspaces";
        for workspace in workspaces {
            let (source, target) = (&workspace.source, &workspace.target);
            let roots = &self.workspace_roots;
            if !roots.iter().any(|root| source.starts_with(root)) {
                let roots: Vec<_> = roots
                    .iter()
                    .map(|root| root.display().to_string())
                    .collect();
                let accepted = match roots.as_slice() {
                    [] => "no workspace, as the operator allows none".to_owned(),
                    _ => format!("a directory at or below {}", roots.join(", ")),
                };
                found.push(Violation::new(field, source.display(), accepted));
            }
            let tmpfs = self.tmpfs.iter().map(|tmpfs| tmpfs.path());
            if let Some(tmpfs) = tmpfs.into_iter().find(|tmpfs| overlap(tmpfs, target)) {
                let accepted = format!("a target that is not in the tmpfs {tmpfs}, nor around it");
                found.push(Violation::new(field, target, accepted));
            }
        }
        if !workspaces.is_empty() && self.init == InitProgram::Engine {
            found.push(Violation::new(
                field,
                "a workspace",
                "none with the engine's own init, as nobody could tell which directory is really there",
            ));
        }
    }

    fn admission(
        &self,
        request: &ContainerSpawnRequest,
        image: Option<ImageRef>,
    ) -> Result<Admission, Violation> {
        let limits = &request.capabilities.resources;
        let image = image.ok_or_else(|| Violation::new("image", "none", "an image"))?;
        let mut env = BTreeMap::new();
        for (key, value) in &request.env {
            env.insert(
                key.clone(),
                value
                    .parse()
                    .map_err(|e: clawbox_types::InvalidValue| e.at("env"))?,
            );
        }
        let what = match (&request.command, &request.args) {
            (Some(argv), _) => What::Command(argv.clone()),
            (None, Some(args)) => What::Args(args.clone()),
            (None, None) => What::Image,
        };
        Ok(Admission {
            image,
            sandbox: request.policy,
            what,
            env,
            working_dir: request.working_dir.clone(),
            workspaces: request.workspaces.clone(),
            proxy_socket: request.proxy_socket.clone(),
            has_stdin: request.stdin,
            memory: MemoryLimit::new(limits.memory_mb).map_err(|e| e.at("memory_mb"))?,
            cpu: limits.cpu_millis.map_or(Ok(self.cpu), |n| {
                CpuQuota::new(n).map_err(|e| e.at("cpu_millis"))
            })?,
            cpu_shares: CpuShares::new(limits.cpu_shares).map_err(|e| e.at("cpu_shares"))?,
            pids: limits.pids.map_or(Ok(self.pids), |n| {
                PidsLimit::new(n).map_err(|e| e.at("pids"))
            })?,
            timeout: Timeout::new(limits.timeout_ms).map_err(|e| e.at("timeout_ms"))?,
            max_output: OutputLimit::new(limits.max_output_bytes)
                .map_err(|e| e.at("max_output_bytes"))?,
            policy: self.clone(),
        })
    }
}

/// All that was found, unless that is nothing.
fn refuse(impossible: Vec<Violation>, forbidden: Vec<Violation>) -> ContainerResult<()> {
    match (impossible.is_empty(), forbidden.is_empty()) {
        (true, true) => Ok(()),
        (false, true) => Err(ContainerError::InvalidRequest {
            violations: impossible,
        }),
        (_, false) => Err(ContainerError::PolicyDenied {
            violations: [impossible, forbidden].concat(),
        }),
    }
}

fn reserved_keys(env: &BTreeMap<String, String>) -> Vec<Violation> {
    let refused = |key: &String| Some((key.clone(), reserved(key)?));
    env.keys()
        .filter_map(refused)
        .map(|(key, accepted)| Violation::new(format!("env.{key}"), key, accepted))
        .collect()
}
