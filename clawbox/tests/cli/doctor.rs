//! What `clawbox doctor` says of hosts and engines that are not as they should be.

use crate::{
    Case,
    fake::{Fake, docker, podman, stranger},
    rig::{Rig, end},
};
use serde_json::{Value, json};
use std::{fs, os::unix::net::UnixListener};

pub(crate) const CASES: &[Case] = &[
    ("doctor_looks_at_every_place", every_place),
    ("doctor_knows_an_engine_behind_anothers_api", another),
    (
        "doctor_says_how_the_host_can_hold_the_limits",
        no_controllers,
    ),
    ("doctor_says_why_an_engine_cannot_be_used", unusable),
    ("doctor_says_what_rootless_engines_need", host),
    ("doctor_knows_what_old_versions_are_known_for", advisories),
];

/// The exit status and the text.
fn doctor(rig: &Rig, args: &[&str], podman: &str, docker: &str) -> (i32, String) {
    let mut doctor = rig.bare(&["doctor"]);
    doctor.args(args);
    doctor
        .env("CONTAINER_HOST", podman)
        .env("DOCKER_HOST", docker);
    let ended = end(doctor);
    assert_eq!(ended.stderr, "");
    (ended.status, String::from_utf8(ended.stdout).expect("text"))
}

fn check(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word}: {text}");
    }
}

fn at(rig: &Rig, name: &str) -> String {
    format!("unix://{}", rig.path(name).display())
}

fn every_place(rig: &Rig) {
    let own = podman("5.4.2", true).serve(&rig.path("podman/podman.sock"));
    let (status, text) = doctor(rig, &[], "", "tcp://127.0.0.1:2375");
    assert_eq!(status, 0, "{text}");
    let ways = [
        "podman, this user's\n",
        &format!("podman 5.4.2 answers at {own}"),
        "runs rootless, on control groups v2",
        "podman, root's\n",
        "endpoint tcp://127.0.0.1:2375 is unauthenticated",
        "to mend it: name its socket: --host unix:///PATH, or DOCKER_HOST",
    ];
    check(&text, &ways);

    let (status, text) = doctor(rig, &["--json"], "", "unix:///none");
    assert_eq!(status, 0, "{text}");
    let found: Value = serde_json::from_str(&text).expect("JSON");
    let engines = found["engines"].as_array().expect("engines");
    let places: Vec<_> = engines
        .iter()
        .map(|engine| {
            let text = |value: &Value| value.as_str().expect("text").to_owned();
            (text(&engine["backend"]), text(&engine["origin"]))
        })
        .collect();
    let expected = [
        ("docker", "from DOCKER_HOST"),
        ("podman", "this user's"),
        ("podman", "root's"),
    ];
    assert_eq!(places, expected.map(|(a, b)| (a.into(), b.into())));
    assert_eq!(engines[0]["engine"], Value::Null);
    assert_eq!(engines[1]["engine"]["rootless"], true);
    assert_eq!(engines[1]["problem"], Value::Null);
}

fn another(rig: &Rig) {
    let host = podman("5.4.2", true).serve(&rig.path("p"));
    let (status, text) = doctor(rig, &["--backend", "docker", "--host", &host], "", "");
    assert_eq!(status, 1, "{text}");
    let way = format!("to mend it: --backend podman --host {host}\n");
    check(&text, &["podman answers there, not docker", &way]);
    let host = docker("26.1.5", false).serve(&rig.path("d"));
    let (status, text) = doctor(rig, &["--backend", "podman", "--host", &host], "", "");
    assert_eq!(status, 1, "{text}");
    let way = format!("to mend it: --backend docker --host {host}\n");
    check(&text, &["docker answers there, not podman", &way]);
}

fn no_controllers(rig: &Rig) {
    let few = json!({"cgroupControllers": ["cpu"]});
    let few = podman("5.4.2", true).on(&few).serve(&rig.path("few"));
    let v1 = json!({"cgroupVersion": "v1", "cgroupControllers": []});
    let v1 = podman("4.3.1", true).on(&v1).serve(&rig.path("v1"));
    let all = podman("5.4.2", true).serve(&rig.path("all"));
    let delegate = [
        "  memory, swap, pids: ",
        "[Service]",
        "Delegate=cpu cpuset io memory pids",
        "/etc/systemd/system/user@.service.d/delegate.conf",
        "systemctl daemon-reload",
        "ready only with --allow-degraded memory ",
    ];
    let (status, text) = doctor(rig, &["--host", &few], "", "");
    assert_eq!(status, 0, "{text}");
    check(&text, &delegate);
    let (_, text) = doctor(rig, &["--host", &v1], "", "");
    let boot = "systemd.unified_cgroup_hierarchy=1";
    check(&text, &["on control groups v1", boot]);
    let (_, text) = doctor(rig, &["--host", &all], "", "");
    check(&text, &["  ready\n"]);
    assert!(!text.contains("Delegate="), "{text}");
}

fn unusable(rig: &Rig) {
    fs::write(rig.path("file"), "").expect("a file");
    let _silent = UnixListener::bind(rig.path("silent")).expect("a socket");
    drop(UnixListener::bind(rig.path("dead")).expect("a socket"));
    let served = |name: &str, fake: Fake| fake.serve(&rig.path(name));
    let there = format!("podman system service --time=0 {}", at(rig, "none"));
    for (host, why, way) in [
        (at(rig, "none"), "there is no such socket", there.as_str()),
        (at(rig, "dead"), "nobody listens there", "any more"),
        (at(rig, "file"), "is not a socket", "is in the place of"),
        (at(rig, "silent"), "no answer within 3s", "it hangs"),
        (
            served("nginx", stranger()),
            "neither docker nor podman",
            "not the engine",
        ),
        (
            served("old", podman("3.4.4", true)),
            "podman 3.4.4 answers there",
            "install Podman 4.0 or newer",
        ),
    ] {
        let args = ["--backend", "podman", "--host", &host];
        let (status, text) = doctor(rig, &args, "", "");
        assert_eq!(status, 1, "{text}");
        check(&text, &[&format!("cannot be used at {host}: "), why, way]);
    }
}

fn host(rig: &Rig) {
    let (_, text) = doctor(rig, &["--json"], "unix:///none", "unix:///none");
    let found: Value = serde_json::from_str(&text).expect("JSON");
    let host = &found["host"];
    assert_eq!(host["uid"], rustix::process::getuid().as_raw());
    assert!(host["problems"].is_array(), "{host}");
    assert!(host["selinux_enforcing"].is_boolean(), "{host}");
}

/// What is known of versions is told, and changes nothing: not what is ready, not the exit status.
fn advisories(rig: &Rig) {
    let old = docker("20.10.24+dfsg1", false).standing_on("1.1.5+ds1", "5.10.0-28-amd64");
    let old = old.serve(&rig.path("old"));
    let (status, text) = doctor(rig, &["--host", &old], "", "");
    assert_eq!(status, 0, "{text}");
    let told = [
        "  stands on kernel 5.10.0-28-amd64, runc 1.1.5+ds1\n",
        "  ready\n",
        "name these versions; your vendor may have backported the fix\n",
        "this policy does not help against:\n",
        "CVE-2022-0847 (Dirty Pipe), kernel 5.10.0-28-amd64, mended in 5.10.102: ",
        "CVE-2024-21626, runc 1.1.5+ds1, mended in 1.1.12: ",
        "CVE-2024-41110, docker 20.10.24+dfsg1, mended in 25.0.6: ",
    ];
    check(&text, &told);
    assert!(!text.contains("CVE-2019-5736"), "{text}");

    let (status, text) = doctor(rig, &["--host", &old, "--json"], "", "");
    assert_eq!(status, 0, "{text}");
    let found: Value = serde_json::from_str(&text).expect("JSON");
    let report = &found["engines"][0]["advisories"];
    assert_eq!(report["note"], "your vendor may have backported the fix");
    let mut leaks = report["found"].as_array().expect("advisories").iter();
    let leak = leaks
        .find(|finding| finding["id"] == "CVE-2024-21626")
        .expect("the leak");
    assert_eq!(leak["policy"], "prevents");
    assert_eq!(leak["version"], "1.1.5+ds1");
    assert_eq!(leak["fixed_in"], "1.1.12");
    let components = &found["engines"][0]["engine"]["components"];
    assert_eq!(components["kernel"], "5.10.0-28-amd64");

    let new = docker("99.0.0", false)
        .standing_on("99.0", "99.0")
        .serve(&rig.path("new"));
    let (status, text) = doctor(rig, &["--host", &new], "", "");
    assert_eq!(status, 0, "{text}");
    check(&text, &["  ready\n  none of the advisories of 20"]);
}
