//! A rootful Podman of a test's own: its storage, its state and its mounts, which all end with it.

use crate::rig::{IMAGE, ask};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio::time::sleep;

/// Takes away the second hierarchy of a hybrid host, with which crun refuses to run, and what is root's; says so, and
/// stays until its input ends. crun is given no folder by a flag, as Podman's clean-up after a container would not have
/// that, and leave its control groups.
const MOUNTS: &str = "set -e
if mountpoint -q /sys/fs/cgroup/unified; then umount /sys/fs/cgroup/unified; fi
for folder in /run/crun /var/lib/containers; do
    if [ -d $folder ]; then mount -t tmpfs clawbox $folder; fi
done
echo ready
exec cat";

/// How long the monitors of containers that were removed by force may take to go.
const MOURNING: Duration = Duration::from_secs(10);

/// Ends with its service; containers that are left are removed by force.
pub(crate) struct Private {
    dir: TempDir,
    /// Holds the mounts while the service is away: its containers' are among them.
    mounts: Child,
    service: Option<Child>,
}

impl Private {
    /// One that answers and has the fixture image, which the Podman at `host` gives.
    pub(crate) async fn start(host: &str) -> Self {
        let dir = TempDir::with_prefix("clawbox-podman-").unwrap();
        configure(dir.path());
        let mut mounts = Command::new("unshare")
            .args(["--mount", "--propagation", "slave", "sh", "-c", MOUNTS])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut ready = String::new();
        let mut said = BufReader::new(mounts.stdout.take().unwrap());
        said.read_line(&mut ready).unwrap();
        assert_eq!(ready, "ready\n");
        let mut private = Self {
            dir,
            mounts,
            service: None,
        };
        private.serve().await;
        let image = ask(host, "GET", &format!("/images/{IMAGE}/get"), b"").await;
        ask(&private.host(), "POST", "/images/load", &image).await;
        private
    }

    pub(crate) fn host(&self) -> String {
        format!("unix://{}/podman.sock", self.dir.path().display())
    }

    /// Starts the service, and returns when it answers.
    pub(crate) async fn serve(&mut self) {
        let host = self.host();
        let mut command = self.podman();
        command.args(["system", "service", "--time=0", &host]);
        self.service = Some(command.spawn().unwrap());
        let path = self.dir.path().join("podman.sock");
        while tokio::net::UnixStream::connect(&path).await.is_err() {
            sleep(Duration::from_millis(10)).await;
        }
    }

    /// As if it had crashed: it has no time to put anything away.
    pub(crate) fn kill(&mut self) {
        if let Some(mut service) = self.service.take() {
            service.kill().unwrap();
            service.wait().unwrap();
        }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let service = self.service.as_ref().unwrap();
        kill_process(Pid::from_child(service), signal).unwrap();
    }

    /// Ends the service, and returns when no process of its is left: the monitors clean up after their containers.
    pub(crate) async fn end(mut self) {
        self.kill();
        while !processes(self.dir.path()).is_empty() {
            sleep(Duration::from_millis(10)).await;
        }
    }

    fn podman(&self) -> Command {
        let dir = self.dir.path();
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--mount=/proc/{}/ns/mnt", self.mounts.id()))
            .arg("podman")
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", dir)
            .env("CONTAINERS_CONF", dir.join("containers.conf"))
            .env("CONTAINERS_STORAGE_CONF", dir.join("storage.conf"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        self.kill();
        let mut remove = self.podman();
        remove.args(["rm", "--all", "--force", "--time=0"]);
        assert!(remove.status().unwrap().success());
        // The monitors write below the folder until then.
        let began = Instant::now();
        while !processes(self.dir.path()).is_empty() && began.elapsed() < MOURNING {
            std::thread::sleep(Duration::from_millis(10));
        }
        drop(self.mounts.stdin.take());
        self.mounts.wait().unwrap();
    }
}

/// Whatever Podman keeps is below the folder. Its command that cleans up after a container looks in `libpod` below the
/// storage, whatever is set.
fn configure(dir: &Path) {
    let dir = dir.display();
    let containers = format!(
        "[engine]\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\nlock_type = \"file\"\nruntime = \"crun\"\n\
         static_dir = \"{dir}/storage/libpod\"\ntmp_dir = \"{dir}/state\"\nvolume_path = \"{dir}/volumes\"\n\
         [network]\nnetwork_config_dir = \"{dir}/networks\"\n"
    );
    let storage = format!(
        "[storage]\ndriver = \"overlay\"\ngraphroot = \"{dir}/storage\"\nrunroot = \"{dir}/run\"\n"
    );
    fs::write(format!("{dir}/containers.conf"), containers).unwrap();
    fs::write(format!("{dir}/storage.conf"), storage).unwrap();
}

/// The processes that were started with a path below the folder.
fn processes(dir: &Path) -> Vec<String> {
    let dir = dir.to_str().unwrap();
    let all = fs::read_dir("/proc").unwrap().map(|it| it.unwrap().path());
    all.filter_map(|process| fs::read(process.join("cmdline")).ok())
        .map(|line| String::from_utf8_lossy(&line).into_owned())
        .filter(|line| line.contains(dir))
        .collect()
}
