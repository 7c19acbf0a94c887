//! Whatever comes in: no panic, and every plan that comes out holds the invariants.

use clawbox_containers::{
    ContainerPlan, ContainerSecurityConfig,
    aspects::Init,
    engine::ImageFacts,
    policy::{Placement, SecurityPolicy},
    seccomp::SeccompProfileName,
};
use clawbox_types::*;
use proptest::{collection::vec, option, prelude::*, sample::select};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};

/// Mostly what is usual, and now and then what is not: a test that only ever sees refusals sees no plan.
fn mostly<T: std::fmt::Debug + Clone>(
    usual: impl Strategy<Value = T> + 'static,
    odd: impl Strategy<Value = T> + 'static,
) -> impl Strategy<Value = T> {
    prop_oneof![12 => usual.boxed(), 1 => odd.boxed()]
}

fn number(usual: std::ops::Range<u64>) -> impl Strategy<Value = u64> {
    mostly(usual, prop_oneof![0_u64..20, any::<u64>()])
}

fn path() -> impl Strategy<Value = String> {
    mostly("/[a-c]{1,2}(/[a-c]{1,2})?", "/?[a-z./:]{0,12}")
}

fn tmpfs() -> impl Strategy<Value = String> {
    let sized = "/[a-c]{1,2}(:size=[1-9][0-9]?m)?(:rw)?";
    mostly(
        sized.prop_map(|s| s.replace("m:rw", "m,rw")),
        any::<String>(),
    )
}

fn text() -> impl Strategy<Value = String> {
    mostly("[ -~]{0,8}", any::<String>())
}

fn env() -> impl Strategy<Value = BTreeMap<String, String>> {
    let keys = mostly(
        "[A-Z_][A-Z0-9_]{0,5}",
        "[A-Za-z_=]{0,6}|LD_[A-Z]{1,4}|[a-z]{1,3}_proxy|CLAWBOX_X",
    );
    proptest::collection::btree_map(keys, text(), 0..3)
}

prop_compose! {
    fn configs()(
        user in mostly("[1-9][0-9]{0,3}:[1-9][0-9]{0,3}", any::<String>()),
        allowed in vec(mostly("[a-z]{1,6}", any::<String>()), 0..2),
        pids in number(100..500),
        max_memory_mb in number(200..10_000),
        cpu_millis in number(500..2000),
        max_cpu_shares in number(900..2000),
        max_timeout_ms in number(90_000..200_000),
        max_output_bytes in number(100_000..10_000_000),
        (open_files, max_file_bytes) in (number(64..2000), number(4096..1 << 30)),
        tmpfs in vec(tmpfs(), 0..3),
        profile in select(&SeccompProfileName::ALL[..]),
    ) -> ContainerSecurityConfig {
        let mut config = ContainerSecurityConfig::default();
        config.user = user;
        config.allowed_images.extend(allowed);
        config.pids = pids;
        config.max_memory_mb = max_memory_mb;
        config.cpu_millis = cpu_millis;
        config.max_cpu_shares = max_cpu_shares;
        config.max_timeout_ms = max_timeout_ms;
        config.max_output_bytes = max_output_bytes;
        config.open_files = open_files;
        config.max_file_bytes = max_file_bytes;
        config.tmpfs = tmpfs;
        config.seccomp_profile = profile;
        config
    }
}

prop_compose! {
    fn requests()(
        image in mostly("(docker.io/library/)?(alpine|debian)(:[0-9])?", any::<String>()),
        env in env(),
        command in option::of(vec(text(), 1..3)),
        args in mostly(Just(None), option::of(vec(any::<String>(), 0..2))),
        dir in option::of(path()),
        timeout_ms in number(100..90_000),
        memory_mb in number(6..600),
        cpu_shares in number(2..900),
        pids in number(2..100),
    ) -> ContainerSpawnRequest {
        let limits = ResourceLimits::new(timeout_ms, memory_mb)
            .with_cpu_shares(cpu_shares)
            .with_max_output_bytes(1000)
            .with_pids(pids);
        let mut request = ContainerSpawnRequest::new("task", Capabilities::default().with_resources(limits));
        request.image = Some(image);
        request.env = env;
        request.command = command;
        request.args = args;
        request.working_dir = dir;
        request
    }
}

prop_compose! {
    fn images()(
        entrypoint in vec(text(), 0..2),
        command in vec("[a-z]{1,4}", 1..2),
        env in vec(mostly("[A-Z_]{1,6}=[a-z]{0,3}|LD_X=1|a.b=1|no_proxy=x", any::<String>()), 0..3),
        working_dir in mostly(Just(String::new()), path()),
        volumes in vec(path(), 0..3),
    ) -> ImageFacts {
        ImageFacts {
            id: "sha256:1".to_owned(), entrypoint, command, env, working_dir, volumes,
            ..ImageFacts::default()
        }
    }
}

/// What `PROPTEST_CASES` says, and at most so many: a whole plan takes a hundred times as long as a name.
fn plans() -> ProptestConfig {
    let mut config = ProptestConfig::default();
    config.cases = config.cases.min(100_000);
    config
}

/// A few thousand at least, as most requests become no plan.
fn cases() -> ProptestConfig {
    let mut config = plans();
    config.cases = config.cases.max(4096);
    config
}

/// How many plans came out of the requests below.
static PLANS: AtomicUsize = AtomicUsize::new(0);

#[test]
fn plans_come_out_and_hold_the_invariants() {
    every_plan_holds_the_invariants();
    let plans = PLANS.load(Ordering::Relaxed);
    let cases = cases().cases as usize;
    assert!(
        plans > cases / 14,
        "only {plans} of {cases} requests became plans"
    );
}

/// A value that is found wherever it stands: it is like nothing else in a plan.
fn secret() -> impl Strategy<Value = String> {
    "secret-[0-9a-f]{12}"
}

fn plan_of(
    policy: &SecurityPolicy,
    request: &ContainerSpawnRequest,
    image: &ImageFacts,
    token: [u8; 32],
    init_dir: Option<PathBuf>,
) -> Option<ContainerPlan> {
    let placement = Placement {
        identity: ContainerIdentity::new(ContainerId::generate(), ProxyToken::from_bytes(token)),
        labels: BTreeMap::new(),
        proxy_dir: None,
        init_dir,
    };
    let admission = policy.admit(request).ok()?;
    admission.compile(image, placement).ok()
}

/// A path, plain or not, of such parts.
fn path_of(part: &'static str) -> impl Strategy<Value = String> {
    let beginning = "/srv/work|/srv/work/|/srv/|/|";
    (beginning, vec(part, 0..4))
        .prop_map(|(beginning, parts)| format!("{beginning}{}", parts.join("/")))
}

/// A reserved key, in letters of any case: a name that is reserved as it stands, or with a beginning or an end.
fn reserved() -> impl Strategy<Value = String> {
    let whole = "BASH_ENV|ENV|NODE_OPTIONS|PYTHONSTARTUP|PERL5OPT|RUBYOPT|JAVA_TOOL_OPTIONS|PS4|GLIBC_TUNABLES|PROXY";
    let key = prop_oneof![
        whole,
        "(LD_|CLAWBOX_)[A-Z0-9_]{0,8}",
        "[A-Z_][A-Z0-9_]{0,8}_PROXY"
    ];
    (key, any::<u64>()).prop_map(|(key, cases)| {
        let letters = key.chars().enumerate();
        letters
            .map(|(at, letter)| {
                if cases >> (at % 64) & 1 == 1 {
                    letter.to_ascii_lowercase()
                } else {
                    letter
                }
            })
            .collect()
    })
}

proptest! {
    #[test]
    fn a_reserved_key_is_refused_by_its_name_in_any_case(key in reserved(), value in text()) {
        let request = ContainerSpawnRequest::new("task", Capabilities::default()).with_image("alpine").with_command(["a"]);
        let policy = SecurityPolicy::new(&ContainerSecurityConfig::default()).unwrap();
        prop_assert!(policy.admit(&request).is_ok());
        let refused = policy.admit(&request.with_env(key.clone(), value)).unwrap_err();
        prop_assert!(refused.to_string().contains(&key), "{}", refused);
    }

    /// What may be bound is named by its whole, plain path, whatever is written.
    #[test]
    fn the_path_of_a_proxys_socket_goes_nowhere_else(
        parts in vec("srv|x|\\.|\\.\\.||proc|a b|proxy\\.sock", 0..6),
        end in "/proxy\\.sock|/proxy\\.sock/|/proxy\\.sock/\\.|/proxy\\.sockx|\n|", absolute in any::<bool>(),
    ) {
        let path = format!("{}{}{end}", if absolute { "/" } else { "" }, parts.join("/"));
        let request = ContainerSpawnRequest::new("task", Capabilities::default())
            .with_image("alpine").with_command(["a"]).with_proxy_socket(&path);
        let policy = SecurityPolicy::new(&ContainerSecurityConfig::default()).unwrap();
        if policy.admit(&request).is_ok() {
            let named: Vec<&str> = path.split('/').filter(|part| !["", "."].contains(part)).collect();
            prop_assert!(path.starts_with('/') && !named.contains(&".."), "{:?}", path);
            prop_assert!(named.len() > 1 && named.last() == Some(&"proxy.sock"), "{:?}", path);
            prop_assert!(!path.chars().any(char::is_control), "{:?}", path);
        }
    }

    /// What may be bound is below a root as it is written, and hides nothing that the policy relies on.
    #[test]
    fn a_workspace_is_below_a_root_and_hides_nothing(
        source in path_of("srv|work|a|workx|\\.|\\.\\.||a b|\\PC"),
        target in path_of("proc|sys|dev|run|etc|tmp|\\.clawbox|clawbox|work|workspace|\\.|\\.\\.||a b|\\PC"),
        other in path_of("tmp|work|a"), read_only in any::<bool>(),
    ) {
        let config = ContainerSecurityConfig::default().with_workspace_roots(["/srv/work"]);
        let policy = SecurityPolicy::new(&config).unwrap();
        let mut wanted = Workspace::new(&source).with_target(&target);
        wanted.read_only = read_only;
        let request = ContainerSpawnRequest::new("task", Capabilities::default())
            .with_image("alpine").with_command(["a"])
            .with_workspace(wanted.clone())
            .with_workspace(Workspace::new("/srv/work/other").with_target(&other));
        let Ok(admission) = policy.admit(&request) else { return Ok(()) };
        prop_assert_eq!(&admission.workspaces()[0], &wanted);
        let plain = |path: &str| !path.contains("//") && !path.contains("/./") && !path.contains("/../")
            && !path.ends_with(['/', '\n']) && !path.ends_with("/.") && !path.ends_with("/..");
        prop_assert!(plain(&source) && plain(&target), "{:?} at {:?}", source, target);
        prop_assert!(Path::new(&source).starts_with("/srv/work"), "{:?}", source);
        let at = Path::new(&target);
        prop_assert!(at.is_absolute() && at != Path::new("/"), "{:?}", target);
        for top in ["/proc", "/sys", "/dev", "/run", "/etc", "/.clawbox"] {
            prop_assert!(!at.starts_with(top), "{:?}", target);
        }
        prop_assert!(!at.starts_with(&other) && !Path::new(&other).starts_with(at), "{:?}, {:?}", target, other);
    }
}

proptest! {
    #![proptest_config(plans())]
    /// Values are for the command alone. What is printed of a plan, and what an engine hears of one with our process
    /// 1, holds none of them.
    #[test]
    fn no_plan_tells_a_secret(
        values in vec(("[A-Z]{3,6}", secret()), 1..4),
        inherited in secret(),
        token in any::<[u8; 32]>(),
        command in vec("[a-z]{1,8}", 1..3),
    ) {
        let mut request = ContainerSpawnRequest::new("task", Capabilities::default())
            .with_image("alpine")
            .with_command(command.clone());
        request.env = values.iter().cloned().collect();
        let image = ImageFacts {
            env: vec![format!("INHERITED={inherited}"), "LD_PRELOAD=/x".to_owned()],
            ..ImageFacts::default()
        };
        let policy = SecurityPolicy::new(&ContainerSecurityConfig::default()).unwrap();
        let hex: String = token.iter().map(|byte| format!("{byte:02x}")).collect();
        for init_dir in [None, Some("/srv/clawbox/owner/one".into())] {
            let ours = init_dir.is_some();
            // A key may be reserved.
            let Some(plan) = plan_of(&policy, &request, &image, token, init_dir) else {
                return Ok(());
            };
            let spec = plan.spec();
            let printed = format!("{plan:?} {plan:#?} {spec:?} {}", spec.environment);
            for value in request.env.values().chain([&inherited, &hex]) {
                prop_assert!(!printed.contains(value.as_str()), "{}", value);
            }
            prop_assert_eq!(spec.environment.0.values().all(Option::is_none), ours);
            if ours {
                let keys: Vec<_> = spec.environment.0.keys().collect();
                prop_assert_eq!(keys, ["INHERITED", "LD_PRELOAD"], "only what is taken away");
                prop_assert_eq!(&spec.command.argv, &["/.clawbox/init", "/.clawbox/control.sock"]);
                prop_assert_eq!(&*spec.command.working_dir, "/");
                prop_assert_eq!(spec.init, Init::Clawbox);
                prop_assert!(printed.contains(&format!("{:?}", command[0])), "the command is no secret");
            } else {
                prop_assert_eq!(&spec.command.argv, &command);
                prop_assert_eq!(spec.init, Init::Engine);
            }
        }
    }
}

proptest! {
    #![proptest_config(cases())]
    fn every_plan_holds_the_invariants(config in configs(), request in requests(), image in images()) {
        let Ok(policy) = SecurityPolicy::new(&config) else { return Ok(()) };
        let Ok(admission) = policy.admit(&request) else { return Ok(()) };
        prop_assert!(request.check().is_ok());
        prop_assert!(policy.is_allowed_image(admission.image()));
        let placement = Placement {
            identity: ContainerIdentity::new(ContainerId::generate(), ProxyToken::from_bytes([1; 32])),
            labels: BTreeMap::new(),
            proxy_dir: None,
            init_dir: None,
        };
        let Ok(plan) = admission.compile(&image, placement) else { return Ok(()) };
        PLANS.fetch_add(1, Ordering::Relaxed);
        let spec = plan.spec();
        prop_assert!(spec.user.split(':').all(|n| n != "0"));
        prop_assert!(spec.read_only_root && spec.no_new_privileges && !spec.devices.privileged);
        prop_assert_eq!(spec.memory_and_swap, spec.memory);
        prop_assert!(spec.memory >= 6 << 20 && spec.memory >> 20 <= config.max_memory_mb);
        prop_assert!(spec.pids >= 2 && spec.pids <= config.pids);
        prop_assert!(spec.cpu.quota_us >= 1000 && spec.cpu.quota_us <= config.cpu_millis * 100);
        prop_assert!(spec.cpu_shares >= 2 && spec.cpu_shares <= config.max_cpu_shares);
        let scratch: u64 = spec.tmpfs.0.values().map(|t| t.size_bytes).sum();
        prop_assert!(scratch <= spec.memory / 2);
        let shared = config.seccomp_profile.has_shared_memory();
        prop_assert_eq!(spec.tmpfs.0.contains_key("/dev/shm"), shared);
        for (path, options) in &spec.tmpfs.0 {
            prop_assert!(["noexec", "nosuid", "nodev"].iter().all(|flag| options.flags.contains(*flag)));
            prop_assert!(!path.contains([',', ':', '\0']) && options.size_bytes > 0 && options.max_inodes > 0);
        }
        for volume in &image.volumes {
            prop_assert!(spec.tmpfs.0.contains_key(volume.trim_end_matches('/')));
        }
        for (key, value) in &spec.environment.0 {
            let upper = key.to_uppercase();
            let ours = key.starts_with("CLAWBOX_");
            let reserved = upper.starts_with("LD_") || upper.ends_with("_PROXY");
            prop_assert!(!reserved || value.is_none(), "{} is taken away", key);
            prop_assert!(!ours || value.is_some());
        }
        prop_assert!(!spec.command.argv.is_empty() && !spec.command.argv[0].is_empty());
        prop_assert!(spec.command.argv.iter().all(|arg| !arg.contains('\0')));
        prop_assert!(spec.command.working_dir.starts_with('/'));
    }
}
