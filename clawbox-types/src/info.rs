//! What a caller is told of a container.

use crate::{ContainerId, SandboxPolicy};
use serde::{Deserialize, Serialize};
use std::fmt;
use time::OffsetDateTime;

/// Where a container is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ContainerStatus {
    /// Registered; its command has not run.
    Creating,
    /// Its command runs, under the whole policy.
    Running,
    /// Its command exited with 0.
    Completed,
    /// Its command exited with another code or died of a signal, by itself or for lack of memory.
    Failed,
    /// It was ended at its deadline.
    TimedOut,
    /// It was ended by `kill`.
    Killed,
    /// It vanished from the engine, so how it ended is not known.
    Lost,
}

impl ContainerStatus {
    /// Whether this is the end: a container's status never changes after it.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        !matches!(self, Self::Creating | Self::Running)
    }
}

impl fmt::Display for ContainerStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Creating => "creating",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Killed => "killed",
            Self::Lost => "lost",
        })
    }
}

/// A container as its manager knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ContainerInfo {
    /// The id, also the container's name at the engine.
    pub container_id: ContainerId,
    /// Where it is in its life.
    pub status: ContainerStatus,
    /// How it is isolated.
    pub policy: SandboxPolicy,
    /// When it was registered.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// The beginning of the task's description, at most 200 characters.
    pub task_summary: String,
    /// The path of the proxy's socket inside the container.
    pub proxy_socket: String,
    /// Whether the engine, the only one who would know, does not tell of the container at present, so that `status` is
    /// what was known last.
    #[serde(default, skip_serializing_if = "is_false")]
    pub stale: bool,
    /// Whether another manager had spawned it, which is dead, and this one has adopted it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub recovered: bool,
}

fn is_false(value: &bool) -> bool {
    !value
}

impl ContainerInfo {
    /// What is known of a container that was registered at `created_at`.
    pub fn new(
        container_id: ContainerId,
        status: ContainerStatus,
        policy: SandboxPolicy,
        created_at: OffsetDateTime,
        task: &str,
        proxy_socket: impl Into<String>,
    ) -> Self {
        Self {
            container_id,
            status,
            policy,
            created_at,
            task_summary: task.chars().take(200).collect(),
            proxy_socket: proxy_socket.into(),
            stale: false,
            recovered: false,
        }
    }
}

/// How a container ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ExitReport {
    /// The terminal status.
    pub status: ContainerStatus,
    /// The command's own exit code, or 128 + n after signal n. `None` where the container never ran or vanished.
    pub exit_code: Option<i32>,
    /// The signal that the command died of, where process 1 is clawbox's own: an engine tells only the code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<i32>,
    /// Whether the kernel killed something in the container for lack of memory.
    /// `None` where that is not known: the container vanished, or it died of a `SIGKILL` that clawbox did not
    /// send and the engine does not explain. Docker loses a kernel's notice now and then (measured: 2 of 30
    /// on 20.10 with control groups v1 and a busy host).
    pub oom_killed: Option<bool>,
    /// When the command started.
    #[serde(with = "time::serde::rfc3339::option")]
    pub started_at: Option<OffsetDateTime>,
    /// When the container ended.
    #[serde(with = "time::serde::rfc3339::option")]
    pub finished_at: Option<OffsetDateTime>,
    /// Bytes of stdout beyond the limit, counted and not kept.
    pub stdout_dropped: u64,
    /// Bytes of stderr beyond the limit, counted and not kept.
    pub stderr_dropped: u64,
    /// Whether the output streams broke off before the container ended, so that output may be missing.
    pub output_incomplete: bool,
    /// Whether this is the end of a container that was adopted, as the engine tells it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub recovered: bool,
}

impl ExitReport {
    /// The report of a container that ended as `status`, with nothing else known yet.
    #[must_use]
    pub const fn new(status: ContainerStatus) -> Self {
        Self {
            status,
            exit_code: None,
            signal: None,
            oom_killed: None,
            started_at: None,
            finished_at: None,
            stdout_dropped: 0,
            stderr_dropped: 0,
            output_incomplete: false,
            recovered: false,
        }
    }
}
