//! Small damage to texts that were good.

use proptest::{collection::vec, prelude::*, sample::Index};

/// What people, other programs and attackers put where it does not belong.
const ODD: [&str; 52] = [
    "\0",
    "\n",
    "\r",
    "\t",
    " ",
    "\u{7f}",
    "\u{a0}",
    "\u{200b}",
    "\u{202e}",
    "\u{feff}",
    "a",
    "A",
    "Z",
    "0",
    "9",
    "é",
    "\u{430}",
    "\u{ff41}",
    "\u{2044}",
    "\u{2215}",
    "\u{ff0f}",
    "\u{fe55}",
    "\u{661}",
    "/",
    "//",
    "/../",
    "..",
    ".",
    "./",
    "-",
    "--",
    "_",
    "__",
    "___",
    ":",
    "::",
    ":0",
    ":443",
    ":latest",
    "@",
    "@@",
    "@sha256:",
    "@y@z",
    "=",
    ",",
    ";",
    "%2f",
    "\\",
    "*",
    "?",
    "library/",
    "localhost/",
];

/// One change to a text.
#[derive(Debug, Clone)]
pub(crate) enum Damage {
    Insert(Index, usize),
    Remove(Index),
    Capital(Index),
    Double(Index),
    Cut(Index),
    /// Repeat what is before a place until the text is so long.
    Stretch(Index, usize),
}

pub(crate) fn damage() -> impl Strategy<Value = Vec<Damage>> {
    let one = prop_oneof![
        8 => (any::<Index>(), 0..ODD.len()).prop_map(|(at, odd)| Damage::Insert(at, odd)),
        2 => any::<Index>().prop_map(Damage::Remove),
        2 => any::<Index>().prop_map(Damage::Capital),
        1 => any::<Index>().prop_map(Damage::Double),
        1 => any::<Index>().prop_map(Damage::Cut),
        1 => (any::<Index>(), prop_oneof![Just(64_usize), Just(255), Just(1024), Just(5000)])
            .prop_map(|(at, length)| Damage::Stretch(at, length)),
    ];
    vec(one, 0..4)
}

pub(crate) fn damaged(text: &str, damage: &[Damage]) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for one in damage {
        let place = |at: &Index| at.index(chars.len() + 1);
        match one {
            Damage::Insert(at, odd) => {
                let at = place(at);
                chars.splice(at..at, ODD[*odd].chars());
            }
            Damage::Remove(at) => {
                let at = place(at);
                chars.splice(at..chars.len().min(at + 1), []);
            }
            Damage::Capital(at) => {
                let at = place(at);
                if let Some(char) = chars.get_mut(at) {
                    *char = char.to_ascii_uppercase();
                }
            }
            Damage::Double(at) => {
                let at = place(at);
                chars.extend_from_within(at..);
            }
            Damage::Cut(at) => {
                let at = place(at);
                chars.truncate(at);
            }
            Damage::Stretch(at, length) => {
                let at = place(at);
                let part: Vec<char> = match &chars[..at] {
                    [] => vec!['a'],
                    part => part.to_vec(),
                };
                chars = part
                    .iter()
                    .copied()
                    .cycle()
                    .take(*length)
                    .chain(chars.drain(at..))
                    .collect();
            }
        }
    }
    chars.into_iter().collect()
}
