//! Whatever libpod answers: no panic, and no difference is taken for the plan.

use super::super::{engine_info, image_facts, inspection, listed, pull_progress, warnings};
use super::RECORDED;
use crate::{fixture, frames};
use clawbox_containers::verify::verify;
use futures_util::StreamExt;
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
    #[test]
    fn a_changed_inspection_is_no_panic_and_reads_the_same_twice(
        recorded in 0..2_usize, changes in vec((vec(any::<Index>(), 1..5), odd()), 1..4)
    ) {
        static ANSWERS: LazyLock<[Value; 2]> =
            LazyLock::new(|| RECORDED.map(|text| serde_json::from_str(text).unwrap()));
        let mut answer = ANSWERS[recorded].clone();
        for (path, value) in changes {
            put(&mut answer, &path, value);
        }
        if let Some(Ok(first)) = decode(&answer, inspection) {
            let report = verify(fixture::plan().spec(), &first.facts, &[]);
            let original = inspection(serde_json::from_value(ANSWERS[recorded].clone()).unwrap()).unwrap();
            let same = first.facts == original.facts;
            prop_assert_eq!(report.not_enforced().next().is_none(), same, "{}", answer);
            prop_assert!(decode(&answer, inspection).is_some_and(|again| again.is_ok_and(|again| again == first)));
        }
    }

    #[test]
    fn any_other_answer_is_no_panic(answer in odd(), field in "Id|Config|State|Names|Labels|host|version|store|stream|error") {
        for answer in [&answer, &json!({field: answer.clone()})] {
            decode(answer, inspection);
            decode(answer, image_facts);
            decode(answer, listed);
            decode(answer, pull_progress);
            decode(answer, warnings);
            decode(answer, |info| engine_info(info, String::new()));
        }
    }

    /// A stream is cut into frames as it says, whatever it says, and ends at the first thing that is none.
    #[test]
    fn any_stream_is_frames_or_an_error(
        parts in vec((prop_oneof![8 => 1..3_u8, 1 => any::<u8>()], vec(any::<u8>(), 0..20), -1..3_i32), 0..6), cut in any::<Index>()
    ) {
        let mut input = Vec::new();
        let mut expected = Vec::new();
        let mut good = true;
        for (stream, bytes, off) in &parts {
            let length = u32::try_from(bytes.len()).unwrap().saturating_add_signed((*off - 1) * i32::from(*off != 0));
            input.extend([*stream, 0, 0, 0]);
            input.extend(length.to_be_bytes());
            input.extend(bytes);
            good &= (1..3).contains(stream) && length as usize == bytes.len();
            if good {
                expected.extend(bytes);
            }
        }
        let whole = input.len();
        input.truncate(cut.index(whole + 1));
        let cut = input.len() < whole;
        let mut chunks = frames::chunks(std::io::Cursor::new(input));
        let mut read = Vec::new();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let ended_well = runtime.block_on(async {
            while let Some(chunk) = chunks.next().await {
                match chunk {
                    Ok(chunk) => read.extend_from_slice(&chunk.bytes),
                    Err(_) => return false,
                }
            }
            true
        });
        if good {
            prop_assert!(expected.starts_with(&read));
            prop_assert!(cut || (ended_well && read == expected));
        }
    }
}
