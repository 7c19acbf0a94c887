//! The processes of our own engine: found by what they are, signalled without mistaking another.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// What tells an engine's processes from all others.
#[derive(Clone, Debug)]
pub(crate) struct Mark {
    /// A folder that daemon, containerd, shims and runc carry in their arguments.
    pub(crate) folder: String,
    /// The control group that holds the containers.
    pub(crate) cgroup: String,
}

impl Mark {
    /// Every process of the engine and of its containers.
    pub(crate) fn processes(&self) -> Result<Vec<Pid>> {
        self.select(|pid| self.owns(pid))
    }

    /// The daemon itself.
    pub(crate) fn daemon(&self) -> Result<Option<Pid>> {
        let daemons = self.select(|pid| {
            program_with(&cmdline(pid), &self.folder) == Some("dockerd") && !self.contains(pid)
        })?;
        Ok(daemons.first().copied())
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
        program_with(&cmdline(pid), &self.folder).is_some() || self.contains(pid)
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

    /// Ends everything: the daemon is asked first, what stays is killed.
    pub(crate) fn end_all(&self) -> Result<()> {
        // Without containers left to wait for, the daemon ends at once.
        for pid in self.contained()? {
            self.signal(pid, Signal::KILL)?;
        }
        if let Some(daemon) = self.daemon()? {
            self.signal(daemon, Signal::TERM)?;
            wait_until(Duration::from_secs(20), || Ok(self.daemon()?.is_none()))?;
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

/// The engine program that a command line starts with, when it has the folder in its arguments.
///
/// A client that was only given the engine's address is none of them.
fn program_with<'a>(cmdline: &'a str, folder: &str) -> Option<&'a str> {
    let mut args = cmdline.split('\0');
    let program = args.next()?.rsplit('/').next()?;
    let engine = matches!(program, "dockerd" | "containerd" | "runc")
        || program.starts_with("containerd-shim");
    (engine && args.any(|arg| below(arg, folder))).then_some(program)
}

fn below(arg: &str, folder: &str) -> bool {
    arg.strip_prefix(folder)
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

    #[test]
    fn only_engine_programs_with_our_folder_are_ours() {
        let check = |cmdline: &str, expected: Option<&str>| {
            assert_eq!(program_with(cmdline, "/run/e"), expected, "{cmdline:?}");
        };
        check(
            "dockerd\0--config-file\0/run/e/dockerd.json\0",
            Some("dockerd"),
        );
        check(
            "/usr/bin/containerd-shim-runc-v2\0-address\0/run/e/s\0",
            Some("containerd-shim-runc-v2"),
        );
        check("runc\0--root\0/run/e/exec\0", Some("runc"));
        check("dockerd\0--config-file\0/run/e2/dockerd.json\0", None);
        check("dockerd\0", None);
        check("vim\0/run/e/dockerd.json\0", None);
        check("docker\0-H\0unix:///run/e/docker.sock\0", None);
        check("", None);
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
