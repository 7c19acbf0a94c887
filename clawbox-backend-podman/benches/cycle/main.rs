//! What clawbox costs on a rootless Podman, interleaved in one run: a container's whole cycle, and a further command in
//! one that runs, by the bare API, by the `podman` command, and by clawbox. `cargo xtask bench` brings up what it needs.
//! Only ratios within one run mean anything.

mod bare;
#[path = "../../../clawbox-backend-docker/benches/cycle/load.rs"]
mod load;
#[path = "../../../clawbox-backend-docker/benches/cycle/table.rs"]
mod table;

use bare::Bare;
use clawbox_backend_podman::{PodmanBackend, PodmanEngine};
use clawbox_containers::{
    ContainerBackend, ContainerSecurityConfig, ManagerConfig,
    seccomp::SeccompProfile,
    types::{
        Capabilities, ContainerId, ContainerSpawnRequest, ExecRequest, PolicyItem, ResourceLimits,
    },
};
use std::{
    error::Error,
    io::Write,
    process::{Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};
use table::Table;

const IMAGE: &str = "ghcr.io/n0xmare/clawbox-fixture:1";
const SPAWNS: usize = 100;
const EXECS: usize = 60;
/// By its path, as the engine knows nothing of the command's environment, and so of no `PATH`.
const TRUE: &str = "/bin/true";
const VARIABLE: &str = "CLAWBOX_TEST_PODMAN_ROOTLESS_HOST";
/// Before each: Podman clears up after its own for a while, and nobody is to pay for the one before.
const REST: Duration = Duration::from_millis(300);

type Outcome<T> = Result<T, Box<dyn Error>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let host = std::env::var(VARIABLE)
        .map_err(|_| format!("{VARIABLE} names no engine; run `cargo xtask bench`"))?;
    let mut profile = tempfile::NamedTempFile::new()?;
    profile.write_all(SeccompProfile::strict().to_oci_json().as_bytes())?;
    let profile = profile.path().display().to_string();
    let bare = Bare::new(&host)?;
    let backend = backend(&host)?;
    let info = backend.info().await?;
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let cores = std::thread::available_parallelism()?;
    let (version, kernel) = (info.version, kernel.trim());
    println!("rootless Podman {version}, Linux {kernel}, {cores} cores");

    if table::is_wanted("spawns") {
        spawns(&host, &bare, &backend, &profile).await?;
    }
    execs(&host, &bare, &backend).await
}

async fn spawns(host: &str, bare: &Bare, backend: &PodmanBackend, profile: &str) -> Outcome<()> {
    let mut table = Table::new(["bare API", "podman run --rm", "clawbox"]);
    // The first round warms up and is not counted.
    for round in 0..=SPAWNS {
        for way in table::order(round) {
            sleep(REST);
            let start = Instant::now();
            match way {
                0 => bare.cycle(profile, round)?,
                1 => run(host, profile)?,
                _ => clawbox(backend).await?,
            }
            table.note(round, way, start.elapsed());
        }
    }
    table.print("whole cycles");
    Ok(())
}

async fn execs(host: &str, bare: &Bare, backend: &PodmanBackend) -> Outcome<()> {
    let sleeper = backend.spawn(request(["sleep", "600"])).await?.container_id;
    if table::is_wanted("execs") {
        each_way(host, bare, backend, &sleeper).await?;
    }
    if table::is_wanted("load") {
        load::steps(backend, &sleeper).await?;
        load::many(backend, &sleeper).await?;
        let name = sleeper.to_string();
        load::flood(backend, &sleeper, || {
            let mut podman = remote(host);
            podman.args(["exec", &name]);
            podman
        })
        .await?;
    }
    backend.kill(&sleeper).await?;
    backend.cleanup_stopped().await?;
    Ok(())
}

async fn each_way(
    host: &str,
    bare: &Bare,
    backend: &PodmanBackend,
    sleeper: &ContainerId,
) -> Outcome<()> {
    let mut table = Table::new(["bare API", "podman exec", "clawbox"]);
    for round in 0..=EXECS {
        for way in table::order(round) {
            sleep(REST);
            let start = Instant::now();
            match way {
                0 => bare.exec(&sleeper.to_string())?,
                1 => podman(host, &["exec", &sleeper.to_string(), TRUE])?,
                _ => exec(backend, sleeper).await?,
            }
            table.note(round, way, start.elapsed());
        }
    }
    table.print("times `true` in one sandbox");
    Ok(())
}

/// A host on control groups v1 gives a user no limits, so they are given up for all three ways alike.
fn backend(host: &str) -> Outcome<PodmanBackend> {
    let limits = [
        PolicyItem::Pids,
        PolicyItem::Memory,
        PolicyItem::Swap,
        PolicyItem::Cpu,
        PolicyItem::CpuShares,
    ];
    let security = ContainerSecurityConfig::new();
    let security = limits
        .into_iter()
        .fold(security, ContainerSecurityConfig::with_degraded);
    let engine = PodmanEngine::connect(Some(host))?;
    Ok(PodmanBackend::new(
        engine,
        &security,
        ManagerConfig::default(),
    )?)
}

async fn clawbox(backend: &PodmanBackend) -> Outcome<()> {
    let info = backend.spawn(request(["true"])).await?;
    let exit = backend.wait(&info.container_id).await?;
    let output = backend.collect_output(&info.container_id).await?;
    backend.cleanup_stopped().await?;
    match exit.exit_code {
        Some(0) if !output.incomplete => Ok(()),
        _ => Err(format!("{exit:?}").into()),
    }
}

fn request<const N: usize>(command: [&str; N]) -> ContainerSpawnRequest {
    let limits = ResourceLimits::new(600_000, 512);
    ContainerSpawnRequest::new("bench", Capabilities::default().with_resources(limits))
        .with_image(IMAGE)
        .with_command(command)
}

async fn exec(backend: &PodmanBackend, id: &ContainerId) -> Outcome<()> {
    match backend.exec(id, ExecRequest::new([TRUE])).await?.exit_code {
        0 => Ok(()),
        code => Err(format!("exit {code}").into()),
    }
}

fn run(host: &str, profile: &str) -> Outcome<()> {
    let seccomp = format!("--security-opt=seccomp={profile}");
    let hardening = "--read-only --read-only-tmpfs=false --network=none --user=1000:1000 --cap-drop=ALL \
        --security-opt=no-new-privileges --ipc=none --cgroupns=private --no-hosts --http-proxy=false --unsetenv-all \
        --tmpfs=/tmp:rw,noexec,nosuid,nodev,size=256m,notmpcopyup --ulimit=core=0:0 --ulimit=nofile=1024:1024 \
        --ulimit=nproc=32768:32768 --oom-score-adj=500 --log-driver=k8s-file --image-volume=ignore \
        --env=PATH=/bin";
    let mut arguments = vec!["run", "--rm", &seccomp];
    arguments.extend(hardening.split_whitespace());
    arguments.extend([IMAGE, "true"]);
    podman(host, &arguments)
}

/// A client of the same service, so that it works on the same storage, in the same namespaces.
fn remote(host: &str) -> Command {
    let mut podman = Command::new("podman");
    podman.args(["--remote", "--url", host]).current_dir("/");
    podman
}

fn podman(host: &str, arguments: &[&str]) -> Outcome<()> {
    let status = remote(host)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()?;
    match status.success() {
        true => Ok(()),
        false => Err(format!("podman {}: {status}", arguments[0]).into()),
    }
}
