//! A dockerd of our own: its own data, socket, containerd, mounts and control group.
//!
//! It runs in a private mount namespace. So it finds no containerd of the host to share, whatever
//! it mounts is seen by nobody else, and the kernel takes those mounts away with its last process.

use std::fs::{self, DirBuilder, File};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::leftovers;
use super::packages::{self, DOCKERD};
use super::processes::{Mark, wait_until};
use crate::consent::Consent;
use crate::http::Endpoint;
use crate::workspace;

/// Hides the host's containerd, then becomes dockerd.
const START: &str = "mkdir -p /run/containerd \
    && mount -t tmpfs -o mode=0711 clawbox /run/containerd \
    && exec dockerd --config-file \"$1\"";

/// What the daemon makes outside our folders when it is not there.
const ON_HOST: [&str; 6] = [
    "/etc/docker",
    "/etc/docker/key.json",
    "/run/containerd",
    "/opt/containerd",
    "/opt/containerd/bin",
    "/opt/containerd/lib",
];

/// The private daemon of this workspace, running or not.
#[derive(Debug)]
pub(crate) struct Daemon {
    /// Socket, settings and run-time state; short, as a socket's path holds 107 bytes.
    run: PathBuf,
    /// Images and containers, and the log.
    data: PathBuf,
    /// Where `data` and its like stand.
    engines: PathBuf,
    mark: Mark,
}

impl Daemon {
    pub(crate) fn of_workspace() -> Result<Self> {
        let root = workspace::root()?;
        let hash = Sha256::digest(root.as_os_str().as_encoded_bytes());
        let id: String = hash[..4].iter().map(|byte| format!("{byte:02x}")).collect();
        let name = format!("clawbox-engine-{id}");
        let run = format!("/run/{name}");
        let engines = root.join("target/engines");
        Ok(Self {
            data: engines.join("docker"),
            engines,
            mark: Mark {
                folder: run.clone(),
                cgroup: name,
            },
            run: run.into(),
        })
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        Endpoint::new(self.run.join("docker.sock"))
    }

    pub(crate) fn answers(&self) -> bool {
        self.endpoint().ping().is_ok()
    }

    /// The daemon's process id, while it lives.
    pub(crate) fn pid(&self) -> Result<Option<String>> {
        Ok(self.mark.daemon()?.map(|pid| pid.to_string()))
    }

    fn log(&self) -> PathBuf {
        self.data.join("dockerd.log")
    }

    /// Starts the daemon unless it answers already; true when it was this call that started it.
    pub(crate) fn up(&self, consent: Consent) -> Result<bool> {
        let _lock = workspace::lock()?;
        if self.answers() {
            return Ok(false);
        }
        if !rustix::process::geteuid().is_root() {
            bail!("dockerd needs root: run this as root");
        }
        packages::ensure(&DOCKERD, consent)?;
        // What a killed daemon left behind would hinder a new one.
        self.mark.end_all()?;
        self.prepare()?;
        let mut child = self.start()?;
        let mut ended = None;
        let limit = Duration::from_secs(60);
        wait_until(limit, || {
            ended = child.try_wait().context("watch dockerd")?;
            Ok(ended.is_some() || self.answers())
        })?;
        if ended.is_none() && self.answers() {
            return Ok(true);
        }
        let what = match ended {
            Some(status) => format!("dockerd ended with {status}"),
            None => format!("dockerd does not answer after {} s", limit.as_secs()),
        };
        let tail = tail(&self.log());
        self.clear()?;
        bail!("{what}; the end of its log:\n{tail}");
    }

    /// Stops the daemon and removes all that was its own; false when there was nothing.
    pub(crate) fn down(&self) -> Result<bool> {
        let _lock = workspace::lock()?;
        let there = self.run.exists() || self.data.exists() || !self.mark.processes()?.is_empty();
        if there {
            if !rustix::process::geteuid().is_root() {
                bail!("the engine is root's: run this as root");
            }
            self.clear()?;
        }
        Ok(there)
    }

    fn prepare(&self) -> Result<()> {
        fs::create_dir_all(&self.data)
            .with_context(|| format!("create {}", self.data.display()))?;
        match DirBuilder::new().mode(0o700).create(&self.run) {
            Ok(()) => leftovers::remember(&self.absent(), &ON_HOST)?,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => {
                return Err(error).with_context(|| format!("create {}", self.run.display()));
            }
        }
        // A file of our own keeps the host's /etc/docker out of it.
        let settings = json!({
            "data-root": self.data.join("data"),
            "exec-root": self.exec_root(),
            "hosts": [self.endpoint().to_string()],
            "pidfile": self.pidfile(),
            // One named group for all containers, also under systemd: they are found by it.
            "cgroup-parent": format!("/{}", self.mark.cgroup),
            "exec-opts": ["native.cgroupdriver=cgroupfs"],
            // No network: the host's links, firewall and forwarding stay as they are.
            "bridge": "none",
            "iptables": false,
            "ip6tables": false,
            "ip-forward": false,
        });
        fs::write(self.settings(), settings.to_string())
            .with_context(|| format!("write {}", self.settings().display()))?;
        // Old pid files make dockerd believe that it, or its containerd, still runs.
        leftovers::remove_file(&self.pidfile())?;
        leftovers::remove_tree(&self.exec_root())
    }

    fn settings(&self) -> PathBuf {
        self.run.join("dockerd.json")
    }

    fn pidfile(&self) -> PathBuf {
        self.run.join("dockerd.pid")
    }

    fn exec_root(&self) -> PathBuf {
        self.run.join("exec")
    }

    /// The list of what to take away again.
    fn absent(&self) -> PathBuf {
        self.run.join("absent")
    }

    /// Starts the daemon in a session of its own, so that it outlives us and our terminal.
    fn start(&self) -> Result<Child> {
        let log =
            File::create(self.log()).with_context(|| format!("create {}", self.log().display()))?;
        Command::new("setsid")
            // `slave`: mounts the host makes later are seen, ours never get out.
            .args(["unshare", "--mount", "--propagation", "slave"])
            .args(["sh", "-c", START, "sh"])
            .arg(self.settings())
            .current_dir("/")
            .env("PATH", packages::search_path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().context("share the log")?)
            .stderr(log)
            .spawn()
            .context("start setsid (package util-linux)")
    }

    fn clear(&self) -> Result<()> {
        self.mark.end_all()?;
        leftovers::remove_cgroups(&self.mark.cgroup)?;
        leftovers::remove_remembered(&self.absent());
        leftovers::remove_tree(&self.run)?;
        leftovers::remove_tree(&self.data)?;
        // Stays where another engine's state stands beside it.
        let _ = fs::remove_dir(&self.engines);
        Ok(())
    }
}

fn tail(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}
