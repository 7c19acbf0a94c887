//! What a container prints, read to its end, whatever becomes of the engine meanwhile.

use super::{Shared, registry::Record};
use crate::{
    engine::{ContainerEngine, EngineErrorKind, OutputChunks},
    error::ContainerError,
};
use clawbox_types::ContainerId;
use std::{sync::Arc, time::Duration};
use tokio::time::sleep;

/// How long after each other an engine that broke off is asked for what it kept: this, and then twice as long each time.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

impl<E: ContainerEngine> Shared<E> {
    /// Reads what comes. Where the engine breaks off, what it has kept since is read from its log when it answers again,
    /// and told as incomplete: that log is bounded, and not every engine's is exact.
    pub(super) async fn read_output(
        self: Arc<Self>,
        record: Arc<Record>,
        id: ContainerId,
        chunks: OutputChunks,
    ) {
        let Err(error) = record.capture.read(chunks).await else {
            return record.capture.end(false);
        };
        tracing::warn!(container = %id, %error, "output stream broke off");
        self.read_log(&record, &id).await;
        record.capture.end(true);
    }

    /// Reads what the engine keeps, from its beginning; as often as it breaks off, until that has nothing to add.
    pub(super) async fn read_log(&self, record: &Record, id: &ContainerId) {
        record.capture.miss();
        let calls = &self.calls;
        let mut pause = FIRST_PAUSE;
        loop {
            let read = match calls.query("read the log", calls.engine.logs(id)).await {
                Ok(chunks) => record.capture.resume(chunks).await.map_err(|source| {
                    let again = source.kind() == EngineErrorKind::Unavailable;
                    (source.to_string(), again)
                }),
                Err(error) => {
                    let again = matches!(
                        error,
                        ContainerError::EngineUnavailable { .. }
                            | ContainerError::EngineTimeout { .. }
                    );
                    Err((error.to_string(), again))
                }
            };
            match read {
                Ok(()) => return,
                Err((error, true)) => {
                    tracing::debug!(container = %id, error, "output broke off again");
                }
                Err((error, false)) => {
                    tracing::warn!(container = %id, error, "output not recovered");
                    return;
                }
            }
            sleep(pause).await;
            pause = LONGEST_PAUSE.min(pause * 2);
        }
    }
}
