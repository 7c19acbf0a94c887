//! A recorded answer of dockerd 20.10 for the plan of the encoder's golden file, and that answer with one
//! thing changed.

mod answers;
mod differences;
mod fuzz;

use super::inspection;
use crate::fixture;
use clawbox_conformance::golden;
use clawbox_containers::{
    aspects::Seccomp,
    engine::{EngineErrorKind, EnginePhase, EngineResult, Inspection},
    facts::{Observed, ObservedFacts},
    seccomp::SeccompProfile,
    types::PolicyItem,
};
use serde_json::{Value, json};

/// The recorded answer, with the profile's text where the file has a word for it.
fn recorded() -> Value {
    let mut answer: Value =
        serde_json::from_str(include_str!("../../tests/golden/inspect-20.10.json")).unwrap();
    let plan = fixture::plan();
    let Seccomp::Profile { json, .. } = &plan.spec().seccomp else {
        panic!("{}", plan.spec().seccomp);
    };
    let option = &mut answer["HostConfig"]["SecurityOpt"][1];
    assert_eq!(*option, "seccomp=STRICT");
    *option = format!("seccomp={json}").into();
    answer
}

/// The answer with `value` at `path`.
fn changed(path: &str, value: Value) -> Value {
    golden::changed(recorded(), path, value)
}

fn decoded(answer: Value) -> EngineResult<Inspection> {
    inspection(serde_json::from_value(answer).unwrap())
}

/// Which items the gate finds broken.
fn broken(answer: Value) -> Vec<PolicyItem> {
    let facts = decoded(answer).unwrap().facts;
    golden::broken(fixture::plan(), &facts)
}

fn check(path: &str, value: Value, item: PolicyItem) {
    let shown = format!("{path} = {value:.80}");
    assert_eq!(broken(changed(path, value)), [item], "{shown}");
}

#[test]
fn a_container_that_is_as_planned_is_seen_as_planned_in_every_field() {
    let inspection = decoded(recorded()).unwrap();
    let plan = fixture::plan();
    assert_eq!(inspection.facts, ObservedFacts::as_planned(plan.spec()));
    assert_eq!(inspection.state.phase, EnginePhase::Created);
    assert_eq!(inspection.state.exit_code, None);
    assert_eq!(inspection.state.started_at, None);
}

#[test]
fn each_option_of_a_tmpfs_counts() {
    for options in [
        "nodev,nosuid,rw,size=16777216,nr_inodes=4096,mode=1777",
        "noexec,nosuid,rw,size=16777216,nr_inodes=4096,mode=1777",
        "nodev,noexec,rw,size=16777216,nr_inodes=4096,mode=1777",
        "nodev,noexec,nosuid,ro,size=16777216,nr_inodes=4096,mode=1777",
        "nodev,noexec,nosuid,rw,exec,size=16777216,nr_inodes=4096,mode=1777",
        "nodev,noexec,nosuid,rw,nr_inodes=4096,mode=1777",
        "nodev,noexec,nosuid,rw,size=50%,nr_inodes=4096,mode=1777",
        "nodev,noexec,nosuid,rw,size=16777216,mode=1777",
        "nodev,noexec,nosuid,rw,size=16777216,nr_inodes=4096,mode=0777",
        "nodev,noexec,nosuid,rw,size=16777216,nr_inodes=4096",
        "nodev,noexec,nosuid,rw,size=16777216,nr_inodes=4096,mode=1777,uid=0",
        "",
    ] {
        let mut answer = recorded();
        answer["HostConfig"]["Tmpfs"]["/vol"] = options.into();
        match decoded(answer.clone()) {
            Ok(_) => assert_eq!(broken(answer), [PolicyItem::Tmpfs], "{options}"),
            Err(error) => assert_eq!(error.kind(), EngineErrorKind::BadAnswer, "{options}"),
        }
    }
}

#[test]
fn a_profile_is_told_by_its_rules() {
    for profile in SeccompProfile::all() {
        let option = format!("seccomp={}", profile.to_oci_json());
        let answer = changed("/HostConfig/SecurityOpt/1", option.into());
        let expected = Seccomp::Profile {
            name: profile.name().to_owned(),
            json: profile.to_oci_json(),
        };
        let facts = decoded(answer).unwrap().facts;
        assert_eq!(facts.seccomp, Observed::Seen(expected));
    }
}

#[test]
fn another_spelling_of_the_same_breaks_nothing() {
    let Some(Value::String(seccomp)) = recorded().pointer("/HostConfig/SecurityOpt/1").cloned()
    else {
        panic!("no profile");
    };
    let profile: Value = serde_json::from_str(seccomp.strip_prefix("seccomp=").unwrap()).unwrap();
    let spaced = serde_json::to_string_pretty(&profile).unwrap();
    for (path, value) in [
        (
            "/HostConfig/SecurityOpt/1",
            json!(format!("seccomp={spaced}")),
        ),
        ("/HostConfig/SecurityOpt/0", json!("no-new-privileges")),
        ("/HostConfig/SecurityOpt/0", json!("no-new-privileges=true")),
        ("/HostConfig/CapDrop", json!(["all"])),
        ("/HostConfig/PidMode", json!("private")),
        ("/HostConfig/Runtime", json!("io.containerd.runc.v2")),
        ("/HostConfig/RestartPolicy/Name", json!("")),
        ("/HostConfig/Devices", json!(null)),
        ("/HostConfig/OomKillDisable", json!(null)),
        (
            "/HostConfig/Mounts/0/BindOptions/CreateMountpoint",
            json!(false),
        ),
        ("/Config/Healthcheck", json!(null)),
        ("/Config/Labels/another", json!("label of the image")),
        ("/Config/ExposedPorts", json!(null)),
        ("/HostConfig/KernelMemory", json!(0)),
        ("/Unheard", json!("of")),
    ] {
        let shown = format!("{path} = {value:.80}");
        assert_eq!(broken(changed(path, value)), [], "{shown}");
    }
}

/// Nothing said is not nothing there.
#[test]
fn what_must_be_said_and_is_not_makes_a_bad_answer() {
    for path in [
        "/State",
        "/State/Status",
        "/HostConfig",
        "/Config",
        "/Name",
        "/Path",
        "/Image",
        "/Config/User",
        "/Config/Hostname",
        "/Config/WorkingDir",
        "/HostConfig/ReadonlyRootfs",
        "/HostConfig/Privileged",
        "/HostConfig/NetworkMode",
        "/HostConfig/IpcMode",
        "/HostConfig/PidMode",
        "/HostConfig/UTSMode",
        "/HostConfig/OomScoreAdj",
        "/HostConfig/AutoRemove",
        "/Mounts/0/Type",
        "/Mounts/0/Destination",
        "/Mounts/0/RW",
        "/HostConfig/Ulimits/0/Name",
        "/HostConfig/Ulimits/0/Soft",
    ] {
        let error = decoded(changed(path, Value::Null)).expect_err(path);
        assert_eq!(error.kind(), EngineErrorKind::BadAnswer, "{path}");
    }
}

#[test]
fn what_cannot_be_makes_a_bad_answer_and_no_panic() {
    let huge = "x".repeat(1 << 20);
    for (path, value) in [
        ("/HostConfig/PidsLimit", json!(-2)),
        ("/HostConfig/Memory", json!(i64::MIN)),
        ("/HostConfig/NanoCpus", json!(-5)),
        ("/HostConfig/Ulimits/0/Soft", json!(-7)),
        (
            "/HostConfig/Ulimits/-",
            json!({"Name": "core", "Soft": 0, "Hard": 0}),
        ),
        ("/HostConfig/Tmpfs/a", json!("size=99999999999999999999")),
        ("/HostConfig/Tmpfs/a", json!("size=18446744073709551615g")),
        ("/HostConfig/Tmpfs/a", json!("size=")),
        ("/HostConfig/Tmpfs/a", json!("size=é")),
        ("/HostConfig/Tmpfs/a", json!("mode=9")),
        ("/Config/Env/-", json!("HOME=/again")),
        ("/Config/Env/-", json!(format!("HUGE={huge}"))),
        ("/Config/Env/-", json!("A=\0")),
        ("/State/Status", json!("")),
        ("/State/StartedAt", json!("yesterday")),
        ("/State/StartedAt", json!(huge)),
    ] {
        let shown = format!("{path} = {value:.80}");
        let error = decoded(changed(path, value)).expect_err(&shown);
        assert_eq!(error.kind(), EngineErrorKind::BadAnswer, "{shown}");
        assert!(error.to_string().len() < 4096, "{shown}");
    }
}
