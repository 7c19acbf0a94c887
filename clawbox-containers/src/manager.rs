//! The one implementation of [`ContainerBackend`], over any engine.

mod adopt;
mod bring_up;
mod calls;
mod ending;
mod exec;
mod lifecycle;
mod orphans;
mod output;
mod prepare;
mod process_one;
mod reaper;
mod registry;
mod shutdown;
mod state;
mod stdin;

use crate::{
    backend::{ContainerBackend, Grace, ShutdownReport, SurveyedContainer},
    capture::OutputFollower,
    config::{ContainerSecurityConfig, ManagerConfig},
    counters::Count,
    engine::{ContainerEngine, EngineWarning, PullProgress},
    error::{ContainerError, ContainerResult},
    exec::{ExecHandle, ExecStdin},
    init::Places,
    log::{LogReader, Logs},
    owner::{Claim, Lease, OwnerId},
    policy::SecurityPolicy,
    proxy::{CONTAINER_SOCKET, proxy_dir},
    token::{ContainerTokenStore, new_identity},
    workspace::{Forbidden, OpenWorkspace, open_all},
};
use async_trait::async_trait;
use calls::Calls;
use clawbox_types::{
    ContainerId, ContainerIdentity, ContainerInfo, ContainerOutput, ContainerSpawnRequest,
    ContainerStatus, EnforcementReport, EngineInfo, ExecReport, ExecRequest, ExitReport, Workspace,
};
use lifecycle::{Life, Tether};
use prepare::LastImage;
use registry::Registry;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, OnceLock, PoisonError, atomic::AtomicBool},
};
use tokio::{
    sync::{OnceCell, oneshot, watch},
    task::JoinHandle,
    time::timeout,
};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Told of each step of fetching an image.
pub type PullObserver = Arc<dyn Fn(PullProgress) + Send + Sync>;

/// Runs containers on an engine: policy, plan, verification, deadlines, output, tokens and clean-up, written
/// once for every engine.
///
/// A clone is another handle to the same manager. When the last handle is dropped, every container is killed
/// and removed in the background; a program that is about to end calls
/// [`shutdown`](ContainerBackend::shutdown) first.
pub struct ContainerManager<E: ContainerEngine> {
    shared: Arc<Shared<E>>,
    last_handle: Arc<DropGuard>,
}

impl<E: ContainerEngine> Clone for ContainerManager<E> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
            last_handle: Arc::clone(&self.last_handle),
        }
    }
}

impl<E: ContainerEngine> std::fmt::Debug for ContainerManager<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ContainerManager")
            .field("endpoint", &self.shared.calls.engine.endpoint())
            .field("owner", &self.shared.owner)
            .finish_non_exhaustive()
    }
}

/// What a manager's handles and its containers' tasks share.
struct Shared<E> {
    calls: Calls<E>,
    policy: SecurityPolicy,
    config: ManagerConfig,
    registry: Registry,
    tokens: Arc<ContainerTokenStore>,
    owner: OwnerId,
    /// Where process 1 of each container is awaited. Dropped before the lease, by which others know whose it was.
    places: Mutex<Option<Places>>,
    last_image: LastImage,
    lease: Mutex<Option<Lease>>,
    /// Whose containers were adopted. To everybody else they live meanwhile.
    claims: Mutex<BTreeMap<OwnerId, Claim>>,
    on_pull: Option<PullObserver>,
    /// What the engine's host cannot enforce, once that was asked.
    beyond_the_host: OnceCell<Vec<EngineWarning>>,
    /// The containers are left as they are.
    keep: CancellationToken,
    /// The last handle is gone.
    shutdown: CancellationToken,
}

impl<E: ContainerEngine> ContainerManager<E> {
    /// A manager of containers on `engine`, which is not asked anything yet.
    ///
    /// # Errors
    ///
    /// [`ContainerError::PolicyDenied`] with everything that is impossible in `security`.
    pub fn new(
        engine: E,
        security: &ContainerSecurityConfig,
        config: ManagerConfig,
    ) -> ContainerResult<Self> {
        Self::with_pull_observer(engine, security, config, None)
    }

    /// As [`new`](Self::new), with somebody to tell of images that are being fetched.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new).
    pub fn with_pull_observer(
        engine: E,
        security: &ContainerSecurityConfig,
        config: ManagerConfig,
        on_pull: Option<PullObserver>,
    ) -> ContainerResult<Self> {
        let shutdown = CancellationToken::new();
        Ok(Self {
            last_handle: Arc::new(shutdown.clone().drop_guard()),
            shared: Arc::new(Shared {
                policy: SecurityPolicy::new(security)?,
                calls: Calls {
                    engine,
                    timeouts: config.timeouts,
                },
                registry: Registry::new(config.max_containers, config.clock),
                tokens: Arc::default(),
                owner: OwnerId::generate(),
                lease: Mutex::default(),
                claims: Mutex::default(),
                places: Mutex::default(),
                last_image: LastImage::default(),
                on_pull,
                beyond_the_host: OnceCell::new(),
                keep: CancellationToken::new(),
                shutdown,
                config,
            }),
        })
    }

    /// The engine.
    #[must_use]
    pub fn engine(&self) -> &E {
        &self.shared.calls.engine
    }

    /// Who this manager is on its containers' labels.
    #[must_use]
    pub fn owner(&self) -> OwnerId {
        self.shared.owner
    }

    /// Admits a request, and registers its container before the engine hears of it.
    fn register(&self, request: ContainerSpawnRequest) -> ContainerResult<Life<E>> {
        let shared = &self.shared;
        let admission = shared.policy.admit(&request)?;
        let proxy_dir = admission
            .proxy_socket()
            .map(|path| proxy_dir(path))
            .transpose()?;
        let workspaces = shared.open_workspaces(admission.workspaces())?;
        shared.hold_lease()?;
        let identity = match request.identity {
            Some(identity) => identity,
            None => self.pre_generate_id()?,
        };
        let info = ContainerInfo::new(
            identity.id.clone(),
            ContainerStatus::Creating,
            request.policy,
            shared.config.clock.now(),
            &request.task,
            CONTAINER_SOCKET,
        );
        let output_limit = usize::try_from(admission.max_output().get()).unwrap_or(usize::MAX);
        let record = shared.registry.reserve(info, output_limit)?;
        shared.tokens.insert(&identity);
        Ok(Life {
            _tether: Tether {
                shared: Arc::clone(shared),
                record: Arc::clone(&record),
            },
            shared: Arc::clone(shared),
            record,
            admission,
            identity,
            proxy_dir,
            workspaces,
            init_dir: OnceLock::new(),
            asked: AtomicBool::new(false),
            unanswered: AtomicBool::new(false),
            may_run: AtomicBool::new(false),
        })
    }
}

impl<E: ContainerEngine> Shared<E> {
    fn open_workspaces(&self, wanted: &[Workspace]) -> ContainerResult<Vec<OpenWorkspace>> {
        if wanted.is_empty() {
            return Ok(Vec::new());
        }
        let (endpoint, state_dir) = (
            self.calls.engine.endpoint(),
            self.config.state_dir.as_deref(),
        );
        let forbidden = Forbidden::on_this_host(&endpoint, state_dir);
        open_all(wanted, &forbidden)
    }

    /// Takes the ownership lease, once, before the first container.
    fn hold_lease(&self) -> ContainerResult<()> {
        let mut lease = self.lease.lock().unwrap_or_else(PoisonError::into_inner);
        // What was left to others is not taken back.
        if self.registry.closed.is_cancelled() {
            return Err(ContainerError::ShutDown);
        }
        if let (None, Some(dir)) = (lease.as_ref(), &self.config.state_dir) {
            let (endpoint, name) = (self.calls.engine.endpoint(), &self.config.owner_name);
            *lease = Some(Lease::take(dir, self.owner, &endpoint, name.as_deref())?);
        }
        Ok(())
    }

    /// Before each create.
    fn renew_lease(&self) {
        let lease = self.lease.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lease) = lease.as_ref() {
            lease.renew(self.config.clock.now().into());
        }
    }
}

#[async_trait]
impl<E: ContainerEngine> ContainerBackend for ContainerManager<E> {
    fn pre_generate_id(&self) -> ContainerResult<ContainerIdentity> {
        new_identity().map_err(|source| ContainerError::Io {
            what: "reading random bytes",
            path: "getrandom(2)".into(),
            source,
        })
    }

    async fn spawn(&self, request: ContainerSpawnRequest) -> ContainerResult<ContainerInfo> {
        let life = self
            .register(request)
            .inspect_err(|_| Count::Refused.up())?;
        let abandoned = CancellationToken::new();
        let guard = abandoned.clone().drop_guard();
        let (answer, answered) = oneshot::channel();
        let id = life.identity.id.clone();
        tokio::spawn(life.run(abandoned, answer));
        let outcome = answered.await;
        guard.disarm();
        // The task answers unless the runtime is being torn down.
        outcome.unwrap_or(Err(ContainerError::InvalidState {
            id,
            expected: "running",
            actual: ContainerStatus::Lost,
        }))
    }

    async fn wait(&self, id: &ContainerId) -> ContainerResult<ExitReport> {
        let record = self.shared.registry.find(id)?;
        tokio::select! {
            biased;
            report = record.ended() => Ok(report),
            () = record.kept.cancelled() => Err(ContainerError::ShutDown),
        }
    }

    async fn collect_output(&self, id: &ContainerId) -> ContainerResult<ContainerOutput> {
        Ok(self.shared.registry.find(id)?.capture.output())
    }

    fn follow_output(&self, id: &ContainerId) -> ContainerResult<OutputFollower> {
        let record = self.shared.registry.find(id)?;
        Ok(OutputFollower::new(Arc::clone(&record.capture)))
    }

    fn logs(&self, id: &ContainerId, follow: bool) -> ContainerResult<Logs> {
        let record = self.shared.registry.find(id)?;
        Ok(LogReader::of(Arc::clone(&record.capture), follow))
    }

    async fn exec(&self, id: &ContainerId, request: ExecRequest) -> ContainerResult<ExecReport> {
        let record = self.shared.registry.get(id);
        if record.is_some_and(|record| record.recovered && !record.has_ended()) {
            return Err(ContainerError::Unsupported {
                what: "a further command".to_owned(),
                reason: "the link to process 1 went with the manager that spawned the container"
                    .to_owned(),
            });
        }
        self.shared.exec(id, request).await
    }

    async fn exec_stream(
        &self,
        id: &ContainerId,
        request: ExecRequest,
    ) -> ContainerResult<ExecHandle> {
        self.shared.exec_stream(id, request).await
    }

    fn take_stdin(&self, id: &ContainerId) -> ContainerResult<ExecStdin> {
        self.shared.take_stdin(id)
    }

    async fn kill(&self, id: &ContainerId) -> ContainerResult<()> {
        let shared = &self.shared;
        let record = shared.registry.find(id)?;
        shared.tokens.revoke(id);
        record.kill.cancel();
        shared.tend(&record);
        let after = shared.config.stop_grace + shared.config.timeouts.change;
        timeout(after, record.gone.cancelled())
            .await
            .map_err(|_| ContainerError::EngineTimeout {
                endpoint: shared.calls.engine.endpoint(),
                call: "kill and remove the container",
                after,
            })
    }

    fn get(&self, id: &ContainerId) -> Option<ContainerInfo> {
        Some(self.shared.registry.get(id)?.info())
    }

    fn list(&self) -> Vec<ContainerInfo> {
        let all = self.shared.registry.all();
        all.iter().map(|record| record.info()).collect()
    }

    fn enforcement(&self, id: &ContainerId) -> ContainerResult<EnforcementReport> {
        let record = self.shared.registry.find(id)?;
        let report = record.enforcement.get().cloned();
        report.ok_or_else(|| ContainerError::NotFound { id: id.clone() })
    }

    async fn cleanup_stopped(&self) -> ContainerResult<usize> {
        let shared = &self.shared;
        let mut stopped = shared.registry.all();
        stopped.retain(|record| record.has_ended());
        for record in &stopped {
            record.remove.cancel();
            shared.tend(record);
        }
        let all_gone = async {
            for record in &stopped {
                record.gone.cancelled().await;
            }
        };
        // Those that are not gone in time are not counted, and stay.
        drop(timeout(shared.config.timeouts.change, all_gone).await);
        stopped.retain(|record| record.gone.is_cancelled());
        // Of several calls at once, each record counts for one.
        stopped.retain(|record| shared.registry.forget(record));
        tracing::info!(count = stopped.len(), "cleaned up stopped containers");
        Ok(stopped.len())
    }

    async fn is_available(&self) -> bool {
        self.info().await.is_ok()
    }

    async fn info(&self) -> ContainerResult<EngineInfo> {
        let calls = &self.shared.calls;
        calls.query("describe itself", calls.engine.probe()).await
    }

    fn token_store(&self) -> Arc<ContainerTokenStore> {
        Arc::clone(&self.shared.tokens)
    }

    async fn survey(&self) -> ContainerResult<Vec<SurveyedContainer>> {
        self.shared.survey().await
    }

    async fn evict(&self, id: &ContainerId) -> ContainerResult<()> {
        if self.shared.registry.get(id).is_some() {
            return self.kill(id).await;
        }
        self.shared.evict(id).await
    }

    async fn adopt_orphans(&self) -> ContainerResult<Vec<ContainerInfo>> {
        self.shared.adopt_orphans().await
    }

    async fn reap_orphans(&self) -> ContainerResult<usize> {
        self.shared.reap_orphans().await
    }

    async fn shutdown(&self, grace: Grace) -> ShutdownReport {
        self.shared.shut_down(grace).await
    }

    fn spawn_reaper(&self, shutdown: watch::Receiver<bool>) -> JoinHandle<()> {
        tokio::spawn(Arc::clone(&self.shared).reap_until(shutdown))
    }
}
