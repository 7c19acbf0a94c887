//! The other answers: states, exits, listings, images, the host, warnings.

use super::super::{
    engine_info, exit_code, image_facts, inspection, listed, pull_progress, warnings,
};
use super::{changed, decoded};
use bollard::models::SystemVersion;
use clawbox_containers::{
    engine::{EngineErrorKind, EnginePhase, EngineState, EngineWarning, ImageFacts},
    types::PolicyItem,
};
use serde_json::{Value, json};
use time::macros::datetime;

fn state(fields: Value) -> EngineState {
    decoded(changed("/State", fields)).unwrap().state
}

#[test]
fn a_state_becomes_a_phase_and_only_an_end_has_a_code() {
    for (status, phase) in [
        ("created", EnginePhase::Created),
        ("running", EnginePhase::Running),
        ("paused", EnginePhase::Running),
        ("restarting", EnginePhase::Running),
        ("stopping", EnginePhase::Running),
        ("removing", EnginePhase::Exited),
        ("exited", EnginePhase::Exited),
        ("dead", EnginePhase::Exited),
    ] {
        let state = state(json!({"Status": status, "ExitCode": 127}));
        assert_eq!(state.phase, phase, "{status}");
        let ended = phase == EnginePhase::Exited;
        assert_eq!(state.exit_code, ended.then_some(127), "{status}");
    }
    let end = state(json!({
        "Status": "exited",
        "ExitCode": 137,
        "OOMKilled": true,
        "StartedAt": "2026-01-02T03:04:05.678Z",
        "FinishedAt": "2026-01-02T03:04:06+01:00",
    }));
    let expected = EngineState {
        phase: EnginePhase::Exited,
        exit_code: Some(137),
        oom_killed: true,
        started_at: Some(datetime!(2026-01-02 03:04:05.678 UTC)),
        finished_at: Some(datetime!(2026-01-02 03:04:06 +1)),
    };
    assert_eq!(end, expected);
}

#[test]
fn a_code_is_an_exit_unless_docker_stopped_waiting() {
    for (code, error, exit) in [
        (0, "", Some(0)),
        (3, "", Some(3)),
        (255, "", Some(255)),
        (127, "exec failed", Some(127)),
        (0, "context canceled", None),
        (-1, "context canceled", None),
        (-1, "", None),
        (i64::MAX, "", None),
    ] {
        let decoded = exit_code(code, error.to_owned());
        match exit {
            Some(exit) => assert_eq!(decoded.unwrap(), exit),
            None => assert_eq!(decoded.unwrap_err().kind(), EngineErrorKind::Unavailable),
        }
    }
}

#[test]
fn a_listed_container_has_its_plain_name() {
    let entry = |names: Value, state: &str| {
        let summary = json!({"Names": names, "State": state, "Labels": {"clawbox.schema": "1"}});
        listed(serde_json::from_value(summary).unwrap())
    };
    let found = entry(json!(["/other/alias", "/clawbox-1"]), "paused").unwrap();
    assert_eq!(found.name, "clawbox-1");
    assert_eq!(found.phase, EnginePhase::Running);
    assert_eq!(found.labels["clawbox.schema"], "1");
    for (state, phase) in [
        ("created", EnginePhase::Created),
        ("restarting", EnginePhase::Running),
        ("removing", EnginePhase::Exited),
        ("dead", EnginePhase::Exited),
    ] {
        assert_eq!(entry(json!(["/a"]), state).unwrap().phase, phase, "{state}");
    }
    assert_eq!(entry(json!(null), "dead"), None);
    assert_eq!(entry(json!(["/other/alias"]), "dead"), None);
}

#[test]
fn an_image_tells_what_it_would_like() {
    let image = |value| image_facts(serde_json::from_value(value).unwrap());
    let facts = image(json!({"Id": "sha256:1", "Config": {
        "Entrypoint": ["/e"], "Cmd": ["c"], "Env": ["A=b"], "WorkingDir": "/w",
        "Volumes": {"/b": {}, "/a": {}}, "StopSignal": "SIGCONT", "Labels": {"l": "v"},
        "Healthcheck": {"Test": ["CMD", "true"], "Interval": 1_000_000_000},
    }, "RepoDigests": ["example.com/i@sha256:2"]}));
    let expected = ImageFacts {
        id: "sha256:1".to_owned(),
        entrypoint: vec!["/e".to_owned()],
        command: vec!["c".to_owned()],
        env: vec!["A=b".to_owned()],
        working_dir: "/w".to_owned(),
        volumes: vec!["/a".to_owned(), "/b".to_owned()],
        stop_signal: "SIGCONT".to_owned(),
        health_check: true,
        labels: [("l".to_owned(), "v".to_owned())].into(),
        digests: vec!["example.com/i@sha256:2".to_owned()],
    };
    assert_eq!(facts.unwrap(), expected);
    let bare = image(json!({"Id": "sha256:1", "Config": {"Cmd": null, "Volumes": null}}));
    assert_eq!(
        bare.unwrap(),
        ImageFacts {
            id: "sha256:1".to_owned(),
            ..ImageFacts::default()
        }
    );
    let none = json!({"Id": "1", "Config": {"Healthcheck": {"Test": ["NONE"]}}});
    assert!(!image(none).unwrap().health_check);
    assert!(image(json!({"Config": {}})).is_err());
}

#[test]
fn a_step_of_a_fetch_tells_bytes_where_docker_does() {
    let step = |value| pull_progress(serde_json::from_value(value).unwrap());
    let layer = step(json!({"id": "a1", "status": "Downloading",
        "progressDetail": {"current": 5, "total": 9}}));
    assert_eq!(
        (layer.part.as_str(), layer.action.as_str()),
        ("a1", "Downloading")
    );
    assert_eq!((layer.current, layer.total), (Some(5), Some(9)));
    let whole = step(json!({"status": "Pulling", "progressDetail": {"current": 1, "total": -1}}));
    assert_eq!((whole.part.as_str(), whole.total), ("", None));
}

#[test]
fn the_host_can_do_what_docker_says_and_nothing_else() {
    let missing = |value: Value| -> Vec<PolicyItem> {
        let info = engine_info(
            serde_json::from_value(value).unwrap(),
            SystemVersion::default(),
            "unix:///d".to_owned(),
        );
        let lacking = info.abilities.into_iter().filter(|it| !it.available);
        lacking
            .inspect(|it| assert!(!it.reason.is_empty()))
            .map(|it| it.item)
            .collect()
    };
    let all = json!({
        "MemoryLimit": true, "SwapLimit": true, "PidsLimit": true, "CpuCfsPeriod": true,
        "CpuCfsQuota": true, "CPUShares": true, "SecurityOptions": ["name=seccomp,profile=default"],
    });
    assert_eq!(missing(all.clone()), []);
    for (field, value, item) in [
        ("MemoryLimit", json!(false), PolicyItem::Memory),
        ("SwapLimit", json!(false), PolicyItem::Swap),
        ("PidsLimit", json!(null), PolicyItem::Pids),
        ("CpuCfsPeriod", json!(false), PolicyItem::Cpu),
        ("CpuCfsQuota", json!(false), PolicyItem::Cpu),
        ("CPUShares", json!(false), PolicyItem::CpuShares),
        (
            "SecurityOptions",
            json!(["name=apparmor"]),
            PolicyItem::Seccomp,
        ),
    ] {
        let mut some = all.clone();
        some[field] = value;
        assert_eq!(missing(some), [item], "{field}");
    }

    let info = engine_info(
        serde_json::from_value(json!({
            "ServerVersion": "28.0", "CgroupVersion": "2", "Warnings": ["WARNING: x", ""],
            "SecurityOptions": ["name=seccomp,profile=builtin", "name=rootless"],
            "KernelVersion": "5.10.0-28-amd64",
        }))
        .unwrap(),
        serde_json::from_value(json!({"Components": [
            {"Name": "Engine", "Version": "28.0"},
            {"Name": "containerd", "Version": "1.4.13~ds1"},
            {"Name": "runc", "Version": "1".repeat(1000)},
        ]}))
        .unwrap(),
        "unix:///d".to_owned(),
    );
    assert_eq!(
        (info.name.as_str(), info.version.as_str()),
        ("docker", "28.0")
    );
    assert_eq!((info.rootless, info.cgroup_version), (true, 2));
    assert_eq!(info.warnings, ["WARNING: x"]);
    let runc = "1".repeat(80);
    let components = [
        ("containerd", "1.4.13~ds1"),
        ("kernel", "5.10.0-28-amd64"),
        ("runc", &runc),
    ];
    let told = info
        .components
        .iter()
        .map(|(name, version)| (name.as_str(), version.as_str()));
    assert!(told.eq(components), "{:?}", info.components);
}

/// The texts are moby's, release 20.10 and after.
#[test]
fn a_warning_names_the_item_that_will_not_hold() {
    for (text, item) in [
        (
            "Your kernel does not support memory limit capabilities or the cgroup is not mounted. Limitation discarded.",
            Some(PolicyItem::Memory),
        ),
        (
            "Your kernel does not support swap limit capabilities or the cgroup is not mounted. Memory limited without swap.",
            Some(PolicyItem::Swap),
        ),
        (
            "Your kernel does not support PIDs limit capabilities or the cgroup is not mounted. PIDs limit discarded.",
            Some(PolicyItem::Pids),
        ),
        (
            "Your kernel does not support CPU shares or the cgroup is not mounted. Shares discarded.",
            Some(PolicyItem::CpuShares),
        ),
        (
            "Your kernel does not support CPU CFS scheduler. CPU period/quota discarded.",
            Some(PolicyItem::Cpu),
        ),
        (
            "Your kernel does not support CPU cfs quota or the cgroup is not mounted. Quota discarded.",
            Some(PolicyItem::Cpu),
        ),
        (
            "Your kernel does not support OomKillDisable. OomKillDisable discarded.",
            Some(PolicyItem::OomScore),
        ),
        (
            "Your kernel does not support cgroup namespaces.  Cgroup namespace setting discarded.",
            Some(PolicyItem::Namespaces),
        ),
        (
            "The requested image's platform (linux/arm64) does not match the detected host platform (linux/amd64) and no specific platform was requested",
            Some(PolicyItem::Image),
        ),
        ("something new", None),
    ] {
        let expected = EngineWarning {
            item,
            text: text.to_owned(),
        };
        assert_eq!(warnings(vec![text.to_owned()]), [expected]);
    }
    let of_networks = "IPv4 forwarding is disabled. Networking will not work.";
    assert_eq!(warnings(vec![of_networks.to_owned(), String::new()]), []);
    let many = warnings(vec!["x".repeat(1 << 20); 1000]);
    assert!(many.iter().map(|it| it.text.len()).sum::<usize>() < 1 << 20);
}

#[test]
fn an_empty_answer_is_a_bad_one() {
    let error = inspection(serde_json::from_str("{}").unwrap()).unwrap_err();
    assert_eq!(error.kind(), EngineErrorKind::BadAnswer);
}
