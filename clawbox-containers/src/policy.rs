//! The one security policy: what the operator set, checked once, and what becomes of a request under it.
//!
//! A request passes in two pure steps. [`SecurityPolicy::admit`] decides everything that the request and
//! the operator decide, before any engine is asked. [`Admission::compile`] adds what only the image can
//! tell (its entrypoint, environment, volumes) and gives the plan.

mod admit;
mod compile;
mod image;
mod reserved;
mod scratch;

pub use admit::Admission;
pub use compile::Placement;

use crate::{
    config::{ContainerSecurityConfig, InitProgram},
    error::{ContainerError, ContainerResult},
    seccomp::SeccompProfileName,
};
use clawbox_types::{
    CpuQuota, CpuShares, ImageRef, ImageRule, InvalidValue, MemoryLimit, OutputLimit, PidsLimit,
    PolicyItem, PullPolicy, Timeout, TmpfsMount, UserSpec, Violation, check_host_directory,
};
use std::{collections::BTreeSet, fmt::Display, path::PathBuf, str::FromStr};

/// An operator's policy that has been checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecurityPolicy {
    user: UserSpec,
    allowed_images: Vec<ImageRule>,
    default_image: ImageRef,
    pull: PullPolicy,
    pids: PidsLimit,
    max_memory: MemoryLimit,
    cpu: CpuQuota,
    max_cpu_shares: CpuShares,
    max_timeout: Timeout,
    max_output: OutputLimit,
    tmpfs: Vec<TmpfsMount>,
    workspace_roots: Vec<PathBuf>,
    workspace_noexec: bool,
    open_files: u64,
    max_file_bytes: u64,
    seccomp_profile: SeccompProfileName,
    init: InitProgram,
    strict_images: bool,
    allow_degraded: BTreeSet<PolicyItem>,
}

impl SecurityPolicy {
    /// Checks `config`.
    ///
    /// # Errors
    ///
    /// [`ContainerError::PolicyDenied`] with everything that is impossible in it, each at `security.…`.
    pub fn new(config: &ContainerSecurityConfig) -> ContainerResult<Self> {
        let ContainerSecurityConfig {
            user,
            allowed_images,
            default_image,
            pull,
            pids,
            max_memory_mb,
            cpu_millis,
            max_cpu_shares,
            max_timeout_ms,
            max_output_bytes,
            tmpfs,
            workspace_roots,
            workspace_noexec,
            open_files,
            max_file_bytes,
            seccomp_profile,
            init,
            strict_images,
            allow_degraded,
        } = config;
        let mut check = Checks::default();
        let policy = (|| {
            let user = check.value("user", user.parse());
            let allowed_images = check.all("allowed_images", allowed_images);
            let default_image = check.value("default_image", default_image.parse());
            let pids = check.value("pids", PidsLimit::new(*pids));
            let max_memory = check.value("max_memory_mb", MemoryLimit::new(*max_memory_mb));
            let cpu = check.value("cpu_millis", CpuQuota::new(*cpu_millis));
            let max_cpu_shares = check.value("max_cpu_shares", CpuShares::new(*max_cpu_shares));
            let max_timeout = check.value("max_timeout_ms", Timeout::new(*max_timeout_ms));
            let max_output = check.value("max_output_bytes", OutputLimit::new(*max_output_bytes));
            let tmpfs: Option<Vec<TmpfsMount>> = check.all("tmpfs", tmpfs);
            let open_files = check.value("open_files", within(*open_files, 16, 1 << 20, "files"));
            let max_file_bytes = check.value(
                "max_file_bytes",
                within(*max_file_bytes, 4096, 1 << 44, "bytes"),
            );
            for root in workspace_roots {
                check.value("workspace_roots", check_host_directory(root));
            }
            check.distinct("tmpfs", tmpfs.iter().flatten().map(TmpfsMount::path));
            Some(Self {
                user: user?,
                allowed_images: allowed_images?,
                default_image: default_image?,
                pull: *pull,
                pids: pids?,
                max_memory: max_memory?,
                cpu: cpu?,
                max_cpu_shares: max_cpu_shares?,
                max_timeout: max_timeout?,
                max_output: max_output?,
                tmpfs: tmpfs?,
                workspace_roots: workspace_roots.clone(),
                workspace_noexec: *workspace_noexec,
                open_files: open_files?,
                max_file_bytes: max_file_bytes?,
                seccomp_profile: *seccomp_profile,
                init: *init,
                strict_images: *strict_images,
                allow_degraded: allow_degraded.clone(),
            })
        })();
        match policy {
            Some(policy) if check.found.is_empty() => Ok(policy),
            _ => Err(ContainerError::PolicyDenied {
                violations: check.found,
            }),
        }
    }

    /// Whether a rule names `image`.
    #[must_use]
    pub fn is_allowed_image(&self, image: &ImageRef) -> bool {
        self.allowed_images.iter().any(|rule| rule.allows(image))
    }

    /// When images are fetched.
    #[must_use]
    pub const fn pull(&self) -> PullPolicy {
        self.pull
    }

    /// Who is process 1.
    #[must_use]
    pub const fn init(&self) -> InitProgram {
        self.init
    }

    /// The items that may fail to be enforced.
    #[must_use]
    pub const fn allow_degraded(&self) -> &BTreeSet<PolicyItem> {
        &self.allow_degraded
    }

    /// The longest that a container may run.
    pub(crate) const fn max_timeout(&self) -> Timeout {
        self.max_timeout
    }

    /// How much of each output stream is kept at most, in bytes.
    pub(crate) const fn max_output(&self) -> OutputLimit {
        self.max_output
    }
}

/// Values as they are checked, with what was wrong so far.
#[derive(Default)]
struct Checks {
    found: Vec<Violation>,
}

impl Checks {
    fn value<T>(&mut self, field: &str, value: Result<T, InvalidValue>) -> Option<T> {
        value
            .map_err(|e| self.found.push(e.at(format!("security.{field}"))))
            .ok()
    }

    fn all<T: FromStr<Err = InvalidValue>>(
        &mut self,
        field: &str,
        texts: &[String],
    ) -> Option<Vec<T>> {
        let values: Vec<Option<T>> = texts.iter().map(|t| self.value(field, t.parse())).collect();
        values.into_iter().collect()
    }

    fn distinct(&mut self, field: &str, names: impl Iterator<Item = impl Display>) {
        let mut seen = BTreeSet::new();
        for name in names.map(|n| n.to_string()) {
            if !seen.insert(name.clone()) {
                self.found.push(Violation::new(
                    format!("security.{field}"),
                    name,
                    "each path once",
                ));
            }
        }
    }
}

fn within(value: u64, min: u64, max: u64, unit: &str) -> Result<u64, InvalidValue> {
    if (min..=max).contains(&value) {
        Ok(value)
    } else {
        Err(InvalidValue::new(value, format!("{min} to {max} {unit}")))
    }
}
