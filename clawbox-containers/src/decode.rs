//! What the decoders of engines' answers share. Pure.
//!
//! A decoder tells what is there: what an engine left out, or said in a way that cannot be, is a
//! [`BadAnswer`](EngineErrorKind::BadAnswer) and never a guess.

use crate::{
    aspects::{Bind, Environment, TmpfsOptions, Ulimit, Ulimits},
    engine::{EngineError, EngineErrorKind, EngineResult},
    labels,
};
use clawbox_types::EnvValue;
use serde::Serialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The most that is told of one setting, in characters.
const MAX_CHARS: usize = 200;
/// The most that is told of a word that no plan has, in characters.
const MAX_WORD: usize = 100;

/// An answer that cannot be understood.
pub fn bad(message: impl Into<String>) -> EngineError {
    EngineError::new(EngineErrorKind::BadAnswer, message)
}

/// What must be in an answer.
///
/// # Errors
///
/// [`EngineErrorKind::BadAnswer`] naming the field, where it is not.
pub fn said<T>(field: &str, value: Option<T>) -> EngineResult<T> {
    value.ok_or_else(|| bad(format!("the engine did not say {field}")))
}

/// A limit, of which engines say nothing, 0 or -1 where there is none; here that is 0, which is never planned.
///
/// # Errors
///
/// [`EngineErrorKind::BadAnswer`] for any other negative number.
pub fn limit(field: &str, value: Option<i64>) -> EngineResult<u64> {
    match value {
        None | Some(-1) => Ok(0),
        Some(n) => u64::try_from(n).map_err(|_| bad(format!("{field} {n}"))),
    }
}

/// A word that no plan has, for an aspect's `Other`: its first 100 characters.
#[must_use]
pub fn other(word: &str) -> String {
    word.chars().take(MAX_WORD).collect()
}

/// Resource limits from their names and their soft and hard values, of which -1 is "without limit".
///
/// # Errors
///
/// [`EngineErrorKind::BadAnswer`] where a value is missing or any other negative number, or a name is there twice.
pub fn ulimits(
    limits: impl IntoIterator<Item = (String, Option<i64>, Option<i64>)>,
) -> EngineResult<Ulimits> {
    // The largest number of all.
    let value = |field: &str, n: Option<i64>| match said(field, n)? {
        -1 => Ok(u64::MAX),
        n => u64::try_from(n).map_err(|_| bad(format!("{field} {n}"))),
    };
    let mut seen = BTreeMap::new();
    for (name, soft, hard) in limits {
        let limit = Ulimit {
            soft: value("Ulimits.Soft", soft)?,
            hard: value("Ulimits.Hard", hard)?,
        };
        if seen.insert(name, limit).is_some() {
            return Err(bad("Ulimits names one limit twice"));
        }
    }
    Ok(Ulimits(seen))
}

/// A mount. Its source is a path only where its kind is `bind`; of any other kind, the source says so, and no plan has it.
#[must_use]
pub fn mount(kind: &str, source: String, target: String, read_only: bool) -> Bind {
    Bind {
        source: match kind {
            "bind" => source.into(),
            _ => format!("{kind:.20}:{source}").into(),
        },
        target,
        read_only,
        noexec: false,
    }
}

/// What was mounted in a way that no plan has.
#[must_use]
pub fn mount_otherwise(way: String) -> Bind {
    Bind {
        source: way.into(),
        target: String::new(),
        read_only: false,
        noexec: false,
    }
}

/// Those labels that are clawbox's; the others are the image's.
pub fn own_labels(all: impl IntoIterator<Item = (String, String)>) -> BTreeMap<String, String> {
    let all = all.into_iter();
    all.filter(|(key, _)| key.starts_with(labels::PREFIX))
        .collect()
}

/// Settings that ought to be empty and are not, as text, for the item whose promise they break.
#[derive(Debug, Default)]
pub struct Extras(BTreeSet<String>);

impl Extras {
    /// Takes note of `value` unless it is what engines say for "none": nothing, `false`, 0, or empty.
    pub fn note(&mut self, field: &str, value: impl Serialize) {
        let value = serde_json::to_value(value).unwrap_or_else(|e| e.to_string().into());
        let none = match &value {
            Value::Null => true,
            Value::Bool(set) => !set,
            Value::Number(number) => number.as_f64() == Some(0.0),
            Value::String(text) => text.is_empty(),
            Value::Array(items) => items.is_empty(),
            Value::Object(entries) => entries.is_empty(),
        };
        if !none {
            self.push(format!("{field} {value}"));
        }
    }

    /// Takes note of a text, of which at most 200 characters are kept.
    pub fn push(&mut self, text: impl Into<String>) {
        self.0.insert(text.into().chars().take(MAX_CHARS).collect());
    }

    /// All of them.
    #[must_use]
    pub fn into_set(self) -> BTreeSet<String> {
        self.0
    }

    /// `base` as it is where there is nothing more, else with all of it appended.
    #[must_use]
    pub fn after(self, base: &str) -> String {
        let words: Vec<String> = std::iter::once(base.to_owned()).chain(self.0).collect();
        words.join(", ")
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// From a tmpfs' mount options, such as `rw,noexec,size=64m`. An option that is no size, count or mode is a flag,
/// whatever it says; what is not said is 0, which for the kernel is "without limit" and which is never planned.
///
/// # Errors
///
/// [`EngineErrorKind::BadAnswer`] naming the path, where a number cannot be read.
pub fn tmpfs_options(path: &str, text: &str) -> EngineResult<TmpfsOptions> {
    let mut options = TmpfsOptions {
        size_bytes: 0,
        max_inodes: 0,
        mode: 0,
        flags: BTreeSet::new(),
    };
    let not_read = || bad(format!("the options of the tmpfs at {path:.100}"));
    for option in text.split(',').filter(|option| !option.is_empty()) {
        match option.split_once('=') {
            Some(("size", n)) => options.size_bytes = scaled(n).ok_or_else(not_read)?,
            Some(("nr_inodes", n)) => options.max_inodes = scaled(n).ok_or_else(not_read)?,
            Some(("mode", octal)) => {
                options.mode = u32::from_str_radix(octal, 8).map_err(|_| not_read())?;
            }
            _ => {
                options.flags.insert(option.to_owned());
            }
        }
    }
    Ok(options)
}

/// A number with the kernel's suffixes, tmpfs(5).
fn scaled(text: &str) -> Option<u64> {
    let (digits, shift) = match text.as_bytes().last()?.to_ascii_lowercase() {
        b'k' => (text.get(..text.len() - 1)?, 10),
        b'm' => (text.get(..text.len() - 1)?, 20),
        b'g' => (text.get(..text.len() - 1)?, 30),
        _ => (text, 0),
    };
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}

/// From `KEY=value` and, for a variable of the image's that is taken away, `KEY`.
///
/// # Errors
///
/// [`EngineErrorKind::BadAnswer`] naming the variable, for one that is there twice or that no process can be given.
/// No value is told, as it may be a secret.
pub fn environment(entries: Vec<String>) -> EngineResult<Environment> {
    let mut variables = BTreeMap::new();
    for entry in entries {
        let (key, value) = match entry.split_once('=') {
            Some((key, value)) => (key, Some(value)),
            None => (entry.as_str(), None),
        };
        let value = value
            .map(str::parse::<EnvValue>)
            .transpose()
            .map_err(|_| bad(format!("the value of the variable {key:.100}")))?;
        if variables.insert(key.to_owned(), value).is_some() {
            return Err(bad(format!("the variable {key:.100} twice")));
        }
    }
    Ok(Environment(variables))
}
