//! Workspaces, as they are inside: the directories that were looked at before, and of use to the container's user.

use super::{Answers, Given, Look};
use crate::{
    init::CONTAINER_INIT_DIR, plan::PlanSpec, proxy::CONTAINER_SOCKET_DIR, verify::combine,
};
use clawbox_types::{EnforcementReport, PolicyItem};

/// A directory of the host's that must be at a place in the container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ExpectedWorkspace {
    /// Where it is in the container.
    pub(crate) target: String,
    /// Its `st_dev` and `st_ino`.
    pub(crate) identity: [u64; 2],
    /// Whether the container cannot change it.
    pub(crate) read_only: bool,
}

pub(super) fn looks(spec: &PlanSpec) -> impl Iterator<Item = Look> {
    let ours = [CONTAINER_SOCKET_DIR, CONTAINER_INIT_DIR];
    let targets = spec.mounts.0.iter().map(|bind| &bind.target);
    targets
        .filter(move |target| !ours.contains(&target.as_str()))
        .flat_map(|target| [Look::Identity(target.clone()), Look::list(target)])
}

/// Adds to a report what is wrong with the workspaces.
pub(crate) fn workspaces(
    spec: &PlanSpec,
    expected: &[ExpectedWorkspace],
    answers: &Answers,
    report: EnforcementReport,
) -> EnforcementReport {
    let wrong = expected.iter().filter_map(|it| wrong(spec, it, answers));
    let wrong: Vec<String> = wrong.collect();
    match wrong.as_slice() {
        [] => report,
        _ => combine(
            report,
            vec![(PolicyItem::Mounts, Given::Other(wrong.join("; ")))],
        ),
    }
}

fn wrong(spec: &PlanSpec, expected: &ExpectedWorkspace, answers: &Answers) -> Option<String> {
    let ExpectedWorkspace {
        target,
        identity,
        read_only,
    } = expected;
    let seen = match answers.get(&Look::Identity(target.clone())) {
        Ok(seen) if seen.result >= 0 => seen,
        Ok(seen) => {
            return Some(format!(
                "{target} gives errno {}",
                seen.result.unsigned_abs()
            ));
        }
        Err(why) => return Some(why),
    };
    if seen.bytes != identity.map(u64::to_le_bytes).concat() {
        return Some(format!(
            "another directory at {target} than the one that was looked at before"
        ));
    }
    let (user, _) = spec.user.split_once(':').unwrap_or((&spec.user, ""));
    if !read_only && seen.result.to_string() != user {
        return Some(format!(
            "{target} belongs to user {} as the container sees it, and not to its own user {user}: what is \
             written belongs to its owner, or is read-only",
            seen.result
        ));
    }
    match answers.get(&Look::list(target)) {
        Ok(seen) if seen.result >= 0 => None,
        Ok(seen) => Some(format!(
            "{target} cannot be read by the container's user: errno {}",
            seen.result.unsigned_abs()
        )),
        Err(why) => Some(why),
    }
}
