//! Containers that an engine makes after their manager has died.

use super::{
    adopt::Host,
    orphans::{Labels, create, labels_of},
    request,
};
use clawbox_backend_mock::{Fault, MockBackend, Op};
use clawbox_containers::{ContainerBackend, Grace, InitProgram};
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// A host whose only manager has died, and the labels of its container, which is reaped.
async fn after_a_death() -> (Host, MockBackend, Labels) {
    let host = Host::new(InitProgram::Clawbox);
    let victim = host.manager(|config| config);
    let id = victim.spawn(request("sleeper")).await.unwrap().container_id;
    let labels = labels_of(&host.engine, &id).await;
    victim.shutdown(Grace::Keep).await;
    let other = host.manager(|config| config);
    assert_eq!(other.reap_orphans().await.unwrap(), 1);
    (host, other, labels)
}

#[tokio::test(start_paused = true)]
async fn what_is_created_for_a_dead_manager_is_an_orphan_for_two_minutes_after_its_last_create() {
    let (host, other, labels) = after_a_death().await;
    for _ in 0..2 {
        sleep(Duration::from_secs(59)).await;
        assert_eq!(other.reap_orphans().await.unwrap(), 0);
        create(&host.engine, &other, labels.clone(), |_| {}).await;
        assert_eq!(other.reap_orphans().await.unwrap(), 1);
    }
    // None is left, and one that comes now was never asked for.
    sleep(Duration::from_secs(3)).await;
    assert_eq!(host.leases(), 1);
    assert_eq!(other.reap_orphans().await.unwrap(), 0);
    assert_eq!(host.leases(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_was_held_up_has_two_minutes_from_its_first_answer() {
    let (host, other, labels) = after_a_death().await;
    host.engine.fail(Fault::hung().on(Op::List));
    sleep(Duration::from_secs(3600)).await;
    assert!(other.reap_orphans().await.is_err());
    sleep(Duration::from_secs(100)).await;
    assert_eq!(other.reap_orphans().await.unwrap(), 0);
    create(&host.engine, &other, labels, |_| {}).await;
    assert_eq!(other.reap_orphans().await.unwrap(), 1);
}

/// A manager that goes in order has two minutes for a create that was not answered; it does not take them.
#[tokio::test(start_paused = true)]
async fn what_a_manager_that_is_gone_could_not_wait_for_is_an_orphan_of_its() {
    let host = Host::new(InitProgram::Clawbox);
    let first = host.manager(|config| config);
    host.engine
        .fail(Fault::created_late(Duration::from_secs(70)));
    assert!(first.spawn(request("sleeper")).await.is_err());
    drop(first);
    sleep(Duration::from_secs(5)).await;
    let other = host.manager(|config| config);
    assert_eq!(other.reap_orphans().await.unwrap(), 0);
    sleep(Duration::from_secs(10)).await;
    assert_eq!(host.engine.containers().len(), 1);
    assert_eq!(other.reap_orphans().await.unwrap(), 1);
    let begun = Instant::now();
    while host.leases() > 0 {
        sleep(Duration::from_secs(5)).await;
        assert_eq!(other.reap_orphans().await.unwrap(), 0);
    }
    assert!(begun.elapsed() < Duration::from_secs(120));
}
