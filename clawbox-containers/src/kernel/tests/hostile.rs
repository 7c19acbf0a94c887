//! Whatever is answered: no panic, and nothing of it is taken for more than it is.

use super::*;
use crate::kernel::mounts::unescape;
use proptest::{collection::vec, prelude::*, sample::Index};

/// Texts like those of the kernel's, with pieces out of place.
fn texts() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        "[ -~\\n\\t]{0,12}",
        any::<String>(),
        Just(" - ".to_owned()),
        Just("\\04".to_owned()),
        Just("Uid:\t1000".to_owned()),
        Just("Max open files 1024".to_owned()),
        Just("1 2 0:3 / /tmp rw - tmpfs t rw,size=".to_owned()),
        Just("18446744073709551616".to_owned()),
    ];
    prop_oneof![
        vec(any::<u8>(), 0..200),
        vec(piece, 0..12).prop_map(|pieces| pieces.concat().into_bytes()),
    ]
}

fn escape(path: &str) -> String {
    let escaped = path.chars().map(|letter| match letter {
        ' ' | '\t' | '\n' | '\\' | '#' => format!("\\{:03o}", u32::from(letter)),
        letter => letter.to_string(),
    });
    escaped.collect()
}

proptest! {
    #[test]
    fn no_answer_makes_it_panic(at in any::<Index>(), result in prop_oneof![-200_i64..200, any::<i64>()], bytes in texts()) {
        for recorded in RECORDS {
            let mut answers = record(recorded);
            let look = at.get(&looks(&SPEC)).clone();
            answers.insert(look, Answer { result, bytes: bytes.clone() });
            let report = judged(&SPEC, &answers);
            for item in &report.items {
                prop_assert!(item.kernel.as_ref().is_none_or(|text| text.chars().count() <= 1000));
            }
        }
    }

    #[test]
    fn nothing_but_noise_proves_nothing(bytes in vec(any::<u8>(), 1..100)) {
        let mut answers = Answers::default();
        for look in looks(&SPEC) {
            answers.insert(look, Answer { result: 0, bytes: bytes.clone() });
        }
        let report = judged(&SPEC, &answers);
        for item in [PolicyItem::User, PolicyItem::Capabilities, PolicyItem::Seccomp, PolicyItem::Network, PolicyItem::Pids,
            PolicyItem::Mounts, PolicyItem::ReadOnlyRoot, PolicyItem::Namespaces, PolicyItem::Init, PolicyItem::KernelPaths] {
            prop_assert!(denied(&report).contains_key(&item), "{}", item);
        }
    }

    #[test]
    fn escapes_are_undone(path in "[a-z \\t\\n\\\\#0-7é]{0,20}") {
        prop_assert_eq!(unescape(&escape(&path)), path);
    }

    #[test]
    fn what_is_no_escape_is_kept(text in any::<String>()) {
        let kept = unescape(&text);
        prop_assert!(text.contains('\\') || kept == text);
    }
}

#[test]
fn odd_escapes_stay_as_they_are() {
    for (text, plain) in [
        (r"a\040b", "a b"),
        (r"\134040", r"\040"),
        (r"\", r"\"),
        (r"\04", r"\04"),
        (r"\999", r"\999"),
        (r"\777", r"\777"),
        (r"\é40", r"\é40"),
        (r"\\040", r"\ "),
        ("", ""),
    ] {
        assert_eq!(unescape(text), plain, "{text}");
    }
}

/// A report holds no more of a container's than a few lines.
#[test]
fn texts_are_bounded() {
    let mut table = String::new();
    for number in 0..500 {
        table += &format!("{number} 1 8:1 /x /x{number} rw - ext4 x rw\n");
    }
    let changed = with(&record(CGROUP_1), Look::read("/proc/self/mountinfo"), table);
    let report = judged(&SPEC, &changed);
    let mounts = report.items.iter().find(|it| it.item == PolicyItem::Mounts);
    assert_eq!(mounts.unwrap().kernel.as_ref().unwrap().len(), 1000);
}
