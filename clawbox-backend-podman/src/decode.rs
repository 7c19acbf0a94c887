//! From libpod's answers to what the core knows. Pure.

mod facts;
mod host;
mod image;
mod mounts;
mod security;
mod state;
#[cfg(test)]
mod tests;

pub(crate) use host::{engine_info, service, warnings};
pub(crate) use image::{image_facts, pull_progress};
pub(crate) use state::listed;

use clawbox_containers::{
    decode::said,
    engine::{EngineResult, Inspection},
};
use podman_api::models::ContainerInspectResponseLibpod;

/// What Podman holds of a container.
pub(crate) fn inspection(mut answer: ContainerInspectResponseLibpod) -> EngineResult<Inspection> {
    let state = state::state(said("State", answer.state.take())?)?;
    Ok(Inspection {
        facts: facts::facts(answer)?,
        state,
    })
}
