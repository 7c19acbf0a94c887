//! The processes of our own engine: found by what they are, signalled without mistaking another.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// The variable that gives Podman's programs their configuration; each hands it on to those that it starts.
pub(super) const PODMAN_CONFIG: &str = "CONTAINERS_CONF";

/// What tells an engine's processes from all others.
#[derive(Clone, Debug)]
pub(crate) struct Mark {
    /// The folders that are the engine's alone.
    pub(crate) folders: Vec<String>,
    /// The control group that holds the containers, where the engine lets us name it.
    pub(crate) cgroup: String,
    /// The service's program, and an argument that it alone was given.
    pub(crate) service: (&'static str, String),
    /// Whether the service has to put away things of its own at its end.
    pub(crate) asked_to_end: bool,
}

impl Mark {
    /// Every process of the engine and of its containers.
    pub(crate) fn processes(&self) -> Result<Vec<Pid>> {
        self.select(|pid| self.owns(pid))
    }

    /// The service itself.
    pub(crate) fn service(&self) -> Result<Option<Pid>> {
        Ok(self.services()?.first().copied())
    }

    /// The service and what it has become: rootless Podman runs in a child of its first process.
    pub(crate) fn services(&self) -> Result<Vec<Pid>> {
        let (program, argument) = &self.service;
        let mut found = self.select(|pid| is_service(&cmdline(pid), program, argument))?;
        found.sort_by_key(|pid| Pid::as_raw(Some(*pid)));
        Ok(found)
    }

    /// What runs inside the engine's containers.
    pub(crate) fn contained(&self) -> Result<Vec<Pid>> {
        self.select(|pid| self.contains(pid))
    }

    fn select(&self, wanted: impl Fn(Pid) -> bool) -> Result<Vec<Pid>> {
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc").context("read /proc")? {
            let name = entry.context("read /proc")?.file_name();
            let number = name.to_str().and_then(|name| name.parse().ok());
            if let Some(pid) = number.and_then(Pid::from_raw).filter(|&pid| wanted(pid)) {
                found.push(pid);
            }
        }
        Ok(found)
    }

    fn owns(&self, pid: Pid) -> bool {
        let below = |path: &str| self.folders.iter().any(|folder| below(path, folder));
        is_program_of(&cmdline(pid), below)
            || self.contains(pid)
            || is_configured_by(&read(pid, "environ"), below)
            // Without a control group of its own, a container is known by its root file system.
            || stands_on(&read(pid, "mountinfo"), below)
    }

    fn contains(&self, pid: Pid) -> bool {
        in_cgroup(&read(pid, "cgroup"), &self.cgroup) && !is_zombie(pid)
    }

    /// Signals a process that still is ours; one that has gone is fine.
    pub(crate) fn signal(&self, pid: Pid, signal: Signal) -> Result<()> {
        let sent = pidfd_open(pid, PidfdFlags::empty()).and_then(|process| {
            // Looked at again with the process held: its number cannot pass to another now.
            match self.owns(pid) {
                true => pidfd_send_signal(process, signal),
                false => Ok(()),
            }
        });
        match sent {
            Ok(()) | Err(Errno::SRCH) => Ok(()),
            Err(error) => Err(error).with_context(|| format!("signal process {pid:?}")),
        }
    }

    /// Ends everything: the service is asked first, where it has to be, and what stays is killed.
    pub(crate) fn end_all(&self) -> Result<()> {
        // Without containers left to wait for, the service ends at once.
        for pid in self.contained()? {
            self.signal(pid, Signal::KILL)?;
        }
        if self.asked_to_end
            && let Some(service) = self.service()?
        {
            self.signal(service, Signal::TERM)?;
            wait_until(Duration::from_secs(20), || Ok(self.service()?.is_none()))?;
        }
        let gone = wait_until(Duration::from_secs(20), || {
            let left = self.processes()?;
            for &pid in &left {
                self.signal(pid, Signal::KILL)?;
            }
            Ok(left.is_empty())
        })?;
        if !gone {
            bail!("these processes do not end: {:?}", self.processes()?);
        }
        Ok(())
    }
}

/// Asks again and again until it is so; false when the time is over.
pub(crate) fn wait_until(limit: Duration, mut so: impl FnMut() -> Result<bool>) -> Result<bool> {
    let end = Instant::now() + limit;
    loop {
        if so()? {
            return Ok(true);
        }
        if Instant::now() >= end {
            return Ok(false);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A file of a process; empty for one that has ended meanwhile.
fn read(pid: Pid, file: &str) -> String {
    let bytes = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A process' arguments, each ended by a NUL; empty for a zombie.
fn cmdline(pid: Pid) -> String {
    read(pid, "cmdline")
}

/// A process that has ended and waits for its parent to notice has no program any more.
fn is_zombie(pid: Pid) -> bool {
    fs::read_link(format!("/proc/{pid}/exe")).is_err()
}

/// Whether a command line is that of an engine's program, with one of the paths in its arguments.
///
/// A client that was only given the engine's address is none of them.
fn is_program_of(cmdline: &str, ours: impl Fn(&str) -> bool) -> bool {
    let mut args = cmdline.split('\0');
    let program = args.next().map(file_name).unwrap_or_default();
    let engine = matches!(
        program,
        "dockerd" | "containerd" | "runc" | "podman" | "conmon" | "crun"
    ) || program.starts_with("containerd-shim");
    engine && args.any(ours)
}

fn is_service(cmdline: &str, program: &str, argument: &str) -> bool {
    let mut args = cmdline.split('\0');
    args.next().map(file_name) == Some(program) && args.any(|arg| arg == argument)
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Whether a `/proc/PID/environ` has one of the paths for Podman's configuration.
fn is_configured_by(environ: &str, ours: impl Fn(&str) -> bool) -> bool {
    environ
        .split('\0')
        .filter_map(|variable| variable.split_once('='))
        .any(|(name, value)| name == PODMAN_CONFIG && ours(value))
}

/// Whether the root of a `/proc/PID/mountinfo` is made of one of the paths: mounted from it, or an overlay over it.
///
/// Of the root alone: what is mounted elsewhere may be there for every process of the host.
fn stands_on(mountinfo: &str, ours: impl Fn(&str) -> bool) -> bool {
    mountinfo
        .lines()
        .filter(|line| line.split(' ').nth(4) == Some("/"))
        .flat_map(|root| root.split([' ', ',', '=']))
        .any(|word| ours(&word.replace("\\040", " ")))
}

fn below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder)
        .is_some_and(|rest| rest.starts_with('/'))
}

/// Whether a `/proc/PID/cgroup` names the group or one below it.
fn in_cgroup(groups: &str, group: &str) -> bool {
    groups
        .lines()
        .filter_map(|line| line.splitn(3, ':').nth(2))
        .any(|path| path.split('/').any(|part| part == group))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours(path: &str) -> bool {
        below(path, "/run/e")
    }

    #[test]
    fn only_engine_programs_with_our_folder_are_ours() {
        let check = |cmdline: &str, expected: bool| {
            assert_eq!(is_program_of(cmdline, ours), expected, "{cmdline:?}");
        };
        check("dockerd\0--config-file\0/run/e/dockerd.json\0", true);
        check(
            "/usr/bin/containerd-shim-runc-v2\0-address\0/run/e/s\0",
            true,
        );
        check("runc\0--root\0/run/e/exec\0", true);
        check("/usr/bin/conmon\0-b\0/run/e/0123\0", true);
        check("dockerd\0--config-file\0/run/e2/dockerd.json\0", false);
        check("dockerd\0", false);
        check("vim\0/run/e/dockerd.json\0", false);
        check("docker\0-H\0unix:///run/e/docker.sock\0", false);
        check("", false);
    }

    #[test]
    fn a_service_is_its_program_with_its_own_argument() {
        let check = |cmdline: &str, expected: bool| {
            let found = is_service(cmdline, "podman", "unix:///run/e/s");
            assert_eq!(found, expected, "{cmdline:?}");
        };
        check("/usr/bin/podman\0system\0service\0unix:///run/e/s\0", true);
        check("podman\0system\0service\0unix:///run/e/s2\0", false);
        check("podman\0container\0cleanup\0", false);
        check("curl\0unix:///run/e/s\0", false);
    }

    #[test]
    fn podmans_programs_are_known_by_their_configuration() {
        let check = |environ: &str, expected: bool| {
            assert_eq!(is_configured_by(environ, ours), expected, "{environ:?}");
        };
        check("A=b\0CONTAINERS_CONF=/run/e/containers.conf\0", true);
        check("CONTAINERS_CONF=/run/e2/containers.conf\0", false);
        check("OTHER=/run/e/containers.conf\0", false);
        check("", false);
    }

    #[test]
    fn containers_are_known_by_their_root() {
        let check = |mountinfo: &str, expected: bool| {
            assert_eq!(stands_on(mountinfo, ours), expected, "{mountinfo:?}");
        };
        check(
            "1 2 0:4 / / rw - overlay overlay rw,lowerdir=/l,upperdir=/run/e/0/diff,uuid=on\n",
            true,
        );
        check("1 2 8:1 /run/e/vfs/0 / rw - ext4 /dev/vda rw\n", true);
        check(
            "1 2 0:4 / / rw - overlay overlay rw,upperdir=/run/e2/0/diff\n",
            false,
        );
        let host = "1 2 8:1 / / rw - ext4 /dev/vda rw\n\
            2 1 8:1 /run/e/s /run/e/s rw - ext4 /dev/vda rw\n\
            3 1 0:4 / /run/e/m rw - overlay overlay rw,upperdir=/run/e/0/diff\n";
        check(host, false);
        check("", false);
    }

    #[test]
    fn containers_are_known_by_their_control_group() {
        let check = |groups: &str, expected: bool| {
            assert_eq!(in_cgroup(groups, "e"), expected, "{groups:?}");
        };
        check("4:memory:/e/0123\n0::/\n", true);
        check("0::/e/0123\n", true);
        check("0::/e\n", true);
        check("0::/e2/0123\n", false);
        check("4:memory:/docker/outer/e/0123\n", true);
        check("4:name=e:/\n", false);
        check("", false);
    }
}
