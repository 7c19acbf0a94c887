//! A dockerd of our own: its own data, socket, containerd, mounts and control group.
//!
//! It runs in a private mount namespace. So it finds no containerd of the host to share, whatever
//! it mounts is seen by nobody else, and the kernel takes those mounts away with its last process.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::json;

use super::service::Service;
use super::{leftovers, packages};

/// Hides the host's containerd, then becomes dockerd.
const START: &str = "mkdir -p /run/containerd \
    && mount -t tmpfs -o mode=0711 clawbox /run/containerd \
    && exec dockerd --config-file \"$1\"";

/// What the daemon makes outside our folders when it is not there.
pub(super) const ON_HOST: [&str; 6] = [
    "/etc/docker",
    "/etc/docker/key.json",
    "/run/containerd",
    "/opt/containerd",
    "/opt/containerd/bin",
    "/opt/containerd/lib",
];

pub(super) fn socket(run: &Path) -> PathBuf {
    run.join("docker.sock")
}

/// What tells the daemon from other processes.
pub(super) fn service(run: &Path) -> (&'static str, String) {
    ("dockerd", settings(run).display().to_string())
}

fn settings(run: &Path) -> PathBuf {
    run.join("dockerd.json")
}

/// Writes the daemon's settings; what comes back starts it.
pub(super) fn prepare(service: &Service) -> Result<Command> {
    let Service { run, data, .. } = service;
    let (settings, pidfile, exec_root) = (settings(run), run.join("dockerd.pid"), run.join("exec"));
    // A file of our own keeps the host's /etc/docker out of it.
    let text = json!({
        "data-root": data.join("data"),
        "exec-root": exec_root,
        "hosts": [service.endpoint().to_string()],
        "pidfile": pidfile,
        // One named group for all containers, also under systemd: they are found by it.
        "cgroup-parent": format!("/{}", service.mark.cgroup),
        "exec-opts": ["native.cgroupdriver=cgroupfs"],
        // No network: the host's links, firewall and forwarding stay as they are.
        "bridge": "none",
        "iptables": false,
        "ip6tables": false,
        "ip-forward": false,
    });
    fs::write(&settings, text.to_string())
        .with_context(|| format!("write {}", settings.display()))?;
    // Old pid files make dockerd believe that it, or its containerd, still runs.
    leftovers::remove_file(&pidfile)?;
    leftovers::remove_tree(&exec_root)?;
    let mut command = service.command()?;
    command.args(["sh", "-c", START, "sh"]).arg(settings);
    Ok(command)
}

/// Starts it again in its old mounts, where its containers' are, with all that it has left.
pub(super) fn again(service: &Service, command: &mut Command) -> Result<()> {
    // The kernel ends its containerd with it. Nobody may have waited for either, and then their numbers look alive.
    leftovers::remove_file(&service.run.join("dockerd.pid"))?;
    leftovers::remove_file(&service.run.join("exec/containerd/containerd.pid"))?;
    command.env("PATH", packages::search_path());
    command.args(["dockerd", "--config-file"]);
    command.arg(settings(&service.run));
    Ok(())
}
