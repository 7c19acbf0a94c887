//! What the request and the operator decide.

use super::*;
use clawbox_containers::aspects::{Binds, Network, Seccomp};

#[test]
fn every_hardening_value_is_planned() {
    let plan = plan(&request(), &image()).unwrap();
    let spec = plan.spec();
    assert_eq!(spec.user, "1000:1000");
    assert!(spec.read_only_root && spec.no_new_privileges);
    assert!(spec.capabilities.added.is_empty());
    assert_eq!(spec.capabilities.to_string(), "dropped ALL");
    assert_eq!(spec.network, Network::None);
    assert_eq!(
        (spec.pids, spec.memory, spec.memory_and_swap),
        (256, 512 << 20, 512 << 20)
    );
    assert_eq!(
        (spec.cpu.quota_us, spec.cpu.period_us, spec.cpu_shares),
        (100_000, 100_000, 1024)
    );
    assert_eq!(
        spec.tmpfs.to_string(),
        "/tmp (nodev,noexec,nosuid,rw, 268435456 bytes, 16384 inodes, mode 1777)"
    );
    assert_eq!(spec.mounts, Binds::default());
    assert_eq!(spec.ipc.to_string(), "none");
    assert_eq!(
        spec.namespaces.to_string(),
        "pid private, uts private, cgroup private"
    );
    assert_eq!(
        spec.ulimits.to_string(),
        "core 0/0, fsize 1073741824/1073741824, nofile 1024/1024"
    );
    assert_eq!(spec.oom_score, 500);
    assert_eq!(spec.devices.to_string(), "not privileged, devices none");
    assert_eq!(
        spec.lifecycle.to_string(),
        "ports none, restart no, auto-remove no"
    );
    assert_eq!(spec.init.to_string(), "the engine's init");
    assert_eq!(spec.log.to_string(), "at most 2000000 bytes");
    assert_eq!(spec.image, "sha256:1");
    assert_eq!(spec.identity.hostname, "clawbox");
    assert!(spec.kernel_paths.masked.contains("/proc/kcore"));
    assert!(spec.kernel_paths.read_only.contains("/proc/sys"));
    let Seccomp::Profile { json, .. } = &spec.seccomp else {
        panic!("{}", spec.seccomp)
    };
    assert!(
        json.contains(r#""defaultAction":"SCMP_ACT_ERRNO""#),
        "{json}"
    );
}

#[test]
fn a_request_narrows_and_never_widens() {
    let narrow = limited(
        ResourceLimits::new(1000, 64)
            .with_cpu_shares(2)
            .with_cpu_millis(250)
            .with_pids(10),
    );
    let plan = plan(&narrow, &image()).unwrap();
    let spec = plan.spec();
    assert_eq!(
        (spec.memory, spec.memory_and_swap, spec.pids),
        (64 << 20, 64 << 20, 10)
    );
    assert_eq!((spec.cpu.quota_us, spec.cpu_shares), (25_000, 2));
    // Scratch space shrinks with the memory that it counts against.
    assert_eq!(spec.tmpfs.0["/tmp"].size_bytes, 32 << 20);

    let wide = limited(
        ResourceLimits::new(25 * 60 * 60 * 1000, 8193)
            .with_cpu_shares(1025)
            .with_cpu_millis(1001)
            .with_max_output_bytes((16 << 20) + 1)
            .with_pids(257),
    );
    assert_eq!(
        refused(
            SecurityPolicy::new(&ContainerSecurityConfig::default())
                .unwrap()
                .admit(&wide)
        ),
        [
            "timeout_ms",
            "memory_mb",
            "cpu_shares",
            "max_output_bytes",
            "cpu_millis",
            "pids"
        ]
        .map(|f| format!("capabilities.resources.{f}"))
    );
}

#[test]
fn impossible_and_forbidden_values_are_one_error() {
    let request = limited(ResourceLimits::new(0, 512).with_pids(300))
        .with_image("evil.example/x")
        .with_policy(SandboxPolicy::WasmOnly)
        .with_env("LD_PRELOAD", "/x.so")
        .with_env("http_Proxy", "x")
        .with_env("A=B", "x")
        .with_proxy_socket("relative/proxy.sock");
    assert_eq!(
        refused(plan(&request, &image())),
        [
            "capabilities.resources.timeout_ms",
            "env",
            "policy",
            "capabilities.resources.pids",
            "env.LD_PRELOAD",
            "env.http_Proxy",
            "proxy_socket",
            "image",
        ]
    );
}

#[test]
fn a_denied_image_is_listed_beside_impossible_values() {
    let request = request().with_image("evil.example/x").with_env("A=B", "x");
    let error = plan(&request, &image()).unwrap_err();
    assert!(
        matches!(error, ContainerError::PolicyDenied { .. }),
        "{error}"
    );
    assert_eq!(refused(Err::<(), _>(error)), ["env", "image"]);
}

#[test]
fn an_image_that_no_rule_names_says_which_rules_there_are() {
    let error = plan(&request().with_image("localhost/alpine"), &image()).unwrap_err();
    let ContainerError::ImageNotAllowed {
        image: refused,
        allowed,
    } = &error
    else {
        panic!("{error}")
    };
    assert_eq!(refused.to_string(), "localhost/alpine:latest");
    assert_eq!(allowed.len(), 4);
    assert!(
        error
            .to_string()
            .contains("ghcr.io/n0xmare/, alpine, ubuntu, debian"),
        "{error}"
    );

    let nothing = ContainerSecurityConfig::default().with_allowed_images(Vec::<String>::new());
    let error = plan_with(&nothing, &request(), &image()).unwrap_err();
    assert!(error.to_string().ends_with("allowed: nothing"), "{error}");
}

#[test]
fn the_default_image_is_held_to_the_rules_as_well() {
    let config = ContainerSecurityConfig::default().with_default_image("evil.example/x");
    let mut request = request();
    request.image = None;
    let error = plan_with(&config, &request, &image()).unwrap_err();
    assert!(
        matches!(error, ContainerError::ImageNotAllowed { .. }),
        "{error}"
    );
}

#[test]
fn proxy_sockets() {
    let policy = SecurityPolicy::new(&ContainerSecurityConfig::default()).unwrap();
    let path = "/run/user/1000/c1/proxy.sock";
    let admission = policy.admit(&request().with_proxy_socket(path)).unwrap();
    assert_eq!(
        admission.proxy_socket().and_then(|p| p.to_str()),
        Some(path)
    );
    for (path, good) in [
        (path, true),
        ("/run/x/docker.sock", false),
        ("/run/../etc/proxy.sock", false),
        ("/proxy.sock", false),
        ("proxy.sock", false),
        ("", false),
        ("/a\n/proxy.sock", false),
    ] {
        let admitted = policy.admit(&request().with_proxy_socket(path));
        assert_eq!(admitted.is_ok(), good, "{path:?}");
    }
}

#[test]
fn a_configuration_is_checked_whole() {
    let mut config = ContainerSecurityConfig::default();
    config.user = "root".to_owned();
    config.allowed_images = vec!["*".to_owned(), "alpine".to_owned()];
    config.default_image = "ALPINE".to_owned();
    config.pids = 0;
    config.max_memory_mb = 0;
    config.cpu_millis = 0;
    config.max_cpu_shares = 1;
    config.max_timeout_ms = 0;
    config.max_output_bytes = u64::MAX;
    config.tmpfs = vec!["/tmp:exec".to_owned(), "/a".to_owned(), "/a".to_owned()];
    config.open_files = 0;
    config.max_file_bytes = 0;
    assert_eq!(
        refused(SecurityPolicy::new(&config)),
        [
            "user",
            "allowed_images",
            "default_image",
            "pids",
            "max_memory_mb",
            "cpu_millis",
            "max_cpu_shares",
            "max_timeout_ms",
            "max_output_bytes",
            "tmpfs",
            "open_files",
            "max_file_bytes",
        ]
        .map(|f| format!("security.{f}"))
    );
    config = ContainerSecurityConfig::default();
    config.tmpfs = vec!["/a".to_owned(), "/a:size=1m".to_owned()];
    assert_eq!(refused(SecurityPolicy::new(&config)), ["security.tmpfs"]);
}

#[test]
fn a_configuration_round_trips_and_refuses_unknown_keys() {
    let config = ContainerSecurityConfig::default().with_degraded(PolicyItem::Memory);
    let json = serde_json::to_string(&config).unwrap();
    assert_eq!(
        serde_json::from_str::<ContainerSecurityConfig>(&json).unwrap(),
        config
    );
    let error =
        serde_json::from_str::<ContainerSecurityConfig>(r#"{"privileged":true}"#).unwrap_err();
    assert!(
        error.to_string().contains("unknown field `privileged`"),
        "{error}"
    );
}

#[test]
fn a_further_command_is_held_to_the_same_rules() {
    let policy = SecurityPolicy::new(&ContainerSecurityConfig::default()).unwrap();
    let most = ContainerSecurityConfig::default().max_output_bytes;
    let command = || ExecRequest::new(["true"]);
    policy
        .admit_exec(&command().with_max_output_bytes(most))
        .unwrap();
    for (request, fields) in [
        (
            command().with_max_output_bytes(most + 1),
            vec!["max_output_bytes"],
        ),
        (
            command().with_env("LD_PRELOAD", "x"),
            vec!["env.LD_PRELOAD"],
        ),
        (
            ExecRequest::new([""]).with_env("https_proxy", "x"),
            vec!["command", "env.https_proxy"],
        ),
        (command().with_timeout_ms(0), vec!["timeout_ms"]),
    ] {
        assert_eq!(refused(policy.admit_exec(&request)), fields, "{request:?}");
    }
}
