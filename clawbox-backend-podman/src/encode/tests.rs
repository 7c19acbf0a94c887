//! The body that is sent for one plan, and what is never sent.

use super::{Create, create};
use crate::fixture;
use clawbox_conformance::golden;
use clawbox_containers::{
    ContainerPlan,
    aspects::{Bind, Init, Ipc, Network, Seccomp, Ulimit},
    engine::EngineErrorKind,
    plan::PlanSpec,
};
use serde_json::{Value, json};
use std::{ffi::OsStr, os::unix::ffi::OsStrExt, path::Path};

fn body(spec: &PlanSpec) -> Value {
    let mut body = serde_json::to_value(create(spec, u64::MAX, true).unwrap().spec).unwrap();
    body.sort_all_objects();
    body
}

fn assert_golden(plan: &ContainerPlan, name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name);
    let body = body(plan.spec());
    golden::assert_golden(&path, &body);
}

#[test]
fn a_plan_becomes_this_body() {
    assert_golden(fixture::plan(), "create.json");
}

#[test]
fn a_plan_with_our_process_one_becomes_this_body() {
    assert_golden(fixture::plan_with_our_init(), "create-clawbox-init.json");
}

/// libpod reads it from a file of which the engine puts in the path.
#[test]
fn the_profile_goes_beside_the_body() {
    let spec = fixture::plan().spec();
    let Seccomp::Profile { json, .. } = &spec.seccomp else {
        panic!("{}", spec.seccomp);
    };
    let Create {
        seccomp_profile, ..
    } = create(spec, u64::MAX, true).unwrap();
    assert_eq!(seccomp_profile, json);
    // In Docker's form, which is the one that libpod reads; of another it makes no filter at all.
    let profile: Value = serde_json::from_str(seccomp_profile).unwrap();
    assert!(profile["syscalls"].is_array(), "{profile:.200}");
}

/// Podman keeps what it is sent.
#[test]
fn podman_never_hears_what_our_process_one_runs() {
    let sent = |plan: &ContainerPlan| body(plan.spec()).to_string();
    golden::assert_command_is_untold(&sent(fixture::plan_with_our_init()), &sent(fixture::plan()));
}

#[test]
fn nothing_is_left_to_podman() {
    let body = body(fixture::plan().spec());
    for (field, value) in [
        ("/privileged", json!(false)),
        ("/read_write_tmpfs", json!(false)),
        ("/image_volume_mode", json!("ignore")),
        ("/unsetenvall", json!(true)),
        ("/env_host", json!(false)),
        ("/httpproxy", json!(false)),
        ("/publish_image_ports", json!(false)),
        ("/portmappings", json!([])),
        ("/devices", json!([])),
        ("/volumes", json!([])),
        ("/unmask", json!([])),
        ("/cap_add", json!([])),
        ("/groups", json!([])),
        ("/sysctl", json!({})),
        ("/userns/nsmode", json!("host")),
        ("/restart_policy", json!("no")),
        ("/systemd", json!("false")),
        ("/sdnotifyMode", json!("ignore")),
        ("/healthconfig/Test", json!(["NONE"])),
        ("/log_configuration/driver", json!("k8s-file")),
        ("/terminal", json!(false)),
        ("/stdin", json!(false)),
        ("/remove", json!(false)),
    ] {
        assert_eq!(body.pointer(field), Some(&value), "{field}");
    }
}

#[test]
fn what_a_plan_says_otherwise_is_sent_otherwise() {
    type Change = fn(&mut PlanSpec);
    let planned: [(&str, Value, Change); 9] = [
        ("/privileged", json!(true), |spec| {
            spec.devices.privileged = true;
        }),
        ("/pidns/nsmode", json!("host"), |spec| {
            spec.namespaces.private_pid = false;
        }),
        ("/utsns/nsmode", json!("host"), |spec| {
            spec.namespaces.private_uts = false;
        }),
        ("/cgroupns/nsmode", json!("host"), |spec| {
            spec.namespaces.private_cgroup = false;
        }),
        ("/init", json!(false), |spec| spec.init = Init::None),
        ("/remove", json!(true), |spec| {
            spec.lifecycle.auto_remove = true;
        }),
        ("/no_new_privileges", json!(false), |spec| {
            spec.no_new_privileges = false;
        }),
        ("/read_only_filesystem", json!(false), |spec| {
            spec.read_only_root = false;
        }),
        ("/cap_add", json!(["NET_RAW"]), |spec| {
            spec.capabilities.added.insert("NET_RAW".to_owned());
        }),
    ];
    let as_planned = body(fixture::plan().spec());
    for (field, value, change) in planned {
        let mut spec = fixture::plan().spec().clone();
        change(&mut spec);
        let mut changed = body(&spec);
        assert_eq!(changed.pointer(field), Some(&value), "{field}");
        *changed.pointer_mut(field).unwrap() = as_planned.pointer(field).unwrap().clone();
        assert_eq!(changed, as_planned, "{field} and more");
    }
}

/// Where nobody names it, libpod raises it as far as it can.
#[test]
fn the_number_of_processes_is_always_named_and_never_more_than_may_be() {
    let nproc = |spec: &PlanSpec, most| {
        let body = serde_json::to_value(create(spec, most, true).unwrap().spec).unwrap();
        let limits = body["r_limits"].as_array().unwrap().clone();
        let mut found = limits.into_iter().filter(|it| it["type"] == "nproc");
        let limit = found.next().unwrap();
        assert_eq!(found.next(), None);
        (limit["soft"].as_u64(), limit["hard"].as_u64())
    };
    let mut spec = fixture::plan().spec().clone();
    assert_eq!(nproc(&spec, u64::MAX), (Some(32_768), Some(32_768)));
    assert_eq!(nproc(&spec, 100), (Some(100), Some(100)));
    let planned = Ulimit { soft: 7, hard: 8 };
    spec.ulimits.0.insert("nproc".to_owned(), planned);
    assert_eq!(nproc(&spec, 100), (Some(7), Some(8)));
}

#[test]
fn what_no_policy_plans_is_refused_and_not_left_out() {
    type Change = fn(&mut PlanSpec);
    let planned: [(&str, Change); 17] = [
        ("devices", |spec| {
            spec.devices.devices.insert("/dev/kvm".to_owned());
        }),
        ("published ports", |spec| {
            spec.lifecycle.published_ports.insert("80/tcp".to_owned());
        }),
        ("restarts", |spec| spec.lifecycle.restarts = true),
        ("a health check", |spec| spec.command.health_check = true),
        ("an empty command", |spec| spec.command.argv.clear()),
        ("stop signal SIGKILL", |spec| {
            spec.command.stop_signal = "SIGKILL".to_owned();
        }),
        ("network bridge", |spec| {
            spec.network = Network::Other("bridge".to_owned());
        }),
        ("ipc host", |spec| spec.ipc = Ipc::Other("host".to_owned())),
        ("seccomp unconfined", |spec| {
            spec.seccomp = Seccomp::Other("unconfined".to_owned());
        }),
        // libpod has a list of its own, and takes no other.
        ("read-only /proc/kcore", |spec| {
            let read_only = &mut spec.kernel_paths.read_only;
            read_only.insert("/proc/kcore".to_owned());
        }),
        ("the path /srv/\u{fffd}", |spec| {
            let mut bind = spec.mounts.0.pop_first().unwrap();
            bind.source = OsStr::from_bytes(b"/srv/\xff").into();
            spec.mounts.0.insert(bind);
        }),
        ("memory of 18446744073709551615", |spec| {
            spec.memory = u64::MAX;
        }),
        ("memory and swap of 18446744073709551615", |spec| {
            spec.memory_and_swap = u64::MAX;
        }),
        ("pids of 9223372036854775808", |spec| spec.pids = 1 << 63),
        ("cpu quota of 9223372036854775808", |spec| {
            spec.cpu.quota_us = 1 << 63;
        }),
        ("log bytes of 9223372036854775808", |spec| {
            spec.log.max_bytes = 1 << 63;
        }),
        ("network host", |spec| {
            spec.network = Network::Other("host".to_owned());
        }),
    ];
    for (what, change) in planned {
        let mut spec = fixture::plan().spec().clone();
        change(&mut spec);
        let error = create(&spec, u64::MAX, true).unwrap_err();
        assert_eq!(error.kind(), EngineErrorKind::Unsupported, "{what}");
        let text = error.to_string();
        let expected = format!("this backend does not ask podman for {what}");
        assert!(text.contains(&expected), "{what}: {text}");
    }
}

#[test]
fn podmans_own_user_is_the_containers_where_that_writes_to_its_files() {
    let check = |read_only: bool, rootless: bool, expected: Value| {
        let mut spec = fixture::plan().spec().clone();
        spec.user = "1234:567".to_owned();
        spec.mounts.0.insert(Bind {
            source: "/srv/work".into(),
            target: "/workspace".to_owned(),
            read_only,
            noexec: true,
        });
        let body = serde_json::to_value(create(&spec, u64::MAX, rootless).unwrap().spec).unwrap();
        assert_eq!(body["userns"], expected, "{read_only} {rootless}");
        let mounts = body["mounts"].as_array().unwrap();
        let bound = mounts
            .iter()
            .find(|mount| mount["destination"] == "/workspace");
        let access = if read_only { "ro" } else { "rw" };
        let options = ["bind", access, "nosuid", "nodev", "private", "noexec"];
        assert_eq!(bound.unwrap()["options"], json!(options));
    };
    let subordinate = json!({"nsmode": "host"});
    let own = json!({"nsmode": "keep-id", "value": "uid=1234,gid=567"});
    check(false, true, own);
    check(true, true, subordinate.clone());
    check(false, false, subordinate.clone());
    check(true, false, subordinate);
}
