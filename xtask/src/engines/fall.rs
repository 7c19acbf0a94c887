//! An engine's service that is killed and started again, or stopped for a while, with its containers left alone.

use std::fs::{File, OpenOptions};
use std::os::fd::AsRawFd as _;
use std::process::{self, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal};

use super::processes::wait_until;
use super::service::{Service, is_root};
use super::{Kind, dockerd, podman};

/// What a killed service has left: its mounts, which its containers' processes and its successor need.
#[derive(Debug)]
pub(crate) struct Fallen {
    mounts: File,
}

impl Service {
    /// Ends the service as a crash would: it has no time to put anything away.
    pub(crate) fn kill(&self) -> Result<Fallen> {
        self.end_by(Signal::KILL)
    }

    /// Ends the service as its host does when it is shut down.
    pub(crate) fn leave(&self) -> Result<Fallen> {
        self.end_by(Signal::TERM)
    }

    fn end_by(&self, signal: Signal) -> Result<Fallen> {
        let pids = self.mark.services()?;
        let first = *pids.first().context("it does not run")?;
        let path = format!("/proc/{}/ns/mnt", Pid::as_raw(Some(first)));
        let mounts = File::open(&path).with_context(|| format!("open {path}"))?;
        for pid in pids {
            self.mark.signal(pid, signal)?;
        }
        let ended = || Ok(self.mark.services()?.is_empty());
        // In order, Docker gives its containers fifteen seconds.
        if !wait_until(Duration::from_secs(60), ended)? {
            bail!("{} does not end", self.name());
        }
        Ok(Fallen { mounts })
    }

    /// Starts the service again, among what it has left, and returns when it answers.
    pub(crate) fn rise(&self, fallen: &Fallen) -> Result<()> {
        let mut command = Command::new("setsid");
        if is_root() {
            let (us, fd) = (process::id(), fallen.mounts.as_raw_fd());
            let mounts = format!("--mount=/proc/{us}/fd/{fd}");
            command.args(["nsenter", &mounts]);
        }
        match self.kind {
            Kind::Docker => dockerd::again(self, &mut command)?,
            Kind::PodmanRootless | Kind::PodmanRootful => podman::again(self, &mut command)?,
        }
        let mut log = OpenOptions::new();
        let log = log.append(true).open(self.log()).context("open the log")?;
        let mut child = command
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(log.try_clone().context("share the log")?)
            .stderr(log)
            .spawn()
            .context("start setsid (package util-linux)")?;
        let mut ended = None;
        wait_until(Duration::from_secs(120), || {
            ended = child.try_wait().context("watch the service")?;
            Ok(ended.is_some() || self.answers())
        })?;
        match ended {
            None if self.answers() => Ok(()),
            _ => bail!(
                "{} does not start again: {}",
                self.name(),
                self.last_words()
            ),
        }
    }

    /// Stops the service (`SIGSTOP`), and what it runs in besides.
    pub(crate) fn stop(&self) -> Result<()> {
        self.signal_all(Signal::STOP)
    }

    /// Lets it go on.
    pub(crate) fn resume(&self) -> Result<()> {
        self.signal_all(Signal::CONT)
    }

    fn signal_all(&self, signal: Signal) -> Result<()> {
        for pid in self.mark.services()? {
            self.mark.signal(pid, signal)?;
        }
        Ok(())
    }
}
