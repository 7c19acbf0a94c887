//! A decorator between a manager and its engine: it writes down every call, can hold or fail one, and can change
//! some answers.

use crate::{
    check::{Checked, Stop},
    rig::PATIENCE,
};
use async_trait::async_trait;
use clawbox_containers::{
    ContainerEngine, ContainerPlan,
    engine::{
        EngineError, EngineErrorKind, EngineResult, EngineState, EngineWarning, ImageFacts,
        Inspection, ListedContainer, OutputChunks, PullProgress, Removal, Signal,
    },
    facts::ObservedFacts,
    init::Carrier,
};
use clawbox_types::{ContainerId, EngineInfo, ImageRef, PullPolicy};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::{sync::Semaphore, time::timeout};

/// The calls of an engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Call {
    Probe,
    EnsureImage,
    Create,
    Inspect,
    Attach,
    Start,
    Wait,
    Kill,
    Remove,
    List,
}

/// An engine that is watched.
pub(crate) struct Tap {
    engine: Arc<dyn ContainerEngine>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    calls: Vec<Call>,
    held: HashMap<Call, Arc<Gate>>,
    failing: HashMap<Call, EngineErrorKind>,
    image: Option<fn(&mut ImageFacts)>,
    warnings: Vec<EngineWarning>,
    facts: Option<fn(&mut ObservedFacts)>,
    inspected: Option<fn(&mut EngineState)>,
}

/// Where calls are held.
pub(crate) struct Gate {
    reached: Semaphore,
    open: Semaphore,
}

impl Gate {
    /// Waits until so many calls stand here, since the last time that was asked.
    pub(crate) async fn reached(&self, calls: u32) -> Checked {
        match timeout(PATIENCE, self.reached.acquire_many(calls)).await {
            Ok(reached) => {
                reached?.forget();
                Ok(())
            }
            Err(_) => Err(Stop::Failed(format!(
                "less than {calls} calls of the kind that is held came within {PATIENCE:?}"
            ))),
        }
    }
}

impl Tap {
    pub(crate) fn new(engine: Arc<dyn ContainerEngine>) -> Self {
        Self {
            engine,
            state: Mutex::default(),
        }
    }

    /// Every call so far.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.state().calls.clone()
    }

    /// How many such calls so far.
    pub(crate) fn count(&self, call: Call) -> usize {
        let state = self.state();
        state.calls.iter().filter(|made| **made == call).count()
    }

    /// Holds every such call at a gate, from now on, until [`release`](Self::release).
    pub(crate) fn hold(&self, call: Call) -> Arc<Gate> {
        let gate = Arc::new(Gate {
            reached: Semaphore::new(0),
            open: Semaphore::new(0),
        });
        self.state().held.insert(call, Arc::clone(&gate));
        gate
    }

    /// Fails every such call, from now on, also those that are held.
    pub(crate) fn fail(&self, call: Call, kind: EngineErrorKind) {
        self.state().failing.insert(call, kind);
    }

    /// Changes what the engine says of its images.
    pub(crate) fn change_image(&self, change: fn(&mut ImageFacts)) {
        self.state().image = Some(change);
    }

    /// Adds a warning to those that the engine gives of every creation.
    pub(crate) fn warn(&self, warning: EngineWarning) {
        self.state().warnings.push(warning);
    }

    /// Changes what the engine reads back of how its containers are configured.
    pub(crate) fn change_facts(&self, change: fn(&mut ObservedFacts)) {
        self.state().facts = Some(change);
    }

    /// Changes what the engine says of how its containers are.
    pub(crate) fn change_state(&self, change: fn(&mut EngineState)) {
        self.state().inspected = Some(change);
    }

    /// Lets the held calls go on, and further ones pass.
    pub(crate) fn release(&self) {
        for (_, gate) in self.state().held.drain() {
            gate.open.close();
        }
    }

    /// Interferes with nothing any more.
    pub(crate) fn clear(&self) {
        self.release();
        let mut state = self.state();
        *state = State {
            calls: std::mem::take(&mut state.calls),
            ..State::default()
        };
    }

    async fn pass(&self, call: Call) -> EngineResult<()> {
        let gate = {
            let mut state = self.state();
            state.calls.push(call);
            state.held.get(&call).cloned()
        };
        if let Some(gate) = gate {
            gate.reached.add_permits(1);
            // A closed semaphore is an open gate.
            drop(gate.open.acquire().await);
        }
        match self.state().failing.get(&call) {
            Some(kind) => Err(EngineError::new(*kind, "the suite made this call fail")),
            None => Ok(()),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl ContainerEngine for Tap {
    fn endpoint(&self) -> String {
        self.engine.endpoint()
    }

    fn carrier(&self) -> Carrier {
        self.engine.carrier()
    }

    async fn probe(&self) -> EngineResult<EngineInfo> {
        self.pass(Call::Probe).await?;
        self.engine.probe().await
    }

    async fn ensure_image(
        &self,
        image: &ImageRef,
        pull: PullPolicy,
        progress: &(dyn Fn(PullProgress) + Send + Sync),
    ) -> EngineResult<ImageFacts> {
        self.pass(Call::EnsureImage).await?;
        let mut facts = self.engine.ensure_image(image, pull, progress).await?;
        if let Some(change) = self.state().image {
            change(&mut facts);
        }
        Ok(facts)
    }

    async fn create(&self, plan: &ContainerPlan) -> EngineResult<Vec<EngineWarning>> {
        self.pass(Call::Create).await?;
        let mut warnings = self.engine.create(plan).await?;
        warnings.extend(self.state().warnings.iter().cloned());
        Ok(warnings)
    }

    async fn inspect(&self, id: &ContainerId) -> EngineResult<Inspection> {
        self.pass(Call::Inspect).await?;
        let mut inspection = self.engine.inspect(id).await?;
        if let Some(change) = self.state().facts {
            change(&mut inspection.facts);
        }
        if let Some(change) = self.state().inspected {
            change(&mut inspection.state);
        }
        Ok(inspection)
    }

    async fn attach(&self, id: &ContainerId) -> EngineResult<OutputChunks> {
        self.pass(Call::Attach).await?;
        self.engine.attach(id).await
    }

    async fn logs(&self, id: &ContainerId) -> EngineResult<OutputChunks> {
        self.engine.logs(id).await
    }

    async fn start(&self, id: &ContainerId) -> EngineResult<()> {
        self.pass(Call::Start).await?;
        self.engine.start(id).await
    }

    async fn wait(&self, id: &ContainerId) -> EngineResult<i32> {
        self.pass(Call::Wait).await?;
        self.engine.wait(id).await
    }

    async fn kill(&self, id: &ContainerId, signal: Signal) -> EngineResult<()> {
        self.pass(Call::Kill).await?;
        self.engine.kill(id, signal).await
    }

    async fn remove(&self, id: &ContainerId) -> EngineResult<Removal> {
        self.pass(Call::Remove).await?;
        self.engine.remove(id).await
    }

    async fn list(&self, labels: &BTreeMap<String, String>) -> EngineResult<Vec<ListedContainer>> {
        self.pass(Call::List).await?;
        self.engine.list(labels).await
    }
}
