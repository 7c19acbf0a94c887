//! What both gates say together, and what of it refuses a container.

use super::{super::Given, *};
use crate::verify::combine;
use PolicyItem::{Log, Memory, Pids};
use Verdict::{Enforced, NotEnforced, Unverified};

fn given(how: &str) -> Option<Given> {
    let text = how.to_owned();
    match how {
        "planned" => Some(Given::Planned(text)),
        "other" => Some(Given::Other(text)),
        "unseen" => Some(Given::Unseen(text)),
        _ => None,
    }
}

/// The kernel's word decides, but for what the engine has denied.
#[test]
fn each_pair_of_words_has_its_verdict() {
    for (engine, kernel, verdict, refused) in [
        (Enforced, "planned", Enforced, false),
        (Enforced, "other", NotEnforced, true),
        (Enforced, "unseen", Unverified, true),
        (Enforced, "not asked", Enforced, false),
        (Unverified, "planned", Enforced, false),
        (Unverified, "other", NotEnforced, true),
        (Unverified, "unseen", Unverified, true),
        // Nobody could have told: that is said, and is no reason to refuse.
        (Unverified, "not asked", Unverified, false),
        (NotEnforced, "planned", NotEnforced, true),
        (NotEnforced, "other", NotEnforced, true),
        (NotEnforced, "unseen", NotEnforced, true),
        (NotEnforced, "not asked", NotEnforced, true),
    ] {
        let what = format!("{engine} and {kernel}");
        let item = ItemReport::new(Memory, "planned", "engine", engine);
        let beside = ItemReport::new(Pids, "planned", "engine", Enforced);
        let report = EnforcementReport::new(vec![beside.clone(), item], vec!["warning".to_owned()]);
        let given = given(kernel).map(|given| (Memory, given));
        let joined = combine(report, given.into_iter().collect());
        let [first, second] = &joined.items[..] else {
            panic!("{what}");
        };
        assert_eq!(*first, beside, "{what}");
        assert_eq!(second.verdict, verdict, "{what}");
        assert_eq!(second.observed, "engine", "{what}");
        let told = (kernel != "not asked").then_some(kernel);
        assert_eq!(second.kernel.as_deref(), told, "{what}");
        assert_eq!(joined.warnings, ["warning"], "{what}");
        let none = BTreeSet::new();
        let expected: &[_] = if refused {
            std::slice::from_ref(second)
        } else {
            &[]
        };
        assert_eq!(refusals(&joined, &none), expected, "{what}");
        assert_eq!(refusals(&joined, &[Log].into()), expected, "{what}");
        assert_eq!(refusals(&joined, &[Memory].into()), [], "{what}");
    }
}

/// Of an item that a report does not have nothing is said.
#[test]
fn what_no_report_has_is_not_added() {
    let report = EnforcementReport::new(Vec::new(), Vec::new());
    let joined = combine(report, vec![(Memory, Given::Other("8".to_owned()))]);
    assert_eq!(joined.items, []);
}
