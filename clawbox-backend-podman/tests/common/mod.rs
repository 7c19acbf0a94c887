//! What the tests on a real Podman share.

use clawbox_backend_podman::PodmanEngine;
use clawbox_containers::engine::{EngineError, EngineErrorKind, EngineResult};
use std::env;

/// The engine whose endpoint this variable holds, and no other.
pub(crate) fn engine(variable: &str) -> EngineResult<PodmanEngine> {
    let failed = |kind, text| EngineError::new(kind, text);
    let host = env::var(variable).map_err(|_| {
        failed(
            EngineErrorKind::Unavailable,
            format!("{variable} is not set"),
        )
    })?;
    PodmanEngine::connect(Some(&host))
        .map_err(|error| failed(EngineErrorKind::Refused, error.to_string()))
}
