//! The end of a manager in order.

use super::{Shared, registry::Record};
use crate::{
    backend::{Grace, ShutdownReport},
    engine::ContainerEngine,
};
use clawbox_types::{ContainerId, ContainerStatus};
use std::sync::{Arc, PoisonError, atomic::Ordering};
use tokio::time::timeout;

impl<E: ContainerEngine> Shared<E> {
    pub(super) async fn shut_down(self: &Arc<Self>, grace: Grace) -> ShutdownReport {
        self.registry.closed.cancel();
        if grace == Grace::Keep {
            self.keep.cancel();
        }
        let mut records = self.registry.all();
        records.retain(|record| !record.gone.is_cancelled());
        for record in &records {
            // What does not run yet is nothing that anybody could take over.
            let info = record.info();
            if grace == Grace::Kill || info.status == ContainerStatus::Creating {
                self.tokens.revoke(&info.container_id);
                record.kill.cancel();
                self.tend(record);
            } else if record.untended.load(Ordering::Relaxed) {
                // Its task is gone; those of the others do so themselves.
                self.let_go(record);
            }
        }
        let settled = async {
            for record in &records {
                tokio::select! {
                    () = record.gone.cancelled() => {}
                    () = record.kept.cancelled() => {}
                }
            }
        };
        let bound = self.config.stop_grace + self.config.timeouts.change;
        // What is not gone in time is named.
        drop(timeout(bound, settled).await);
        if grace == Grace::Keep {
            let mut lease = self.lease.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(mut lease) = lease.take() {
                lease.outlast();
            }
            self.claims().clear();
        }
        let named = |which: fn(&Record) -> bool| -> Vec<ContainerId> {
            let which = records.iter().filter(|record| which(record));
            which.map(|record| record.info().container_id).collect()
        };
        let report = ShutdownReport {
            kept: named(|record| record.kept.is_cancelled()),
            remaining: named(|r| !r.kept.is_cancelled() && !r.gone.is_cancelled()),
        };
        tracing::info!(
            kept = report.kept.len(),
            remaining = report.remaining.len(),
            "shut down"
        );
        report
    }

    /// Leaves a container as it is, to whoever adopts it.
    pub(super) fn let_go(&self, record: &Arc<Record>) {
        let id = record.info().container_id;
        self.tokens.revoke(&id);
        record.capture.end(true);
        self.registry.forget(record);
        record.is_ours_no_more();
        record.kept.cancel();
        tracing::info!(container = %id, "container kept");
    }
}
