//! A container engine of this workspace's own: its service, what it keeps, and nothing that outlives `down`.

use std::fs::{self, DirBuilder, File};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use sha2::{Digest as _, Sha256};

use super::processes::{Mark, wait_until};
use super::release::Release;
use super::{Kind, dockerd, leftovers, packages, podman};
use crate::consent::Consent;
use crate::http::Endpoint;
use crate::workspace;

/// A private engine, running or not.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) kind: Kind,
    /// Whose packages it is made of.
    pub(crate) release: Release,
    /// Socket, settings, log and run-time state; short, as a socket's path holds 107 bytes.
    pub(super) run: PathBuf,
    /// Images and containers.
    pub(super) data: PathBuf,
    /// Where `data` and its like stand, if it is a folder of ours.
    engines: PathBuf,
    pub(super) mark: Mark,
    /// Whether `data` is a small disk, once it is started.
    pub(super) small_disk: bool,
}

impl Service {
    /// The one of the host's own packages.
    pub(crate) fn of_workspace(kind: Kind) -> Result<Self> {
        Self::of_release(kind, Release::Host)
    }

    pub(crate) fn of_release(kind: Kind, release: Release) -> Result<Self> {
        let root = workspace::root()?;
        let name = folder_name(&root, kind, release);
        let run = match kind {
            Kind::PodmanRootless => podman::runtime_folder().join(&name),
            _ => Path::new("/run").join(&name),
        };
        let engines = root.join("target/engines");
        let data = match kind {
            // Its user may not be let into the workspace.
            Kind::PodmanRootless if is_root() => Path::new("/var/lib").join(&name),
            other => engines.join(release.name_of(other)),
        };
        let service = match kind {
            Kind::Docker => dockerd::service(&run),
            _ => podman::service(&run),
        };
        let folders = [&run, &data].map(|folder| folder.display().to_string());
        Ok(Self {
            kind,
            release,
            mark: Mark {
                folders: folders.into(),
                cgroup: name,
                service,
                asked_to_end: kind == Kind::Docker,
            },
            run,
            data,
            engines,
            small_disk: false,
        })
    }

    /// Those of every kind and release.
    pub(crate) fn all() -> Result<Vec<Self>> {
        let of = |kind| Release::ALL.map(|release| Self::of_release(kind, release));
        Kind::ALL.into_iter().flat_map(of).collect()
    }

    /// The engine's name, and the release's where that is not the host's.
    pub(crate) fn name(&self) -> String {
        self.release.name_of(self.kind)
    }

    pub(crate) fn endpoint(&self) -> Endpoint {
        Endpoint::new(match self.kind {
            Kind::Docker => dockerd::socket(&self.run),
            _ => podman::socket(&self.run),
        })
    }

    pub(crate) fn answers(&self) -> bool {
        self.endpoint().ping().is_ok()
    }

    /// The service's process id, while it lives.
    pub(crate) fn pid(&self) -> Result<Option<String>> {
        Ok(self.mark.service()?.map(|pid| pid.to_string()))
    }

    /// Whether it runs, or something of it is left.
    pub(super) fn is_there(&self) -> bool {
        self.run.exists()
    }

    pub(super) fn log(&self) -> PathBuf {
        self.run.join("log")
    }

    /// Starts the service unless it answers already; true when it was this call that started it.
    pub(crate) fn up(&self, consent: Consent) -> Result<bool> {
        let _lock = workspace::lock()?;
        if self.answers() {
            return Ok(false);
        }
        if self.kind != Kind::PodmanRootless && !is_root() {
            bail!("it needs root: run this as root");
        }
        self.have_programs(consent)?;
        // What a killed service left behind would hinder a new one.
        self.mark.end_all()?;
        let mut command = match self.kind {
            Kind::Docker => {
                self.make_folders(&dockerd::ON_HOST.map(PathBuf::from))?;
                dockerd::prepare(self)?
            }
            Kind::PodmanRootful => {
                self.make_folders(&podman::on_host())?;
                podman::prepare_rootful(self)?
            }
            Kind::PodmanRootless => podman::prepare_rootless(self, consent)?,
        };
        self.start(&mut command)
    }

    fn have_programs(&self, consent: Consent) -> Result<()> {
        let programs: &[_] = match (self.release, self.kind) {
            (Release::Host, Kind::Docker) => &packages::DOCKERD,
            (Release::Host, Kind::PodmanRootful) => &packages::PODMAN,
            (Release::Host, Kind::PodmanRootless) => &packages::PODMAN_ROOTLESS,
            (release, _) => return release.ensure(consent),
        };
        packages::ensure(programs, consent)
    }

    /// A command that is in private mounts, and in the release; its first program is the caller's to add.
    pub(super) fn command(&self) -> Result<Command> {
        let folders = [&workspace::root()?, &self.run, &self.data];
        let mut command = self.release.command(&folders.map(|it| it.as_path()))?;
        if self.small_disk {
            self.mount_disk(&mut command)?;
        }
        Ok(command)
    }

    /// Makes the engine's folders, and notes what is not there of that which the engine makes elsewhere.
    pub(super) fn make_folders(&self, on_host: &[PathBuf]) -> Result<()> {
        fs::create_dir_all(&self.data)
            .with_context(|| format!("create {}", self.data.display()))?;
        match DirBuilder::new().mode(0o700).create(&self.run) {
            Ok(()) => leftovers::remember(&self.absent(), on_host),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(error).with_context(|| format!("create {}", self.run.display())),
        }
    }

    /// Starts it in a session of its own, so that it outlives us and our terminal, and waits for its answer.
    fn start(&self, command: &mut Command) -> Result<bool> {
        let log =
            File::create(self.log()).with_context(|| format!("create {}", self.log().display()))?;
        let mut child = command
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(log.try_clone().context("share the log")?)
            .stderr(log)
            .spawn()
            .context("start setsid (package util-linux)")?;
        let mut ended = None;
        let limit = Duration::from_secs(60);
        wait_until(limit, || {
            ended = child.try_wait().context("watch the service")?;
            Ok(ended.is_some() || self.answers())
        })?;
        if ended.is_none() && self.answers() {
            return Ok(true);
        }
        let name = self.name();
        let what = match ended {
            Some(status) => format!("{name} ended with {status}"),
            None => format!("{name} does not answer after {} s", limit.as_secs()),
        };
        let tail = tail(&self.log());
        self.clear()?;
        bail!("{what}; the end of its log:\n{tail}");
    }

    /// The end of its log.
    pub(super) fn last_words(&self) -> String {
        tail(&self.log())
    }

    /// Stops the service and removes all that was its own; false when there was nothing.
    pub(crate) fn down(&self) -> Result<bool> {
        let _lock = workspace::lock()?;
        let there = self.run.exists()
            || self.data.exists()
            || !self.mark.processes()?.is_empty()
            || self.release.is_left()?;
        if there {
            if self.kind != Kind::PodmanRootless && !is_root() {
                bail!("it is root's: run this as root");
            }
            self.clear()?;
        }
        Ok(there)
    }

    /// The list of what to take away again.
    fn absent(&self) -> PathBuf {
        self.run.join("absent")
    }

    fn clear(&self) -> Result<()> {
        self.mark.end_all()?;
        match self.kind {
            Kind::Docker => leftovers::remove_cgroups(&self.mark.cgroup)?,
            Kind::PodmanRootful => podman::remove_cgroups(self)?,
            Kind::PodmanRootless if is_root() => {}
            Kind::PodmanRootless => podman::remove_own(self)?,
        }
        leftovers::remove_remembered(&self.absent());
        leftovers::remove_tree(&self.run)?;
        leftovers::remove_tree(&self.data)?;
        if self.release.is_left()? {
            self.release.remove()?;
        }
        // Stays where another engine's state stands beside it.
        let _ = fs::remove_dir(&self.engines);
        Ok(())
    }
}

/// What the engine's folders outside the workspace are called. As long for each release: what stands below them in
/// tests is near the limit of a socket's path.
fn folder_name(root: &Path, kind: Kind, release: Release) -> String {
    let mut hash = Sha256::new();
    hash.update(root.as_os_str().as_encoded_bytes());
    if let Some(codename) = release.codename() {
        // No path has a NUL in it, so that no other workspace's is the same.
        hash.update(format!("\0{codename}"));
    }
    let id = hash.finalize();
    let id: String = id[..4].iter().map(|byte| format!("{byte:02x}")).collect();
    let kind = match kind {
        Kind::Docker => "engine",
        Kind::PodmanRootless => "rootless",
        Kind::PodmanRootful => "rootful",
    };
    format!("clawbox-{kind}-{id}")
}

pub(super) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn tail(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_engines_share_a_folder_and_no_release_has_a_longer_one() {
        let mut names = Vec::new();
        for root in ["/w", "/wtrixie"].map(Path::new) {
            for kind in Kind::ALL {
                let of_host = folder_name(root, kind, Release::Host);
                for release in Release::ALL {
                    let name = folder_name(root, kind, release);
                    assert_eq!(name.len(), of_host.len(), "{name}");
                    names.push(name);
                }
            }
        }
        let all = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), all, "{names:?}");
    }
}
