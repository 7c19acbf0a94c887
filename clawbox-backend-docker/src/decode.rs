//! From Docker's answers to what the core knows. Pure.

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
use clawbox_containers::{
    decode::said,
    engine::{EngineResult, Inspection},
};

/// What Docker holds of a container.
pub(crate) fn inspection(mut answer: ContainerInspectResponse) -> EngineResult<Inspection> {
    let state = state::state(said("State", answer.state.take())?)?;
    Ok(Inspection {
        facts: facts::facts(answer)?,
        state,
    })
}
