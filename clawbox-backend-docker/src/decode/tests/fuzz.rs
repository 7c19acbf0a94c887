//! Whatever Docker answers: no panic, and no difference is taken for the plan.

use super::super::{
    engine_info, exit_code, image_facts, inspection, listed, pull_progress, warnings,
};
use super::recorded;
use crate::fixture;
use clawbox_containers::{facts::ObservedFacts, verify::verify};
use proptest::{collection::vec, prelude::*, sample::Index};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::sync::LazyLock;

/// Values that belong somewhere else, or nowhere.
fn odd() -> impl Strategy<Value = Value> {
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
            proptest::collection::btree_map("[a-zA-Z/.]{0,6}", inner, 0..3)
                .prop_map(|entries| Value::from_iter(entries)),
        ]
    })
}

/// Puts a value in the place of another, as deep as the path and the answer go.
fn put(answer: &mut Value, path: &[Index], value: Value) {
    let inner: Vec<&mut Value> = match answer {
        Value::Object(entries) => entries.values_mut().collect(),
        Value::Array(items) => items.iter_mut().collect(),
        _ => Vec::new(),
    };
    match path {
        [step, deeper @ ..] if !inner.is_empty() => {
            let at = step.index(inner.len());
            for next in inner.into_iter().skip(at).take(1) {
                put(next, deeper, value.clone());
            }
        }
        _ => *answer = value,
    }
}

fn decode<T: DeserializeOwned, R>(answer: &Value, decoder: impl Fn(T) -> R) -> Option<R> {
    serde_json::from_value(answer.clone()).ok().map(decoder)
}

proptest! {
    /// What differs from the recorded answer is a bad answer, is noticed, or is one of the fields that mean nothing.
    #[test]
    fn a_changed_inspection_is_no_panic_and_reads_the_same_twice(
        changes in vec((vec(any::<Index>(), 1..5), odd()), 1..4)
    ) {
        static RECORDED: LazyLock<Value> = LazyLock::new(recorded);
        let mut answer = RECORDED.clone();
        for (path, value) in changes {
            put(&mut answer, &path, value);
        }
        if let Some(Ok(first)) = decode(&answer, inspection) {
            let planned = fixture::plan().spec();
            let report = verify(planned, &first.facts, &[]);
            let same = first.facts == ObservedFacts::as_planned(planned);
            prop_assert_eq!(report.not_enforced().next().is_none(), same, "{}", answer);
            prop_assert!(decode(&answer, inspection).is_some_and(|again| again.is_ok_and(|again| again == first)));
        }
    }

    #[test]
    fn any_other_answer_is_no_panic(answer in odd(), field in "Id|Config|State|Names|Labels|SecurityOptions|CgroupVersion|progressDetail|status") {
        for answer in [&answer, &json!({field: answer.clone()})] {
            decode(answer, inspection);
            decode(answer, image_facts);
            decode(answer, listed);
            decode(answer, pull_progress);
            decode(answer, warnings);
            decode(answer, |info| engine_info(info, Default::default(), String::new()));
            decode(answer, |version| engine_info(Default::default(), version, String::new()));
        }
    }

    #[test]
    fn an_exit_is_a_code_or_an_error(code in any::<i64>(), error in "\\PC{0,8}") {
        if let Ok(told) = exit_code(code, error.clone()) {
            prop_assert!(i64::from(told) == code && code >= 0 && (code > 0 || error.is_empty()));
        }
    }
}
