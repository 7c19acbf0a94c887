//! Calls to the engine, each within its bound, and its errors in a caller's terms.

use crate::{
    config::EngineTimeouts,
    engine::{ContainerEngine, EngineError, EngineErrorKind, EngineResult},
    error::{ContainerError, ContainerResult},
};
use std::{future::Future, time::Duration};

/// An engine and how long it may take.
#[derive(Debug)]
pub(crate) struct Calls<E> {
    pub(crate) engine: E,
    pub(crate) timeouts: EngineTimeouts,
}

impl<E: ContainerEngine> Calls<E> {
    pub(crate) async fn query<T>(
        &self,
        call: &'static str,
        answer: impl Future<Output = EngineResult<T>>,
    ) -> ContainerResult<T> {
        self.bounded(call, self.timeouts.query, answer).await
    }

    pub(crate) async fn change<T>(
        &self,
        call: &'static str,
        answer: impl Future<Output = EngineResult<T>>,
    ) -> ContainerResult<T> {
        self.bounded(call, self.timeouts.change, answer).await
    }

    pub(crate) async fn bounded<T>(
        &self,
        call: &'static str,
        after: Duration,
        answer: impl Future<Output = EngineResult<T>>,
    ) -> ContainerResult<T> {
        match tokio::time::timeout(after, answer).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(self.failed(call, error)),
            Err(_) => Err(ContainerError::EngineTimeout {
                endpoint: self.engine.endpoint(),
                call,
                after,
            }),
        }
    }

    fn failed(&self, call: &'static str, source: EngineError) -> ContainerError {
        match source.kind() {
            EngineErrorKind::Unavailable => ContainerError::EngineUnavailable {
                endpoint: self.engine.endpoint(),
                source,
            },
            EngineErrorKind::Unsupported => ContainerError::Unsupported {
                what: format!("the call to {call}"),
                reason: source.to_string(),
            },
            _ => ContainerError::EngineFailed { call, source },
        }
    }
}

/// The kind of the engine's refusal, where that is what an error is.
pub(crate) fn refusal(error: &ContainerError) -> Option<EngineErrorKind> {
    match error {
        ContainerError::EngineFailed { source, .. } => Some(source.kind()),
        _ => None,
    }
}
