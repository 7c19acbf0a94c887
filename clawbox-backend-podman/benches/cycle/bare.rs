//! The API with nothing around it.

use crate::{IMAGE, Outcome, TRUE};
use serde_json::{Value, json};
use std::{
    io::{self, Read, Write},
    os::unix::net::UnixStream,
    thread::sleep,
    time::Duration,
};

/// A Podman service, with no waiting for its ticks.
pub(crate) struct Bare {
    socket: String,
}

impl Bare {
    pub(crate) fn new(host: &str) -> Outcome<Self> {
        let socket = host.strip_prefix("unix://").ok_or("no unix:// address")?;
        let socket = socket.to_owned();
        Ok(Self { socket })
    }

    pub(crate) fn cycle(&self, profile: &str, round: usize) -> Outcome<()> {
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

    /// `true` in a container that runs, with its output and its exit code.
    pub(crate) fn exec(&self, name: &str) -> Outcome<()> {
        let exec = json!({ "AttachStdout": true, "AttachStderr": true, "Cmd": [TRUE] });
        let path = format!("/v4.0.0/libpod/containers/{name}/exec");
        let made: Value = serde_json::from_slice(&self.call("POST", &path, &exec.to_string())?)?;
        let id = made["Id"].as_str().ok_or("no id")?;
        let exec = format!("/v4.0.0/libpod/exec/{id}");
        self.call("POST", &format!("{exec}/start"), "{}")?;
        loop {
            let seen: Value =
                serde_json::from_slice(&self.call("GET", &format!("{exec}/json"), "")?)?;
            match (&seen["Running"], &seen["ExitCode"]) {
                (Value::Bool(true), _) => sleep(Duration::from_millis(2)),
                (_, code) if *code == 0 => return Ok(()),
                _ => return Err(format!("{seen}").into()),
            }
        }
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
