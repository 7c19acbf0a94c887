//! Ten thousand live containers in one process, and how much memory each takes.

#![expect(clippy::unwrap_used, reason = "a test fails where it panics")]

use clawbox_backend_mock::{MockBackend, MockEngine, MockImage, Script, mock_config};
use clawbox_containers::{ContainerBackend, ContainerSecurityConfig};
use clawbox_types::{
    Capabilities, ContainerSpawnRequest, ContainerStatus, DEFAULT_AGENT_IMAGE, ResourceLimits,
};
use futures_util::{StreamExt, stream};
use std::time::{Duration, Instant};

const CONTAINERS: usize = 10_000;
/// What a container may take, in KiB; the crate's documentation says how much it was when measured.
const MOST_KIB: u64 = 64;
/// All of it takes a few seconds on an idle machine, and would take minutes if anything grew with the square.
const MOST_SECONDS: u64 = 240;

#[tokio::test(start_paused = true)]
async fn ten_thousand_containers_live_at_once() {
    let engine = MockEngine::new();
    let script = Script::stdout("ready\n")
        .sleep(Duration::from_secs(3600))
        .stdout("done\n");
    let image = MockImage::new(DEFAULT_AGENT_IMAGE)
        .unwrap()
        .with_program("agent", script);
    engine.add_image(image);
    let config = mock_config(&engine).with_max_containers(CONTAINERS);
    let backend =
        MockBackend::new(engine.clone(), &ContainerSecurityConfig::new(), config).unwrap();
    let limits = ResourceLimits::new(7_200_000, 64);
    let capabilities = Capabilities::default().with_resources(limits);
    let request = ContainerSpawnRequest::new("one of many", capabilities).with_command(["agent"]);

    let (since, before) = (Instant::now(), resident_kib());
    let spawned = stream::iter(0..CONTAINERS)
        .map(|_| backend.spawn(request.clone()))
        .buffered(100)
        .map(|spawned| spawned.unwrap().container_id);
    let ids: Vec<_> = spawned.collect().await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (took, each) = (
        since.elapsed(),
        (resident_kib() - before) / CONTAINERS as u64,
    );
    println!("{CONTAINERS} containers in {took:?}, {each} KiB each");
    assert!(each <= MOST_KIB, "{each} KiB each");
    assert_eq!(engine.containers().len(), CONTAINERS);
    let running = backend.list();
    assert!(
        running
            .iter()
            .all(|info| info.status == ContainerStatus::Running)
    );
    assert_eq!(backend.token_store().len(), CONTAINERS);

    for id in &ids {
        assert_eq!(backend.wait(id).await.unwrap().exit_code, Some(0));
    }
    let last = backend.collect_output(&ids[CONTAINERS - 1]).await.unwrap();
    assert_eq!(last.stdout.text(), "ready\ndone\n");
    assert_eq!(backend.cleanup_stopped().await.unwrap(), CONTAINERS);
    assert!(engine.containers().is_empty() && backend.token_store().is_empty());
    let took = since.elapsed();
    println!("and all of it in {took:?}");
    assert!(took.as_secs() <= MOST_SECONDS, "{took:?}");
}

/// Memory of this process that is in use, in KiB, from proc_pid_statm(5).
fn resident_kib() -> u64 {
    const PAGE_KIB: u64 = 4;
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
    pages * PAGE_KIB
}
