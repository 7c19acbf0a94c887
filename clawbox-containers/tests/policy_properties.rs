//! Whatever comes in: no panic, and every plan that comes out holds the invariants.

use clawbox_containers::{
    ContainerSecurityConfig,
    engine::ImageFacts,
    policy::{Placement, SecurityPolicy},
};
use clawbox_types::*;
use proptest::{collection::vec, option, prelude::*};
use std::collections::BTreeMap;

fn numbers() -> impl Strategy<Value = u64> {
    prop_oneof![
        0_u64..20,
        100_u64..2000,
        1_u64 << 19..1_u64 << 21,
        any::<u64>()
    ]
}

fn words() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{1,6}",
        "/[a-z./]{0,10}(:size=[0-9]{1,9}[kmg]?)?",
        Just("alpine".to_owned()),
        Just("ghcr.io/n0xmare/".to_owned()),
        any::<String>(),
    ]
}

prop_compose! {
    fn configs()(
        user in prop_oneof![Just("1000:1000".to_owned()), "[0-9]{1,3}:[0-9]{1,3}", any::<String>()],
        allowed in vec(words(), 0..3),
        n in vec(numbers(), 8),
        tmpfs in option::of(vec(words(), 0..3)),
        plain in any::<bool>(),
    ) -> ContainerSecurityConfig {
        let mut config = ContainerSecurityConfig::default();
        if !plain {
            config.user = user;
            config.allowed_images.extend(allowed);
            config.pids = n[0];
            config.max_memory_mb = n[1];
            config.cpu_millis = n[2];
            config.max_cpu_shares = n[3];
            config.max_timeout_ms = n[4];
            config.max_output_bytes = n[5];
            config.open_files = n[6];
            config.max_file_bytes = n[7];
        }
        if let Some(tmpfs) = tmpfs {
            config.tmpfs = tmpfs;
        }
        config
    }
}

prop_compose! {
    fn requests()(
        image in option::of(words()),
        env in proptest::collection::btree_map("[A-Za-z_=]{0,6}|LD_[A-Z]{1,4}|[a-z]{1,3}_proxy", any::<String>(), 0..4),
        command in option::of(vec(any::<String>(), 0..3)),
        args in option::of(vec(any::<String>(), 0..2)),
        dir in option::of(words()),
        socket in option::of(words()),
        n in vec(numbers(), 4),
        usual in any::<bool>(),
    ) -> ContainerSpawnRequest {
        let limits = if usual {
            ResourceLimits::default()
        } else {
            ResourceLimits::new(n[0], n[1]).with_cpu_shares(n[2]).with_pids(n[3])
        };
        let mut request = ContainerSpawnRequest::new("task", Capabilities::default().with_resources(limits));
        request.image = image;
        request.env = env;
        request.command = command;
        request.args = args;
        request.working_dir = dir;
        request.proxy_socket = socket.map(Into::into);
        request
    }
}

prop_compose! {
    fn images()(
        entrypoint in vec(any::<String>(), 0..2),
        command in vec("[a-z]{1,4}", 0..2),
        env in vec(prop_oneof!["[A-Z_]{1,6}=[a-z]{0,3}", any::<String>()], 0..3),
        working_dir in prop_oneof![Just(String::new()), words()],
        volumes in vec(words(), 0..3),
    ) -> ImageFacts {
        ImageFacts { id: "sha256:1".to_owned(), entrypoint, command, env, working_dir, volumes }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]
    #[test]
    fn every_plan_holds_the_invariants(config in configs(), request in requests(), image in images()) {
        let Ok(policy) = SecurityPolicy::new(&config) else { return Ok(()) };
        let Ok(admission) = policy.admit(&request) else { return Ok(()) };
        prop_assert!(request.check().is_ok());
        prop_assert!(policy.is_allowed_image(admission.image()));
        let placement = Placement {
            identity: ContainerIdentity::new(ContainerId::generate(), ProxyToken::from_bytes([1; 32])),
            labels: BTreeMap::new(),
            proxy_dir: None,
        };
        let Ok(plan) = admission.compile(&image, placement) else { return Ok(()) };
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
