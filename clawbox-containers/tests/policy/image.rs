//! What the image adds, and may not.

use super::*;

#[test]
fn what_runs_is_the_request_s_or_the_image_s_and_nothing_in_between() {
    let mut image = image();
    image.entrypoint = vec!["/entry".to_owned()];
    image.command = vec!["cmd".to_owned()];
    image.working_dir = "/work".to_owned();
    let check = |request: &ContainerSpawnRequest, argv: &[&str], dir: &str| {
        let plan = plan(request, &image).unwrap();
        assert_eq!(plan.spec().command.argv, argv);
        assert_eq!(plan.spec().command.working_dir, dir);
        assert_eq!(plan.spec().command.stop_signal, "SIGTERM");
        assert!(!plan.spec().command.health_check);
    };
    check(&request(), &["true"], "/work");
    check(&request().with_working_dir("/tmp"), &["true"], "/tmp");
    let mut own = request();
    own.command = None;
    check(&own, &["/entry", "cmd"], "/work");
    check(&own.with_args(["a", "b"]), &["/entry", "a", "b"], "/work");
}

#[test]
fn an_image_cannot_smuggle_anything_in() {
    let mut own = request();
    own.command = None;
    assert_eq!(refused(plan(&own, &image())), ["command"]);

    let mut evil = image();
    evil.working_dir = "/proc/self/fd/7".to_owned();
    evil.env = vec!["=x".to_owned()];
    evil.volumes = vec![
        "/proc".to_owned(),
        "/run/clawbox".to_owned(),
        "/a,exec".to_owned(),
        "/a:size=1m".to_owned(),
    ];
    evil.entrypoint = vec![String::new()];
    assert_eq!(
        refused(plan(&own, &evil)),
        [
            "image.command",
            "image.working_dir",
            "image.env",
            "image.volumes",
            "image.volumes",
            "image.volumes",
            "image.volumes"
        ]
    );
}

#[test]
fn the_environment_is_the_image_s_then_the_request_s_then_ours() {
    let mut image = image();
    image.env = [
        "PATH=/bin",
        "LANG=C",
        "LD_PRELOAD=/evil.so",
        "node_options=--require=/x",
        "A.B=1",
        "BARE",
    ]
    .map(str::to_owned)
    .to_vec();
    let plan = plan(
        &request().with_env("LANG", "de").with_env("EMPTY", ""),
        &image,
    )
    .unwrap();
    let env = &plan.spec().environment.0;
    let value = |key: &str| env[key].as_ref().map(|v| v.as_str().to_owned());
    assert_eq!(value("PATH").as_deref(), Some("/bin"));
    assert_eq!(value("LANG").as_deref(), Some("de"));
    assert_eq!(value("EMPTY").as_deref(), Some(""));
    assert_eq!(value("HOME").as_deref(), Some("/tmp"));
    assert_eq!(
        value("CLAWBOX_PROXY_SOCKET").as_deref(),
        Some("/run/clawbox/proxy.sock")
    );
    assert_eq!(
        value("CLAWBOX_CONTAINER_ID"),
        Some(plan.spec().identity.name.clone())
    );
    assert_eq!(value("CLAWBOX_PROXY_TOKEN"), Some("ab".repeat(32)));
    for gone in ["LD_PRELOAD", "node_options", "A.B"] {
        assert_eq!(value(gone), None, "{gone}");
    }
    // The token is in the plan, and in nothing that prints it.
    let printed = format!("{plan:?} {}", plan.spec().environment);
    assert!(!printed.contains("abab"), "{printed}");
}

#[test]
fn volumes_are_shadowed_and_all_scratch_stays_below_half_of_the_memory() {
    let mut image = image();
    image.volumes = vec![
        "/data".to_owned(),
        "/var/lib/x/".to_owned(),
        "/tmp".to_owned(),
    ];
    let planned = plan(&request(), &image).unwrap();
    let tmpfs = &planned.spec().tmpfs.0;
    assert_eq!(
        tmpfs.keys().collect::<Vec<_>>(),
        ["/data", "/tmp", "/var/lib/x"]
    );
    let total: u64 = tmpfs.values().map(|t| t.size_bytes).sum();
    assert_eq!(total, 256 << 20);
    assert_eq!(tmpfs["/data"].size_bytes, 16 << 20);

    let small = limited(ResourceLimits::new(1000, 32));
    assert_eq!(refused(plan(&small, &image)), ["security.tmpfs"]);

    let mut config = ContainerSecurityConfig::default();
    config.tmpfs = vec!["/tmp:size=300m".to_owned()];
    assert_eq!(
        refused(plan_with(&config, &request(), &self::image())),
        ["security.tmpfs"]
    );
    config.tmpfs = vec![
        format!("/tmp:size={}", 1_u64 << 44),
        format!("/t:size={}", 1_u64 << 44),
    ];
    assert_eq!(
        refused(plan_with(&config, &request(), &self::image())),
        ["security.tmpfs"]
    );
}

#[test]
fn scratch_of_a_flexible_size_is_left_64_kib_at_least() {
    let half = 3 << 20;
    let smallest = limited(ResourceLimits::new(1000, 6));
    let check = |fixed: u64, flexible: bool, good: bool| {
        let mut config = ContainerSecurityConfig::default();
        config.tmpfs = vec![format!("/a:size={fixed}")];
        config.tmpfs.extend(flexible.then(|| "/tmp".to_owned()));
        let planned = plan_with(&config, &smallest, &image());
        assert_eq!(planned.is_ok(), good, "{fixed} bytes of {half}");
    };
    check(half - (64 << 10), true, true);
    check(half - (64 << 10) + 1, true, false);
    check(half, false, true);
    check(half + 1, false, false);
}

/// Asks for everything that it does not get.
fn greedy() -> ImageFacts {
    let mut image = image();
    image.volumes = vec!["/data".to_owned()];
    image.env = [
        "PATH=/bin",
        "LD_PRELOAD=/x",
        "Http_Proxy=x",
        "A B=1",
        "node_options",
    ]
    .map(str::to_owned)
    .to_vec();
    image.health_check = true;
    image.stop_signal = "SIGCONT".to_owned();
    image.labels = [
        ("clawbox.policy", "none"),
        ("org.opencontainers.image.title", "x"),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into();
    image
}

#[test]
fn what_an_image_does_not_get_it_may_ask_for_unless_the_operator_is_strict() {
    assert!(plan(&request(), &greedy()).is_ok());
    let strict = ContainerSecurityConfig::default().with_strict_images(true);
    assert_eq!(
        refused(plan_with(&strict, &request(), &greedy())),
        [
            "image.volumes",
            "image.env.LD_PRELOAD",
            "image.env.Http_Proxy",
            "image.env.A B",
            "image.env.node_options",
            "image.health_check",
            "image.stop_signal",
            "image.labels.clawbox.policy",
        ]
    );
    let mut modest = image();
    modest.env = vec!["PATH=/bin".to_owned(), "BARE".to_owned()];
    modest.labels.insert("title".to_owned(), "x".to_owned());
    for signal in ["", "SIGTERM", "15"] {
        modest.stop_signal = signal.to_owned();
        assert!(plan_with(&strict, &request(), &modest).is_ok(), "{signal}");
    }
}

/// Engines merge an image's labels into its containers'.
#[test]
fn an_image_has_no_label_of_clawboxs_that_its_containers_would_keep() {
    let mut image = image();
    image
        .labels
        .insert("clawbox.evil".to_owned(), String::new());
    image
        .labels
        .insert("clawbox.policy".to_owned(), "none".to_owned());
    image.labels.insert("clawboxes".to_owned(), String::new());
    let found = refused(plan(&request(), &image));
    assert_eq!(found, ["image.labels.clawbox.evil"]);
    let long = format!("clawbox.{}", "x".repeat(1 << 20));
    image.labels = [(long, String::new())].into();
    let error = plan(&request(), &image).unwrap_err();
    assert!(error.to_string().len() < 1000);
}

#[test]
fn an_image_has_no_more_variables_than_a_request() {
    let variables = |count: usize| (0..count).map(|n| format!("V{n}=x")).collect();
    let mut image = image();
    image.env = variables(512);
    assert!(plan(&request(), &image).is_ok());
    image.env = variables(513);
    assert_eq!(refused(plan(&request(), &image)), ["image.env"]);
}

#[test]
fn a_plan_knows_which_image_was_asked_for_and_what_it_was_taken_for() {
    let digest = |letter: &str| format!("sha256:{}", letter.repeat(64));
    let (one, two) = (digest("1"), digest("2"));
    let mut image = image();
    image.digests = vec![
        "no reference".to_owned(),
        format!("ghcr.io/other/alpine@{two}"),
        format!("alpine@{one}"),
        format!("docker.io/library/alpine@{two}"),
    ];
    let known = |asked: &str, image: &ImageFacts| {
        let plan = plan(&request().with_image(asked), image).unwrap();
        let known = plan.image();
        assert_eq!(known.id, "sha256:1");
        (known.reference.to_string(), known.digest.clone())
    };
    let canonical = "docker.io/library/alpine:latest".to_owned();
    assert_eq!(known("alpine", &image), (canonical.clone(), Some(one)));
    let pinned = format!("docker.io/library/alpine@{two}");
    assert_eq!(known(&pinned, &image), (pinned, Some(two)));
    assert_eq!(known("alpine", &self::image()), (canonical, None));
}
