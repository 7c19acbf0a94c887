//! What can go wrong, in terms that a caller can act on.

use crate::{engine::EngineError, files::FileProblem};
use clawbox_types::{ContainerId, ContainerStatus, ImageRef, ImageRule, ItemReport, Violation};
use std::{path::PathBuf, time::Duration};

/// The result of a backend's call.
pub type ContainerResult<T> = Result<T, ContainerError>;

/// Why a call failed. Engine-neutral: the engine's own words are in the `source`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContainerError {
    /// The request, the image or the configuration asks for what the policy forbids. All violations, the
    /// impossible values among them; the engine was not asked to create anything.
    #[error("policy denied: {}", list(violations))]
    PolicyDenied {
        /// Everything that was refused.
        violations: Vec<Violation>,
    },
    /// The one thing wrong with the request is that no rule names its image. The engine was not asked.
    #[error("image {image} is not allowed; allowed: {}", rules(allowed))]
    ImageNotAllowed {
        /// The image, in its canonical form.
        image: Box<ImageRef>,
        /// The rules; none allows nothing.
        allowed: Vec<ImageRule>,
    },
    /// The engine does not hold the image and could not, or was not to, fetch it.
    #[error("image {image} not found at the engine")]
    ImageNotFound {
        /// The image, in its canonical form.
        image: Box<ImageRef>,
        /// The engine's words.
        source: EngineError,
    },
    /// The request holds values that no configuration could accept. All of them.
    #[error("invalid request: {}", list(violations))]
    InvalidRequest {
        /// Everything that was refused.
        violations: Vec<Violation>,
    },
    /// The engine would not hold, or did not confirm, these parts of the policy. The container was removed
    /// before its command ran.
    #[error("policy not enforced: {}", both(items, warnings))]
    PolicyNotEnforced {
        /// What differs, with what was requested and what was observed.
        items: Vec<ItemReport>,
        /// What the engine warned of and nobody understands, so that nothing can allow it.
        warnings: Vec<String>,
    },
    /// This backend cannot do it.
    #[error("{what} is not supported: {reason}")]
    Unsupported {
        /// What was asked for.
        what: String,
        /// Why it cannot be had here.
        reason: String,
    },
    /// No container of this backend has that id.
    #[error("container {id} not found")]
    NotFound {
        /// The id that was asked for.
        id: ContainerId,
    },
    /// A container with that id exists already; it was not touched.
    #[error("container {id} already exists")]
    AlreadyExists {
        /// The id that is taken.
        id: ContainerId,
    },
    /// The container is in a state in which the call makes no sense.
    #[error("container {id} is {actual}, expected {expected}")]
    InvalidState {
        /// The container.
        id: ContainerId,
        /// What the call needs.
        expected: &'static str,
        /// What it is.
        actual: ContainerStatus,
    },
    /// The backend was shut down: it spawns nothing any more, and waits for nothing that it has left to others.
    #[error("the backend was shut down; connect another one")]
    ShutDown,
    /// As many containers exist as the backend was set to hold. `kill` and `cleanup_stopped` free places.
    #[error("limit of {limit} containers reached; kill one, or clean up stopped ones")]
    LimitReached {
        /// How many containers may exist.
        limit: usize,
    },
    /// The engine could not be reached.
    #[error("engine at {endpoint} is unavailable")]
    EngineUnavailable {
        /// Where it was looked for.
        endpoint: String,
        /// What the attempt ended with.
        source: EngineError,
    },
    /// The engine did not answer in time.
    #[error("engine at {endpoint} did not answer {call} within {after:?}")]
    EngineTimeout {
        /// Where it was asked.
        endpoint: String,
        /// The call that it did not answer.
        call: &'static str,
        /// How long was waited.
        after: Duration,
    },
    /// The engine refused a call, or answered it with something unusable.
    #[error("engine failed to {call}")]
    EngineFailed {
        /// The call.
        call: &'static str,
        /// The engine's words.
        source: EngineError,
    },
    /// The container was created and verified, but its command could not be started. It was removed.
    #[error("container {id} could not be started")]
    StartFailed {
        /// The container.
        id: ContainerId,
        /// What a shell exits with for such a command: 127 where there is no such program, 126 where it cannot be
        /// run. `None` where it is not the command's fault, or not known.
        exit_code: Option<i32>,
        /// The words of the engine or of process 1, such as that there is no such program in the image.
        source: EngineError,
    },
    /// Files could not be put into the container, or got out of it. What was whole by then may be there.
    #[error("{path:?} in container {id}: {problem}")]
    Files {
        /// The container.
        id: ContainerId,
        /// The path in it.
        path: String,
        /// What is wrong with it.
        problem: FileProblem,
    },
    /// A file or directory of the backend's own could not be used.
    #[error("{path}: {what}", path = path.display())]
    Io {
        /// What was being done.
        what: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// The system's words.
        source: std::io::Error,
    },
}

fn list<T: std::fmt::Display>(items: &[T]) -> String {
    let lines: Vec<String> = items.iter().map(ToString::to_string).collect();
    lines.join("; ")
}

fn both(items: &[ItemReport], warnings: &[String]) -> String {
    let warnings = warnings
        .iter()
        .map(|text| format!("the engine warned: {text}"));
    let lines: Vec<String> = items
        .iter()
        .map(ToString::to_string)
        .chain(warnings)
        .collect();
    lines.join("; ")
}

fn rules(allowed: &[ImageRule]) -> String {
    if allowed.is_empty() {
        "nothing".to_owned()
    } else {
        let rules: Vec<String> = allowed.iter().map(ToString::to_string).collect();
        rules.join(", ")
    }
}
