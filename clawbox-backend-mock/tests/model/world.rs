//! An engine, a manager over it, those who call it, and what they may expect.

use crate::{
    Checked,
    calls::{Call, Pending},
    step::{Init, Kind, Program, Setup, Step},
    truth::Truth,
};
use clawbox_backend_mock::{Fault, InitFault, MockBackend, MockEngine, Op, mock_config};
use clawbox_containers::{
    ContainerBackend as _, ContainerSecurityConfig, ContainerTokenStore, InitProgram,
};
use clawbox_types::{
    Capabilities, ContainerId, ContainerIdentity, ContainerSpawnRequest, ContainerStatus,
    ExitReport, ResourceLimits,
};
use std::{future::poll_fn, pin::pin, sync::Arc, task::Poll, time::Duration};
use time::OffsetDateTime;
use tokio::time::{Instant, sleep};

pub(crate) struct World {
    pub(crate) setup: Setup,
    pub(crate) engine: MockEngine,
    pub(crate) backend: MockBackend,
    pub(crate) tokens: Arc<ContainerTokenStore>,
    pub(crate) truth: Truth,
    pub(crate) pending: Vec<Pending>,
    pub(crate) containers: Vec<Expected>,
    /// How many records were made in all, and how many were said to be cleaned up.
    pub(crate) registered: usize,
    pub(crate) cleaned: usize,
    /// Since when the engine does as it is told; `None`: it does not.
    pub(crate) healthy_since: Option<Instant>,
    /// Whether something may take containers away.
    pub(crate) thieves: bool,
    /// Whether something may create containers that were given up.
    pub(crate) late: bool,
}

/// What is known of an identity, and of the last container that had it.
pub(crate) struct Expected {
    pub(crate) identity: ContainerIdentity,
    pub(crate) program: Program,
    pub(crate) limit: Duration,
    /// The spawn came back.
    pub(crate) known: bool,
    /// The spawn was dropped.
    pub(crate) dropped: Option<Instant>,
    /// Somebody asked for its end.
    pub(crate) killed: bool,
    /// Somebody who did not know it ended it.
    pub(crate) evicted: bool,
    /// It may be gone, or the kernel may have killed it.
    pub(crate) vanished: bool,
    pub(crate) out_of_memory: bool,
    /// How it was seen last.
    pub(crate) seen: Option<ContainerStatus>,
    pub(crate) end: Option<ExitReport>,
}

impl World {
    pub(crate) fn new(setup: Setup) -> Self {
        let engine = MockEngine::starting_at(OffsetDateTime::UNIX_EPOCH);
        let truth = Truth::default();
        engine.add_image(truth.image());
        let mut security = ContainerSecurityConfig::new();
        let world = Self {
            backend: {
                if setup.init == Init::Engine {
                    security = security.with_init(InitProgram::Engine);
                }
                let config = mock_config(&engine).with_max_containers(setup.places);
                MockBackend::new(engine.clone(), &security, config).unwrap()
            },
            tokens: Arc::default(),
            setup,
            engine,
            truth,
            pending: Vec::new(),
            containers: Vec::new(),
            registered: 0,
            cleaned: 0,
            healthy_since: Some(Instant::now()),
            thieves: false,
            late: false,
        };
        world.be_cut();
        Self {
            tokens: world.backend.token_store(),
            ..world
        }
    }

    fn be_cut(&self) {
        if self.setup.init == Init::Cut {
            let fault = Fault::process_one(InitFault::CutAfterGo);
            self.engine.fail(fault.always());
        }
    }

    pub(crate) fn recover(&mut self) {
        self.engine.recover();
        self.be_cut();
        self.healthy_since.get_or_insert_with(Instant::now);
    }

    pub(crate) fn container(&mut self, id: &ContainerId) -> &mut Expected {
        let known = self.containers.iter_mut();
        known.into_iter().find(|c| c.identity.id == *id).unwrap()
    }

    pub(crate) async fn take(&mut self, step: &Step) -> Checked {
        match *step {
            Step::Spawn {
                program,
                limit,
                again,
            } => self.spawn(program, Duration::from_secs(limit), again),
            Step::Kill(pick) => {
                if let Some(id) = self.pick(pick) {
                    if self.backend.get(&id).is_some() {
                        self.container(&id).killed = true;
                    }
                    self.call(Call::Kill(id), None);
                }
            }
            Step::Wait(pick) => {
                if let Some(id) = self.pick(pick) {
                    self.call(Call::Wait(id), None);
                }
            }
            Step::Exec(pick) => {
                if let Some(id) = self.pick(pick) {
                    self.call(Call::Exec(id), None);
                }
            }
            Step::Evict(pick) => {
                if let Some(id) = self.pick(pick) {
                    let known = self.backend.get(&id).is_some();
                    let container = self.container(&id);
                    container.evicted = true;
                    container.killed |= known;
                    self.call(Call::Evict(id), None);
                }
            }
            Step::Cleanup => self.call(Call::Cleanup, None),
            Step::Reap => self.call(Call::Reap, None),
            Step::Info => self.call(Call::Info, None),
            Step::Drop(pick) => self.abandon(pick),
            Step::Vanish(pick) => {
                if let Some(id) = self.pick(pick)
                    && self.engine.vanish(&id)
                {
                    self.container(&id).vanished = true;
                }
            }
            Step::OutOfMemory(pick) => {
                if let Some(id) = self.pick(pick)
                    && self.engine.kill_for_memory(&id)
                {
                    self.container(&id).out_of_memory = true;
                }
            }
            Step::Fail(trouble) => {
                self.thieves |= trouble.kind == Kind::Vanished;
                self.late |= trouble.kind == Kind::CreatedLate;
                // The rest does no harm by itself.
                if trouble.on != Op::Run || trouble.kind != Kind::Vanished {
                    self.healthy_since = None;
                }
                self.engine.fail(trouble.fault());
            }
            Step::Recover => self.recover(),
            Step::Turns(turns) => {
                for _ in 0..turns {
                    tokio::task::yield_now().await;
                    self.poll_once().await?;
                }
            }
            Step::Time(time) => self.pass(time).await?,
        }
        let before = self.backend.list().len();
        self.poll_once().await?;
        // Nobody else has had a turn: there is a new one, or there is none.
        if matches!(step, Step::Spawn { .. }) {
            self.registered += self.backend.list().len().saturating_sub(before);
        }
        self.check().await
    }

    fn spawn(&mut self, program: Program, limit: Duration, again: Option<usize>) {
        let identity = match again.and_then(|pick| self.pick(pick)) {
            Some(id) => self.container(&id).identity.clone(),
            None => self.backend.pre_generate_id().unwrap(),
        };
        let id = identity.id.clone();
        let limits = ResourceLimits::new(u64::try_from(limit.as_millis()).unwrap(), 64);
        let request =
            ContainerSpawnRequest::new("a test", Capabilities::default().with_resources(limits))
                .with_command([program.name()])
                .with_identity(identity.clone());
        if self.backend.get(&id).is_some() {
            return self.call(Call::SpawnAgain(id), Some(request));
        }
        if self.is_under_way(&Call::Spawn(id.clone())) {
            // It has failed, and its caller is still to hear of it.
            return;
        }
        self.truth.forget(&id.to_string());
        self.containers.retain(|c| c.identity.id != id);
        self.containers.push(Expected {
            identity,
            program,
            limit,
            known: false,
            dropped: None,
            killed: false,
            evicted: self.is_under_way(&Call::Evict(id.clone())),
            vanished: false,
            out_of_memory: false,
            seen: None,
            end: None,
        });
        self.call(Call::Spawn(id), Some(request));
    }

    fn is_under_way(&self, call: &Call) -> bool {
        self.pending.iter().any(|pending| pending.call == *call)
    }

    pub(crate) fn pick(&self, pick: usize) -> Option<ContainerId> {
        let count = self.containers.len().max(1);
        let picked = self.containers.get(pick % count)?;
        Some(picked.identity.id.clone())
    }

    /// The caller of a call goes away.
    pub(crate) fn abandon(&mut self, pick: usize) {
        if self.pending.is_empty() {
            return;
        }
        let dropped = self.pending.remove(pick % self.pending.len());
        if let Call::Spawn(id) = dropped.call.clone() {
            drop(dropped);
            self.container(&id).dropped = Some(Instant::now());
        }
    }

    pub(crate) async fn poll_once(&mut self) -> Checked {
        poll_fn(|context| Poll::Ready(self.poll_all(context))).await
    }

    /// Lets time pass, while everybody who waits does so.
    pub(crate) async fn pass(&mut self, time: Duration) -> Checked {
        let mut over = pin!(sleep(time));
        poll_fn(|context| match self.poll_all(context) {
            Ok(()) => over.as_mut().poll(context).map(Ok),
            Err(what) => Poll::Ready(Err(what)),
        })
        .await
    }
}
