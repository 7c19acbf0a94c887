//! Who process 1 is, by `/proc/self/status`: proc(5), `proc_pid_status(5)`.

use super::{Answers, Given};
use crate::plan::PlanSpec;

pub(super) const STATUS: &str = "/proc/self/status";
/// Whom the ids are outside: user_namespaces(7).
const MAPS: [&str; 2] = ["/proc/self/uid_map", "/proc/self/gid_map"];
pub(super) const LOOKS: [&str; 3] = [STATUS, MAPS[0], MAPS[1]];

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
    match (Given::of(&spec.user, seen()), outside(spec, answers)) {
        (Given::Planned(_), Err(why)) => Given::Unseen(why),
        // 0 outside is a rootless engine's own user where the container writes to that user's files: the host's root
        // is not let in as process 1.
        (Given::Planned(text), Ok(ids)) if ids.contains(&0) && !spec.mounts.writes() => {
            Given::Other(format!("{text}, root outside"))
        }
        (Given::Planned(text), Ok([user, group])) => {
            let outside = format!("{user}:{group}");
            Given::Planned(match outside == text {
                true => text,
                false => format!("{text}, {outside} outside"),
            })
        }
        (other, _) => other,
    }
}

/// Who the planned user and group are in the user namespace around.
fn outside(spec: &PlanSpec, answers: &Answers) -> Result<[u64; 2], String> {
    let (user, group) = spec.user.split_once(':').unwrap_or_default();
    let one = |id: &str, map| {
        let id: u64 = id.parse().map_err(|_| format!("{id:.40} is no id"))?;
        let ranges = ranges(answers, map)?;
        let mut outside = ranges.iter().filter_map(|[inside, outside, count]| {
            let within = id.checked_sub(*inside).filter(|n| n < count)?;
            outside.checked_add(within)
        });
        outside.next().ok_or_else(|| format!("{map} has no {id}"))
    };
    Ok([one(user, MAPS[0])?, one(group, MAPS[1])?])
}

/// Whether every id is itself outside.
pub(super) fn is_first_user_namespace(answers: &Answers) -> Result<bool, String> {
    Ok(ranges(answers, MAPS[0])? == [[0, 0, u64::from(u32::MAX)]])
}

/// Inside, outside, and how many.
fn ranges(answers: &Answers, map: &str) -> Result<Vec<[u64; 3]>, String> {
    let range = |line: &str| {
        let numbers: Option<Vec<u64>> = line.split_whitespace().map(|n| n.parse().ok()).collect();
        numbers.and_then(|numbers| numbers.try_into().ok())
    };
    let lines = answers.file(map)?.lines();
    lines
        .map(|line| range(line).ok_or_else(|| format!("{map} has {line:.80?}")))
        .collect()
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
