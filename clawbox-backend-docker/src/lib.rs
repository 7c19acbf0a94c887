//! Docker as an engine for clawbox, over the [`bollard`] client.
//!
//! ```text
//! ContainerPlan ──► encode ──► POST /containers/create         pure; every field explicit
//! ObservedFacts ◄── decode ◄── GET /containers/{id}/json       pure; what is unexpected shows as a difference
//! ```
//!
//! [`DockerEngine`] is the thin part that does I/O. It decides nothing and keeps nothing: policy, deadlines,
//! tokens and retries are [`ContainerManager`]'s, and [`DockerBackend`] is that manager on this engine.
//!
//! # Examples
//!
//! ```no_run
//! use clawbox_backend_docker::{DockerBackend, DockerEngine};
//! use clawbox_containers::{
//!     ContainerBackend, ContainerSecurityConfig, ManagerConfig,
//!     types::{Capabilities, ContainerSpawnRequest},
//! };
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let engine = DockerEngine::connect(None)?;
//! let docker = DockerBackend::new(engine, &ContainerSecurityConfig::new(), ManagerConfig::default())?;
//! let request = ContainerSpawnRequest::new("say hello", Capabilities::default())
//!     .with_image("alpine")
//!     .with_command(["echo", "hello"]);
//! let container = docker.spawn(request).await?;
//! let exit = docker.wait(&container.container_id).await?;
//! let output = docker.collect_output(&container.container_id).await?;
//! assert_eq!(exit.exit_code, Some(0));
//! assert_eq!(output.stdout.text(), "hello\n");
//! docker.cleanup_stopped().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Logging
//!
//! `bollard` logs the bodies of requests and answers at the level `debug` of the [`log`] target `bollard`,
//! and a container's environment is in them. A program that shows that target below `info` shows secrets.
//!
//! [`log`]: https://docs.rs/log

#![cfg_attr(docsrs, feature(doc_cfg))]

mod decode;
mod encode;
mod endpoint;
mod engine;
mod errors;
#[cfg(test)]
mod fixture;
#[cfg(feature = "sabotage")]
#[doc(hidden)]
pub mod sabotage;
mod transport;

pub use clawbox_containers::{ContainerManager, endpoint::EndpointError};
pub use engine::DockerEngine;

/// Runs sandboxed containers on Docker.
pub type DockerBackend = ContainerManager<DockerEngine>;
