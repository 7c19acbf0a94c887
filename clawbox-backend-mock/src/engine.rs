//! The engine: images, containers, and what is to go wrong.

mod calls;
mod state;

use crate::{
    call::Call,
    container::Container,
    fault::{Effect, Fault},
    image::MockImage,
    journal::Journal,
    limit::Limit,
    seccomp::Filter,
};
use clawbox_containers::{
    Clock,
    aspects::Seccomp,
    engine::{EngineError, EngineErrorKind, EngineResult},
};
use clawbox_types::ContainerId;
use futures_util::future::pending;
use state::State;
use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use time::OffsetDateTime;
use tokio::time::Instant;

/// Where the engine says that it is.
const ENDPOINT: &str = "mock:memory";

type Watcher = Arc<dyn Fn(&Call) + Send + Sync>;

/// A container engine in memory. A clone is another handle to the same engine.
///
/// Its containers run [programs](crate::Program) under the plan that they were created with. All of its
/// times follow tokio's clock.
#[derive(Clone)]
pub struct MockEngine(Arc<Inner>);

struct Inner {
    clock: Clock,
    made: Instant,
    state: Mutex<State>,
}

impl MockEngine {
    /// An engine without images and containers.
    #[must_use]
    pub fn new() -> Self {
        Self::starting_at(OffsetDateTime::now_utc())
    }

    /// An engine whose wall clock shows this now, for tests that are to be the same every time.
    #[must_use]
    pub fn starting_at(wall: OffsetDateTime) -> Self {
        Self(Arc::new(Inner {
            clock: Clock::starting_at(wall),
            made: Instant::now(),
            state: Mutex::default(),
        }))
    }

    /// The engine's clock, for the [configuration](clawbox_containers::ManagerConfig) of a manager whose times
    /// are to be of one piece with the engine's.
    #[must_use]
    pub fn clock(&self) -> Clock {
        self.0.clock
    }

    /// Gives the engine an image, in the place of one of the same name.
    pub fn add_image(&self, image: MockImage) {
        let mut state = self.lock();
        let image = state.with_id(image);
        state.images.insert(image.reference.clone(), image);
    }

    /// Puts an image where the engine can fetch it from.
    pub fn add_to_registry(&self, image: MockImage) {
        let mut state = self.lock();
        let image = state.with_id(image);
        state.registry.insert(image.reference.clone(), image);
    }

    /// Takes a limit from the engine's host, for the containers created from now on. It is honest about that: it
    /// tells when it is probed, warns at each creation, and inspections say 0.
    ///
    /// For an engine that hides it there is [`Fault::weakened_in_secret`].
    pub fn without(&self, limit: Limit) {
        self.lock().missing.insert(limit);
    }

    /// Makes something go wrong.
    pub fn fail(&self, fault: Fault) {
        self.lock().faults.add(fault);
    }

    /// Makes nothing go wrong any more.
    pub fn recover(&self) {
        self.lock().faults.clear();
    }

    /// What the engine was asked so far.
    #[must_use]
    pub fn journal(&self) -> Journal {
        self.lock().journal.snapshot()
    }

    /// Forgets what the engine was asked so far.
    pub fn clear_journal(&self) {
        self.lock().journal.clear();
    }

    /// Shows every call to `watcher`, before anything is done about it.
    pub fn watch(&self, watcher: impl Fn(&Call) + Send + Sync + 'static) {
        self.lock().watchers.push(Arc::new(watcher));
    }

    /// The names of the containers that exist, oldest first.
    #[must_use]
    pub fn containers(&self) -> Vec<String> {
        let containers = self.lock().oldest_first();
        containers
            .iter()
            .map(|container| container.told.identity.name.clone())
            .collect()
    }

    /// Removes a container as somebody else would, behind its manager's back. `false`: there was none.
    pub fn vanish(&self, id: &ContainerId) -> bool {
        let container = self.lock().containers.remove(&id.to_string());
        container.inspect(|container| container.remove()).is_some()
    }

    /// Lets the kernel kill a container for lack of memory. `false`: there is none.
    pub fn kill_for_memory(&self, id: &ContainerId) -> bool {
        let container = self.find(id);
        container.inspect(|container| container.oom_kill()).is_ok()
    }

    /// Enters a call in the journal. Gives what goes wrong at it, in order, each after its delay.
    pub(crate) fn enter(&self, call: &Call) -> Vec<(Duration, Effect)> {
        let (struck, watchers) = {
            let mut state = self.lock();
            state.journal.push(self.0.made.elapsed(), call.clone());
            (state.faults.strike(call), state.watchers.clone())
        };
        for watcher in watchers {
            watcher(call);
        }
        struck
    }

    /// Enters a call in the journal and lets go wrong what is to go wrong before it is done.
    async fn begin(&self, call: Call) -> EngineResult<Rest> {
        let mut rest = Vec::new();
        for (delay, effect) in self.enter(&call) {
            if !delay.is_zero() {
                tokio::time::sleep(delay).await;
            }
            match effect {
                Effect::Slow => {}
                Effect::Refuse(kind, words) => return Err(EngineError::new(kind, words)),
                Effect::Hang => pending::<()>().await,
                Effect::Vanish | Effect::Oom => {
                    if let Some(name) = call.container() {
                        self.befall(&name, &effect);
                    }
                }
                later => rest.push(later),
            }
        }
        Ok(Rest(rest))
    }

    /// The system call filter that a plan asks for. The last one is remembered, as most plans have the same.
    pub(crate) fn filter(&self, seccomp: &Seccomp) -> Result<Filter, serde_json::Error> {
        if let Some((last, filter)) = &self.lock().filter
            && last == seccomp
        {
            return Ok(filter.clone());
        }
        let filter = Filter::parse(seccomp)?;
        self.lock().filter = Some((seccomp.clone(), filter.clone()));
        Ok(filter)
    }

    /// Lets something happen to a container that runs, after a while.
    pub(crate) fn strike_later(&self, container: &Container, delay: Duration, effect: Effect) {
        let (engine, name) = (self.clone(), container.spec.identity.name.clone());
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            engine.befall(&name, &effect);
        });
    }

    /// Somebody else's doing, or the kernel's.
    fn befall(&self, name: &str, effect: &Effect) {
        if matches!(effect, Effect::Vanish) {
            let container = self.lock().containers.remove(name);
            container.inspect(|container| container.remove());
        } else {
            let container = self.lock().containers.get(name).cloned();
            container.inspect(|container| container.oom_kill());
        }
    }

    fn find(&self, id: &ContainerId) -> EngineResult<Arc<Container>> {
        let found = self.lock().containers.get(&id.to_string()).cloned();
        found.ok_or_else(|| no_such(id))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Maps of plain and shared values, whole after any panic.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What goes wrong after a call is done.
struct Rest(Vec<Effect>);

impl Rest {
    async fn answer<T>(self, answer: EngineResult<T>) -> EngineResult<T> {
        for effect in self.0 {
            match effect {
                Effect::LoseAnswer => {
                    return Err(EngineError::new(
                        EngineErrorKind::Unavailable,
                        "the connection broke before the answer",
                    ));
                }
                Effect::HangAfter => pending().await,
                _ => {}
            }
        }
        answer
    }
}

impl Default for MockEngine {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MockEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MockEngine")
            .field("containers", &self.lock().containers.len())
            .finish_non_exhaustive()
    }
}

fn no_such(id: &ContainerId) -> EngineError {
    EngineError::new(
        EngineErrorKind::NotFound,
        format!("no such container: {id}"),
    )
}
