//! What a manager knows of its containers: one record for each, and how many there may be.

use crate::{
    capture::Capture,
    error::{ContainerError, ContainerResult},
    init::{Errand, ProcessOne},
};
use clawbox_types::{ContainerId, ContainerInfo, ContainerStatus, EnforcementReport, ExitReport};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_util::sync::CancellationToken;

/// The records of a manager's containers.
#[derive(Debug)]
pub(crate) struct Registry {
    records: Mutex<Records>,
    places: Arc<Semaphore>,
    limit: usize,
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
    info: Mutex<ContainerInfo>,
    /// What it printed.
    pub(crate) capture: Arc<Capture>,
    /// What the gates saw.
    pub(crate) enforcement: OnceLock<EnforcementReport>,
    /// Its process 1, where that is ours and the command was sent; and that command, which others take after.
    pub(crate) process_one: OnceLock<(Arc<ProcessOne>, Errand)>,
    /// How it ended; set once, by its owner task.
    end: watch::Sender<Option<ExitReport>>,
    /// Asks the owner task to end it.
    pub(crate) kill: CancellationToken,
    /// Asks the owner task to remove it once it has ended.
    pub(crate) remove: CancellationToken,
    /// The engine has confirmed that it is gone.
    pub(crate) gone: CancellationToken,
}

impl Registry {
    pub(crate) fn new(limit: usize) -> Self {
        let limit = limit.min(Semaphore::MAX_PERMITS);
        Self {
            records: Mutex::default(),
            places: Arc::new(Semaphore::new(limit)),
            limit,
        }
    }

    /// Registers a container and takes a place for it.
    pub(crate) fn reserve(
        &self,
        info: ContainerInfo,
        output_limit: usize,
    ) -> ContainerResult<(Arc<Record>, OwnedSemaphorePermit)> {
        let mut records = self.lock();
        let id = info.container_id.clone();
        if records.by_id.contains_key(&id) {
            return Err(ContainerError::AlreadyExists { id });
        }
        let place = Arc::clone(&self.places)
            .try_acquire_owned()
            .map_err(|_| ContainerError::LimitReached { limit: self.limit })?;
        let record = Arc::new(Record {
            number: records.next,
            info: Mutex::new(info),
            capture: Arc::new(Capture::new(output_limit)),
            enforcement: OnceLock::new(),
            process_one: OnceLock::new(),
            end: watch::Sender::new(None),
            kill: CancellationToken::new(),
            remove: CancellationToken::new(),
            gone: CancellationToken::new(),
        });
        records.next += 1;
        records.by_id.insert(id, Arc::clone(&record));
        Ok((record, place))
    }

    pub(crate) fn get(&self, id: &ContainerId) -> Option<Arc<Record>> {
        self.lock().by_id.get(id).cloned()
    }

    pub(crate) fn find(&self, id: &ContainerId) -> ContainerResult<Arc<Record>> {
        self.get(id)
            .ok_or_else(|| ContainerError::NotFound { id: id.clone() })
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
        self.lock_info().clone()
    }

    pub(crate) fn set_running(&self) -> ContainerInfo {
        let mut info = self.lock_info();
        info.status = ContainerStatus::Running;
        info.clone()
    }

    /// Sets the end. The first one stands.
    pub(crate) fn set_end(&self, report: ExitReport) {
        self.end.send_if_modified(|end| {
            let first = end.is_none();
            if first {
                self.lock_info().status = report.status;
                *end = Some(report);
            }
            first
        });
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

    fn lock_info(&self) -> MutexGuard<'_, ContainerInfo> {
        self.info.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
