//! The core of clawbox: one security policy, its proof, and the lifecycle of a sandboxed container.
//!
//! A request takes one way, whatever the engine:
//!
//! ```text
//! ContainerSpawnRequest
//!   └► SecurityPolicy::admit ──► Admission::compile ──► ContainerPlan     pure; all violations at once
//!        └► ContainerEngine::create, inspect ──► ObservedFacts
//!             └► verify: facts == plan?           a difference removes it: PolicyNotEnforced
//!                  └► attach, start     process 1 is ours, and the command has not run
//!                       └► kernel::judge: what the kernel gives == plan?   else removed: PolicyNotEnforced
//!                            └► go ──► one owner task until the engine confirms that it is gone
//! ```
//!
//! Agent code holds a [`ContainerBackend`]; somebody who has another engine implements [`ContainerEngine`]
//! and gets the rest from [`ContainerManager`].
//!
//! ```
//! use clawbox_containers::{
//!     ContainerBackend, ContainerResult,
//!     types::{Capabilities, ContainerSpawnRequest},
//! };
//!
//! /// Any backend will do: Docker, Podman, or an engine in memory.
//! async fn count_words(backend: &dyn ContainerBackend) -> ContainerResult<String> {
//!     let request = ContainerSpawnRequest::new("count words", Capabilities::default())
//!         .with_image("alpine")
//!         .with_command(["wc", "-w", "/etc/passwd"]);
//!     let id = backend.spawn(request).await?.container_id;
//!     backend.wait(&id).await?;
//!     let output = backend.collect_output(&id).await?;
//!     backend.kill(&id).await?; // removes it
//!     Ok(output.stdout.text().into_owned())
//! }
//! ```

#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod aspects;
mod backend;
mod capture;
mod clock;
pub mod config;
mod counters;
pub mod decode;
pub mod encode;
pub mod endpoint;
pub mod engine;
mod error;
mod exec;
pub mod facts;
mod files;
pub mod init;
pub mod kernel;
mod labels;
mod log;
mod manager;
pub mod output_end;
mod owner;
pub mod plan;
pub mod policy;
mod proxy;
mod sandbox;
pub mod seccomp;
mod token;
pub mod verify;
mod workspace;

pub use backend::{ContainerBackend, Grace, ShutdownReport, SurveyedContainer};
pub use capture::OutputFollower;
pub use clawbox_types as types;
pub use clock::Clock;
pub use config::{Adopt, ContainerSecurityConfig, EngineTimeouts, InitProgram, ManagerConfig};
pub use engine::ContainerEngine;
pub use error::{ContainerError, ContainerResult};
pub use exec::{ExecHandle, ExecOutput, ExecRunning, ExecStdin, Terminal};
pub use files::{FileProblem, Files};
pub use log::Logs;
pub use manager::{ContainerManager, PullObserver};
pub use owner::{Liveness, OwnerId};
pub use plan::ContainerPlan;
pub use proxy::{CONTAINER_SOCKET, CONTAINER_SOCKET_DIR};
pub use sandbox::Sandbox;
pub use token::ContainerTokenStore;
