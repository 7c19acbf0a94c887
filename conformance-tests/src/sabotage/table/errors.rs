//! Backends that tell their errors as others.

use crate::sabotage::{How, Sabotage, backend::Lie};
use clawbox_containers::ContainerError;

const fn told(
    id: &'static str,
    breaks: &'static str,
    change: fn(ContainerError) -> ContainerError,
) -> Sabotage {
    Sabotage::new(id, breaks, How::Backend(Lie::Failed(change)))
}

pub(super) const TABLE: &[Sabotage] = &[
    told(
        "errors/not_found",
        "what is not found is told as no more place",
        |error| match error {
            ContainerError::NotFound { .. } => ContainerError::LimitReached { limit: 0 },
            other => other,
        },
    ),
    told(
        "errors/taken",
        "what is taken is told as no more place",
        |error| match error {
            ContainerError::AlreadyExists { .. } => ContainerError::LimitReached { limit: 0 },
            other => other,
        },
    ),
    told(
        "errors/full",
        "no more place is told as unsupported",
        |error| match error {
            ContainerError::LimitReached { .. } => ContainerError::Unsupported {
                what: String::new(),
                reason: String::new(),
            },
            other => other,
        },
    ),
    told(
        "errors/not_enforced",
        "a policy that is not enforced is told as no more place",
        |error| match error {
            ContainerError::PolicyNotEnforced { .. } => ContainerError::LimitReached { limit: 0 },
            other => other,
        },
    ),
    told(
        "errors/not_started",
        "a failed start is told as a failed engine",
        |error| match error {
            ContainerError::StartFailed { source, .. } => ContainerError::EngineFailed {
                call: "start",
                source,
            },
            other => other,
        },
    ),
    told(
        "errors/timeout",
        "a hung engine is told as no more place",
        |error| match error {
            ContainerError::EngineTimeout { .. } => ContainerError::LimitReached { limit: 0 },
            other => other,
        },
    ),
    told(
        "errors/failed",
        "a failed engine is told as no more place",
        |error| match error {
            ContainerError::EngineFailed { .. } => ContainerError::LimitReached { limit: 0 },
            other => other,
        },
    ),
    told(
        "errors/unavailable",
        "an engine that is not there is told as a failed one",
        |error| match error {
            ContainerError::EngineUnavailable { source, .. } => ContainerError::EngineFailed {
                call: "answer",
                source,
            },
            other => other,
        },
    ),
    told(
        "errors/one_violation",
        "only the first violation is told",
        |error| match error {
            ContainerError::PolicyDenied { mut violations } => {
                violations.truncate(1);
                ContainerError::PolicyDenied { violations }
            }
            other => other,
        },
    ),
    told(
        "errors/values_repeated",
        "values are repeated in full",
        |error| match error {
            ContainerError::InvalidRequest { mut violations } => {
                violations
                    .iter_mut()
                    .for_each(|v| v.value = "hush ".repeat(100));
                ContainerError::InvalidRequest { violations }
            }
            other => other,
        },
    ),
    told(
        "errors/no_rules",
        "the rules of images are not told",
        |error| match error {
            ContainerError::ImageNotAllowed { image, .. } => ContainerError::ImageNotAllowed {
                image,
                allowed: Vec::new(),
            },
            other => other,
        },
    ),
    told(
        "errors/impossible_is_denied",
        "what is refused is told as another field's",
        |error| match error {
            ContainerError::PolicyDenied { mut violations } => {
                violations
                    .iter_mut()
                    .for_each(|v| v.field = "request".to_owned());
                ContainerError::PolicyDenied { violations }
            }
            ContainerError::InvalidRequest { mut violations } => {
                violations
                    .iter_mut()
                    .for_each(|v| v.field = "request".to_owned());
                ContainerError::InvalidRequest { violations }
            }
            other => other,
        },
    ),
];
