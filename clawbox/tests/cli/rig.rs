//! Runs the command, apart from the settings of whoever runs the tests.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use std::{
    fs,
    io::{BufRead, BufReader, Read},
    path::PathBuf,
    process::{Child, ChildStdout, Command, Output, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// The image that holds busybox and the probe.
pub(crate) const IMAGE: &str = "ghcr.io/n0xmare/clawbox-fixture:1";

/// One test's engine, and a place of its own for leases and files.
pub(crate) struct Rig {
    engine: Vec<String>,
    dir: TempDir,
}

/// What a finished command left.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) status: i32,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
    pub(crate) took: Duration,
}

impl Rig {
    pub(crate) fn new(backend: &str, host: Option<String>) -> Self {
        let host = host.map(|host| ["--host".to_owned(), host]);
        Self {
            engine: ["--backend".to_owned(), backend.to_owned()]
                .into_iter()
                .chain(host.into_iter().flatten())
                .collect(),
            dir: TempDir::new().expect("a directory"),
        }
    }

    /// A path in this test's own directory.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The endpoint that was given.
    pub(crate) fn host(&self) -> &str {
        self.engine.last().expect("an option")
    }

    /// `clawbox` with these arguments and nothing of the tester's settings.
    pub(crate) fn bare(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_clawbox"));
        command.args(args).stdin(Stdio::null());
        for variable in [
            "CLAWBOX_BACKEND",
            "CLAWBOX_CONFIG",
            "CONTAINER_HOST",
            "DOCKER_HOST",
            "RUST_LOG",
        ] {
            command.env_remove(variable);
        }
        // Where leases are kept.
        command.env("XDG_RUNTIME_DIR", self.dir.path());
        command
    }

    /// `clawbox SUBCOMMAND` on this test's engine.
    pub(crate) fn on_engine(&self, subcommand: &str, args: &[&str]) -> Command {
        let mut command = self.bare(&[subcommand]);
        command.args(&self.engine).args(args);
        command
    }

    /// `clawbox run` of a command in the fixture image.
    pub(crate) fn run(&self, options: &[&str], argv: &[&str]) -> Command {
        let mut command = self.on_engine("run", &["--image", IMAGE, "--pull", "never"]);
        // Without root, a host on control groups v1 limits nothing.
        if self.engine.iter().any(|word| word == "podman") {
            for item in ["pids", "memory", "swap", "cpu", "cpu_shares"] {
                command.args(["--allow-degraded", item]);
            }
        }
        command.args(options).arg("--").args(argv);
        command
    }

    /// The containers that `clawbox ps` knows.
    pub(crate) fn ps(&self) -> Vec<Value> {
        let ended = end(self.on_engine("ps", &["--json"]));
        assert_eq!(ended.status, 0, "{ended:?}");
        serde_json::from_slice(&ended.stdout).expect("a list")
    }

    /// What `clawbox ps` knows of one container.
    pub(crate) fn find(&self, id: &str) -> Option<Value> {
        self.ps()
            .into_iter()
            .find(|container| container["id"] == id)
    }

    /// A report that a run wrote.
    pub(crate) fn report(&self, name: &str) -> Value {
        let text = fs::read(self.path(name)).expect("a report");
        serde_json::from_slice(&text).expect("JSON")
    }
}

/// Runs it to its end.
pub(crate) fn end(mut command: Command) -> Ended {
    let since = Instant::now();
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().expect("clawbox starts");
    Ended {
        status: status.code().expect("no signal ended it"),
        stdout,
        stderr: String::from_utf8(stderr).expect("text"),
        took: since.elapsed(),
    }
}

/// A run that goes on.
pub(crate) struct Live {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Live {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("clawbox starts");
        let stdout = BufReader::new(child.stdout.take().expect("a pipe"));
        Self { child, stdout }
    }

    /// The next line that its command prints.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("a line");
        line.trim_end().to_owned()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok();
        let pid = pid.and_then(Pid::from_raw).expect("a pid");
        kill_process(pid, signal).expect("it lives");
    }

    /// Its exit status, if it ended by itself, and the rest of what it said.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        let mut text = String::new();
        self.stdout.read_to_string(&mut text).expect("text");
        let mut stderr = self.child.stderr.take().expect("a pipe");
        stderr.read_to_string(&mut text).expect("text");
        (self.child.wait().expect("a status").code(), text)
    }
}
