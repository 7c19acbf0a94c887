//! What to do next after an error, and how an error that lists things is written one to a line.

use clawbox::containers::engine::EngineError;
use clawbox::types::InvalidValue;
use clawbox::{ContainerError, ContainerResult, Violation};

/// The heading and the items of an error that lists things.
pub(crate) fn listed(error: &ContainerError) -> Option<(String, Vec<String>)> {
    match error {
        ContainerError::PolicyDenied { violations } => Some((
            "refused by the policy:".to_owned(),
            violations.iter().map(violation).collect(),
        )),
        ContainerError::InvalidRequest { violations } => Some((
            "refused, as no policy could accept it:".to_owned(),
            violations.iter().map(violation).collect(),
        )),
        ContainerError::PolicyNotEnforced { items, warnings } => Some((
            "not run, as the engine does not enforce the whole policy:".to_owned(),
            items
                .iter()
                .map(ToString::to_string)
                .chain(
                    warnings
                        .iter()
                        .map(|text| format!("the engine warned: {text}")),
                )
                .collect(),
        )),
        _ => None,
    }
}

/// A violation, at the option where its value was written.
fn violation(found: &Violation) -> String {
    let option = match found.field.as_str() {
        "command" => "COMMAND".to_owned(),
        "image" => "--image".to_owned(),
        "env" => "--env".to_owned(),
        "proxy_socket" => "--proxy-socket".to_owned(),
        field => match field.strip_prefix("env.") {
            Some(key) => format!("--env {key}"),
            None => field.to_owned(),
        },
    };
    format!(
        "{option}: {} is not accepted: {}",
        found.value, found.accepted
    )
}

/// What to do next.
pub(crate) fn hints(error: &ContainerError) -> Vec<String> {
    match error {
        ContainerError::EngineUnavailable { .. } | ContainerError::EngineTimeout { .. } => {
            vec![
                "`clawbox doctor` looks for engines and says how to mend what is missing"
                    .to_owned(),
            ]
        }
        ContainerError::ImageNotAllowed { image, .. } => {
            vec![format!(
                "--allow-image {}/{} if you trust it",
                image.registry(),
                image.repository()
            )]
        }
        ContainerError::PolicyDenied { violations }
            if violations.iter().any(|found| found.field == "image") =>
        {
            vec!["--allow-image RULE for an image that you trust".to_owned()]
        }
        ContainerError::ImageNotFound { .. } => vec![
            "check its name; --pull if-missing fetches it where the engine reaches the registry"
                .to_owned(),
            "or load it into the engine yourself: docker load, docker import".to_owned(),
        ],
        ContainerError::PolicyNotEnforced { items, .. } => items
            .iter()
            .map(|report| {
                format!(
                    "--allow-degraded {} to run it although nothing holds it to: {}",
                    report.item, report.requested
                )
            })
            .collect(),
        ContainerError::Unsupported { what, .. } if what.contains("clawbox-init") => {
            vec!["--init engine does without, and proves less; `clawbox doctor` says more".to_owned()]
        }
        ContainerError::EngineFailed { source, .. } if hides_our_files(source) => vec![
            "the engine sees other files than this process: run it on the same host, with the same /run and /tmp"
                .to_owned(),
            "or --init engine, which shares no directory, and proves less".to_owned(),
        ],
        ContainerError::NotFound { .. } => {
            vec!["`clawbox ps` lists the containers that are there".to_owned()]
        }
        ContainerError::LimitReached { .. } => vec![
            "`clawbox ps` lists the containers that are there, `clawbox cleanup` removes orphans"
                .to_owned(),
        ],
        _ => Vec::new(),
    }
}

/// Whether the engine did not find a directory of ours, in Docker's words.
fn hides_our_files(error: &EngineError) -> bool {
    error
        .to_string()
        .contains("bind source path does not exist")
}

/// An error of the command line's own that belongs to an option.
pub(crate) fn refused<T>(
    option: &str,
    value: impl std::fmt::Display,
    accepted: &str,
) -> ContainerResult<T> {
    Err(ContainerError::InvalidRequest {
        violations: vec![InvalidValue::new(value, accepted).at(option)],
    })
}
