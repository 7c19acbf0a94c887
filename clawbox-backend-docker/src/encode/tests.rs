//! The body that is sent for one plan, and what is never sent.

use super::create;
use crate::fixture;
use clawbox_conformance::golden;
use clawbox_containers::{
    ContainerPlan,
    aspects::{Ipc, Network, Seccomp},
    engine::EngineErrorKind,
    plan::PlanSpec,
};
use serde_json::Value;
use std::path::Path;

fn body(spec: &PlanSpec) -> Value {
    let mut body = serde_json::to_value(create(spec).unwrap().body).unwrap();
    // The client's maps come in any order.
    body.sort_all_objects();
    body
}

/// With the word `STRICT` for the profile's text, which has tests and a file of its own.
fn without_profile(mut body: Value, spec: &PlanSpec) -> Value {
    let Seccomp::Profile { json, .. } = &spec.seccomp else {
        panic!("{}", spec.seccomp);
    };
    let option = body.pointer_mut("/HostConfig/SecurityOpt/1").unwrap();
    assert_eq!(*option, format!("seccomp={json}"));
    *option = "seccomp=STRICT".into();
    body
}

fn assert_golden(plan: &ContainerPlan, name: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name);
    let body = without_profile(body(plan.spec()), plan.spec());
    golden::assert_golden(&path, &body);
    assert_eq!(create(plan.spec()).unwrap().name, plan.spec().identity.name);
}

#[test]
fn a_plan_becomes_this_body() {
    assert_golden(fixture::plan(), "create.json");
}

#[test]
fn a_plan_with_our_process_one_becomes_this_body() {
    assert_golden(fixture::plan_with_our_init(), "create-clawbox-init.json");
}

/// Docker keeps what it is sent.
#[test]
fn docker_never_hears_what_our_process_one_runs() {
    let sent = |plan: &ContainerPlan| body(plan.spec()).to_string();
    golden::assert_command_is_untold(&sent(fixture::plan_with_our_init()), &sent(fixture::plan()));
}

#[test]
fn nothing_is_left_to_docker() {
    let body = body(fixture::plan().spec());
    for (field, value) in [
        ("/HostConfig/Privileged", Value::from(false)),
        ("/HostConfig/AutoRemove", Value::from(false)),
        ("/HostConfig/PublishAllPorts", Value::from(false)),
        ("/HostConfig/OomKillDisable", Value::from(false)),
        ("/HostConfig/RestartPolicy/Name", Value::from("no")),
        ("/HostConfig/Devices", Value::Array(Vec::new())),
        ("/HostConfig/CapAdd", Value::Array(Vec::new())),
        ("/HostConfig/GroupAdd", Value::Array(Vec::new())),
        ("/HostConfig/Binds", Value::Array(Vec::new())),
        ("/HostConfig/PidMode", Value::from("")),
        ("/HostConfig/UTSMode", Value::from("")),
        ("/HostConfig/UsernsMode", Value::from("")),
        ("/Tty", Value::from(false)),
        ("/Healthcheck/Test", Value::from(vec!["NONE"])),
    ] {
        assert_eq!(body.pointer(field), Some(&value), "{field}");
    }
    // Docker refuses it beside a quota.
    assert_eq!(body.pointer("/HostConfig/NanoCpus"), None);
}

#[test]
fn what_no_policy_plans_is_refused_and_not_left_out() {
    type Change = fn(&mut PlanSpec);
    let planned: [(&str, Change); 10] = [
        ("a device", |spec| {
            spec.devices.devices.insert("/dev/kvm".to_owned());
        }),
        ("a port", |spec| {
            spec.lifecycle.published_ports.insert("80/tcp".to_owned());
        }),
        ("restarts", |spec| spec.lifecycle.restarts = true),
        ("a health check", |spec| spec.command.health_check = true),
        ("a noexec mount", |spec| {
            let mut bind = spec.mounts.0.pop_first().expect("a bind");
            bind.noexec = true;
            spec.mounts.0.insert(bind);
        }),
        ("no command", |spec| spec.command.argv.clear()),
        ("a network", |spec| {
            spec.network = Network::Other("bridge".to_owned());
        }),
        ("shared memory", |spec| {
            spec.ipc = Ipc::Other("host".to_owned());
        }),
        ("no filter", |spec| {
            spec.seccomp = Seccomp::Other("unconfined".to_owned());
        }),
        ("more than an i64", |spec| spec.memory = u64::MAX),
    ];
    for (what, change) in planned {
        let mut spec = fixture::plan().spec().clone();
        change(&mut spec);
        let error = create(&spec).unwrap_err();
        assert_eq!(error.kind(), EngineErrorKind::Unsupported, "{what}");
    }
}
