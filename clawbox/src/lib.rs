//! Run untrusted sub-agent code in hardened containers, on whatever engine the host has, under one policy,
//! and prove that the policy is in force before the first instruction runs.
//!
//! A container has no network, no capability, no way to gain privileges, a read-only root, a system call
//! filter, and a bound on everything else: time, memory, processes, CPU, output. What was asked of the
//! engine is read back before the command runs; where anything differs, it does not run.
//!
//! ```
//! # #[cfg(feature = "mock")]
//! # #[tokio::main]
//! # async fn main() -> clawbox::ContainerResult<()> {
//! use clawbox::{Backend, Capabilities, ConnectOptions, ContainerSpawnRequest, connect};
//!
//! // `Backend::Docker` for real containers; the mock has the same lifecycle in memory.
//! let backend = connect(Backend::Mock, &ConnectOptions::new())?;
//! let request = ContainerSpawnRequest::new("say hello", Capabilities::default())
//!     .with_image("ghcr.io/n0xmare/clawbox-fixture:1")
//!     .with_command(["probe", "print", "--stdout", "hello", "--exit", "3"]);
//! let id = backend.spawn(request).await?.container_id;
//! assert_eq!(backend.wait(&id).await?.exit_code, Some(3));
//! assert_eq!(backend.collect_output(&id).await?.stdout.text(), "hello");
//! backend.kill(&id).await?; // removed, too
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "mock"))]
//! # fn main() {}
//! ```
//!
//! Agent code holds an `Arc<dyn ContainerBackend>` and need not know which engine is below it; [`find`] takes the best
//! one that answers, a rootless one first.
//!
//! | feature | default | gives |
//! |---|---|---|
//! | `docker` | yes | [`Backend::Docker`]: Docker, over its socket |
//! | `podman` | yes | [`Backend::Podman`]: Podman, rootless or not, over its socket |
//! | `init` | yes | process 1 of our own in real containers; without it they need [`InitProgram::Engine`] |
//! | `mock` | yes | [`Backend::Mock`]: an engine in memory, for unit tests |
//! | `config` | yes | [`Config`]: the operator's settings from a TOML file |
//! | `cli` | yes | the `clawbox` command and what it needs; a library wants `default-features = false` |
//!
//! An engine of your own implements [`containers::ContainerEngine`] and gets the rest from
//! [`ConnectOptions::manage`].

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "config")]
pub mod config;
mod connect;
pub mod discovery;

/// The README's examples: the first compiles, the second runs.
#[cfg(all(doctest, feature = "docker", feature = "mock"))]
#[doc = include_str!("../../README.md")]
struct Readme;

#[cfg(feature = "config")]
#[doc(inline)]
pub use config::Config;
pub use connect::{Backend, ConnectOptions, UnknownBackend, connect, engine};
#[doc(inline)]
pub use discovery::find;

#[cfg(feature = "docker")]
#[doc(inline)]
pub use clawbox_backend_docker as docker;
#[cfg(feature = "mock")]
#[doc(inline)]
pub use clawbox_backend_mock as mock;
#[cfg(feature = "podman")]
#[doc(inline)]
pub use clawbox_backend_podman as podman;
#[doc(inline)]
pub use clawbox_containers as containers;
#[doc(inline)]
pub use clawbox_types as types;

#[doc(inline)]
pub use clawbox_containers::{
    Clock, ContainerBackend, ContainerError, ContainerManager, ContainerResult,
    ContainerSecurityConfig, ContainerTokenStore, EngineTimeouts, ExecHandle, ExecOutput,
    ExecRunning, ExecStdin, FileProblem, Files, InitProgram, Liveness, ManagerConfig,
    OutputFollower, PullObserver, SurveyedContainer,
};
#[doc(inline)]
pub use clawbox_types::{
    Capabilities, ContainerId, ContainerIdentity, ContainerInfo, ContainerOutput,
    ContainerSpawnRequest, ContainerStatus, EnforcementReport, EngineInfo, ExecReport, ExecRequest,
    ExitReport, Finding, Found, ImageRef, ImageRule, NetworkCapabilities, OutputStream, PolicyItem,
    PullPolicy, ResourceLimits, SandboxPolicy, TransferLimits, TransferReport, Verdict, Violation,
};
