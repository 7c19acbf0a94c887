//! The form in which profiles are written down, and the check that one makes sense.

use std::collections::BTreeMap;

use serde::Deserialize;
use thiserror::Error;

/// Why a profile's data cannot be used.
#[derive(Debug, Error)]
pub(super) enum DataError {
    /// Not the form described here.
    #[error("failed to read the profile")]
    Form(#[from] serde_json::Error),
    /// A group that does not say why it exists.
    #[error("group {group} gives no reason")]
    Reason { group: usize },
    /// A group about nothing.
    #[error("group {group} names no system call")]
    Empty { group: usize },
    /// A condition that cannot be compiled, or would not mean what it says.
    #[error("group {group} has a condition which {problem}")]
    Condition { group: usize, problem: &'static str },
    /// Two rules that both apply to some call.
    #[error("group {first} and group {second} both decide {name}")]
    Overlap {
        name: String,
        first: usize,
        second: usize,
    },
    /// Differences that are over another profile than the given one.
    #[error("the profile is over {over:?}, and was given {base:?}")]
    Base { over: String, base: String },
    /// A difference that is none.
    #[error("{name} is answered as before, or was not known before")]
    Same { name: String },
}

/// A profile as it is written down.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Data {
    pub(super) name: String,
    /// Of which profile the groups are the differences: what they name is decided by them alone.
    #[serde(default)]
    over: String,
    pub(super) groups: Vec<Group>,
}

/// System calls that are answered alike, for one reason.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Group {
    pub(super) reason: String,
    pub(super) action: Action,
    pub(super) names: Vec<String>,
    /// All of them have to hold; none means always.
    #[serde(default)]
    pub(super) when: Vec<Condition>,
}

/// The answer to a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Action {
    /// The kernel decides.
    Allow,
    /// The default answer, written down so that a refusal has a reason too.
    Refuse,
    /// Refused, with an errno that lets callers carry on.
    Errno(Errno),
}

/// The errnos in use, besides the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(super) enum Errno {
    #[serde(rename = "ENOSYS")]
    NoSys,
    #[serde(rename = "EPROTONOSUPPORT")]
    ProtoNoSupport,
    #[serde(rename = "EAFNOSUPPORT")]
    AfNoSupport,
}

impl Errno {
    /// Its name, for people.
    #[cfg(test)]
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::NoSys => "ENOSYS",
            Self::ProtoNoSupport => "EPROTONOSUPPORT",
            Self::AfNoSupport => "EAFNOSUPPORT",
        }
    }

    /// The number on x86 and ARM.
    pub(super) fn number(self) -> u32 {
        match self {
            Self::NoSys => 38,
            Self::ProtoNoSupport => 93,
            Self::AfNoSupport => 97,
        }
    }
}

/// A test of one argument: its bits under the mask are one of some values, or none of them.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Condition {
    pub(super) arg: u8,
    #[serde(default)]
    pub(super) mask: Word,
    #[serde(default, rename = "in")]
    pub(super) one_of: BTreeMap<String, Word>,
    #[serde(default, rename = "not_in")]
    pub(super) none_of: BTreeMap<String, Word>,
}

/// 32 bits, written as a number or as `"0x…"`. All of them are set where nothing is written.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "Number")]
pub(super) struct Word(pub(super) u32);

impl Default for Word {
    fn default() -> Self {
        Self(u32::MAX)
    }
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Plain(u32),
    Hex(String),
}

impl TryFrom<Number> for Word {
    type Error = String;

    fn try_from(number: Number) -> Result<Self, String> {
        match number {
            Number::Plain(word) => Ok(Self(word)),
            Number::Hex(text) => text
                .strip_prefix("0x")
                .and_then(|digits| u32::from_str_radix(digits, 16).ok())
                .map(Self)
                .ok_or_else(|| format!("not a 32-bit number: {text:?}")),
        }
    }
}

/// One rule of a filter: applies where every argument has the given bits.
#[derive(Debug)]
pub(super) struct Rule<'a> {
    pub(super) group: usize,
    pub(super) names: &'a [String],
    pub(super) action: Action,
    /// At most one for each argument: engines take two for the same one as alternatives.
    pub(super) args: Vec<Bits>,
}

/// `argument & mask == value`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bits {
    pub(super) arg: u8,
    pub(super) mask: u32,
    pub(super) value: u32,
}

impl Data {
    /// The whole profile of which `changes` are the differences from this one.
    pub(super) fn with(&self, changes: Self) -> Result<Self, DataError> {
        let Self { name, over, groups } = changes;
        if over != self.name {
            let base = self.name.clone();
            return Err(DataError::Base { over, base });
        }
        for group in &groups {
            for name in &group.names {
                let is_same = |g: &Group| {
                    g.action == group.action && g.when.is_empty() && group.when.is_empty()
                };
                let mut before = self.groups.iter().filter(|g| g.names.contains(name));
                if before.all(is_same) {
                    let name = name.clone();
                    return Err(DataError::Same { name });
                }
            }
        }
        let kept = self.groups.iter().cloned().map(|mut group| {
            let changed = |name: &String| groups.iter().any(|g| g.names.contains(name));
            group.names.retain(|name| !changed(name));
            group
        });
        let kept: Vec<Group> = kept.filter(|group| !group.names.is_empty()).collect();
        Ok(Self {
            name,
            over: String::new(),
            groups: [kept, groups].concat(),
        })
    }

    /// The rules, in the order of the data. No two of them apply to the same call.
    pub(super) fn rules(&self) -> Result<Vec<Rule<'_>>, DataError> {
        let mut rules: Vec<Rule<'_>> = Vec::new();
        for (group, data) in self.groups.iter().enumerate() {
            for args in data.alternatives(group)? {
                let rule = Rule {
                    group,
                    names: &data.names,
                    action: data.action,
                    args,
                };
                if let Some((name, first)) = rules.iter().find_map(|r| Some((r.overlap(&rule)?, r)))
                {
                    let (name, first) = (name.to_owned(), first.group);
                    return Err(DataError::Overlap {
                        name,
                        first,
                        second: group,
                    });
                }
                rules.push(rule);
            }
        }
        Ok(rules)
    }
}

impl Group {
    /// The conditions as alternatives, each of which asks for exact bits.
    fn alternatives(&self, group: usize) -> Result<Vec<Vec<Bits>>, DataError> {
        let problem = |problem| Err(DataError::Condition { group, problem });
        if self.reason.trim().is_empty() {
            return Err(DataError::Reason { group });
        }
        if self.names.is_empty() {
            return Err(DataError::Empty { group });
        }
        if (1..self.names.len()).any(|i| self.names[..i].contains(&self.names[i])) {
            return problem("cannot tell two equal names apart");
        }
        if self.action == Action::Refuse && !self.when.is_empty() {
            return problem("would be lost, since the default has none");
        }
        let mut alternatives = vec![Vec::new()];
        for (i, condition) in self.when.iter().enumerate() {
            if condition.arg > 5 {
                return problem("tests an argument that no call has");
            }
            if self.when[..i]
                .iter()
                .any(|other| other.arg == condition.arg)
            {
                return problem("tests an argument twice");
            }
            if condition.one_of.is_empty() == condition.none_of.is_empty() {
                return problem("needs values, in or not_in");
            }
            let mask = condition.mask.0;
            if condition
                .one_of
                .values()
                .chain(condition.none_of.values())
                .any(|v| v.0 & !mask != 0)
            {
                return problem("has a value outside its mask");
            }
            let bits = condition.bits();
            alternatives = alternatives
                .iter()
                .flat_map(|args| {
                    bits.iter()
                        .map(move |&b| args.iter().copied().chain([b]).collect())
                })
                .collect();
        }
        Ok(alternatives)
    }
}

impl Condition {
    /// Patterns of which exactly one fits where the condition holds, and none where it does not.
    fn bits(&self) -> Vec<Bits> {
        let mask = self.mask.0;
        if self.none_of.is_empty() {
            return self
                .one_of
                .values()
                .map(|v| Bits {
                    arg: self.arg,
                    mask,
                    value: v.0,
                })
                .collect();
        }
        // Engines cannot compare for inequality under a mask. So the excluded values are walked
        // round: bit by bit from the top, and whatever has none of them below it is a pattern.
        let mut found = Vec::new();
        let mut open = vec![Bits {
            arg: self.arg,
            mask: 0,
            value: 0,
        }];
        while let Some(bits) = open.pop() {
            let rest = mask & !bits.mask;
            if !self.none_of.values().any(|v| v.0 & bits.mask == bits.value) {
                found.push(bits);
            } else if let Some(top) = rest.checked_ilog2() {
                let bit = 1 << top;
                for value in [bits.value | bit, bits.value] {
                    open.push(Bits {
                        mask: bits.mask | bit,
                        value,
                        ..bits
                    });
                }
            }
        }
        found
    }
}

impl<'a> Rule<'a> {
    /// A system call to which both rules can apply.
    fn overlap(&self, other: &Rule<'_>) -> Option<&'a str> {
        let apart = self.args.iter().any(|a| {
            other
                .args
                .iter()
                .any(|b| a.arg == b.arg && (a.value ^ b.value) & a.mask & b.mask != 0)
        });
        if apart {
            return None;
        }
        self.names
            .iter()
            .find(|name| other.names.contains(*name))
            .map(String::as_str)
    }
}
