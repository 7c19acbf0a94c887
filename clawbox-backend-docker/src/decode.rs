//! From Docker's answers to what the core knows. Pure.
//!
//! A decoder tells what is there: what Docker left out, or said in a way that cannot be, is a
//! [`BadAnswer`](EngineErrorKind::BadAnswer) and never a guess.

mod extras;
mod facts;
mod host;
mod image;
mod mounts;
mod security;
mod state;
#[cfg(test)]
mod tests;

pub(crate) use host::{engine_info, warnings};
pub(crate) use image::{image_facts, pull_progress};
pub(crate) use state::{exit_code, listed};

use bollard::models::ContainerInspectResponse;
use clawbox_containers::engine::{EngineError, EngineErrorKind, EngineResult, Inspection};

/// What Docker holds of a container.
pub(crate) fn inspection(mut answer: ContainerInspectResponse) -> EngineResult<Inspection> {
    let state = state::state(said("State", answer.state.take())?)?;
    Ok(Inspection {
        facts: facts::facts(answer)?,
        state,
    })
}

/// What must be in an answer.
fn said<T>(field: &str, value: Option<T>) -> EngineResult<T> {
    value.ok_or_else(|| bad(format!("docker did not say {field}")))
}

fn bad(message: impl Into<String>) -> EngineError {
    EngineError::new(EngineErrorKind::BadAnswer, message)
}
