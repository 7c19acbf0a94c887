//! The token and the environment are the command's, and nobody finds them at the engine.

use crate::rig::{IMAGE, backend, get, policy, request};
use clawbox_containers::{ContainerBackend, types::ExecRequest};
use serde_json::Value;
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

const VALUE: &str = "e5c1f0a7-not-for-the-engine";
const FURTHER_VALUE: &str = "77b09d42-not-for-the-engine";

pub(crate) async fn the_engine_holds_no_secret(host: String) {
    let backend = backend(&host, &policy());
    let identity = backend.pre_generate_id().unwrap();
    let token = identity.token.reveal();
    let spawned = request(IMAGE, "sleep 60")
        .with_env("GIVEN", VALUE)
        .with_identity(identity);
    let id = backend.spawn(spawned).await.unwrap().container_id;
    let name = id.to_string();
    // Its output is told here alone; what the first command prints is in Podman's log.
    let further = ExecRequest::new(["env"]).with_env("FURTHER", FURTHER_VALUE);
    let further = backend.exec(&id, further).await.unwrap();

    let inspect = get(&host, &format!("/containers/{id}/json")).await;
    let ps = get(&host, "/containers/json?all=true").await;
    let secrets = [VALUE, FURTHER_VALUE, &token];
    let info = json(&get(&host, "/info").await);
    let inspected = json(&inspect);
    let mut files = Files::default();
    for folder in folders(&info, &inspected) {
        files.read(&folder, &name, &secrets);
    }
    backend.kill(&id).await.unwrap();

    let further = further.output.stdout.text();
    for secret in secrets {
        assert!(further.contains(secret), "{further}");
    }
    for (place, text) in [("inspect", &inspect), ("ps", &ps)] {
        assert!(text.contains(&name), "{place} is not read: {text}");
        for secret in secrets {
            assert!(!text.contains(secret), "{place} holds {secret}: {text}");
        }
    }
    assert!(files.telling.is_empty(), "{:?}", files.telling);
    // The container's specification and Podman's database; where the runtime keeps its copy differs.
    let of_it = |part: &str| files.naming.iter().any(|file| file.contains(part));
    let database = of_it("/bolt_state.db") || of_it("/db.sql");
    let config = of_it("/userdata/config.json");
    assert!(database && config, "{:?}", files.naming);
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// Where Podman and its runtime keep something, as the container's monitor sees it: in Podman's own mounts.
fn folders(info: &Value, inspected: &Value) -> BTreeSet<PathBuf> {
    let text = |value: &Value| PathBuf::from(value.as_str().unwrap());
    let store = &info["store"];
    let volumes = text(&store["volumePath"]);
    let monitor = inspected["State"]["ConmonPid"].as_u64().unwrap();
    let runtime = info["host"]["ociRuntime"]["version"].as_str().unwrap();
    let runtime = runtime
        .lines()
        .find_map(|line| line.strip_prefix("rundir: "));
    [
        text(&store["graphRoot"]),
        text(&store["runRoot"]),
        // The database stands beside the volumes.
        volumes.parent().unwrap().to_owned(),
        PathBuf::from(runtime.unwrap()),
    ]
    .iter()
    .map(|folder| {
        let inside = folder.strip_prefix("/").unwrap();
        Path::new(&format!("/proc/{monitor}/root")).join(inside)
    })
    .collect()
}

#[derive(Default)]
struct Files {
    /// Those that name the container.
    naming: Vec<String>,
    /// Those that hold a secret.
    telling: Vec<String>,
}

impl Files {
    fn read(&mut self, folder: &Path, name: &str, secrets: &[&str]) {
        for entry in fs::read_dir(folder).into_iter().flatten() {
            let entry = entry.unwrap();
            // What goes meanwhile is another container's.
            let Ok(kind) = entry.file_type() else {
                continue;
            };
            let path = entry.path();
            if kind.is_dir() {
                self.read(&path, name, secrets);
            } else if kind.is_file()
                && let Ok(bytes) = fs::read(&path)
            {
                let text = String::from_utf8_lossy(&bytes);
                let path = path.display().to_string();
                if secrets.iter().any(|secret| text.contains(secret)) {
                    self.telling.push(path.clone());
                }
                if text.contains(name) {
                    self.naming.push(path);
                }
            }
        }
    }
}
