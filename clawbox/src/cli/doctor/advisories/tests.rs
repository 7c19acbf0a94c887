use super::*;
use std::collections::BTreeSet;

fn known() -> Known {
    serde_json::from_str(include_str!("../advisories.json")).unwrap()
}

fn engine(name: &str, version: &str, components: &[(&str, &str)]) -> EngineInfo {
    let mut info = EngineInfo::new(name, version, "unix:///engine.sock");
    let owned = |(name, version): &(&str, &str)| ((*name).to_owned(), (*version).to_owned());
    info.components = components.iter().map(owned).collect();
    info
}

fn ids(info: &EngineInfo) -> Vec<String> {
    let report = look(info).unwrap();
    report.found.into_iter().map(|finding| finding.id).collect()
}

#[test]
fn the_data_is_dated_and_each_advisory_is_whole() {
    let Known { as_of, advisories } = known();
    let date: Vec<u32> = as_of.split('-').map(|part| part.parse().unwrap()).collect();
    assert!(
        as_of.len() == 10 && date[0] >= 2026 && date[1] <= 12 && date[2] <= 31,
        "{as_of}"
    );
    let mut seen = BTreeSet::new();
    for advisory in &advisories {
        let id = &advisory.id;
        assert!(seen.insert(id), "{id} twice");
        assert!(id.starts_with("CVE-") || id.starts_with("GHSA-"), "{id}");
        assert!(advisory.link.starts_with("https://"), "{id}");
        let components = ["runc", "crun", "containerd", "docker", "podman", "kernel"];
        assert!(components.contains(&advisory.component.as_str()), "{id}");
        for text in [&advisory.what, &advisory.why] {
            assert!(
                !text.is_empty() && text.len() <= 120 && !text.ends_with('.'),
                "{id}: {text}"
            );
        }
    }
}

#[test]
fn ranges_are_in_order_and_apart() {
    for Advisory { id, affected, .. } in known().advisories {
        let mut end: Option<Version> = None;
        assert!(!affected.is_empty(), "{id}");
        for (index, Range { from, before }) in affected.iter().enumerate() {
            let from = from.as_deref().map(|from| from.parse::<Version>().unwrap());
            let before: Version = before.parse().unwrap();
            assert!(from.is_some() || index == 0, "{id}");
            if let Some(from) = from {
                assert!(from < before, "{id}");
                assert!(end.is_none_or(|end| end < from), "{id}");
            }
            end = Some(before);
        }
    }
}

#[test]
fn a_version_is_affected_from_the_first_bound_and_before_the_second() {
    for (component, version, id, affected) in [
        ("runc", "1.0.0-rc6", "CVE-2019-5736", true),
        ("runc", "1.0.0-rc7", "CVE-2019-5736", false),
        ("runc", "1.0.0-rc92", "CVE-2024-21626", false),
        ("runc", "1.0.0~rc93+ds1", "CVE-2024-21626", true),
        ("runc", "1.1.5+ds1-1+deb12u1", "CVE-2024-21626", true),
        ("runc", "1.1.12", "CVE-2024-21626", false),
        ("runc", "1.2.7", "CVE-2025-31133", true),
        ("runc", "1.2.8", "CVE-2025-31133", false),
        ("runc", "1.3.0-rc.1", "CVE-2025-31133", true),
        ("runc", "1.3.3", "CVE-2025-31133", false),
        ("runc", "1.4.0-rc.2", "CVE-2025-31133", true),
        ("runc", "1.4.0", "CVE-2025-31133", false),
        ("crun", "1.19.1", "CVE-2025-24965", true),
        ("crun", "1.20", "CVE-2025-24965", false),
        ("containerd", "1.7.26", "CVE-2024-40635", true),
        ("containerd", "1.7.27", "CVE-2024-40635", false),
        ("containerd", "2.0.3", "CVE-2024-40635", true),
        ("containerd", "2.1.0", "CVE-2024-40635", false),
        ("kernel", "5.7.19", "CVE-2022-0847", false),
        ("kernel", "5.10.0-28-amd64", "CVE-2022-0847", true),
        ("kernel", "5.10.102", "CVE-2022-0847", false),
        ("kernel", "5.16.10", "CVE-2022-0847", true),
        ("kernel", "5.17.0", "CVE-2022-0847", false),
        ("kernel", "unknown", "CVE-2022-0847", false),
    ] {
        let info = engine("docker", "99.0", &[(component, version)]);
        let found = ids(&info).iter().any(|found| found == id);
        assert_eq!(found, affected, "{id} and {component} {version}");
    }
    for (name, version, id, affected) in [
        ("docker", "20.10.24+dfsg1", "CVE-2024-41110", true),
        ("docker", "27.1.1", "CVE-2024-41110", false),
        ("podman", "4.3.1", "CVE-2026-55686", true),
        ("podman", "5.7.1", "CVE-2026-55686", false),
        ("docker", "4.3.1", "CVE-2026-55686", false),
    ] {
        let found = ids(&engine(name, version, &[]))
            .iter()
            .any(|found| found == id);
        assert_eq!(found, affected, "{id} and {name} {version}");
    }
}

#[test]
fn what_the_policy_does_least_about_is_told_first() {
    let old = engine(
        "docker",
        "20.10.24",
        &[("runc", "1.1.11"), ("kernel", "5.15.0")],
    );
    let lines = look(&old).unwrap().lines();
    assert!(lines[0].ends_with("name these versions; your vendor may have backported the fix"));
    let at = |text: &str| lines.iter().position(|line| line.contains(text)).unwrap();
    let order = [
        at("this policy does not help against:"),
        at("CVE-2022-0847 (Dirty Pipe), kernel 5.15.0, mended in 5.15.25: any process can"),
        at("this policy narrows:"),
        at("CVE-2024-45310, runc 1.1.11, "),
        at("this policy prevents:"),
        at("CVE-2024-21626, runc 1.1.11, mended in 1.1.12: a working directory"),
    ];
    assert!(order.is_sorted(), "{lines:#?}");

    let new = engine("docker", "99.0", &[("runc", "99.0"), ("kernel", "99.0")]);
    let [line] = look(&new).unwrap().lines().try_into().unwrap();
    assert!(line.starts_with("none of the advisories of 20"), "{line}");
}
