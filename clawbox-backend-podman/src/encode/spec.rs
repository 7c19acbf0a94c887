//! The body of `POST /libpod/containers/create`: those fields of libpod's `SpecGenerator` that are ours to set.
//!
//! Source: `pkg/specgen/specgen.go` of Podman 4.3 and 5.4. A field that the service does not know is left out by it
//! in silence, so whatever matters is read back, at gate 1 or by process 1.

use serde::Serialize;
use std::collections::BTreeMap;

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Spec {
    pub(super) name: String,
    pub(super) image: String,
    pub(super) entrypoint: Vec<String>,
    pub(super) command: Vec<String>,
    pub(super) work_dir: String,
    pub(super) user: String,
    pub(super) groups: Vec<String>,
    pub(super) userns: Namespace,
    pub(super) read_only_filesystem: bool,
    pub(super) read_write_tmpfs: bool,
    pub(super) cap_add: Vec<String>,
    pub(super) cap_drop: Vec<String>,
    pub(super) no_new_privileges: bool,
    pub(super) privileged: bool,
    /// A file on the service's host.
    pub(crate) seccomp_profile_path: String,
    pub(super) umask: &'static str,
    pub(super) netns: Namespace,
    pub(super) pidns: Namespace,
    pub(super) utsns: Namespace,
    pub(super) cgroupns: Namespace,
    pub(super) ipcns: Namespace,
    pub(super) cgroups_mode: &'static str,
    pub(super) resource_limits: Resources,
    pub(super) r_limits: Vec<ResourceLimit>,
    pub(super) oom_score_adj: i64,
    pub(super) mounts: Vec<Mount>,
    pub(super) volumes: [(); 0],
    pub(super) image_volume_mode: &'static str,
    pub(super) devices: [(); 0],
    pub(super) mask: Vec<String>,
    pub(super) unmask: [(); 0],
    pub(super) sysctl: BTreeMap<String, String>,
    pub(super) portmappings: [(); 0],
    pub(super) publish_image_ports: bool,
    pub(super) hostname: String,
    pub(super) use_image_hosts: bool,
    pub(super) use_image_resolve_conf: bool,
    pub(super) manage_password: bool,
    pub(super) env: BTreeMap<String, String>,
    pub(super) unsetenvall: bool,
    pub(super) env_host: bool,
    pub(super) httpproxy: bool,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) stop_signal: u8,
    pub(super) healthconfig: HealthCheck,
    pub(super) restart_policy: &'static str,
    pub(super) remove: bool,
    pub(super) terminal: bool,
    pub(super) stdin: bool,
    pub(super) init: bool,
    pub(super) systemd: &'static str,
    #[serde(rename = "sdnotifyMode")]
    pub(super) sdnotify_mode: &'static str,
    pub(super) log_configuration: LogConfiguration,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Namespace {
    nsmode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<String>,
}

impl Namespace {
    pub(super) const fn new(nsmode: &'static str) -> Self {
        Self {
            nsmode,
            value: None,
        }
    }

    /// Rootless Podman's own user as this one of the container's.
    pub(super) fn keep_id(uid: &str, gid: &str) -> Self {
        Self {
            nsmode: "keep-id",
            value: Some(format!("uid={uid},gid={gid}")),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Resources {
    pub(super) memory: Memory,
    pub(super) pids: Pids,
    pub(super) cpu: Cpu,
}

/// In bytes; `swap` is memory and swap together.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Memory {
    pub(super) limit: i64,
    pub(super) swap: i64,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Pids {
    pub(super) limit: i64,
}

/// Quota and period in microseconds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Cpu {
    pub(super) quota: i64,
    pub(super) period: u64,
    pub(super) shares: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct ResourceLimit {
    /// In lower case, without `RLIMIT_`.
    #[serde(rename = "type")]
    kind: String,
    soft: u64,
    hard: u64,
}

impl ResourceLimit {
    pub(super) fn new(kind: &str, soft: u64, hard: u64) -> Self {
        let kind = kind.to_owned();
        Self { kind, soft, hard }
    }
}

/// A mount of the OCI runtime specification's, which crun or runc makes as it is said.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Mount {
    pub(super) destination: String,
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) source: String,
    pub(super) options: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct HealthCheck {
    #[serde(rename = "Test")]
    pub(super) test: [&'static str; 1],
}

/// `size` is in bytes, of the one file that there is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct LogConfiguration {
    pub(super) driver: &'static str,
    pub(super) size: i64,
}
