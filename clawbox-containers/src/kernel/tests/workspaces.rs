//! Whether the workspaces are the ones that were looked at before.

use super::{
    super::workspaces::{ExpectedWorkspace, workspaces},
    *,
};
use crate::aspects::Bind;
use PolicyItem::Mounts;

const TARGET: &str = "/workspace";
const IDENTITY: [u64; 2] = [65_024, 10_011_152];

fn expected(read_only: bool) -> ExpectedWorkspace {
    ExpectedWorkspace {
        target: TARGET.to_owned(),
        identity: IDENTITY,
        read_only,
    }
}

/// What is seen inside: the owner, the number, and whether it can be listed.
fn seen(owner: i64, identity: [u64; 2], listed: i64) -> Answers {
    let mut answers = Answers::default();
    let answer = |result, bytes| Answer { result, bytes };
    let bytes = identity.map(u64::to_le_bytes).concat();
    answers.insert(Look::Identity(TARGET.to_owned()), answer(owner, bytes));
    answers.insert(Look::list(TARGET), answer(listed, Vec::new()));
    answers
}

fn check(read_only: bool, answers: &Answers, says: Option<&str>) {
    let expected = [expected(read_only)];
    let report = workspaces(&SPEC, &expected, answers, repeated());
    let refused = refusals(&report, &BTreeSet::new());
    match says {
        None => assert_eq!(report, repeated()),
        Some(says) => {
            assert_eq!(refused.len(), 1);
            assert_eq!(refused[0].item, Mounts);
            let told = refused[0].kernel.as_deref().unwrap();
            assert!(told.contains(says), "{told}");
        }
    }
}

#[test]
fn the_directory_that_was_looked_at_is_the_one_inside() {
    check(false, &seen(1000, IDENTITY, 0), None);
    check(true, &seen(1000, IDENTITY, 3), None);
    let [device, number] = IDENTITY;
    for other in [[device + 1, number], [device, number + 1], [number, device]] {
        check(true, &seen(1000, other, 0), Some("another directory"));
        check(false, &seen(1000, other, 0), Some("another directory"));
    }
    let mut cut = seen(1000, IDENTITY, 0);
    let look = Look::Identity(TARGET.to_owned());
    cut.seen.get_mut(&look).unwrap().bytes.truncate(8);
    check(true, &cut, Some("another directory"));
    cut.seen.get_mut(&look).unwrap().result = -2;
    check(true, &cut, Some("errno 2"));
    cut.seen.remove(&look);
    check(true, &cut, Some("nobody looked"));
}

#[test]
fn only_ones_own_is_written_to() {
    for owner in [0, 999, 65_534] {
        check(true, &seen(owner, IDENTITY, 0), None);
        check(false, &seen(owner, IDENTITY, 0), Some("belongs to user"));
    }
}

#[test]
fn what_cannot_be_read_is_no_workspace() {
    for read_only in [true, false] {
        check(read_only, &seen(1000, IDENTITY, -13), Some("errno 13"));
    }
}

#[test]
fn only_workspaces_are_looked_at() {
    let workspaces = |spec: &PlanSpec| -> Vec<String> {
        let all = looks(spec).into_iter();
        let identities = all.filter_map(|look| match look {
            Look::Identity(path) => Some(path),
            _ => None,
        });
        identities.collect()
    };
    assert_eq!(workspaces(&SPEC), [""; 0]);
    let mut spec = SPEC.clone();
    spec.mounts.0.insert(Bind {
        source: "/srv/w".into(),
        target: TARGET.to_owned(),
        read_only: false,
        noexec: false,
    });
    assert_eq!(workspaces(&spec), [TARGET]);
    assert!(looks(&spec).contains(&Look::list(TARGET)));
}
