//! Namespaces and interfaces: the container's own, and nobody else's.

use super::*;
use PolicyItem::*;

/// The kernel's interfaces of every network are no way out.
#[test]
fn interfaces_that_the_kernel_makes_are_no_network() {
    let look = Look::read("/proc/self/net/dev");
    for name in super::super::spaces::FALLBACK_INTERFACES {
        let line = format!(" {name}: 0\n    lo:");
        let changed = replaced(&record(CGROUP_1), look.clone(), "    lo:", &line);
        assert_denied(name, &changed, &[]);
    }
}

#[test]
fn a_namespace_of_the_hosts_is_none_of_the_containers() {
    let recorded = record(CGROUP_1);
    for (name, first, item) in [
        ("pid", 4_026_531_836_u32, Namespaces),
        ("uts", 4_026_531_838, Namespaces),
        ("cgroup", 4_026_531_835, Namespaces),
        ("ipc", 4_026_531_839, Ipc),
        ("net", 4_026_531_833, Network),
        ("mnt", 4_026_531_832, Namespaces),
    ] {
        let look = Look::link(&format!("/proc/self/ns/{name}"));
        // The first one, and this manager's.
        for number in [first, 4_026_530_000] {
            let changed = with(&recorded, look.clone(), format!("{name}:[{number}]"));
            assert_denied(&format!("{name} {number}"), &changed, &[item]);
            let report = judged(&SPEC, &changed);
            assert!(
                report
                    .items
                    .iter()
                    .all(|it| it.verdict != Verdict::Unverified)
            );
        }
        // What is no namespace's name proves nothing.
        for text in [
            "",
            name,
            "user:[4026532837]",
            &format!("{name}:[]"),
            &format!("{name}:[1"),
        ] {
            let changed = with(&recorded, look.clone(), text);
            let report = judged(&SPEC, &changed);
            let unverified = report
                .items
                .iter()
                .find(|it| it.verdict == Verdict::Unverified);
            assert_eq!(unverified.map(|it| it.item), Some(item), "{name} {text:?}");
            assert_denied(text, &changed, &[item]);
        }
    }
}

#[test]
fn each_namespace_of_ones_own_is_asked_for() {
    let own = OwnNamespaces::by_links(|path| Some(path.to_owned()));
    let names = ["pid", "uts", "ipc", "cgroup", "net", "mnt"];
    assert_eq!(own.0, names.map(|name| format!("/proc/self/ns/{name}")));
}
