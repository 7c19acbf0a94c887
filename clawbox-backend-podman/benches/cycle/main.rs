//! What clawbox costs on a rootless Podman, interleaved in one run: a container's whole cycle by the bare API, by the
//! `podman` command, and by clawbox. `cargo xtask bench` brings up what it needs. Only ratios within one run mean
//! anything.

#[path = "../../clawbox-backend-docker/benches/cycle/table.rs"]
mod table;

use clawbox_backend_podman::{PodmanBackend, PodmanEngine};
use clawbox_containers::{
    ContainerBackend, ContainerSecurityConfig, ManagerConfig,
    seccomp::SeccompProfile,
    types::{Capabilities, ContainerSpawnRequest, PolicyItem},
};
use serde_json::{Value, json};
use std::{
    error::Error,
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    process::{Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};
use table::Table;

const IMAGE: &str = "ghcr.io/n0xmare/clawbox-fixture:1";
const ROUNDS: usize = 40;
const VARIABLE: &str = "CLAWBOX_TEST_PODMAN_ROOTLESS_HOST";
/// Before each cycle: Podman clears up after a container for a while, and nobody is to pay for the one before.
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

    let mut table = Table::new(["bare API", "podman run --rm", "clawbox"]);
    // The first round warms up and is not counted.
    for round in 0..=ROUNDS {
        for turn in 0..3 {
            let way = (round + turn) % 3;
            sleep(REST);
            let start = Instant::now();
            match way {
                0 => bare.cycle(&profile, round)?,
                1 => cli(&host, &profile)?,
                _ => clawbox(&backend).await?,
            }
            table.note(round, way, start.elapsed());
        }
    }
    table.print("whole cycles");
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
    let request = ContainerSpawnRequest::new("bench", Capabilities::default())
        .with_image(IMAGE)
        .with_command(["true"]);
    let info = backend.spawn(request).await?;
    let exit = backend.wait(&info.container_id).await?;
    let output = backend.collect_output(&info.container_id).await?;
    backend.cleanup_stopped().await?;
    match exit.exit_code {
        Some(0) if !output.incomplete => Ok(()),
        _ => Err(format!("{exit:?}").into()),
    }
}

/// As a client of the same service, so that it works on the same storage, in the same namespaces.
fn cli(host: &str, profile: &str) -> Outcome<()> {
    let seccomp = format!("--security-opt=seccomp={profile}");
    let hardening = "--read-only --read-only-tmpfs=false --network=none --user=1000:1000 --cap-drop=ALL \
        --security-opt=no-new-privileges --ipc=none --cgroupns=private --no-hosts --http-proxy=false --unsetenv-all \
        --tmpfs=/tmp:rw,noexec,nosuid,nodev,size=256m,notmpcopyup --ulimit=core=0:0 --ulimit=nofile=1024:1024 \
        --ulimit=nproc=32768:32768 --oom-score-adj=500 --log-driver=k8s-file --image-volume=ignore \
        --env=PATH=/bin";
    let status = Command::new("podman")
        .args(["--remote", "--url", host, "run", "--rm", &seccomp])
        .args(hardening.split_whitespace())
        .args([IMAGE, "true"])
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()?;
    match status.success() {
        true => Ok(()),
        false => Err(format!("podman run: {status}").into()),
    }
}

/// The API with nothing around it, and no waiting for libpod's ticks.
struct Bare {
    socket: String,
}

impl Bare {
    fn new(host: &str) -> Outcome<Self> {
        let socket = host.strip_prefix("unix://").ok_or("no unix:// address")?;
        let socket = socket.to_owned();
        Ok(Self { socket })
    }

    fn cycle(&self, profile: &str, round: usize) -> Outcome<()> {
        let name = format!("clawbox-bench-{}-{round}", std::process::id());
        let container = format!("/v4.0.0/libpod/containers/{name}");
        let create = "/v4.0.0/libpod/containers/create";
        self.call("POST", create, &hardened(&name, profile).to_string())?;
        let mut attached = self.send(
            "POST",
            &format!("{container}/attach?stream=true&stdout=true&stderr=true"),
            "",
        )?;
        // The head of the answer: only with it the container is attached to.
        let mut head = [0; 12];
        attached.read_exact(&mut head)?;
        self.call("POST", &format!("{container}/start"), "")?;
        attached.read_to_end(&mut Vec::new())?;
        loop {
            let inspected: Value =
                serde_json::from_slice(&self.call("GET", &format!("{container}/json"), "")?)?;
            match inspected["State"]["Status"].as_str() {
                Some("stopped" | "exited") if inspected["State"]["ExitCode"] == 0 => break,
                Some("running") => sleep(Duration::from_millis(2)),
                other => return Err(format!("the container is {other:?}").into()),
            }
        }
        self.call(
            "DELETE",
            &format!("{container}?force=true&v=true&timeout=0"),
            "",
        )?;
        Ok(())
    }

    fn send(&self, method: &str, path: &str, body: &str) -> io::Result<UnixStream> {
        let mut stream = UnixStream::connect(&self.socket)?;
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.0\r\nHost: podman\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes())?;
        Ok(stream)
    }

    /// The body of an answer of success.
    fn call(&self, method: &str, path: &str, body: &str) -> Outcome<Vec<u8>> {
        let mut answer = Vec::new();
        self.send(method, path, body)?.read_to_end(&mut answer)?;
        let text = String::from_utf8_lossy(&answer);
        if text
            .split(' ')
            .nth(1)
            .is_none_or(|status| !status.starts_with('2'))
        {
            return Err(format!("{method} {path}: {text:.300}").into());
        }
        let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        Ok(body.as_bytes().to_vec())
    }
}

/// As clawbox has it, without process 1 of its own.
fn hardened(name: &str, profile: &str) -> Value {
    let private = json!({ "nsmode": "private" });
    let limit = |name: &str, value: u64| json!({ "type": name, "soft": value, "hard": value });
    json!({
        "name": name,
        "image": IMAGE,
        "entrypoint": ["true"],
        "user": "1000:1000",
        "work_dir": "/",
        "read_only_filesystem": true,
        "cap_drop": ["ALL"],
        "no_new_privileges": true,
        "seccomp_profile_path": profile,
        "netns": { "nsmode": "none" },
        "ipcns": { "nsmode": "none" },
        "pidns": private,
        "utsns": private,
        "cgroupns": private,
        "mask": ["/dev/mqueue", "/proc/interrupts", "/sys/devices/virtual/powercap"],
        "r_limits": [limit("core", 0), limit("nofile", 1024), limit("fsize", 1 << 30), limit("nproc", 32_768)],
        "oom_score_adj": 500,
        "mounts": [{
            "destination": "/tmp", "type": "tmpfs", "source": "tmpfs",
            "options": ["rw", "noexec", "nosuid", "nodev", "size=251658240", "notmpcopyup"],
        }],
        "image_volume_mode": "ignore",
        "use_image_hosts": true,
        "use_image_resolve_conf": true,
        "manage_password": false,
        "unsetenvall": true,
        "env": { "PATH": "/bin" },
        "log_configuration": { "driver": "k8s-file", "size": 2_000_000 },
        "systemd": "false",
        "sdnotifyMode": "ignore",
    })
}
