//! Limits of each process, by `/proc/self/limits`, and whom the kernel ends first.

use super::{Answers, Given};
use crate::{
    aspects::{Ulimit, Ulimits},
    plan::PlanSpec,
};

const LIMITS: &str = "/proc/self/limits";
const OOM_SCORE: &str = "/proc/self/oom_score_adj";
pub(super) const LOOKS: [&str; 2] = [LIMITS, OOM_SCORE];

/// The kernel's words for limits.
const WORDS: [(&str, &str); 3] = [
    ("core", "Max core file size"),
    ("fsize", "Max file size"),
    ("nofile", "Max open files"),
];

pub(super) fn ulimits(spec: &PlanSpec, answers: &Answers) -> Given {
    let one = |name: &String| {
        let (_, words) = WORDS
            .iter()
            .find(|(known, _)| known == name)
            .ok_or_else(|| format!("no word of {LIMITS} is known for {name}"))?;
        let line = answers.file(LIMITS)?.lines();
        let mut numbers = line
            .filter_map(|line| line.strip_prefix(words))
            .flat_map(str::split_whitespace)
            .map(|number| match number {
                "unlimited" => Some(u64::MAX),
                number => number.parse().ok(),
            });
        match (numbers.next().flatten(), numbers.next().flatten()) {
            (Some(soft), Some(hard)) => Ok((name.clone(), Ulimit { soft, hard })),
            _ => Err(format!("{LIMITS} does not tell {words}")),
        }
    };
    let seen = spec.ulimits.0.keys().map(one).collect::<Result<_, _>>();
    Given::of(&spec.ulimits, seen.map(Ulimits))
}

pub(super) fn oom_score(spec: &PlanSpec, answers: &Answers) -> Given {
    let seen = answers.file(OOM_SCORE).and_then(|text| {
        text.parse()
            .map_err(|_| format!("{OOM_SCORE} is {text:.40}"))
    });
    Given::of(&spec.oom_score, seen)
}
