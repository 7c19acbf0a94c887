//! Requests: every impossible value is found, and the JSON form is strict.

use clawbox_types::*;
use proptest::prelude::*;

fn request() -> ContainerSpawnRequest {
    ContainerSpawnRequest::new("task", Capabilities::default())
}

fn fields(request: &ContainerSpawnRequest) -> Vec<String> {
    let found = request.check().err().unwrap_or_default();
    found.into_iter().map(|v| v.field).collect()
}

#[test]
fn all_impossible_values_are_reported_together() {
    let resources = ResourceLimits::new(0, 0)
        .with_cpu_shares(1)
        .with_max_output_bytes(u64::MAX)
        .with_cpu_millis(0)
        .with_pids(0);
    let request = ContainerSpawnRequest::new(
        "x".repeat(MAX_TASK_BYTES + 1),
        Capabilities::default().with_resources(resources),
    )
    .with_image("ALPINE")
    .with_env("A=B", "")
    .with_env("NUL", "\0")
    .with_command([""])
    .with_args(["a"])
    .with_working_dir("/proc/self/fd/7");
    assert_eq!(
        fields(&request),
        [
            "task",
            "image",
            "capabilities.resources.timeout_ms",
            "capabilities.resources.memory_mb",
            "capabilities.resources.cpu_shares",
            "capabilities.resources.max_output_bytes",
            "capabilities.resources.cpu_millis",
            "capabilities.resources.pids",
            "env",
            "env.NUL",
            "command",
            "args",
            "working_dir",
        ]
    );
}

#[test]
fn ten_thousand_variables_are_one_violation() {
    let mut request = request();
    for n in 0..10_000 {
        request = request.with_env(format!("K{n}"), "v");
    }
    assert_eq!(fields(&request), ["env"]);
}

#[test]
fn json_keeps_its_field_names_and_fills_the_defaults() {
    let json = r#"{"task":"t","image":"alpine","env":{"A":"b"},"command":["id"],
        "capabilities":{"resources":{"timeout_ms":1000,"memory_mb":64,"cpu_shares":512,"max_output_bytes":1},
        "network":{"allowlist":["example.com"],"max_concurrent":2},"credentials":["github"]}}"#;
    let parsed: ContainerSpawnRequest = serde_json::from_str(json).unwrap();
    assert_eq!(parsed.policy, SandboxPolicy::Container);
    assert_eq!(parsed.capabilities.resources.memory_mb, 64);
    let expected = request()
        .with_image("alpine")
        .with_env("A", "b")
        .with_command(["id"]);
    assert_eq!(parsed.env, expected.env);
    assert_eq!(parsed.command, expected.command);
}

#[test]
fn json_refuses_what_it_does_not_know_and_says_what_it_would_take() {
    for (json, says) in [
        (
            r#"{"task":"t","privileged":true}"#,
            "unknown field `privileged`",
        ),
        (
            r#"{"task":"t","policy":"host"}"#,
            "expected one of `wasm_only`, `container`, `container_direct`",
        ),
        (r#"{"task":"t","identity":"x"}"#, "unknown field `identity`"),
        (
            r#"{"task":"t","proxy_socket":"/run/docker.sock"}"#,
            "unknown field `proxy_socket`",
        ),
        (
            r#"{"task":"t","capabilities":{"resources":{"memory_mb":-1}}}"#,
            "invalid value: integer `-1`",
        ),
        (
            r#"{"task":"t","capabilities":{"resources":{"memory_mb":0}}}"#,
            "6 to 16777216 MiB",
        ),
        (
            r#"{"task":"t","image":"ALPINE","command":[]}"#,
            "; command: \"[]\" is not accepted",
        ),
        (r"{}", "missing field `task`"),
    ] {
        let error = serde_json::from_str::<ContainerSpawnRequest>(json).unwrap_err();
        assert!(error.to_string().contains(says), "{json}: {error}");
    }
}

#[test]
fn a_secret_identity_is_neither_printed_nor_serialized() {
    let token = ProxyToken::from_bytes([0x5a; 32]);
    let request = request().with_identity(ContainerIdentity::new(
        ContainerId::generate(),
        token.clone(),
    ));
    for text in [
        format!("{request:?}"),
        serde_json::to_string(&request).unwrap(),
    ] {
        assert!(
            !text.contains(&token.reveal()) && !text.contains("5a5a"),
            "{text}"
        );
    }
}

proptest! {
    #[test]
    fn any_request_is_checked_without_panic_and_a_possible_one_round_trips(
        task in any::<String>(),
        image in proptest::option::of("[a-z/:.]{1,12}"),
        env in proptest::collection::btree_map("[A-Za-z_=0-9]{0,4}", any::<String>(), 0..4),
        command in proptest::option::of(proptest::collection::vec(any::<String>(), 0..3)),
        working_dir in proptest::option::of("[/a-z.]{0,8}"),
        limits in any::<[u64; 4]>(),
        cpu_millis in proptest::option::of(any::<u64>()),
    ) {
        let mut resources = ResourceLimits::new(limits[0] % 200_000, limits[1] % 1000)
            .with_cpu_shares(limits[2] % 3000)
            .with_max_output_bytes(limits[3]);
        resources.cpu_millis = cpu_millis;
        let mut request = ContainerSpawnRequest::new(task, Capabilities::default().with_resources(resources));
        request.image = image;
        request.env = env;
        request.command = command;
        request.working_dir = working_dir;
        let json = serde_json::to_string(&request).unwrap();
        let back = serde_json::from_str::<ContainerSpawnRequest>(&json);
        match request.check() {
            Ok(()) => prop_assert_eq!(back.unwrap(), request),
            Err(found) => {
                let error = back.unwrap_err().to_string();
                for violation in found {
                    prop_assert!(error.contains(&violation.field), "{} names {}", error, violation.field);
                }
            }
        }
    }
}
