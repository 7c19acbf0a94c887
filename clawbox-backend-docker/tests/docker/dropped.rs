//! Callers that go away while a real engine works for them.

use crate::rig::{IMAGE, engine, policy, request};
use clawbox_backend_docker::DockerBackend;
use clawbox_containers::{ContainerBackend, ContainerEngine, ManagerConfig};
use std::{collections::BTreeMap, time::Duration};
use tokio::time::{Instant, sleep, timeout};

const PLACES: usize = 4;

/// Spread over what a spawn takes, and each round a little later than the one before.
pub(crate) async fn a_spawn_dropped_at_any_moment_is_gone_within_ten_seconds(host: String) {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let config = ManagerConfig::default()
        .with_max_containers(PLACES)
        .with_state_dir(Some(state.clone()));
    let backend = DockerBackend::new(engine(&host), &policy(), config).unwrap();
    let sleeper = || request(IMAGE, "trap '' TERM; sleep 60");
    let since = Instant::now();
    let whole = backend.spawn(sleeper()).await.unwrap();
    let took = since.elapsed();
    backend.kill(&whole.container_id).await.unwrap();
    backend.cleanup_stopped().await.unwrap();

    let owner = BTreeMap::from([("clawbox.owner".to_owned(), backend.owner().to_string())]);
    let mut dropped = 0;
    for round in 0_u32..5 {
        let spawns = (0_u32..4).map(|place| {
            let patience = took * (4 * round + place) / 16;
            timeout(patience, backend.spawn(sleeper()))
        });
        let done = futures_util::future::join_all(spawns).await;
        dropped += done.iter().filter(|spawned| spawned.is_err()).count();
        for info in done.into_iter().flatten() {
            // Its caller stayed.
            backend.kill(&info.unwrap().container_id).await.unwrap();
        }
        backend.cleanup_stopped().await.unwrap();
        let since = Instant::now();
        while !backend.list().is_empty() {
            let left = backend.list();
            assert!(since.elapsed() < Duration::from_secs(10), "{left:?}");
            sleep(Duration::from_millis(50)).await;
        }
        let left = backend.engine().list(&owner).await.unwrap();
        assert_eq!(left, [], "round {round}");
        assert!(backend.token_store().is_empty(), "round {round}");
        // Process 1's own directories, and nothing of a container's.
        let places = std::fs::read_dir(state.join(backend.owner().to_string())).unwrap();
        let names = places.map(|entry| entry.unwrap().file_name());
        assert_eq!(names.collect::<Vec<_>>(), ["init"], "round {round}");
    }
    assert!(dropped >= 10, "{dropped} of 20 were dropped");
}
