//! The service's greeting, its host, its warnings, and how containers are.

use super::super::{engine_info, image_facts, listed, pull_progress, service, state, warnings};
use clawbox_containers::{
    endpoint::Endpoint,
    engine::{EngineErrorKind, EnginePhase, EngineResult, EngineState},
    types::{Ability, EngineInfo, PolicyItem},
};
use hyper::header::{HeaderMap, HeaderValue};
use serde_json::{Value, json};
use time::OffsetDateTime;

#[test]
fn only_a_podman_that_is_new_enough_is_talked_to() {
    let endpoint = Endpoint::parse("unix:///run/p.sock").unwrap();
    let greeted = |name: &'static str, value: &'static str| {
        let headers = [(name.parse().unwrap(), HeaderValue::from_static(value))];
        service(&HeaderMap::from_iter(headers), &endpoint)
    };
    for version in ["4.0.0", "4.3.1", "5.4.2", "10.0.0"] {
        assert!(greeted("libpod-api-version", version).is_ok(), "{version}");
    }
    for (name, value, said) in [
        ("server", "Docker/20.10.24 (linux)", "Docker/20.10.24"),
        ("api-version", "1.41", "something else"),
        ("libpod-api-version", "3.4.4", "podman 3.4.4"),
    ] {
        let error = greeted(name, value).unwrap_err();
        assert_eq!(error.kind(), EngineErrorKind::Unsupported, "{value}");
        let text = error.to_string();
        assert!(text.contains(said), "{text}");
        assert!(text.contains("unix:///run/p.sock"), "{text}");
    }
    for garbage in ["", "four", "-4.0"] {
        let error = greeted("libpod-api-version", garbage).unwrap_err();
        assert_eq!(error.kind(), EngineErrorKind::BadAnswer, "{garbage}");
        assert!(error.to_string().contains("unix:///run/p.sock"), "{error}");
    }
}

#[test]
fn a_warning_is_told_for_each_item_and_an_unknown_one_is_kept() {
    let items = |text: &str| {
        let told = warnings(vec![text.to_owned()]);
        assert!(told.iter().all(|warning| warning.text == text), "{told:?}");
        told.into_iter()
            .map(|warning| warning.item)
            .collect::<Vec<_>>()
    };
    use PolicyItem::{Cpu, CpuShares, Memory, Pids, Swap};
    let unlimited = "Resource limits are not supported and ignored on cgroups V1 rootless systems";
    let all = [Memory, Swap, Pids, Cpu, CpuShares].map(Some);
    assert_eq!(items(unlimited), all);
    for (text, item) in [
        (
            "Your kernel does not support swap limit capabilities or the cgroup is not mounted. Memory limited without \
             swap.",
            Some(Swap),
        ),
        (
            "Your kernel does not support memory limit capabilities",
            Some(Memory),
        ),
        (
            "Your kernel does not support pids limit capabilities",
            Some(Pids),
        ),
        ("Your kernel does not support CPU shares.", Some(CpuShares)),
        ("Your kernel does not support CPU cfs quota.", Some(Cpu)),
        (
            "Your kernel does not support CPU bandwidth control",
            Some(Cpu),
        ),
        ("The moon is full", None),
    ] {
        assert_eq!(items(text), [item], "{text}");
    }
    assert!(warnings(vec![" ".to_owned()]).is_empty());
    let many = warnings(vec!["x".repeat(1 << 20); 1000]);
    assert!(many.iter().map(|it| it.text.len()).sum::<usize>() < 1 << 16);
}

#[test]
fn a_state_becomes_a_phase_and_only_an_end_has_a_code() {
    use EnginePhase::{Created, Exited, Running};
    for (status, phase) in [
        ("configured", Created),
        ("created", Created),
        ("initialized", Created),
        ("running", Running),
        ("paused", Running),
        ("stopping", Running),
        ("stopped", Exited),
        ("exited", Exited),
        ("removing", Exited),
    ] {
        let told = json!({"Status": status, "ExitCode": 3});
        let state = state::state(serde_json::from_value(told).unwrap()).unwrap();
        assert_eq!(state.phase, phase, "{status}");
        assert_eq!(state.exit_code, (phase == Exited).then_some(3), "{status}");
        let entry = json!({"Names": ["a"], "State": status, "Labels": {"k": "v"}});
        let entry = listed(serde_json::from_value(entry).unwrap());
        let entry = entry.unwrap().unwrap();
        assert_eq!((entry.name.as_str(), entry.phase), ("a", phase));
        assert_eq!(entry.labels["k"], "v");
    }
    for unknown in [
        json!({"Status": "new", "ExitCode": 3}),
        json!({"Status": "exited"}),
    ] {
        let error = state::state(serde_json::from_value(unknown).unwrap()).unwrap_err();
        assert_eq!(error.kind(), EngineErrorKind::BadAnswer);
    }
    for names in [json!(null), json!([])] {
        let nameless = json!({"Names": names, "State": "removing"});
        let nameless = listed(serde_json::from_value(nameless).unwrap());
        assert_eq!(nameless.unwrap(), None);
    }
    for state in [json!(null), json!("new")] {
        let entry = json!({"Names": ["a"], "State": state});
        let error = listed(serde_json::from_value(entry).unwrap()).unwrap_err();
        assert_eq!(error.kind(), EngineErrorKind::BadAnswer, "{state}");
    }
}

#[test]
fn an_end_tells_when_and_how() {
    let end = json!({
        "Status": "stopped",
        "ExitCode": 137,
        "OOMKilled": true,
        "StartedAt": "2026-01-02T03:04:05.678Z",
        "FinishedAt": "2026-01-02T03:04:06+01:00",
    });
    let end = state::state(serde_json::from_value(end).unwrap()).unwrap();
    let at = |nanos| Some(OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap());
    let expected = EngineState {
        phase: EnginePhase::Exited,
        exit_code: Some(137),
        oom_killed: true,
        started_at: at(1_767_323_045_678_000_000),
        finished_at: at(1_767_319_446_000_000_000),
    };
    assert_eq!(end, expected);
    let running = json!({
        "Status": "running",
        "OOMKilled": false,
        "StartedAt": "2026-01-02T03:04:05.678Z",
        "FinishedAt": "0001-01-01T00:00:00Z",
    });
    let running = state::state(serde_json::from_value(running).unwrap()).unwrap();
    assert_eq!(running.started_at, expected.started_at);
    assert_eq!(running.finished_at, None);
    assert!(!running.oom_killed);
}

#[test]
fn an_error_in_the_middle_of_a_fetch_is_the_fetchs() {
    let step = |value| pull_progress(serde_json::from_value(value).unwrap());
    let refused = step(json!({"error": "pinging container registry: refused"}));
    assert_eq!(refused.unwrap_err(), "pinging container registry: refused");
    let line = step(json!({"stream": "Copying blob\n"})).unwrap().unwrap();
    assert_eq!(line.action, "Copying blob");
    let fine = step(json!({"stream": "Done\n", "error": ""}));
    assert_eq!(fine.unwrap().unwrap().action, "Done");
    // The last step, which tells what was fetched.
    assert_eq!(step(json!({"images": ["1f"], "id": "1f"})), Ok(None));
}

#[test]
fn an_image_tells_what_it_would_like() {
    let image = |value: Value| image_facts(serde_json::from_value(value).unwrap());
    let facts = image(json!({"Id": "1", "Config": {
        "Entrypoint": ["/e"], "Cmd": ["c"], "Env": ["A=b"], "WorkingDir": "/w",
        "Volumes": {"/b": {}, "/a": {}}, "StopSignal": "SIGCONT",
    }, "Labels": {"l": "v"}, "RepoDigests": ["example.com/i@sha256:2"],
       "Healthcheck": {"Test": ["CMD", "true"], "Interval": 1_000_000_000}}))
    .unwrap();
    assert_eq!(facts.id, "1");
    assert_eq!(facts.entrypoint, ["/e"]);
    assert_eq!(facts.command, ["c"]);
    assert_eq!(facts.env, ["A=b"]);
    assert_eq!(facts.working_dir, "/w");
    assert_eq!(facts.volumes, ["/a", "/b"]);
    assert_eq!(facts.stop_signal, "SIGCONT");
    assert!(facts.health_check);
    assert_eq!(facts.labels["l"], "v");
    assert_eq!(facts.digests, ["example.com/i@sha256:2"]);
    let none = json!({"Id": "1", "Healthcheck": {"Test": ["NONE"]}});
    assert!(!image(none).unwrap().health_check);
    let bare = image(json!({"Id": "1", "Config": {"Cmd": null, "Volumes": null}})).unwrap();
    assert_eq!(bare.entrypoint.len() + bare.command.len(), 0);
    let error = image(json!({"Config": {}})).unwrap_err();
    assert_eq!(error.kind(), EngineErrorKind::BadAnswer);
}

fn info(host: Value) -> EngineResult<EngineInfo> {
    let info = json!({"host": host, "version": {"Version": "4.3.1"}});
    engine_info(
        serde_json::from_value(info).unwrap(),
        "unix:///run/p.sock".to_owned(),
    )
}

fn host(rootless: bool, cgroups: &str, controllers: &[&str]) -> Value {
    json!({
        "security": {"rootless": rootless, "seccompEnabled": true},
        "cgroupVersion": cgroups,
        "cgroupControllers": controllers,
    })
}

#[test]
fn the_runtime_and_the_kernel_tell_their_versions_where_they_can_be_read() {
    let told = |runtime: Value| {
        let mut host = host(true, "v2", &[]);
        host["ociRuntime"] = runtime;
        host["kernel"] = json!("6.1.0-18-amd64");
        let mut told = info(host).unwrap().components;
        assert_eq!(told.remove("kernel").as_deref(), Some("6.1.0-18-amd64"));
        told.into_iter().collect::<Vec<_>>()
    };
    let crun =
        json!({"name": "crun", "version": "crun version 1.8.1\ncommit: f8a096be\nspec: 1.0.0"});
    assert_eq!(told(crun), [("crun".to_owned(), "1.8.1".to_owned())]);
    let runc = json!({"name": "runc", "version": "runc version 1.1.5+ds1\ncommit: 1.1.5"});
    assert_eq!(told(runc), [("runc".to_owned(), "1.1.5+ds1".to_owned())]);
    for silent in [
        json!(null),
        json!({"name": "crun"}),
        json!({"name": "kata", "version": "3.0"}),
    ] {
        assert_eq!(told(silent), []);
    }
}

#[test]
fn what_the_host_can_limit_is_what_it_has_controllers_for() {
    use PolicyItem::{Cpu, CpuShares, Memory, Pids, Swap};
    let all = [Memory, Swap, Pids, Cpu, CpuShares];
    let delegate = "Delegate=cpu cpuset io memory pids";
    let boot = "systemd.unified_cgroup_hierarchy=1";
    let lack = "the host's control groups lack the controller";
    for (rootless, version, controllers, missing, why) in [
        (true, 1, &[][..], &all[..], boot),
        (true, 2, &[], &all, delegate),
        (true, 2, &["memory", "pids"], &[Cpu, CpuShares], delegate),
        (true, 2, &["cpu", "memory"], &[Pids], delegate),
        (true, 2, &["cpu", "pids"], &[Memory, Swap], delegate),
        (true, 2, &["cpu", "memory", "pids"], &[], ""),
        (false, 1, &["cpu", "memory", "pids"], &[], ""),
        (false, 2, &["cpu", "memory", "pids"], &[], ""),
        (false, 1, &["cpu", "memory"], &[Pids], lack),
        (false, 2, &["memory", "pids"], &[Cpu, CpuShares], lack),
    ] {
        let info = info(host(rootless, &format!("v{version}"), controllers)).unwrap();
        assert_eq!(
            (info.name.as_str(), info.version.as_str()),
            ("podman", "4.3.1")
        );
        assert_eq!(info.endpoint, "unix:///run/p.sock");
        assert_eq!((info.rootless, info.cgroup_version), (rootless, version));
        assert_eq!(info.abilities.len(), 6);
        let lacking = info.abilities.into_iter().filter(|it| !it.available);
        let items: Vec<_> = lacking
            .inspect(|it| assert!(it.reason.contains(why), "{}", it.reason))
            .map(|it| it.item)
            .collect();
        assert_eq!(items, missing, "{rootless} {version} {controllers:?}");
    }
}

#[test]
fn a_host_that_tells_too_little_is_a_bad_answer_and_without_seccomp_it_has_none() {
    let whole = host(false, "v1", &["cpu", "memory", "pids"]);
    for (field, value) in [
        ("/security", json!(null)),
        ("/security/rootless", json!(null)),
        ("/cgroupVersion", json!(null)),
        ("/cgroupVersion", json!("v3")),
    ] {
        let mut host = whole.clone();
        *host.pointer_mut(field).unwrap() = value;
        let error = info(host).unwrap_err();
        assert_eq!(error.kind(), EngineErrorKind::BadAnswer, "{field}");
    }
    assert_eq!(
        info(json!(null)).unwrap_err().kind(),
        EngineErrorKind::BadAnswer
    );
    for seccomp in [json!(false), json!(null)] {
        let mut host = whole.clone();
        host["security"]["seccompEnabled"] = seccomp;
        let abilities = info(host).unwrap().abilities.into_iter();
        let lacking: Vec<_> = abilities.filter(|it| !it.available).collect();
        let [
            Ability {
                item: PolicyItem::Seccomp,
                ..
            },
        ] = &lacking[..]
        else {
            panic!("{lacking:?}");
        };
    }
}

#[test]
fn a_storage_that_copies_whole_images_is_warned_of() {
    for (driver, warned) in [("vfs", true), ("overlay", false)] {
        let answer = json!({
            "host": host(true, "v2", &[]),
            "store": {"graphDriverName": driver},
        });
        let info = engine_info(serde_json::from_value(answer).unwrap(), String::new()).unwrap();
        assert_eq!(info.warnings.len(), usize::from(warned), "{driver}");
        assert_eq!(info.version, "unknown");
    }
}
