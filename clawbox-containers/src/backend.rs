//! The seam above: what agent code holds.

use crate::{
    capture::OutputFollower,
    engine::EnginePhase,
    error::ContainerResult,
    exec::{ExecHandle, ExecStdin},
    log::Logs,
    owner::Liveness,
    token::ContainerTokenStore,
};
use async_trait::async_trait;
use clawbox_types::{
    ContainerId, ContainerIdentity, ContainerInfo, ContainerOutput, ContainerSpawnRequest,
    EnforcementReport, EngineInfo, ExecReport, ExecRequest, ExitReport,
};
use std::sync::Arc;
use time::OffsetDateTime;
use tokio::{sync::watch, task::JoinHandle};

/// Runs sandboxed containers on some engine.
///
/// [`ContainerManager`](crate::ContainerManager) implements it once for every engine; agent code holds an
/// `Arc<dyn ContainerBackend>`. Every method may be called from any task, and any of its futures dropped.
#[async_trait]
pub trait ContainerBackend: Send + Sync + 'static {
    /// Makes an identity before its container exists, so that a proxy can be opened first. Nothing is
    /// registered: an identity that is never used leaves nothing behind.
    ///
    /// # Errors
    ///
    /// [`Io`](crate::ContainerError::Io) where the system has no random source.
    fn pre_generate_id(&self) -> ContainerResult<ContainerIdentity>;

    /// Runs a container for `request`, and returns once its command runs under the whole policy.
    ///
    /// On any error, and when the future is dropped, nothing is left: no container, no volume, no token.
    ///
    /// # Errors
    ///
    /// What the policy refuses, before the engine is asked; `Unsupported` for a standard input where process 1 is the
    /// engine's; `AlreadyExists` for an identity in use, which is
    /// not touched; `LimitReached`; `ShutDown`; `ImageNotFound`; `PolicyNotEnforced`; `StartFailed`; and the engine's
    /// own troubles.
    async fn spawn(&self, request: ContainerSpawnRequest) -> ContainerResult<ContainerInfo>;

    /// Waits for the end of a container. A non-zero exit is not an error. Returns at once after the end.
    ///
    /// # Errors
    ///
    /// `NotFound`.
    async fn wait(&self, id: &ContainerId) -> ContainerResult<ExitReport>;

    /// What the container printed so far: stdout and stderr apart, byte for byte, each up to the request's
    /// limit, with the rest counted. Works while it runs and after any end.
    ///
    /// # Errors
    ///
    /// `NotFound`.
    async fn collect_output(&self, id: &ContainerId) -> ContainerResult<ContainerOutput>;

    /// Follows the container's output from its beginning.
    ///
    /// # Errors
    ///
    /// `NotFound`.
    fn follow_output(&self, id: &ContainerId) -> ContainerResult<OutputFollower>;

    /// The container's output from its beginning, in the order in which it came, each piece with its stream and the time
    /// when it came here: up to now, or, where it is followed, to its end. It is read from what is kept, so a slow reader
    /// loses nothing of that and holds nobody up; what was printed beyond the limit is told at the end. Pieces of one
    /// stream that come within 10 ms are one, and 16,384 are told apart.
    ///
    /// # Errors
    ///
    /// `NotFound`.
    fn logs(&self, id: &ContainerId, follow: bool) -> ContainerResult<Logs>;

    /// Runs a further command in a running container, under the same user and the same policy, and returns when it
    /// has ended, with what it printed. Its standard input is what the request brings. At its own deadline its process
    /// group is killed, and the container lives on. Dropping the future kills the command.
    ///
    /// A non-zero exit is not an error, and neither is the deadline: see [`ExecReport::timed_out`].
    ///
    /// # Errors
    ///
    /// What the policy refuses; `NotFound`; `InvalidState` where the container does not run, or ends before the
    /// command does; `StartFailed` where the command cannot be run; `Unsupported` where process 1 is the engine's.
    async fn exec(&self, id: &ContainerId, request: ExecRequest) -> ContainerResult<ExecReport>;

    /// Starts a further command, as [`exec`](Self::exec) does, and returns once its program runs: with its standard
    /// input, its output as it comes, and its end. [`ExecRequest::max_output_bytes`] bounds nothing here, as nothing is
    /// kept.
    ///
    /// # Errors
    ///
    /// As [`exec`](Self::exec).
    async fn exec_stream(
        &self,
        id: &ContainerId,
        request: ExecRequest,
    ) -> ContainerResult<ExecHandle>;

    /// Takes the standard input of the container's own command, once: what is written to it the command reads, and
    /// shutting or dropping it is the end. As long as nobody takes it, the command waits for it.
    ///
    /// # Errors
    ///
    /// `NotFound`; `InvalidState` where the container does not run; `Unsupported` where it was not
    /// [asked for](ContainerSpawnRequest::stdin) or is taken already, and in a container that was adopted.
    fn take_stdin(&self, id: &ContainerId) -> ContainerResult<ExecStdin>;

    /// Ends the container and removes it from the engine: token revoked first, then `SIGTERM`, then `SIGKILL`.
    /// Its output and its exit stay to be read until [`cleanup_stopped`](Self::cleanup_stopped).
    /// Any number of calls succeed, as does one for a container that has ended or that somebody else removed.
    ///
    /// # Errors
    ///
    /// `NotFound` for an id that this backend never had; `EngineTimeout` where the engine has not confirmed
    /// in time, while the manager goes on trying.
    async fn kill(&self, id: &ContainerId) -> ContainerResult<()>;

    /// The container's state, from memory: at once, even while the engine hangs.
    fn get(&self, id: &ContainerId) -> Option<ContainerInfo>;

    /// Every container's state, oldest first, from memory.
    fn list(&self) -> Vec<ContainerInfo>;

    /// What was requested and observed of each policy item before the command ran.
    ///
    /// # Errors
    ///
    /// `NotFound`, also for a container that is not verified yet.
    fn enforcement(&self, id: &ContainerId) -> ContainerResult<EnforcementReport>;

    /// Removes the containers that have ended, forgets them and frees their places. Returns how many the
    /// engine confirmed gone; those it did not confirm stay, and are tried again by the next call.
    ///
    /// # Errors
    ///
    /// None of its own today; an engine that does not answer shows in the count.
    async fn cleanup_stopped(&self) -> ContainerResult<usize>;

    /// Whether the engine answers.
    async fn is_available(&self) -> bool;

    /// Who the engine is and what it can enforce.
    ///
    /// # Errors
    ///
    /// `EngineUnavailable`, `EngineTimeout`.
    async fn info(&self) -> ContainerResult<EngineInfo>;

    /// The tokens of the live containers, for a proxy to check against.
    fn token_store(&self) -> Arc<ContainerTokenStore>;

    /// Every container of this user's at the engine, of whatever process.
    ///
    /// # Errors
    ///
    /// The engine's own.
    async fn survey(&self) -> ContainerResult<Vec<SurveyedContainer>>;

    /// Ends a surveyed container, of whatever process: its own manager, if it lives, sees it die and removes
    /// it; otherwise it is removed here.
    ///
    /// # Errors
    ///
    /// `NotFound` where the engine has no such container of this user's; the engine's own.
    async fn evict(&self, id: &ContainerId) -> ContainerResult<()>;

    /// Takes over the containers that a dead manager has left, as far as [`ManagerConfig::adopt`](crate::ManagerConfig)
    /// says, and returns those that were taken over now. Of several managers one takes them, and while it lives they are
    /// nobody else's. They are marked as [`recovered`](ContainerInfo::recovered):
    ///
    /// - `get`, `list`, `wait`, `kill` and `cleanup_stopped` are as for others. The policy, the task and the time of
    ///   registration are not known any more: they are `Container`, empty, and the time of the start. Nor is what the
    ///   gates saw, so `enforcement` is `NotFound`.
    /// - The deadline is the one on the label, which is up to five seconds later than the limit alone; where process 1
    ///   is clawbox's it keeps the limit itself.
    /// - The output is what the engine kept in its bounded log, so that it is told as incomplete. The exit is the
    ///   engine's word.
    /// - The link to process 1 is gone, so `exec` is `Unsupported`. The token died with its manager: no proxy of this
    ///   manager's knows it.
    /// - It takes one of `max_containers` places where there is one, and is taken over where there is none.
    ///
    /// What was never started is removed. A manager without a `state_dir` adopts nothing.
    ///
    /// # Errors
    ///
    /// The engine's own; `ShutDown`.
    async fn adopt_orphans(&self) -> ContainerResult<Vec<ContainerInfo>>;

    /// Removes the containers whose owners are dead, once, 16 at a time. Returns how many the engine confirmed that
    /// this call removed. The rest is left where the engine does not answer any more. What is to be adopted is adopted
    /// first.
    ///
    /// # Errors
    ///
    /// The engine's own.
    async fn reap_orphans(&self) -> ContainerResult<usize>;

    /// Starts a task that calls [`reap_orphans`](Self::reap_orphans) at once and then at every interval,
    /// until `shutdown` becomes true or its sender is dropped. While the engine is down it asks less and less often, at
    /// least every eighth interval.
    fn spawn_reaper(&self, shutdown: watch::Receiver<bool>) -> JoinHandle<()>;

    /// Ends the backend: no container is spawned any more, and the reaper ends. Returns once every container is gone, or
    /// kept, and at the latest after the time that a kill may take. Any number of calls may be made; what a call leaves
    /// unfinished, the manager goes on with.
    async fn shutdown(&self, grace: Grace) -> ShutdownReport;
}

/// What becomes of a backend's containers when it is shut down.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Grace {
    /// Each is killed and removed, as by [`kill`](ContainerBackend::kill). What they printed and how they ended can
    /// still be read.
    #[default]
    Kill,
    /// Those that run go on, and those that have ended stay at the engine, as if this process had died: the lease comes
    /// back, their tokens are revoked, and this backend knows them no more. From then on they are orphans. A manager
    /// may adopt them, any reaper of this user's removes them, and until then it is process 1 that ends them at their
    /// deadline; where process 1 is the engine's, nobody does. What was still being spawned is removed.
    Keep,
}

/// What [`shutdown`](ContainerBackend::shutdown) came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShutdownReport {
    /// What was left to whoever adopts it.
    pub kept: Vec<ContainerId>,
    /// What the engine has not confirmed gone in time. Its removal is tried again for as long as the process lives.
    pub remaining: Vec<ContainerId>,
}

/// A container of this user's, found at the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SurveyedContainer {
    /// Its id.
    pub id: ContainerId,
    /// Whether the process that spawned it lives.
    pub owner: Liveness,
    /// Its phase at the engine.
    pub phase: EnginePhase,
    /// When it must have ended.
    pub deadline: OffsetDateTime,
}
