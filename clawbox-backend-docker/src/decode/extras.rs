//! What is set though the plan knows no such thing.

use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeSet;

/// The most that is told of one setting, in characters.
const MAX_CHARS: usize = 200;

/// Settings that ought to be empty and are not, as text, for the item whose promise they break.
#[derive(Debug, Default)]
pub(super) struct Extras(BTreeSet<String>);

impl Extras {
    /// Takes note of `value` unless it is what Docker says for "none": nothing, `false`, 0, or empty.
    pub(super) fn note(&mut self, field: &str, value: impl Serialize) {
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

    pub(super) fn push(&mut self, text: impl Into<String>) {
        self.0.insert(text.into().chars().take(MAX_CHARS).collect());
    }

    pub(super) fn into_set(self) -> BTreeSet<String> {
        self.0
    }

    /// `base` as it is where there is nothing more, else with all of it appended.
    pub(super) fn after(self, base: &str) -> String {
        let words: Vec<String> = std::iter::once(base.to_owned()).chain(self.0).collect();
        words.join(", ")
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
