//! How a container is.

use bollard::models::{
    ContainerState, ContainerStateStatusEnum, ContainerSummary, ContainerSummaryStateEnum,
};
use clawbox_containers::{
    decode::{bad, said},
    engine::{
        EngineError, EngineErrorKind, EnginePhase, EngineResult, EngineState, ListedContainer,
    },
};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

pub(super) fn state(state: ContainerState) -> EngineResult<EngineState> {
    use ContainerStateStatusEnum as Status;
    let phase = match said("State.Status", state.status)? {
        Status::CREATED => EnginePhase::Created,
        Status::RUNNING | Status::PAUSED | Status::RESTARTING | Status::STOPPING => {
            EnginePhase::Running
        }
        // Docker says "removing" only of what does not run any more.
        Status::EXITED | Status::DEAD | Status::REMOVING => EnginePhase::Exited,
        Status::EMPTY => return Err(bad("State.Status is empty")),
    };
    // A container that was never started has a code as well, and it means nothing.
    let exit_code = match phase {
        EnginePhase::Exited => {
            let code = said("State.ExitCode", state.exit_code)?;
            Some(i32::try_from(code).map_err(|_| bad(format!("State.ExitCode {code}")))?)
        }
        EnginePhase::Created | EnginePhase::Running => None,
    };
    Ok(EngineState {
        phase,
        exit_code,
        oom_killed: state.oom_killed.unwrap_or(false),
        started_at: instant("State.StartedAt", state.started_at)?,
        finished_at: instant("State.FinishedAt", state.finished_at)?,
    })
}

/// Docker's "never" is the first instant of the year 1.
fn instant(field: &str, text: Option<String>) -> EngineResult<Option<OffsetDateTime>> {
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    match OffsetDateTime::parse(&text, &Rfc3339) {
        Ok(time) if time.year() <= 1 => Ok(None),
        Ok(time) => Ok(Some(time)),
        Err(_) => Err(bad(format!("{field} is no time: {text:.40}"))),
    }
}

/// The end as the wait call tells it. A negative code, or none at all beside an error, is Docker's way to
/// say that it stopped waiting.
pub(crate) fn exit_code(code: i64, error: String) -> EngineResult<i32> {
    match i32::try_from(code) {
        Ok(code) if code > 0 || (code == 0 && error.is_empty()) => Ok(code),
        _ => Err(EngineError::new(
            EngineErrorKind::Unavailable,
            format!("docker stopped waiting with {code}: {error}"),
        )),
    }
}

/// `None` for a container that has no name: it is being removed, and nobody could ask for it.
pub(crate) fn listed(summary: ContainerSummary) -> Option<ListedContainer> {
    use ContainerSummaryStateEnum as State;
    // A name with another slash is somebody else's link to this container.
    let names = summary.names.unwrap_or_default();
    let name = names
        .iter()
        .map(|name| name.strip_prefix('/').unwrap_or(name))
        .find(|name| !name.contains('/'))?;
    Some(ListedContainer {
        name: name.to_owned(),
        labels: summary.labels.unwrap_or_default().into_iter().collect(),
        phase: match summary.state? {
            State::CREATED => EnginePhase::Created,
            State::RUNNING | State::PAUSED | State::RESTARTING | State::STOPPING => {
                EnginePhase::Running
            }
            State::EXITED | State::DEAD | State::REMOVING | State::EMPTY => EnginePhase::Exited,
        },
    })
}
