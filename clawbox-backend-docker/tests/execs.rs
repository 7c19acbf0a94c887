//! Ten thousand commands in one sandbox leave nothing behind: here, in its process 1, or beside that. A target of its
//! own, as what this process holds is counted.

#![expect(clippy::unwrap_used, reason = "a panic is how a case fails")]

#[path = "common/mod.rs"]
mod rig;

use bollard::{Docker, query_parameters::InspectContainerOptions};
use clawbox_backend_docker::DockerBackend;
use clawbox_containers::{
    ContainerBackend,
    types::{ContainerId, ExecRequest},
};
use futures_util::{FutureExt, StreamExt, TryStreamExt, stream};
use rig::{DOCKER, IMAGE, as_root, backend, bystander, policy, request};
use std::{fs, process::ExitCode, time::Instant};

const EXECS: usize = 10_000;
/// How many of them at once.
const AT_ONCE: usize = 8;
/// After these, what is allocated once is there.
const WARM_UP: usize = 1_000;
/// How much more memory may be resident than before, in KiB: here, where an allocator has its moods, and in process 1,
/// which allocates nothing.
const MORE_HERE: u64 = 1024;
const MORE_THERE: u64 = 16;
/// How many more connections to Docker there may be: those that are idle are kept, or not.
const MORE_SOCKETS: usize = 4;

fn main() -> ExitCode {
    DOCKER.run([("ten_thousand_execs_leave_nothing", |host| {
        ten_thousand_execs_leave_nothing(host).boxed()
    })])
}

async fn ten_thousand_execs_leave_nothing(host: String) {
    let backend = backend(&host, &policy());
    let docker = bystander(&host).await;
    let id = backend
        .spawn(request(IMAGE, "sleep 120"))
        .await
        .unwrap()
        .container_id;
    run(&backend, &id, WARM_UP).await;
    let before = Held::now(&backend, &docker, &id).await;
    let since = Instant::now();
    run(&backend, &id, EXECS).await;
    let took = since.elapsed();
    let after = Held::now(&backend, &docker, &id).await;
    backend.kill(&id).await.unwrap();

    println!(
        "{EXECS} execs, {AT_ONCE} at once, in {took:.1?}\nbefore {before:?}\nafter  {after:?}"
    );
    assert!(after.sockets <= before.sockets + MORE_SOCKETS);
    assert_eq!(
        (after.descriptors, after.init_descriptors, &after.processes),
        (
            before.descriptors,
            before.init_descriptors,
            &before.processes
        ),
    );
    assert!(after.resident <= before.resident + MORE_HERE);
    assert!(after.init_resident <= before.init_resident + MORE_THERE);
}

async fn run(backend: &DockerBackend, id: &ContainerId, times: usize) {
    let execs = (0..times).map(|_| backend.exec(id, ExecRequest::new(["true"])));
    let failed = stream::iter(execs)
        .buffer_unordered(AT_ONCE)
        .try_filter(|report| std::future::ready(report.exit_code != 0))
        .try_collect::<Vec<_>>()
        .await;
    assert_eq!(failed.unwrap(), []);
}

/// What is there because of a sandbox.
#[derive(Debug)]
struct Held {
    /// But for sockets.
    descriptors: usize,
    sockets: usize,
    /// In KiB.
    resident: u64,
    init_descriptors: usize,
    init_resident: u64,
    /// Everything in the container, zombies too, but for the one that looked.
    processes: Vec<String>,
}

impl Held {
    async fn now(backend: &DockerBackend, docker: &Docker, id: &ContainerId) -> Self {
        let ps = ExecRequest::new(["ps", "-o", "pid,args"]);
        let listed = backend
            .exec(id, ps)
            .await
            .unwrap()
            .output
            .stdout
            .text()
            .into_owned();
        let processes = listed
            .lines()
            .skip(1)
            .filter(|line| !line.contains("ps -o"));
        let inspected = docker
            .inspect_container(&id.to_string(), None::<InspectContainerOptions>)
            .await
            .unwrap();
        let pid = inspected.state.unwrap().pid.unwrap();
        let script = format!("ls /proc/{pid}/fd | wc -l; cat /proc/{pid}/status");
        let seen = as_root(docker, "/proc", &script).await;
        let (init_descriptors, init_status) = seen.split_once('\n').unwrap();
        let descriptors = fs::read_dir("/proc/self/fd").unwrap();
        let (sockets, others): (Vec<_>, Vec<_>) = descriptors
            .filter_map(|descriptor| fs::read_link(descriptor.unwrap().path()).ok())
            .partition(|target| target.to_string_lossy().starts_with("socket:"));
        Self {
            descriptors: others.len(),
            sockets: sockets.len(),
            resident: resident(&fs::read_to_string("/proc/self/status").unwrap()),
            init_descriptors: init_descriptors.trim().parse().unwrap(),
            init_resident: resident(init_status),
            processes: processes.map(str::to_owned).collect(),
        }
    }
}

/// Resident memory in KiB, from a `/proc/PID/status`.
fn resident(status: &str) -> u64 {
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    line.unwrap()
        .split_whitespace()
        .nth(1)
        .unwrap()
        .parse()
        .unwrap()
}
