//! Engines that only say who they are, each as the real one says it, and what their host can do.

use serde_json::{Value, json};
use std::{
    io::{self, BufRead, BufReader, Write},
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
    thread,
};

/// What answers.
#[derive(Clone)]
pub(crate) struct Fake {
    /// The headers that tell engines apart.
    headers: String,
    info: Value,
    /// What it stands on, as Docker tells it.
    components: Value,
}

/// Podman of this version, in its own words.
pub(crate) fn podman(version: &str, rootless: bool) -> Fake {
    let controllers = json!(["cpuset", "cpu", "io", "memory", "pids"]);
    Fake {
        headers: format!(
            "Api-Version: 1.41\r\nLibpod-Api-Version: {version}\r\nServer: Libpod/{version} (linux)\r\n"
        ),
        info: json!({
            "host": {
                "cgroupVersion": "v2",
                "cgroupControllers": controllers,
                "cgroupManager": "systemd",
                "security": {"rootless": rootless, "seccompEnabled": true, "selinuxEnabled": false},
            },
            "store": {"graphDriverName": "overlay"},
            "version": {"APIVersion": version, "Version": version},
        }),
        components: Value::Null,
    }
}

/// Docker, rootless or not.
pub(crate) fn docker(version: &str, rootless: bool) -> Fake {
    let root = if rootless {
        "name=rootless"
    } else {
        "name=userns"
    };
    Fake {
        headers: format!("Api-Version: 1.41\r\nServer: Docker/{version} (linux)\r\n"),
        info: json!({
            "ServerVersion": version,
            "CgroupVersion": "2",
            "SecurityOptions": ["name=seccomp,profile=default", root],
            "MemoryLimit": true, "SwapLimit": true, "PidsLimit": true,
            "CpuCfsPeriod": true, "CpuCfsQuota": true, "CPUShares": true,
        }),
        components: json!([]),
    }
}

/// A program that speaks HTTP and is no engine.
pub(crate) fn stranger() -> Fake {
    Fake {
        headers: "Server: nginx\r\n".to_owned(),
        info: Value::Null,
        components: Value::Null,
    }
}

impl Fake {
    /// With another host behind it: the fields of `host` in libpod's `info`.
    pub(crate) fn on(mut self, host: &Value) -> Self {
        for (key, value) in host.as_object().expect("fields") {
            self.info["host"][key] = value.clone();
        }
        self
    }

    /// Docker on a runtime and a kernel of these versions.
    pub(crate) fn standing_on(mut self, runc: &str, kernel: &str) -> Self {
        self.info["KernelVersion"] = kernel.into();
        self.components =
            json!([{"Name": "Engine", "Version": "0"}, {"Name": "runc", "Version": runc}]);
        self
    }

    /// Serves at `socket` as long as the tests run, and gives its address.
    pub(crate) fn serve(self, socket: &Path) -> String {
        if let Some(dir) = socket.parent() {
            std::fs::create_dir_all(dir).expect("a directory");
        }
        let listener = UnixListener::bind(socket).expect("a socket");
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let fake = self.clone();
                // A client that has gone ends it.
                thread::spawn(move || fake.answer(&connection).ok());
            }
        });
        format!("unix://{}", socket.display())
    }

    fn answer(&self, mut connection: &UnixStream) -> io::Result<()> {
        let mut requests = BufReader::new(connection);
        loop {
            let mut request = String::new();
            requests.read_line(&mut request)?;
            let Some(path) = request.split(' ').nth(1).map(str::to_owned) else {
                return Ok(());
            };
            let mut header = String::new();
            while requests.read_line(&mut header)? > 2 {
                header.clear();
            }
            let path = path.split('?').next().unwrap_or_default();
            let body = match path.rsplit('/').next() {
                Some("_ping") => "OK".to_owned(),
                Some("version") => {
                    let components = &self.components;
                    json!({"ApiVersion": "1.41", "Version": "0", "Components": components})
                        .to_string()
                }
                Some("info") => self.info.to_string(),
                _ => "[]".to_owned(),
            };
            let (headers, length) = (&self.headers, body.len());
            write!(
                connection,
                "HTTP/1.1 200 OK\r\n{headers}Content-Type: application/json\r\n\
                 Content-Length: {length}\r\n\r\n{body}"
            )?;
            if request.contains("HTTP/1.0") {
                return Ok(());
            }
        }
    }
}
