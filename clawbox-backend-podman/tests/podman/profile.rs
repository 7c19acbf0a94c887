//! The seccomp profile, which Podman takes from a file alone.

use crate::rig::{IMAGE, backend, engine, get, policy, request};
use clawbox_containers::{
    ContainerBackend, ContainerEngine, ContainerPlan,
    engine::{EngineErrorKind, ImageFacts, Removal},
    policy::{Placement, SecurityPolicy},
    types::{ContainerIdentity, PullPolicy},
};
use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, copy},
    net::{UnixListener, UnixStream},
};

/// The profiles' files, and their modes while they were on the way to Podman.
type Seen = Arc<Mutex<Vec<(PathBuf, u32)>>>;

pub(crate) async fn the_profile_is_a_file_while_it_is_read(host: String) {
    let dir = tempfile::tempdir().unwrap();
    let seen = Seen::default();
    let podman = engine(&watched(dir.path(), &host, Arc::clone(&seen)));
    let image = IMAGE.parse().unwrap();
    let asked = podman.ensure_image(&image, PullPolicy::Never, &|_| ());
    let facts = asked.await.unwrap();
    let identity = backend(&host, &policy()).pre_generate_id().unwrap();
    let id = identity.id.clone();
    let good = plan(&identity, &facts);

    assert_eq!(podman.create(&good).await.unwrap(), []);
    let taken = podman.create(&good).await.unwrap_err();
    assert_eq!(podman.remove(&id).await.unwrap(), Removal::Now);
    let nothing = ImageFacts {
        id: "0".repeat(64),
        ..facts
    };
    let missing = podman.create(&plan(&identity, &nothing)).await;
    let missing = missing.unwrap_err();
    let left = get(&host, "/containers/json?all=true").await;

    assert_eq!(taken.kind(), EngineErrorKind::AlreadyExists, "{taken}");
    assert_eq!(missing.kind(), EngineErrorKind::ImageNotFound, "{missing}");
    assert!(!left.contains(&id.to_string()), "{left}");
    let seen = seen.lock().unwrap();
    assert_eq!(seen.len(), 3, "{seen:?}");
    for (file, mode) in seen.iter() {
        assert_eq!(mode & 0o7777, 0o600, "{}", file.display());
        assert!(!file.exists(), "{} is left", file.display());
    }
}

fn plan(identity: &ContainerIdentity, facts: &ImageFacts) -> ContainerPlan {
    let security = SecurityPolicy::new(&policy()).unwrap();
    let admission = security.admit(&request(IMAGE, "true")).unwrap();
    let placement = Placement {
        identity: identity.clone(),
        labels: BTreeMap::new(),
        proxy_dir: None,
        init_dir: None,
    };
    admission.compile(facts, placement).unwrap()
}

/// A socket that leads to Podman, and looks at the file that a request names before it passes that on.
fn watched(dir: &Path, host: &str, seen: Seen) -> String {
    let path = dir.join("podman.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let podman = host.strip_prefix("unix://").unwrap_or(host).to_owned();
    tokio::spawn(async move {
        loop {
            let (mut asks, mut answers) = listener.accept().await.unwrap().0.into_split();
            let there = UnixStream::connect(&podman).await.unwrap();
            let (mut answered, mut asked) = there.into_split();
            tokio::spawn(async move { copy(&mut answered, &mut answers).await });
            let seen = Arc::clone(&seen);
            tokio::spawn(async move {
                let mut request = Vec::new();
                let mut looked = false;
                loop {
                    let old = request.len();
                    if asks.read_buf(&mut request).await.unwrap() == 0 {
                        break;
                    }
                    if let Some(file) = profile(&request).filter(|_| !looked) {
                        let mode = fs::metadata(&file).unwrap().permissions().mode();
                        seen.lock().unwrap().push((file, mode));
                        looked = true;
                    }
                    asked.write_all(&request[old..]).await.unwrap();
                }
            });
        }
    });
    format!("unix://{}", path.display())
}

/// The path in so much of a request as is there.
fn profile(request: &[u8]) -> Option<PathBuf> {
    let request = String::from_utf8_lossy(request);
    let (_, rest) = request.split_once(r#""seccomp_profile_path":""#)?;
    rest.split_once('"').map(|(path, _)| path.into())
}
