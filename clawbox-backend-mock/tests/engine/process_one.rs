//! Process 1 without a manager that tells it what to run.

use super::{IMAGE, request};
use clawbox_backend_mock::{MockEngine, MockImage};
use clawbox_containers::{
    ContainerEngine, ContainerSecurityConfig,
    engine::Signal,
    init::{CONTAINER_INIT_DIR, Carrier, InitLink},
    policy::{Placement, SecurityPolicy},
};
use clawbox_types::{ContainerId, ContainerIdentity, ProxyToken, PullPolicy};
use std::{collections::BTreeMap, time::Duration};
use tokio::time::Instant;

/// A container that was started, and the manager's end of its link.
async fn started(engine: &MockEngine) -> (ContainerId, InitLink) {
    engine.add_image(MockImage::new(IMAGE).unwrap());
    let policy = SecurityPolicy::new(&ContainerSecurityConfig::new()).unwrap();
    let admission = policy.admit(&request(&["agent"])).unwrap();
    let found = engine.ensure_image(admission.image(), PullPolicy::Never, &|_| {});
    let id = ContainerId::generate();
    let placement = Placement {
        identity: ContainerIdentity::new(id.clone(), ProxyToken::from_bytes([7; 32])),
        labels: BTreeMap::new(),
        proxy_dir: None,
        init_dir: Some(CONTAINER_INIT_DIR.into()),
    };
    let plan = admission.compile(&found.await.unwrap(), placement).unwrap();
    engine.create(&plan).await.unwrap();
    let Carrier::Memory(link) = engine.carrier() else {
        panic!("{:?}", engine.carrier());
    };
    assert!(link(&id).is_none(), "there is no process 1 yet");
    engine.start(&id).await.unwrap();
    let ours = link(&id).unwrap();
    assert!(link(&id).is_none(), "it is given once");
    (id, ours)
}

#[tokio::test(start_paused = true)]
async fn it_goes_with_its_manager() {
    let engine = MockEngine::new();
    let (id, link) = started(&engine).await;
    drop(link);
    let since = Instant::now();
    assert_eq!(engine.wait(&id).await.unwrap(), 125);
    assert_eq!(since.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn it_waits_a_minute_for_the_command() {
    let engine = MockEngine::new();
    let since = Instant::now();
    let (id, _link) = started(&engine).await;
    assert_eq!(engine.wait(&id).await.unwrap(), 125);
    assert_eq!(since.elapsed().as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn it_ends_when_asked_to_before_there_is_a_command() {
    for (signal, code) in [(Signal::Term, 125), (Signal::Kill, 137)] {
        let engine = MockEngine::new();
        let (id, link) = started(&engine).await;
        engine.kill(&id, signal).await.unwrap();
        assert_eq!(engine.wait(&id).await.unwrap(), code);
        // With it the link ends.
        let (mut reader, _writer) = link.split();
        while let Some(frame) = reader.next().await.unwrap() {
            assert_eq!(frame.kind, 1, "nothing but its greeting: {frame:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn it_goes_with_its_container() {
    let engine = MockEngine::new();
    let (id, link) = started(&engine).await;
    engine.remove(&id).await.unwrap();
    let (mut reader, _writer) = link.split();
    while reader.next().await.unwrap().is_some() {}
}
