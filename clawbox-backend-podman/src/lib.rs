//! Podman as an engine for clawbox, over the libpod API: rootless first, rootful too.
//!
//! ```text
//! ContainerPlan ──► encode ──► POST /libpod/containers/create       pure; every field explicit
//! ObservedFacts ◄── decode ◄── GET /libpod/containers/{id}/json     pure; what is unexpected shows as a difference
//! ```
//!
//! [`PodmanEngine`] is the thin part that does I/O. It decides nothing and keeps nothing: policy, deadlines,
//! tokens and retries are [`ContainerManager`]'s, and [`PodmanBackend`] is that manager on this engine.
//!
//! The answers are read into the models of [`podman_api`]; `direct.rs` says why the calls are not.
//!
//! # Limits
//!
//! What a rootless Podman can limit depends on what its host has delegated to the user. On control groups v1 that is
//! nothing, and on version 2 without delegation libpod repeats the request in its inspect while nothing holds. So a spawn
//! is refused there, naming the limits and the mend, unless the operator's
//! [`allow_degraded`](clawbox_containers::ContainerSecurityConfig::allow_degraded) names them; then the report says
//! that they are not enforced.
//!
//! # Examples
//!
//! ```no_run
//! use clawbox_backend_podman::{PodmanBackend, PodmanEngine};
//! use clawbox_containers::{
//!     ContainerBackend, ContainerSecurityConfig, ManagerConfig,
//!     types::{Capabilities, ContainerSpawnRequest},
//! };
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let engine = PodmanEngine::connect(None)?;
//! let podman = PodmanBackend::new(engine, &ContainerSecurityConfig::new(), ManagerConfig::default())?;
//! let request = ContainerSpawnRequest::new("say hello", Capabilities::default())
//!     .with_image("alpine")
//!     .with_command(["echo", "hello"]);
//! let container = podman.spawn(request).await?;
//! let exit = podman.wait(&container.container_id).await?;
//! let output = podman.collect_output(&container.container_id).await?;
//! assert_eq!(exit.exit_code, Some(0));
//! assert_eq!(output.stdout.text(), "hello\n");
//! podman.cleanup_stopped().await?;
//! # Ok(())
//! # }
//! ```

#![cfg_attr(docsrs, feature(doc_cfg))]

mod catatonit;
mod decode;
mod direct;
mod encode;
mod endpoint;
mod engine;
mod errors;
#[cfg(test)]
mod fixture;
mod frames;
#[cfg(feature = "sabotage")]
#[doc(hidden)]
pub mod sabotage;

pub use clawbox_containers::{ContainerManager, endpoint::EndpointError};
pub use engine::PodmanEngine;

/// Runs sandboxed containers on Podman.
pub type PodmanBackend = ContainerManager<PodmanEngine>;
