//! The system call filter that the operator chooses, and what comes with it.

use super::*;
use clawbox_containers::{
    aspects::Seccomp,
    plan::PlanSpec,
    seccomp::{SeccompProfile, SeccompProfileName},
};

const MIB: u64 = 1 << 20;

fn under(profile: SeccompProfileName, memory_mb: u64, tmpfs: &[&str]) -> PlanSpec {
    let mut config = ContainerSecurityConfig::new().with_seccomp_profile(profile);
    config.tmpfs = tmpfs.iter().map(|&text| text.to_owned()).collect();
    let request = limited(ResourceLimits::new(1000, memory_mb));
    let plan = plan_with(&config, &request, &image()).expect("a plan");
    plan.spec().clone()
}

#[test]
fn the_filter_is_the_operators_and_strict_by_default() {
    assert_eq!(
        ContainerSecurityConfig::default().seccomp_profile,
        SeccompProfileName::Strict
    );
    for profile in SeccompProfileName::ALL {
        let spec = under(profile, 512, &["/tmp"]);
        let expected = Seccomp::Profile {
            name: profile.as_str().to_owned(),
            json: SeccompProfile::named(profile).to_oci_json(),
        };
        assert_eq!(spec.seccomp, expected);
        let shared = spec.tmpfs.0.contains_key("/dev/shm");
        assert_eq!(shared, profile == SeccompProfileName::Compat, "{profile}");
        assert_eq!(spec.ipc.to_string(), "none", "{profile}");
    }
}

#[test]
fn shared_memory_is_scratch_space_within_half_of_the_memory() {
    for (memory, tmpfs, shm, tmp) in [
        (512, "/tmp", 64, 192),
        (1024, "/tmp", 64, 256),
        (64, "/tmp", 16, 16),
        (64, "/tmp:size=24m", 8, 24),
    ] {
        let spec = under(SeccompProfileName::Compat, memory, &[tmpfs]);
        let sizes = ["/dev/shm", "/tmp"].map(|path| spec.tmpfs.0[path].size_bytes);
        assert_eq!(sizes, [shm * MIB, tmp * MIB], "{memory} {tmpfs}");
    }
    let spec = under(SeccompProfileName::Compat, 512, &[]);
    assert_eq!(
        spec.tmpfs.to_string(),
        "/dev/shm (nodev,noexec,nosuid,rw, 67108864 bytes, 1024 inodes, mode 1777)"
    );
}

#[test]
fn shared_memory_without_room_is_refused() {
    let mut config = ContainerSecurityConfig::new();
    config.seccomp_profile = SeccompProfileName::Compat;
    config.tmpfs = vec!["/tmp:size=256m".to_owned()];
    let full = plan_with(&config, &request(), &image());
    assert_eq!(refused(full), ["security.tmpfs"]);
}

#[test]
fn a_configuration_names_the_profile() {
    let config: ContainerSecurityConfig =
        serde_json::from_str(r#"{"seccomp_profile": "no_memfd"}"#).unwrap();
    assert_eq!(config.seccomp_profile, SeccompProfileName::NoMemfd);
    let unknown = r#"{"seccomp_profile": "unconfined"}"#;
    assert!(serde_json::from_str::<ContainerSecurityConfig>(unknown).is_err());
}
