//! Which case is likely to catch which sabotage: a guess that saves time and decides nothing.

use super::Sabotage;
use crate::case::Case;
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

/// In how many cases a word stands.
#[derive(Debug)]
pub(super) struct Likeness(BTreeMap<String, u32>);

impl Likeness {
    pub(super) fn new(cases: &[&'static Case]) -> Self {
        let mut counts = BTreeMap::new();
        for word in cases.iter().flat_map(|case| of_case(case)) {
            *counts.entry(word).or_default() += 1;
        }
        Self(counts)
    }

    /// The likelier, the less: by the words that both are told in, of which the rare ones say most.
    pub(super) fn of(&self, sabotage: &Sabotage, case: &Case) -> Reverse<u32> {
        let told = words(sabotage.id()).chain(words(sabotage.breaks()));
        let told: BTreeSet<String> = told.collect();
        let both = of_case(case);
        let both = both.intersection(&told);
        Reverse(
            both.filter_map(|word| 1000_u32.checked_div(*self.0.get(word)?))
                .sum(),
        )
    }
}

fn of_case(case: &Case) -> BTreeSet<String> {
    words(case.id()).chain(words(case.title())).collect()
}

/// The words of a text, one and many alike.
fn words(text: &str) -> impl Iterator<Item = String> {
    text.split(|letter: char| !letter.is_alphanumeric())
        .map(|word| word.to_lowercase().trim_end_matches('s').to_owned())
        .filter(|word| word.len() > 2)
}
