//! Known issues of engines, runtimes and kernels that a version can reveal, and what the policy does about each.
//!
//! `advisories.json` is data with a date; nothing is fetched. A version says less than a vendor's changelog, so what is
//! found here is told, and decides nothing.

use super::version::Version;
use clawbox::EngineInfo;
use serde::{Deserialize, Serialize};

/// What is known, and since when nothing newer has been looked up.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Known {
    as_of: String,
    advisories: Vec<Advisory>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Advisory {
    id: String,
    /// Another name that it goes by.
    alias: Option<String>,
    /// As `EngineInfo` calls it: the engine's name, or one of its components'.
    component: String,
    affected: Vec<Range>,
    what: String,
    policy: Effect,
    why: String,
    link: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Range {
    /// The first affected version; the first of all where there is none.
    from: Option<String>,
    /// The first that is not affected any more.
    before: String,
}

/// What the policy does about an issue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Effect {
    /// What it needs is not to be had in a sandbox.
    Prevents,
    /// It is harder to use, or is noticed before the command runs.
    Narrows,
    /// Nothing.
    DoesNotHelp,
}

/// What was found for one engine.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    as_of: String,
    note: &'static str,
    found: Vec<Finding>,
}

#[derive(Debug, Serialize)]
struct Finding {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    alias: Option<String>,
    component: String,
    version: String,
    fixed_in: String,
    what: String,
    policy: Effect,
    why: String,
    link: String,
}

const NOTE: &str = "your vendor may have backported the fix";

/// Compares what the engine says of its versions with what is known.
///
/// # Errors
///
/// Where the data that this program was built with cannot be read, which its tests rule out.
pub(super) fn look(info: &EngineInfo) -> Result<Report, serde_json::Error> {
    let known: Known = serde_json::from_str(include_str!("advisories.json"))?;
    let engine = (&info.name, &info.version);
    let versions = || std::iter::once(engine).chain(&info.components);
    let found = known.advisories.into_iter().filter_map(|advisory| {
        let (_, version) = versions().find(|(name, _)| **name == advisory.component)?;
        let range = advisory.affecting(version)?;
        Some(Finding {
            fixed_in: range.before.clone(),
            version: version.clone(),
            id: advisory.id,
            alias: advisory.alias,
            component: advisory.component,
            what: advisory.what,
            policy: advisory.policy,
            why: advisory.why,
            link: advisory.link,
        })
    });
    Ok(Report {
        found: found.collect(),
        as_of: known.as_of,
        note: NOTE,
    })
}

impl Advisory {
    /// The range that `version` is in. A version that is none is in no range.
    fn affecting(&self, version: &str) -> Option<&Range> {
        let version: Version = version.parse().ok()?;
        self.affected.iter().find(|range| {
            let bound = |text: &str| text.parse::<Version>().ok();
            let from = range.from.as_deref().map(bound);
            from.is_none_or(|from| from.is_some_and(|from| version >= from))
                && bound(&range.before).is_some_and(|before| version < before)
        })
    }
}

impl Report {
    /// One line for each issue, those that the policy does least about first.
    pub(super) fn lines(&self) -> Vec<String> {
        let Self { as_of, note, found } = self;
        if found.is_empty() {
            return vec![format!(
                "none of the advisories of {as_of} names these versions"
            )];
        }
        let of = |effect, heading: &str| {
            let some = found.iter().filter(move |finding| finding.policy == effect);
            let lines: Vec<String> = some.map(|finding| format!("  {finding}")).collect();
            let heading = (!lines.is_empty()).then(|| format!("{heading}:"));
            heading.into_iter().chain(lines)
        };
        let heading = format!(
            "{} advisories of {as_of} name these versions; {note}",
            found.len()
        );
        std::iter::once(heading)
            .chain(of(Effect::DoesNotHelp, "this policy does not help against"))
            .chain(of(Effect::Narrows, "this policy narrows"))
            .chain(of(Effect::Prevents, "this policy prevents"))
            .collect()
    }
}

impl std::fmt::Display for Finding {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            id,
            alias,
            component,
            version,
            fixed_in,
            what,
            policy: _,
            why,
            link: _,
        } = self;
        let called = alias.iter().filter(|alias| !alias.starts_with("GHSA-"));
        let called: String = called.map(|alias| format!(" ({alias})")).collect();
        write!(
            f,
            "{id}{called}, {component} {version}, mended in {fixed_in}: {what}; {why}"
        )
    }
}

#[cfg(test)]
mod tests;
