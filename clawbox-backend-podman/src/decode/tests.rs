//! Answers of Podman 4.3 and 5.4 for the plan of the encoder's golden file, and those with one thing changed.

mod answers;
mod differences;
mod fuzz;

use super::inspection;
use crate::fixture;
use clawbox_conformance::golden;
use clawbox_containers::{
    aspects::Init,
    engine::{EngineErrorKind, EnginePhase, EngineResult, Inspection},
    facts::{Observed, ObservedFacts},
    init::CONTAINER_INIT,
    types::PolicyItem,
};
use serde_json::{Value, json};

const RECORDED: [&str; 2] = [
    include_str!("../../tests/golden/inspect-4.3.json"),
    include_str!("../../tests/golden/inspect-5.4.json"),
];

/// The answers with `value` at `path`.
fn changed(path: &str, value: &Value) -> [Value; 2] {
    RECORDED.map(|recorded| {
        let answer = serde_json::from_str(recorded).unwrap();
        golden::changed(answer, path, value.clone())
    })
}

fn decoded(answer: Value) -> EngineResult<Inspection> {
    match serde_json::from_value(answer) {
        Ok(answer) => inspection(answer),
        Err(error) => Err(clawbox_containers::decode::bad(error.to_string())),
    }
}

/// Which items the gate finds broken. Those that Podman does not tell are none of them.
fn broken(answer: Value) -> Vec<PolicyItem> {
    let facts = decoded(answer).unwrap().facts;
    golden::broken(fixture::plan(), &facts)
}

fn check(path: &str, value: &Value, item: PolicyItem) {
    for (answer, release) in changed(path, value).into_iter().zip(["4.3", "5.4"]) {
        let shown = format!("{release}: {path} = {value:.80}");
        assert_eq!(broken(answer), [item], "{shown}");
    }
}

#[test]
fn a_container_that_is_as_planned_is_seen_as_planned_in_every_field_that_is_told() {
    for (recorded, tells_ipc) in RECORDED.into_iter().zip([false, true]) {
        let inspection = decoded(serde_json::from_str(recorded).unwrap()).unwrap();
        let mut expected = ObservedFacts::as_planned(fixture::plan().spec());
        let unseen = |why: &str| why.to_owned();
        expected.seccomp = Observed::Unseen(unseen("podman does not tell what is in the filter"));
        expected.kernel_paths =
            Observed::Unseen(unseen("podman does not tell which paths are hidden"));
        if !tells_ipc {
            let why = "podman calls every private namespace shareable";
            expected.ipc = Observed::Unseen(unseen(why));
        }
        // The image's are removed, and not merely without a value.
        if let Observed::Seen(environment) = &mut expected.environment {
            environment.0.retain(|_, value| value.is_some());
        }
        assert_eq!(inspection.facts, expected);
        assert_eq!(inspection.state.phase, EnginePhase::Created);
        assert_eq!(inspection.state.exit_code, None);
        assert_eq!(inspection.state.started_at, None);
        assert_eq!(inspection.state.finished_at, None);
    }
}

#[test]
fn each_option_of_a_tmpfs_counts() {
    for options in [
        "nodev,nosuid,rw,size=16777216,nr_inodes=4096,mode=1777,private",
        "noexec,nosuid,rw,size=16777216,nr_inodes=4096,mode=1777,private",
        "nodev,noexec,rw,size=16777216,nr_inodes=4096,mode=1777,private",
        "nodev,noexec,nosuid,ro,size=16777216,nr_inodes=4096,mode=1777,private",
        "nodev,noexec,nosuid,rw,exec,size=16777216,nr_inodes=4096,mode=1777,private",
        "nodev,noexec,nosuid,rw,nr_inodes=4096,mode=1777,private",
        "nodev,noexec,nosuid,rw,size=50%,nr_inodes=4096,mode=1777,private",
        "nodev,noexec,nosuid,rw,size=16777216,mode=1777,private",
        "nodev,noexec,nosuid,rw,size=16777216,nr_inodes=4096,mode=0777,private",
        "nodev,noexec,nosuid,rw,size=16777216,nr_inodes=4096,private",
        "nodev,noexec,nosuid,rw,size=16777216,nr_inodes=4096,mode=1777,shared",
        // What the image has there would be copied into it.
        "nodev,noexec,nosuid,rw,size=16777216,nr_inodes=4096,mode=1777,private,tmpcopyup",
        "",
    ] {
        for mut answer in changed("/Unheard", &json!("of")) {
            answer["HostConfig"]["Tmpfs"]["/vol"] = options.into();
            match decoded(answer.clone()) {
                Ok(_) => assert_eq!(broken(answer), [PolicyItem::Tmpfs], "{options}"),
                Err(error) => assert_eq!(error.kind(), EngineErrorKind::BadAnswer, "{options}"),
            }
        }
    }
}

/// Podman's own process 1 is told by a flag and by what is executed; one without the other is none.
#[test]
fn podmans_process_one_is_what_both_tell() {
    use PolicyItem::{Command, Init};
    for (path, value, items) in [
        ("/HostConfig/Init", json!(false), &[Command, Init][..]),
        ("/HostConfig/Init", json!(null), &[Command, Init]),
        ("/Path", json!("/dev/init"), &[Command, Init]),
        ("/Args/0", json!("-s"), &[Command, Init]),
        ("/Args", json!(null), &[Command, Init]),
    ] {
        for answer in changed(path, &value) {
            assert_eq!(broken(answer), items, "{path} = {value}");
        }
    }
    for mut answer in changed("/Path", &json!("/bin/sh")) {
        answer["Args"] = json!(["-c", "echo hello"]);
        assert_eq!(broken(answer), [Init]);
    }
}

#[test]
fn ours_is_known_by_its_path() {
    for mut answer in changed("/HostConfig/Init", &json!(false)) {
        answer["Path"] = CONTAINER_INIT.into();
        answer["Args"] = json!([]);
        let init = |answer: &Value| decoded(answer.clone()).unwrap().facts.init;
        assert_eq!(init(&answer), Observed::Seen(Init::Clawbox));
        answer["HostConfig"]["Init"] = json!(true);
        assert_eq!(init(&answer), Observed::Seen(Init::None));
        answer["Path"] = "/run/podman-init".into();
        answer["Args"] = json!(["--", CONTAINER_INIT]);
        assert_eq!(init(&answer), Observed::Seen(Init::Engine));
    }
}

/// The host name is in the environment too, so that another breaks both.
#[test]
fn another_host_name_is_another_identity() {
    for mut answer in changed("/Config/Hostname", &json!("host")) {
        answer["Config"]["Env"][6] = "HOSTNAME=host".into();
        assert_eq!(broken(answer), [PolicyItem::Identity]);
    }
}

#[test]
fn a_size_that_is_told_rounded_is_not_taken_for_exact() {
    for size in ["1.049MB", "2TB", "MB", "2", "99999999999999999999B", "2 MB"] {
        for answer in changed("/HostConfig/LogConfig/Size", &json!(size)) {
            let log = decoded(answer).unwrap().facts.log;
            assert!(matches!(log, Observed::Unseen(_)), "{size}: {log:?}");
        }
    }
    for answer in changed("/HostConfig/LogConfig/Size", &json!("2000kB")) {
        assert_eq!(broken(answer), []);
    }
}

#[test]
fn another_spelling_of_the_same_breaks_nothing() {
    for (path, value) in [
        ("/EffectiveCaps", json!([])),
        ("/BoundingCaps", json!([])),
        ("/HostConfig/CapDrop", json!(null)),
        ("/HostConfig/CapDrop", json!(["ALL"])),
        ("/HostConfig/UsernsMode", json!("host")),
        ("/HostConfig/RestartPolicy/Name", json!("")),
        ("/HostConfig/RestartPolicy", json!(null)),
        ("/HostConfig/Devices", json!(null)),
        ("/HostConfig/OomKillDisable", json!(null)),
        ("/HostConfig/Cgroups", json!(null)),
        ("/HostConfig/ShmSize", json!(0)),
        ("/HostConfig/MemorySwappiness", json!(0)),
        ("/Mounts/0/Propagation", json!("rprivate")),
        ("/Config/Annotations", json!(null)),
        (
            "/Config/Annotations/io.podman.annotations.privileged",
            json!("FALSE"),
        ),
        ("/Config/Healthcheck", json!(null)),
        ("/Config/Labels/another", json!("label of the image")),
        ("/NetworkSettings", json!(null)),
        ("/NetworkSettings/Networks", json!({"none": {}})),
        ("/AppArmorProfile", json!("containers-default-0.50.1")),
        ("/Unheard", json!("of")),
    ] {
        for answer in changed(path, &value) {
            assert_eq!(broken(answer), [], "{path} = {value}");
        }
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
        "/HostConfig/OomScoreAdj",
        "/HostConfig/AutoRemove",
        "/Mounts/0/Type",
        "/Mounts/0/Destination",
        "/Mounts/0/RW",
        "/HostConfig/Ulimits/1/Name",
        "/HostConfig/Ulimits/1/Soft",
        "/HostConfig/Ulimits/1/Hard",
    ] {
        for answer in changed(path, &Value::Null) {
            let error = decoded(answer).expect_err(path);
            assert_eq!(error.kind(), EngineErrorKind::BadAnswer, "{path}");
        }
    }
}

#[test]
fn what_cannot_be_makes_a_bad_answer_and_no_panic() {
    let huge = "x".repeat(1 << 20);
    for (path, value) in [
        ("/HostConfig/PidsLimit", json!(-2)),
        ("/HostConfig/Memory", json!(i64::MIN)),
        ("/HostConfig/MemorySwap", json!(-2)),
        ("/HostConfig/CpuQuota", json!(-5)),
        ("/HostConfig/Ulimits/1/Soft", json!(-7)),
        (
            "/HostConfig/Ulimits/-",
            json!({"Name": "RLIMIT_CORE", "Soft": 0, "Hard": 0}),
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
        ("/State/Status", json!(huge)),
    ] {
        let shown = format!("{path} = {value:.80}");
        for answer in changed(path, &value) {
            let error = decoded(answer).expect_err(&shown);
            assert_eq!(error.kind(), EngineErrorKind::BadAnswer, "{shown}");
            assert!(error.to_string().len() < 4096, "{shown}");
        }
    }
    let error = inspection(serde_json::from_str("{}").unwrap()).unwrap_err();
    assert_eq!(error.kind(), EngineErrorKind::BadAnswer);
}

/// Podman's own user may be the container's where that writes to its files, and in no other container.
#[test]
fn a_mapping_of_podmans_own_user_is_for_what_is_written() {
    use PolicyItem::{Mounts, User};
    let kept = json!(["0:1:1000", "1000:0:1", "1001:1001:64536"]);
    let check = |writes: bool, mode: &str, uids: &Value, gids: &Value, expected: &[PolicyItem]| {
        for answer in changed("/Mounts/0/RW", &json!(writes)) {
            let maps = json!({"UidMap": uids, "GidMap": gids});
            let answer = golden::changed(answer, "/HostConfig/IDMappings", maps);
            let answer = golden::changed(answer, "/HostConfig/UsernsMode", json!(mode));
            assert_eq!(broken(answer), expected, "{writes} {mode} {uids} {gids}");
        }
    };
    for mode in ["private", "keep-id", "keep-id:uid=1000,gid=1000"] {
        // That one of the plan's mounts can be written is wrong of itself.
        check(true, mode, &kept, &kept, &[Mounts]);
        check(false, mode, &kept, &kept, &[User]);
    }
    for mode in ["host", "auto", "ns:/proc/1/ns/user"] {
        check(true, mode, &kept, &kept, &[User, Mounts]);
    }
    for other in [
        json!([]),
        json!(null),
        json!(["0:0:1", "1:1:65535"]),
        json!(["0:1:1000", "1000:0:2"]),
        json!(["0:1:1000", "1001:0:1"]),
        json!(["0:0:1", "1000:0:1"]),
        json!(["1000:0:1", "0"]),
    ] {
        check(true, "private", &other, &kept, &[User, Mounts]);
        check(true, "private", &kept, &other, &[User, Mounts]);
    }
}
