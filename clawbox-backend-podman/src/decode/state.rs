//! How a container is.

use clawbox_containers::{
    decode::{bad, said},
    engine::{EnginePhase, EngineResult, EngineState, ListedContainer},
};
use podman_api::models::{InspectContainerState, ListContainer};
use time::OffsetDateTime;

pub(super) fn state(state: InspectContainerState) -> EngineResult<EngineState> {
    let phase = phase(&said("State.Status", state.status)?)?;
    Ok(EngineState {
        phase,
        // A container that was never started has a code as well, and it means nothing.
        exit_code: match phase {
            EnginePhase::Exited => Some(said("State.ExitCode", state.exit_code)?),
            EnginePhase::Created | EnginePhase::Running => None,
        },
        oom_killed: state.oom_killed.unwrap_or(false),
        started_at: instant(state.started_at.map(|at| at.timestamp_micros()))?,
        finished_at: instant(state.finished_at.map(|at| at.timestamp_micros()))?,
    })
}

/// libpod's words, `libpod/define/containerstate.go`.
fn phase(status: &str) -> EngineResult<EnginePhase> {
    Ok(match status {
        // "initialized": prepared, with a process that waits, and nothing of the image's has run.
        "configured" | "created" | "initialized" => EnginePhase::Created,
        "running" | "paused" | "stopping" => EnginePhase::Running,
        "stopped" | "exited" | "removing" => EnginePhase::Exited,
        other => return Err(bad(format!("State.Status {other:.40}"))),
    })
}

/// libpod's "never" is the first instant of the year 1.
fn instant(micros: Option<i64>) -> EngineResult<Option<OffsetDateTime>> {
    let Some(micros) = micros.filter(|micros| *micros > 0) else {
        return Ok(None);
    };
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1000)
        .map(Some)
        .map_err(|_| bad(format!("a time of {micros} microseconds after 1970")))
}

/// `None` for a container that has no name: it is being removed, and nobody could ask for it.
pub(crate) fn listed(container: ListContainer) -> EngineResult<Option<ListedContainer>> {
    let Some(name) = container.names.unwrap_or_default().into_iter().next() else {
        return Ok(None);
    };
    Ok(Some(ListedContainer {
        name,
        labels: container.labels.unwrap_or_default().into_iter().collect(),
        phase: phase(&said("State", container.state)?)?,
    }))
}
