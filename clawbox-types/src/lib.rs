//! Data of clawbox: what a caller asks for, and what it is told.
//!
//! Nothing here does I/O or knows an engine. A request holds plain values, as they came
//! from a caller or from JSON; the checked types ([`ImageRef`], [`EnvKey`], [`MemoryLimit`], …)
//! are what those values must parse into. [`ContainerSpawnRequest::check`] reports every
//! impossible value at once, and deserializing a request runs it.
//!
//! ```
//! use clawbox_types::{Capabilities, ContainerSpawnRequest};
//!
//! let request = ContainerSpawnRequest::new("count the words", Capabilities::default())
//!     .with_image("alpine")
//!     .with_env("LANG", "C.UTF-8")
//!     .with_command(["wc", "-w", "/etc/passwd"]);
//! request.check().expect("every value is possible");
//!
//! let wrong = request.with_env("A=B", "x").with_image("Alpine");
//! assert_eq!(wrong.check().unwrap_err().len(), 2);
//! ```

#![cfg_attr(docsrs, feature(doc_cfg))]

mod capabilities;
mod command;
mod enforcement;
mod engine_info;
mod env;
mod exec;
mod id;
mod image;
mod image_rule;
mod info;
mod limits;
mod output;
mod policy_item;
mod request;
mod tmpfs;
mod transfer;
mod user;
mod violation;
mod workspace;

pub use capabilities::{Capabilities, NetworkCapabilities, ResourceLimits, SandboxPolicy};
pub use command::{MAX_ARG_BYTES, MAX_ARGV_BYTES, check_argv, check_working_dir};
pub use enforcement::{EnforcementReport, ImageIdentity, ItemReport, Verdict};
pub use engine_info::{Ability, EngineInfo};
pub use env::{EnvKey, EnvValue, MAX_ENV_ENTRIES, MAX_ENV_KEY_BYTES, MAX_ENV_VALUE_BYTES};
pub use exec::{ExecEnd, ExecReport, ExecRequest, TerminalSize};
pub use id::{ContainerId, ContainerIdentity, ProxyToken};
pub use image::{DEFAULT_AGENT_IMAGE, ImageRef};
pub use image_rule::{DEFAULT_ALLOWED_IMAGES, ImageRule};
pub use info::{ContainerInfo, ContainerStatus, ExitReport};
pub use limits::{CpuQuota, CpuShares, MemoryLimit, OutputLimit, PidsLimit, Timeout};
pub use output::{CapturedStream, ContainerOutput, LogEntry, OutputStream};
pub use policy_item::PolicyItem;
pub use request::{ContainerSpawnRequest, MAX_TASK_BYTES, PullPolicy};
pub use tmpfs::{TmpfsMount, TmpfsSize};
pub use transfer::{Finding, Found, TransferLimits, TransferReport};
pub use user::UserSpec;
pub use violation::{InvalidValue, Violation};
pub use workspace::{DEFAULT_WORKSPACE, MAX_WORKSPACES, Workspace, check_host_directory};
