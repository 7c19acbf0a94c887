//! Who process 1 is, by `/proc/self/status`: proc(5), `proc_pid_status(5)`.

use super::{Answers, Given};
use crate::plan::PlanSpec;

pub(super) const STATUS: &str = "/proc/self/status";
pub(super) const LOOKS: [&str; 1] = [STATUS];

/// The capability sets of a process: inheritable, permitted, effective, bounding, ambient.
const SETS: [&str; 5] = ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"];

/// What stands behind a field's name.
pub(super) fn field<'a>(answers: &'a Answers, name: &str) -> Result<&'a str, String> {
    let status = answers.file(STATUS)?;
    status
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .map(str::trim)
        .ok_or_else(|| format!("{STATUS} has no field {name}"))
}

/// Real, effective, saved and file system ids alike, and no other group.
pub(super) fn user(spec: &PlanSpec, answers: &Answers) -> Given {
    let seen = || {
        let one = |name| {
            let text = field(answers, name)?;
            let ids: Vec<&str> = text.split_whitespace().collect();
            match ids.as_slice() {
                [real, rest @ ..] if rest.len() == 3 && rest.iter().all(|id| id == real) => {
                    Ok(*real)
                }
                [_, _, _, _] => Ok(text),
                _ => Err(format!("{name} of {STATUS} is {text:.40}")),
            }
        };
        let (user, group) = (one("Uid")?, one("Gid")?);
        let groups = field(answers, "Groups")?;
        let others: Vec<&str> = groups
            .split_whitespace()
            .filter(|other| *other != group)
            .collect();
        Ok(if others.is_empty() {
            format!("{user}:{group}")
        } else {
            format!("{user}:{group} and groups {}", others.join(", "))
        })
    };
    Given::of(&spec.user, seen())
}

/// None in any set.
pub(super) fn capabilities(answers: &Answers) -> Given {
    let mut held = Vec::new();
    for set in SETS {
        match field(answers, set).map(|mask| (mask, u64::from_str_radix(mask, 16))) {
            Ok((_, Ok(0))) => {}
            Ok((mask, _)) => held.push(format!("{set} {mask}")),
            Err(why) => return Given::Unseen(why),
        }
    }
    if held.is_empty() {
        Given::Planned("none in any set".to_owned())
    } else {
        Given::Other(held.join(", "))
    }
}

pub(super) fn no_new_privileges(spec: &PlanSpec, answers: &Answers) -> Given {
    let seen = field(answers, "NoNewPrivs").map(|on| on == "1");
    Given::of(&spec.no_new_privileges, seen)
}
