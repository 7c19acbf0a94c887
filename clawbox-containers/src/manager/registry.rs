//! What a manager knows of its containers: one record for each, and how many there may be.

use super::{
    state::{Event, State},
    stdin::Stdin,
};
use crate::{
    capture::Capture,
    clock::Clock,
    counters::{Count, Live},
    error::{ContainerError, ContainerResult},
    init::{Errand, ProcessOne},
};
use clawbox_types::{ContainerId, ContainerInfo, ContainerStatus, EnforcementReport, ExitReport};
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_util::sync::CancellationToken;

/// The records of a manager's containers.
#[derive(Debug)]
pub(crate) struct Registry {
    records: Mutex<Records>,
    places: Arc<Semaphore>,
    limit: usize,
    clock: Clock,
    /// No container comes any more.
    pub(crate) closed: CancellationToken,
}

#[derive(Debug, Default)]
struct Records {
    by_id: HashMap<ContainerId, Arc<Record>>,
    /// The next record's number.
    next: u64,
}

/// A container from its registration until it is forgotten.
#[derive(Debug)]
pub(crate) struct Record {
    number: u64,
    /// Whether another manager has spawned it.
    pub(crate) recovered: bool,
    state: Mutex<Known>,
    /// Its place among the containers that may exist, until it is gone.
    place: Mutex<Option<OwnedSemaphorePermit>>,
    /// Until it is gone, or left to others.
    live: Mutex<Option<Live>>,
    /// Whether the task that owned it was torn down before it was gone.
    pub(crate) untended: AtomicBool,
    /// What it printed.
    pub(crate) capture: Arc<Capture>,
    /// What the gates saw.
    pub(crate) enforcement: OnceLock<EnforcementReport>,
    /// Its process 1, where that is ours and the command was sent; and that command, which others take after. Its
    /// environment may hold secrets, so it goes with the end.
    process_one: Mutex<Option<(Arc<ProcessOne>, Arc<Errand>)>>,
    /// Where its command reads from.
    pub(crate) stdin: Stdin,
    /// How it ended; set once, by its owner task.
    end: watch::Sender<Option<ExitReport>>,
    /// Asks the owner task to end it.
    pub(crate) kill: CancellationToken,
    /// Asks the owner task to remove it once it has ended.
    pub(crate) remove: CancellationToken,
    /// The engine has confirmed that it is gone.
    pub(crate) gone: CancellationToken,
    /// It was left as it is, and is not this manager's any more.
    pub(crate) kept: CancellationToken,
}

/// What a caller may be told of a container, and what is behind it.
#[derive(Debug)]
struct Known {
    state: State,
    info: ContainerInfo,
}

impl Registry {
    pub(crate) fn new(limit: usize, clock: Clock) -> Self {
        let limit = limit.min(Semaphore::MAX_PERMITS);
        Self {
            records: Mutex::default(),
            places: Arc::new(Semaphore::new(limit)),
            limit,
            clock,
            closed: CancellationToken::new(),
        }
    }

    /// Registers a container that runs or has ended already. It takes a place where there is one: that there is none
    /// keeps others from being spawned, and leaves it no less to be seen to.
    pub(crate) fn adopt(
        &self,
        info: ContainerInfo,
        output_limit: usize,
    ) -> ContainerResult<Arc<Record>> {
        let place = || Ok(Arc::clone(&self.places).try_acquire_owned().ok());
        self.insert(State::Running, info, output_limit, place)
    }

    /// Registers a container and takes a place for it.
    pub(crate) fn reserve(
        &self,
        info: ContainerInfo,
        output_limit: usize,
    ) -> ContainerResult<Arc<Record>> {
        let place = || match Arc::clone(&self.places).try_acquire_owned() {
            Ok(place) => Ok(Some(place)),
            Err(_) => Err(ContainerError::LimitReached { limit: self.limit }),
        };
        self.insert(State::Creating, info, output_limit, place)
    }

    fn insert(
        &self,
        state: State,
        info: ContainerInfo,
        output_limit: usize,
        place: impl FnOnce() -> ContainerResult<Option<OwnedSemaphorePermit>>,
    ) -> ContainerResult<Arc<Record>> {
        let mut records = self.lock();
        if self.closed.is_cancelled() {
            return Err(ContainerError::ShutDown);
        }
        let id = info.container_id.clone();
        if records.by_id.contains_key(&id) {
            return Err(ContainerError::AlreadyExists { id });
        }
        let record = Arc::new(Record {
            number: records.next,
            recovered: info.recovered,
            place: Mutex::new(place()?),
            live: Mutex::new(Some(Live::new())),
            state: Mutex::new(Known { state, info }),
            untended: AtomicBool::new(false),
            capture: Arc::new(Capture::new(output_limit, self.clock)),
            enforcement: OnceLock::new(),
            process_one: Mutex::default(),
            stdin: Stdin::default(),
            end: watch::Sender::new(None),
            kill: CancellationToken::new(),
            remove: CancellationToken::new(),
            gone: CancellationToken::new(),
            kept: CancellationToken::new(),
        });
        records.next += 1;
        records.by_id.insert(id, Arc::clone(&record));
        Ok(record)
    }

    pub(crate) fn get(&self, id: &ContainerId) -> Option<Arc<Record>> {
        self.lock().by_id.get(id).cloned()
    }

    pub(crate) fn find(&self, id: &ContainerId) -> ContainerResult<Arc<Record>> {
        self.get(id)
            .ok_or_else(|| ContainerError::NotFound { id: id.clone() })
    }

    /// Whether a task sees to a container of this name, so that it is nobody else's to remove.
    pub(crate) fn holds(&self, id: &ContainerId) -> bool {
        self.get(id).is_some_and(|record| {
            !record.gone.is_cancelled() && !record.untended.load(Ordering::Relaxed)
        })
    }

    /// Every record, oldest first.
    pub(crate) fn all(&self) -> Vec<Arc<Record>> {
        let mut all: Vec<_> = self.lock().by_id.values().cloned().collect();
        all.sort_by_key(|record| record.number);
        all
    }

    /// Forgets this record, and no other one of the same name that has come since. `false`: it was forgotten before.
    pub(crate) fn forget(&self, record: &Arc<Record>) -> bool {
        let id = record.info().container_id;
        let mut records = self.lock();
        let known = records.by_id.get(&id);
        let is_this = known.is_some_and(|known| Arc::ptr_eq(known, record));
        if is_this {
            records.by_id.remove(&id);
        }
        is_this
    }

    /// Keeps no more records of containers that are gone than there are places: beyond that, the oldest are
    /// forgotten, so that a caller who kills and never cleans up does not fill the memory.
    pub(crate) fn forget_oldest_gone(&self) {
        if self.lock().by_id.len() <= self.limit {
            return;
        }
        let gone: Vec<_> = self
            .all()
            .into_iter()
            .filter(|r| r.gone.is_cancelled())
            .collect();
        let surplus = gone.len().saturating_sub(self.limit);
        for record in &gone[..surplus] {
            let id = record.info().container_id;
            tracing::info!(container = %id, "forgetting a container that is long gone");
            self.forget(record);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Records> {
        // A map of shared records is whole after any panic.
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Record {
    pub(crate) fn info(&self) -> ContainerInfo {
        self.known().info.clone()
    }

    /// The command runs.
    pub(crate) fn set_running(&self) -> ContainerInfo {
        self.happens(Event::Runs);
        self.info()
    }

    /// Sets the end. The first one stands.
    pub(crate) fn set_end(&self, report: ExitReport) {
        self.end.send_if_modified(|end| {
            let first = self.happens(Event::Ends(report.status));
            if first && report.status == ContainerStatus::TimedOut {
                Count::TimedOut.up();
            }
            if first {
                *end = Some(report);
            }
            first
        });
        *self.lock_process_one() = None;
        self.stdin.shut();
    }

    /// The engine has confirmed that it is gone. Its place is free before anybody hears of it.
    pub(crate) fn set_gone(&self) {
        if self.happens(Event::Goes) {
            self.is_ours_no_more();
            drop(taken(&self.place));
            self.gone.cancel();
        }
    }

    /// It is gone, or left to whoever adopts it.
    pub(crate) fn is_ours_no_more(&self) {
        drop(taken(&self.live));
    }

    /// Says whether what is told of it is only what was known last.
    pub(crate) fn set_stale(&self, stale: bool) {
        let mut known = self.known();
        if known.info.stale != stale && !known.state.status().is_terminal() {
            known.info.stale = stale;
            let id = &known.info.container_id;
            match stale {
                true => {
                    tracing::warn!(container = %id, "the engine does not tell of the container")
                }
                false => {
                    tracing::info!(container = %id, "the engine tells of the container again")
                }
            }
        }
    }

    /// Moves the state, and tells whether it did.
    fn happens(&self, event: Event) -> bool {
        let mut known = self.known();
        let before = known.state;
        let Some(after) = before.after(event) else {
            tracing::debug!(container = %known.info.container_id, state = ?before, ?event, "nothing changes");
            return false;
        };
        known.state = after;
        known.info.status = after.status();
        if known.info.status.is_terminal() {
            known.info.stale = false;
        }
        tracing::info!(
            container = %known.info.container_id,
            from = %before.status(),
            to = %after.status(),
            gone = matches!(after, State::Gone(_)),
            "container moved"
        );
        true
    }

    /// Its process 1 and its command, while that runs.
    pub(crate) fn process_one(&self) -> Option<(Arc<ProcessOne>, Arc<Errand>)> {
        self.lock_process_one().clone()
    }

    pub(crate) fn set_process_one(&self, process_one: Arc<ProcessOne>, errand: Errand) {
        *self.lock_process_one() = Some((process_one, Arc::new(errand)));
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.end.borrow().is_some()
    }

    /// Waits for the end.
    pub(crate) async fn ended(&self) -> ExitReport {
        let mut end = self.end.subscribe();
        let report = end
            .wait_for(Option::is_some)
            .await
            .ok()
            .and_then(|report| report.clone());
        // The sender lives in this record, so the channel cannot be closed meanwhile.
        report.unwrap_or(ExitReport::new(ContainerStatus::Lost))
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_process_one(&self) -> MutexGuard<'_, Option<(Arc<ProcessOne>, Arc<Errand>)>> {
        self.process_one
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

fn taken<T>(held: &Mutex<Option<T>>) -> Option<T> {
    held.lock().unwrap_or_else(PoisonError::into_inner).take()
}
