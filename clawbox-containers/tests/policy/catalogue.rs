//! Rows of the threat catalogue that are answered before any engine is asked: C04, C05 and V02 to V15.

use super::*;

/// The fields that a request is refused for; none where it is admitted.
fn fields(request: &ContainerSpawnRequest) -> Vec<String> {
    let policy =
        SecurityPolicy::new(&ContainerSecurityConfig::default()).expect("the default policy");
    match policy.admit(request) {
        Ok(_) => Vec::new(),
        Err(ContainerError::ImageNotAllowed { .. }) => vec!["not allowed".to_owned()],
        refusal => {
            // What is impossible may be above the operator's limit as well.
            let mut fields = refused(refusal);
            fields.dedup();
            fields
        }
    }
}

#[track_caller]
fn check(row: &str, request: &ContainerSpawnRequest, expected: &[&str]) {
    assert_eq!(fields(request), expected, "{row}: {request:?}");
}

#[test]
fn v02_v03_v04_images() {
    let digest = format!("sha256:{}", "0".repeat(64));
    let one = format!("alpine:latest@{digest}");
    for same in [one.as_str(), "docker.io/library/alpine", "library/alpine"] {
        check("V02", &request().with_image(same), &[]);
    }
    let long = "a".repeat(5000);
    let id = "0123456789abcdef".repeat(4);
    for none in [
        "ALPINE",
        "",
        "alpine:",
        " alpine",
        "\u{430}lpine",
        "alpine\0",
        &long,
        "..",
        "x@y@z",
        &id,
        &digest,
    ] {
        check("V03", &request().with_image(none), &["image"]);
    }
    check(
        "V04",
        &request().with_image("localhost/alpine"),
        &["not allowed"],
    );
}

#[test]
fn v05_v07_v08_v09_limits() {
    let mut limits = ResourceLimits::new(1000, 64);
    limits.cpu_shares = 1024;
    for (row, memory, good) in [
        ("V05", 0, false),
        ("V05", 1, false),
        ("V05", 5, false),
        ("V05", 6, true),
    ] {
        limits.memory_mb = memory;
        let request = limited(limits.clone());
        // The operator's scratch space has to fit as well, which the image decides.
        check(
            row,
            &request,
            if good {
                &[]
            } else {
                &["capabilities.resources.memory_mb"]
            },
        );
    }
    limits.memory_mb = 64;
    for shares in [0, 1, u64::from(u32::MAX)] {
        limits.cpu_shares = shares;
        check(
            "V07",
            &limited(limits.clone()),
            &["capabilities.resources.cpu_shares"],
        );
    }
    limits.cpu_shares = 1024;
    for pids in [0, 1, u64::MAX] {
        check(
            "V08",
            &limited(limits.clone().with_pids(pids)),
            &["capabilities.resources.pids"],
        );
    }
    for timeout in [0, 1, u64::MAX] {
        limits.timeout_ms = timeout;
        check(
            "V09",
            &limited(limits.clone()),
            &["capabilities.resources.timeout_ms"],
        );
    }
    let json = |pids: &str| format!(r#"{{"timeout_ms":1000,"memory_mb":64,"pids":{pids}}}"#);
    for pids in ["-1", "1.5", "1e9", "\"2\"", "NaN"] {
        assert!(
            serde_json::from_str::<ResourceLimits>(&json(pids)).is_err(),
            "V08: {pids}"
        );
    }
}

#[test]
fn v10_v12_commands_and_tasks() {
    let large = "x".repeat(3 << 20);
    for argv in [vec![], vec![""], vec!["sh", "a\0b"], vec!["sh", &large]] {
        check("V10", &request().with_command(argv), &["command"]);
    }
    let task = "x".repeat(8 << 20);
    let request = ContainerSpawnRequest::new(task, Capabilities::default());
    check("V12", &request.with_image("alpine"), &["task"]);
}

#[test]
fn v11_ids() {
    let good = "clawbox-9f2c1f0e-6d5b-4c3a-8b7e-0a1b2c3d4e5f";
    assert!(good.parse::<ContainerId>().is_ok());
    let upper = good.to_uppercase();
    let (slash, dots) = (format!("{good}/b"), format!("{good}/.."));
    let (long, dash) = (format!("{good}{}", "a".repeat(300)), format!("-{good}"));
    let letter = good.replace('c', "\u{441}");
    for none in [
        "", "a/b", "..", &slash, &dots, &long, &letter, &dash, &upper,
    ] {
        assert!(none.parse::<ContainerId>().is_err(), "V11: {none}");
    }
}

#[test]
fn v13_v14_the_operators_values() {
    let config = |user: &str, tmpfs: &str| {
        let mut config = ContainerSecurityConfig::default();
        config.user = user.to_owned();
        config.tmpfs = vec![tmpfs.to_owned()];
        config
    };
    assert!(SecurityPolicy::new(&config("1000:1000", "/tmp:size=1m")).is_ok());
    for user in ["", "0", "root", "4294967296:0", "1000:0", "0:1000"] {
        assert_eq!(
            refused(SecurityPolicy::new(&config(user, "/tmp"))),
            ["security.user"],
            "V13: {user}"
        );
    }
    for tmpfs in [
        "/tmp:rw,exec,suid",
        "/tmp:exec",
        "/tmp:size=1t",
        "none",
        "/",
        "/proc",
        "/run/clawbox",
        "/run",
    ] {
        let refused = refused(SecurityPolicy::new(&config("1000:1000", tmpfs)));
        assert_eq!(refused, ["security.tmpfs"], "V14: {tmpfs}");
    }
}

#[test]
fn v15_paths_with_the_engines_punctuation() {
    for path in [
        "/srv/a:b/proxy.sock",
        "/srv/a,b/proxy.sock",
        "/srv/a b/proxy.sock",
    ] {
        check("V15", &request().with_proxy_socket(path), &[]);
    }
    for path in [
        "/srv/a\nb/proxy.sock",
        "/srv/a\0b/proxy.sock",
        "/srv/../proxy.sock",
    ] {
        check("V15", &request().with_proxy_socket(path), &["proxy_socket"]);
    }
}

#[test]
fn c04_c05_environments() {
    for key in [
        "Clawbox_Proxy_Token",
        "http_Proxy",
        "ALL_PROXY",
        "NODE_OPTIONS",
        "LD_AUDIT",
    ] {
        check(
            "C04",
            &request().with_env(key, "x"),
            &[&format!("env.{key}")],
        );
    }
    for key in ["A=B", "", " ", "A\0", "A\n", "É"] {
        check("C05", &request().with_env(key, "x"), &["env"]);
    }
    check(
        "C05",
        &request().with_env("A", "x".repeat(1 << 20)),
        &["env.A"],
    );
    let mut many = request();
    many.env = (0..10_000)
        .map(|n| (format!("K{n}"), String::new()))
        .collect();
    check("C05", &many, &["env"]);
}
