//! Programs that end with us, however we end, and in time.

use std::process::{Child, Command, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::engines::packages::search_path;

/// A command that the kernel kills when our own process is gone.
///
/// Start it from the main thread: it is that thread's end which counts.
pub(crate) fn command(program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command
        .args(["--pdeathsig", "KILL", "--", program])
        .env("PATH", search_path());
    command
}

/// As [`command`], with all that the program starts and mounts: none of it outlives the program.
pub(crate) fn contained(program: &str) -> Command {
    let mut command = command("unshare");
    command
        .args(["--mount", "--pid", "--fork", "--mount-proc"])
        .args(["--kill-child", "--", program]);
    command
}

/// Runs a program to its end, and kills it where it takes longer than it may.
pub(crate) fn run(name: &str, command: &mut Command, limit: Duration) -> Result<()> {
    let mut child = command.spawn().with_context(|| format!("start {name}"))?;
    let Some(status) = wait(&mut child, limit)? else {
        end(&mut child)?;
        bail!("{name} took longer than {} s", limit.as_secs());
    };
    if !status.success() {
        bail!("{name} ended with {status}");
    }
    Ok(())
}

/// Kills it; one that has ended is fine.
pub(crate) fn end(child: &mut Child) -> Result<()> {
    child.kill().context("kill a program")?;
    child.wait().context("wait for a killed program")?;
    Ok(())
}

/// How it ended, unless it still runs after this time.
pub(crate) fn wait(child: &mut Child, limit: Duration) -> Result<Option<ExitStatus>> {
    let until = Instant::now() + limit;
    loop {
        let status = child.try_wait().context("wait for a program")?;
        if status.is_some() || Instant::now() >= until {
            return Ok(status);
        }
        thread::sleep(Duration::from_millis(20));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str) -> Command {
        let mut sh = command("sh");
        sh.args(["-c", script]);
        sh
    }

    #[test]
    fn a_program_has_its_time_and_no_more() {
        let start = Instant::now();
        let error = run("sh", &mut sh("exec sleep 60"), Duration::from_millis(50)).unwrap_err();
        assert_eq!(error.to_string(), "sh took longer than 0 s");
        assert!(start.elapsed() < Duration::from_secs(10), "it was killed");
        run("sh", &mut sh("exit 0"), Duration::from_secs(20)).unwrap();
    }

    #[test]
    fn a_failure_is_told() {
        let error = run("sh", &mut sh("exit 3"), Duration::from_secs(20)).unwrap_err();
        assert_eq!(error.to_string(), "sh ended with exit status: 3");
    }
}
