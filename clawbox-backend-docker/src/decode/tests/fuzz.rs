//! Whatever Docker answers: no panic, and no difference is taken for the plan.

use super::super::{
    engine_info, exit_code, image_facts, inspection, listed, pull_progress, warnings,
};
use super::recorded;
use crate::fixture;
use clawbox_conformance::odd;
use clawbox_containers::{facts::ObservedFacts, verify::verify};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::sync::LazyLock;

proptest! {
    /// What differs from the recorded answer is a bad answer, is noticed, or is one of the fields that mean nothing.
    #[test]
    fn a_changed_inspection_is_no_panic_and_reads_the_same_twice(
        changes in odd::changes()
    ) {
        static RECORDED: LazyLock<Value> = LazyLock::new(recorded);
        let answer = odd::changed(RECORDED.clone(), &changes);
        if let Some(Ok(first)) = odd::decoded(&answer, inspection) {
            let planned = fixture::plan().spec();
            let report = verify(planned, &first.facts, &[]);
            let same = odd::met(first.facts.clone()) == odd::met(ObservedFacts::as_planned(planned));
            prop_assert_eq!(report.not_enforced().next().is_none(), same, "{}", answer);
            prop_assert!(odd::decoded(&answer, inspection).is_some_and(|again| again.is_ok_and(|again| again == first)));
        }
    }

    #[test]
    fn any_other_answer_is_no_panic(answer in odd::value(), field in "Id|Config|State|Names|Labels|SecurityOptions|CgroupVersion|progressDetail|status") {
        for answer in [&answer, &json!({field: answer.clone()})] {
            odd::decoded(answer, inspection);
            odd::decoded(answer, image_facts);
            odd::decoded(answer, listed);
            odd::decoded(answer, pull_progress);
            odd::decoded(answer, warnings);
            odd::decoded(answer, |info| engine_info(info, Default::default(), String::new()));
            odd::decoded(answer, |version| engine_info(Default::default(), version, String::new()));
        }
    }

    #[test]
    fn an_exit_is_a_code_or_an_error(code in any::<i64>(), error in "\\PC{0,8}") {
        if let Ok(told) = exit_code(code, error.clone()) {
            prop_assert!(i64::from(told) == code && code >= 0 && (code > 0 || error.is_empty()));
        }
    }
}
