//! Answers that no engine should give, to try a decoder with: property tests with `proptest`.

use clawbox_containers::facts::{Observed, ObservedFacts};
use proptest::{
    collection::{btree_map, vec},
    prelude::*,
    sample::Index,
};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Facts as a process meets them: a variable that was taken away is one that is not there.
#[must_use]
pub fn met(mut facts: ObservedFacts) -> ObservedFacts {
    if let Observed::Seen(environment) = &mut facts.environment {
        environment.0.retain(|_, value| value.is_some());
    }
    facts
}

/// Values that belong somewhere else, or nowhere.
pub fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (0..64_u32, -1..2_i64).prop_map(|(bits, off)| Value::from((1_i64 << bits).wrapping_add(off))),
        any::<f64>().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
        "[a-z]{0,8}[=:,/.][a-z0-9=,:/-]{0,16}|[0-9]{1,20}[kmgKMG]?|ALL|all|\0|2[0-9]{3}-[0-9T:.Z+-]{0,25}".prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Value::from),
            btree_map("[a-zA-Z/.]{0,6}", inner, 0..3).prop_map(Value::from_iter),
        ]
    })
}

/// Up to three such values, each with the way to its place.
pub fn changes() -> impl Strategy<Value = Vec<(Vec<Index>, Value)>> {
    vec((vec(any::<Index>(), 1..5), value()), 1..4)
}

/// Puts each value in the place of another, as deep as its way and the answer go.
#[must_use]
pub fn changed(mut answer: Value, changes: &[(Vec<Index>, Value)]) -> Value {
    for (way, value) in changes {
        put(&mut answer, way, value);
    }
    answer
}

fn put(answer: &mut Value, way: &[Index], value: &Value) {
    let inner: Vec<&mut Value> = match answer {
        Value::Object(entries) => entries.values_mut().collect(),
        Value::Array(items) => items.iter_mut().collect(),
        _ => Vec::new(),
    };
    match way {
        [step, deeper @ ..] if !inner.is_empty() => {
            let at = step.index(inner.len());
            for next in inner.into_iter().skip(at).take(1) {
                put(next, deeper, value);
            }
        }
        _ => *answer = value.clone(),
    }
}

/// What a decoder makes of an answer; `None` where it is not even of the decoder's type.
pub fn decoded<T: DeserializeOwned, R>(answer: &Value, decoder: impl Fn(T) -> R) -> Option<R> {
    serde_json::from_value(answer.clone()).ok().map(decoder)
}
