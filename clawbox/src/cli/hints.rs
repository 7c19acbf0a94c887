//! What to do next after an error, and how an error that lists things is written one to a line.

use super::lacks;
use clawbox::containers::engine::EngineError;
use clawbox::types::{InvalidValue, ItemReport};
use clawbox::{
    ContainerError, ContainerResult, EngineInfo, PolicyItem, Violation, discovery::NoEngine,
};
use std::error::Error;

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
        ContainerError::EngineUnavailable { source, .. } => {
            let none = source.source()?.downcast_ref::<NoEngine>()?;
            Some((
                "no engine can be used:".to_owned(),
                none.tried.iter().map(ToString::to_string).collect(),
            ))
        }
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
        "capabilities.resources.memory_mb" => "--memory".to_owned(),
        "capabilities.resources.cpu_millis" => "--cpus".to_owned(),
        "capabilities.resources.pids" => "--pids".to_owned(),
        "capabilities.resources.timeout_ms" => "--timeout".to_owned(),
        "capabilities.resources.max_output_bytes" => "--max-output".to_owned(),
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

/// What to do next. `engine` is what the engine says of its host, where it was asked.
pub(crate) fn hints(error: &ContainerError, engine: Option<&EngineInfo>) -> Vec<String> {
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
        ContainerError::PolicyNotEnforced { items, warnings } => {
            not_enforced(items, warnings, engine)
        }
        ContainerError::Unsupported { what, .. } if what.contains("clawbox-init") => {
            vec!["--init engine does without, and proves less; `clawbox doctor` says more".to_owned()]
        }
        ContainerError::EngineFailed { source, .. } if hides_our_files(source) => vec![
            "the engine sees other files than this process: run it on the same host, with the same /run and /tmp"
                .to_owned(),
            "or --init engine, which shares no directory, and proves less".to_owned(),
        ],
        ContainerError::EngineFailed { source, .. } if is_anothers(source) => vec![
            "the engine may not read what this user writes: run clawbox as the user that runs the engine"
                .to_owned(),
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

/// What would make the host hold these items, and how to run the command all the same. A warning that nobody
/// understands cannot be allowed.
fn not_enforced(
    items: &[ItemReport],
    warnings: &[String],
    engine: Option<&EngineInfo>,
) -> Vec<String> {
    let missing: Vec<PolicyItem> = items.iter().map(|report| report.item).collect();
    let mut hints: Vec<String> = match engine {
        Some(engine) => lacks::reasons(engine, &missing),
        None => Vec::new(),
    };
    for reason in &mut hints {
        reason.insert_str(0, "mend the host, for ");
    }
    if !items.is_empty() && warnings.is_empty() {
        let or = if hints.is_empty() { "" } else { "or " };
        let options: Vec<String> = missing
            .iter()
            .map(|item| format!("--allow-degraded {item}"))
            .collect();
        let options = options.join(" ");
        hints.push(format!(
            "{or}{options} to run it although nothing holds it to this"
        ));
    }
    hints
}

/// Whether the engine did not find a directory of ours, in Docker's words.
fn hides_our_files(error: &EngineError) -> bool {
    error
        .to_string()
        .contains("bind source path does not exist")
}

/// Whether the engine runs as a user who cannot read our files, in Podman's words.
fn is_anothers(error: &EngineError) -> bool {
    let words = error.to_string();
    words.contains("opening seccomp profile failed") && words.contains("permission denied")
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

#[cfg(test)]
mod tests {
    use super::*;
    use clawbox::{Verdict, containers::engine::EngineErrorKind, types::Ability};

    fn hints_of(items: &[PolicyItem], warnings: &[&str], engine: Option<&EngineInfo>) -> String {
        let report = |item: &PolicyItem| {
            ItemReport::new(*item, format!("{item} x"), "y", Verdict::NotEnforced)
        };
        let error = ContainerError::PolicyNotEnforced {
            items: items.iter().map(report).collect(),
            warnings: warnings.iter().map(|text| (*text).to_owned()).collect(),
        };
        hints(&error, engine).join("\n")
    }

    #[test]
    fn what_a_rootless_host_does_not_hold_comes_with_its_mend_and_the_way_around() {
        let mut engine = EngineInfo::new("podman", "5.4.2", "unix:///a");
        engine.abilities = [PolicyItem::Memory, PolicyItem::Pids, PolicyItem::Seccomp]
            .map(|item| Ability::missing(item, "not delegated; write Delegate=memory"))
            .into();
        let items = [PolicyItem::Memory, PolicyItem::Pids, PolicyItem::Cpu];
        let said = hints_of(&items, &[], Some(&engine));
        let around = "--allow-degraded memory --allow-degraded pids --allow-degraded cpu to run it although \
                      nothing holds it to this";
        let mend = "mend the host, for memory, pids: not delegated; write Delegate=memory";
        assert_eq!(said, format!("{mend}\nor {around}"));
        assert_eq!(hints_of(&items, &[], None), around);
    }

    #[test]
    fn an_engine_of_another_users_is_told_by_its_words() {
        // As podman 4.3.1 answers root.
        let words = "opening seccomp profile failed: open /tmp/clawbox-seccomp-mbcHh8.json: permission denied";
        let error = ContainerError::EngineFailed {
            call: "create the container",
            source: EngineError::new(EngineErrorKind::Refused, words),
        };
        let said = hints(&error, None).join("\n");
        assert!(said.contains("as the user that runs the engine"), "{said}");
    }

    #[test]
    fn nothing_is_offered_that_would_be_refused_again() {
        let said = hints_of(&[PolicyItem::Memory], &["something new"], None);
        assert_eq!(said, "");
        assert_eq!(hints_of(&[], &["something new"], None), "");
    }
}
