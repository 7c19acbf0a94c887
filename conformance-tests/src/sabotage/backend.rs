//! A backend that breaks one thing.

use super::{How, Sabotage};
use async_trait::async_trait;
use clawbox_containers::{
    ContainerBackend, ContainerError, ContainerResult, ContainerTokenStore, ExecHandle, ExecOutput,
    ExecStdin, Grace, Logs, OutputFollower, ShutdownReport, SurveyedContainer,
    init::{CONTAINER_INIT, CONTAINER_INIT_TRANSFER},
};
use clawbox_types::{
    ContainerId, ContainerIdentity, ContainerInfo, ContainerOutput, ContainerSpawnRequest,
    EnforcementReport, EngineInfo, ExecReport, ExecRequest, ExitReport,
};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::{
    io::AsyncWriteExt,
    sync::watch,
    task::{JoinError, JoinHandle},
};

/// What a backend may break.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Lie {
    /// Every identity is the first one.
    OneIdentity,
    /// A spawn takes no account of the identity that was made for it.
    OtherIdentity,
    /// A failed spawn is tried once more in the background.
    SpawnsAgain,
    /// A spawn whose caller is gone goes on.
    SpawnsDetached,
    /// Waiting ends at once.
    WaitsForNothing,
    /// Waiting a second time finds nothing.
    WaitsOnce,
    /// Collecting a second time finds nothing.
    CollectsOnce,
    /// A kill does nothing.
    KillsNothing,
    /// A kill is refused where one was done before, or where the container has ended.
    KillsOnce,
    /// A kill takes the record with it.
    KillsTheRecord,
    /// Nothing is cleaned up, and counted all the same.
    CleansNothing,
    /// Cleaning up kills what runs.
    CleansAll,
    /// Nothing is ever available, and that is not asked.
    Unavailable,
    /// Everything is available, and that is not asked.
    Available,
    /// No token is ever valid.
    NoTokens,
    /// Evicting does nothing.
    EvictsNothing,
    /// Reaping does nothing.
    ReapsNothing,
    /// The background reaper does not heed its shutdown.
    ReapsForEver,
    /// The background reaper gives up at once.
    ReapsOnce,
    Info(fn(&mut ContainerInfo)),
    Report(fn(&mut ExitReport)),
    Output(fn(&mut ContainerOutput)),
    Listed(fn(&mut Vec<ContainerInfo>)),
    Got(fn(Option<ContainerInfo>) -> Option<ContainerInfo>),
    Enforcement(fn(&mut EnforcementReport)),
    Surveyed(fn(&mut Vec<SurveyedContainer>)),
    Counted(fn(usize) -> usize),
    Failed(fn(ContainerError) -> ContainerError),
    /// A further command is another one.
    Exec(fn(&mut ExecRequest)),
    /// A further command ends as another, or as none.
    Executed(fn(ContainerResult<ExecReport>) -> ContainerResult<ExecReport>),
    /// What a further command prints as it comes is something else.
    Printed(fn(ExecOutput) -> ExecOutput),
    /// A further command that is streamed is another.
    Streamed(fn(ExecHandle) -> ExecHandle),
    /// What a container's log tells is something else.
    Logged(fn(Logs) -> Logs),
    /// The standard input of a container's command is another, or another's.
    TakenStdin(fn(ContainerResult<ExecStdin>) -> ContainerResult<ExecStdin>),
    /// A transfer of files is another.
    Transferred(fn(ExecHandle) -> ExecHandle),
    /// A further command must read all that it is given.
    ExecReadsAll,
    /// A further command whose caller is gone goes on.
    ExecDetached,
    /// What a further command may not have is left out, in place of a refusal.
    ExecWithout,
    /// No more further commands than this run at once.
    ExecAtMost(usize),
}

/// A backend over which one [`Sabotage`] hangs.
#[derive(Clone)]
pub(super) struct SabotagedBackend {
    inner: Arc<dyn ContainerBackend>,
    how: How,
    first: Arc<Mutex<Option<ContainerIdentity>>>,
    seen: Arc<Mutex<Vec<ContainerId>>>,
    /// One for each further command that runs, and one more.
    running: Arc<()>,
}

impl SabotagedBackend {
    pub(super) fn new(inner: Arc<dyn ContainerBackend>, sabotage: &Sabotage) -> Self {
        Self {
            inner,
            how: sabotage.how(),
            first: Arc::default(),
            seen: Arc::default(),
            running: Arc::default(),
        }
    }

    fn lie(&self) -> Option<Lie> {
        match self.how {
            How::Backend(lie) => Some(lie),
            _ => None,
        }
    }

    /// Whether this is not the first time.
    fn again(&self, id: &ContainerId) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let again = seen.contains(id);
        seen.push(id.clone());
        again
    }

    fn told<T>(&self, answer: ContainerResult<T>) -> ContainerResult<T> {
        match self.lie() {
            Some(Lie::Failed(change)) => answer.map_err(change),
            _ => answer,
        }
    }

    async fn spawn_as_asked(
        &self,
        mut request: ContainerSpawnRequest,
    ) -> ContainerResult<ContainerInfo> {
        match (self.how, self.lie()) {
            (How::Request(change), _) => change(&mut request),
            (_, Some(Lie::OtherIdentity)) => request.identity = None,
            _ => {}
        }
        let again = request.clone();
        let mut answer = self.inner.spawn(request).await;
        match (self.lie(), &mut answer) {
            (Some(Lie::Info(change)), Ok(info)) => change(info),
            (Some(Lie::SpawnsAgain), Err(_)) => {
                let inner = Arc::clone(&self.inner);
                tokio::spawn(async move { inner.spawn(again).await });
                // It is under way before the first failure is told.
                tokio::task::yield_now().await;
            }
            _ => {}
        }
        answer
    }

    async fn exec_otherwise(
        &self,
        id: &ContainerId,
        mut request: ExecRequest,
    ) -> ContainerResult<ExecReport> {
        let running = Arc::clone(&self.running);
        match self.lie() {
            Some(Lie::Exec(change)) => change(&mut request),
            Some(Lie::ExecAtMost(most)) if Arc::strong_count(&running) - 1 > most => {
                return Err(ContainerError::LimitReached { limit: most });
            }
            Some(Lie::ExecReadsAll) => {
                let bytes = request.stdin.take().unwrap_or_default();
                let mut handle = self.inner.exec_stream(id, request).await?;
                if let Some(mut stdin) = handle.stdin.take() {
                    stdin.write_all(&bytes).await.map_err(broken)?;
                }
                return handle.collect(usize::MAX).await;
            }
            Some(Lie::ExecDetached) => {
                let (inner, id) = (Arc::clone(&self.inner), id.clone());
                let ended = tokio::spawn(async move { inner.exec(&id, request).await });
                return ended.await.map_err(detached)?;
            }
            _ => {}
        }
        let bare = ExecRequest::new(request.command.iter());
        let answer = self.inner.exec(id, request).await;
        match (self.lie(), answer) {
            (Some(Lie::Executed(change)), answer) => change(answer),
            (Some(Lie::ExecWithout), Err(ContainerError::PolicyDenied { .. })) => {
                self.inner.exec(id, bare).await
            }
            (_, answer) => answer,
        }
    }
}

fn detached(error: JoinError) -> ContainerError {
    broken(std::io::Error::other(error))
}

fn broken(source: std::io::Error) -> ContainerError {
    ContainerError::Io {
        what: "doing it otherwise",
        path: "sabotage".into(),
        source,
    }
}

#[async_trait]
impl ContainerBackend for SabotagedBackend {
    fn pre_generate_id(&self) -> ContainerResult<ContainerIdentity> {
        let fresh = self.inner.pre_generate_id()?;
        if !matches!(self.lie(), Some(Lie::OneIdentity)) {
            return Ok(fresh);
        }
        let mut first = self.first.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(first.get_or_insert(fresh).clone())
    }

    async fn spawn(&self, request: ContainerSpawnRequest) -> ContainerResult<ContainerInfo> {
        let answer = if matches!(self.lie(), Some(Lie::SpawnsDetached)) {
            let this = self.clone();
            let spawned = tokio::spawn(async move { this.spawn_as_asked(request).await });
            spawned.await.map_err(detached)?
        } else {
            self.spawn_as_asked(request).await
        };
        self.told(answer)
    }

    async fn wait(&self, id: &ContainerId) -> ContainerResult<ExitReport> {
        match self.lie() {
            Some(Lie::WaitsForNothing) => {
                let info = self.inner.get(id);
                let info = info.ok_or_else(|| ContainerError::NotFound { id: id.clone() })?;
                return Ok(ExitReport::new(info.status));
            }
            Some(Lie::WaitsOnce) if self.again(id) => {
                return Err(ContainerError::NotFound { id: id.clone() });
            }
            _ => {}
        }
        let mut answer = self.told(self.inner.wait(id).await);
        if let (Some(Lie::Report(change)), Ok(report)) = (self.lie(), &mut answer) {
            change(report);
        }
        answer
    }

    async fn collect_output(&self, id: &ContainerId) -> ContainerResult<ContainerOutput> {
        let mut answer = self.told(self.inner.collect_output(id).await);
        match (self.lie(), &mut answer) {
            (Some(Lie::Output(change)), Ok(output)) => change(output),
            (Some(Lie::CollectsOnce), Ok(output)) if self.again(id) => {
                *output = ContainerOutput::default();
            }
            _ => {}
        }
        answer
    }

    fn follow_output(&self, id: &ContainerId) -> ContainerResult<OutputFollower> {
        self.told(self.inner.follow_output(id))
    }

    fn logs(&self, id: &ContainerId, follow: bool) -> ContainerResult<Logs> {
        let answer = self.told(self.inner.logs(id, follow));
        match self.lie() {
            Some(Lie::Logged(change)) => answer.map(change),
            _ => answer,
        }
    }

    async fn exec(&self, id: &ContainerId, request: ExecRequest) -> ContainerResult<ExecReport> {
        self.told(self.exec_otherwise(id, request).await)
    }

    async fn exec_stream(
        &self,
        id: &ContainerId,
        mut request: ExecRequest,
    ) -> ContainerResult<ExecHandle> {
        if let Some(Lie::Exec(change)) = self.lie() {
            change(&mut request);
        }
        let transfers = request.command == [CONTAINER_INIT, CONTAINER_INIT_TRANSFER];
        let answer = self.told(self.inner.exec_stream(id, request).await);
        match self.lie() {
            Some(Lie::Transferred(change)) if transfers => answer.map(change),
            Some(Lie::Streamed(change)) => answer.map(change),
            Some(Lie::Printed(change)) => answer.map(|mut handle| {
                handle.output = change(handle.output);
                handle
            }),
            _ => answer,
        }
    }

    fn take_stdin(&self, id: &ContainerId) -> ContainerResult<ExecStdin> {
        let answer = self.told(self.inner.take_stdin(id));
        match self.lie() {
            Some(Lie::TakenStdin(change)) => change(answer),
            _ => answer,
        }
    }

    async fn kill(&self, id: &ContainerId) -> ContainerResult<()> {
        let known = self.inner.get(id);
        match (self.lie(), known) {
            (Some(Lie::KillsNothing), Some(_)) => Ok(()),
            (Some(Lie::KillsOnce), Some(info)) if info.status.is_terminal() => {
                Err(ContainerError::NotFound { id: id.clone() })
            }
            (Some(Lie::KillsTheRecord), Some(_)) => {
                self.inner.kill(id).await?;
                self.inner.cleanup_stopped().await.map(drop)
            }
            _ => self.told(self.inner.kill(id).await),
        }
    }

    fn get(&self, id: &ContainerId) -> Option<ContainerInfo> {
        let known = self.inner.get(id);
        match self.lie() {
            Some(Lie::Got(change)) => change(known),
            _ => known,
        }
    }

    fn list(&self) -> Vec<ContainerInfo> {
        let mut all = self.inner.list();
        if let Some(Lie::Listed(change)) = self.lie() {
            change(&mut all);
        }
        all
    }

    fn enforcement(&self, id: &ContainerId) -> ContainerResult<EnforcementReport> {
        let mut answer = self.told(self.inner.enforcement(id));
        if let (Some(Lie::Enforcement(change)), Ok(report)) = (self.lie(), &mut answer) {
            change(report);
        }
        answer
    }

    async fn cleanup_stopped(&self) -> ContainerResult<usize> {
        match self.lie() {
            Some(Lie::CleansNothing) => {
                let all = self.inner.list();
                return Ok(all.iter().filter(|info| info.status.is_terminal()).count());
            }
            Some(Lie::CleansAll) => {
                for info in self.inner.list() {
                    self.inner.kill(&info.container_id).await?;
                }
            }
            _ => {}
        }
        let count = self.inner.cleanup_stopped().await;
        match self.lie() {
            Some(Lie::Counted(change)) => count.map(change),
            _ => count,
        }
    }

    async fn is_available(&self) -> bool {
        match self.lie() {
            Some(Lie::Unavailable) => false,
            Some(Lie::Available) => true,
            _ => self.inner.is_available().await,
        }
    }

    async fn info(&self) -> ContainerResult<EngineInfo> {
        self.told(self.inner.info().await)
    }

    fn token_store(&self) -> Arc<ContainerTokenStore> {
        match self.lie() {
            Some(Lie::NoTokens) => Arc::default(),
            _ => self.inner.token_store(),
        }
    }

    async fn survey(&self) -> ContainerResult<Vec<SurveyedContainer>> {
        let mut answer = self.inner.survey().await;
        if let (Some(Lie::Surveyed(change)), Ok(found)) = (self.lie(), &mut answer) {
            change(found);
        }
        answer
    }

    async fn evict(&self, id: &ContainerId) -> ContainerResult<()> {
        match self.lie() {
            Some(Lie::EvictsNothing) => Ok(()),
            _ => self.told(self.inner.evict(id).await),
        }
    }

    async fn reap_orphans(&self) -> ContainerResult<usize> {
        match self.lie() {
            Some(Lie::ReapsNothing) => Ok(0),
            Some(Lie::Counted(change)) => self.inner.reap_orphans().await.map(change),
            _ => self.inner.reap_orphans().await,
        }
    }

    async fn adopt_orphans(&self) -> ContainerResult<Vec<ContainerInfo>> {
        self.inner.adopt_orphans().await
    }

    async fn shutdown(&self, grace: Grace) -> ShutdownReport {
        self.inner.shutdown(grace).await
    }

    fn spawn_reaper(&self, shutdown: watch::Receiver<bool>) -> JoinHandle<()> {
        let inner = Arc::clone(&self.inner);
        match self.lie() {
            Some(Lie::ReapsNothing) => tokio::spawn(async {}),
            Some(Lie::ReapsForEver) => {
                let (never, unheeded) = watch::channel(false);
                let reaper = inner.spawn_reaper(unheeded);
                tokio::spawn(async move {
                    drop(reaper.await);
                    drop(never);
                })
            }
            Some(Lie::ReapsOnce) => tokio::spawn(async move {
                drop(inner.reap_orphans().await);
            }),
            _ => inner.spawn_reaper(shutdown),
        }
    }
}
