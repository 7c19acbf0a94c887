//! Whatever libpod answers: no panic, and no difference is taken for the plan.

use super::super::{engine_info, image_facts, inspection, listed, pull_progress, warnings};
use super::RECORDED;
use crate::{fixture, frames};
use clawbox_conformance::odd;
use clawbox_containers::verify::verify;
use futures_util::StreamExt;
use proptest::{collection::vec, prelude::*, sample::Index};
use serde_json::{Value, json};
use std::sync::LazyLock;

proptest! {
    #[test]
    fn a_changed_inspection_is_no_panic_and_reads_the_same_twice(
        recorded in 0..2_usize, changes in odd::changes()
    ) {
        static ANSWERS: LazyLock<[Value; 2]> =
            LazyLock::new(|| RECORDED.map(|text| serde_json::from_str(text).unwrap()));
        let answer = odd::changed(ANSWERS[recorded].clone(), &changes);
        if let Some(Ok(first)) = odd::decoded(&answer, inspection) {
            let report = verify(fixture::plan().spec(), &first.facts, &[]);
            let original = inspection(serde_json::from_value(ANSWERS[recorded].clone()).unwrap()).unwrap();
            let same = odd::met(first.facts.clone()) == odd::met(original.facts);
            prop_assert_eq!(report.not_enforced().next().is_none(), same, "{}", answer);
            prop_assert!(odd::decoded(&answer, inspection).is_some_and(|again| again.is_ok_and(|again| again == first)));
        }
    }

    #[test]
    fn any_other_answer_is_no_panic(answer in odd::value(), field in "Id|Config|State|Names|Labels|host|version|store|stream|error") {
        for answer in [&answer, &json!({field: answer.clone()})] {
            odd::decoded(answer, inspection);
            odd::decoded(answer, image_facts);
            odd::decoded(answer, listed);
            odd::decoded(answer, pull_progress);
            odd::decoded(answer, warnings);
            odd::decoded(answer, |info| engine_info(info, String::new()));
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
