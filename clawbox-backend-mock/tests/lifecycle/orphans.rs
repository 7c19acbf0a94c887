//! Containers that are nobody's.

use super::{Rig, request, rig};
use clawbox_backend_mock::{Fault, MockBackend, MockEngine, Op};
use clawbox_containers::{
    ContainerBackend, ContainerEngine, ContainerSecurityConfig,
    policy::{Placement, SecurityPolicy},
};
use clawbox_types::{ContainerId, ContainerStatus, PullPolicy};
use std::{collections::BTreeMap, time::Duration};
use tokio::{
    sync::watch,
    time::{Instant, sleep},
};

pub(super) type Labels = BTreeMap<String, String>;

pub(super) async fn labels_of(engine: &MockEngine, id: &ContainerId) -> Labels {
    let listed = engine.list(&Labels::new()).await.unwrap();
    let name = id.to_string();
    listed.into_iter().find(|c| c.name == name).unwrap().labels
}

/// Creates and starts a container at the engine that no manager knows, with the labels of one that is known.
async fn plant(rig: &Rig, like: &ContainerId, edit: impl FnOnce(&mut Labels)) -> String {
    let labels = labels_of(&rig.engine, like).await;
    let id = create(&rig.engine, &rig.backend, labels, edit).await;
    rig.engine.start(&id).await.unwrap();
    id.to_string()
}

/// Creates a container with these labels and its own id.
pub(super) async fn create(
    engine: &MockEngine,
    backend: &MockBackend,
    mut labels: Labels,
    edit: impl FnOnce(&mut Labels),
) -> ContainerId {
    let identity = backend.pre_generate_id().unwrap();
    let id = identity.id.clone();
    labels.insert("clawbox.container_id".to_owned(), id.to_string());
    edit(&mut labels);
    let policy = SecurityPolicy::new(&ContainerSecurityConfig::new()).unwrap();
    let admission = policy.admit(&request("sleeper")).unwrap();
    let image = engine
        .ensure_image(admission.image(), PullPolicy::Never, &|_| {})
        .await
        .unwrap();
    let placement = Placement {
        identity,
        labels,
        proxy_dir: None,
        init_dir: None,
    };
    let plan = admission.compile(&image, placement).unwrap();
    engine.create(&plan).await.unwrap();
    id
}

#[tokio::test(start_paused = true)]
async fn what_is_ours_and_unknown_is_reaped_and_what_only_looks_so_is_not() {
    let rig = rig();
    let known = rig.spawn("sleeper").await;
    let unknown = plant(&rig, &known, |_| {}).await;
    let mut left = vec![known.to_string()];
    for (key, value) in [
        ("clawbox.schema", "2"),
        ("clawbox.user", "4294967294"),
        ("clawbox.owner", "6f1f9a0e-55c8-4d4e-9d0b-1f3c9c1f7a11"),
        ("clawbox.owner", "nobody"),
        (
            "clawbox.container_id",
            "clawbox-9f2c1f0e-6d5b-4c3a-8b7e-0a1b2c3d4e5f",
        ),
    ] {
        let edit = |labels: &mut Labels| drop(labels.insert(key.to_owned(), value.to_owned()));
        left.push(plant(&rig, &known, edit).await);
    }
    assert!(rig.engine.containers().contains(&unknown));
    assert_eq!(rig.backend.reap_orphans().await.unwrap(), 1);
    assert_eq!(rig.engine.containers(), left);
    assert_eq!(rig.backend.reap_orphans().await.unwrap(), 0);
    assert_eq!(rig.status(&known), ContainerStatus::Running);
}

#[tokio::test(start_paused = true)]
async fn a_label_that_names_somebody_elses_container_does_not_take_it_down() {
    let rig = rig();
    let other = clawbox_backend_mock::mock_backend(rig.engine.clone()).unwrap();
    let theirs = other.spawn(request("sleeper")).await.unwrap().container_id;
    let known = rig.spawn("sleeper").await;
    let name = theirs.to_string();
    plant(&rig, &known, |labels| {
        labels.insert("clawbox.container_id".to_owned(), name);
    })
    .await;
    assert_eq!(rig.backend.reap_orphans().await.unwrap(), 0);
    assert_eq!(rig.engine.containers().len(), 3);
    assert_eq!(other.get(&theirs).unwrap().status, ContainerStatus::Running);
}

#[tokio::test(start_paused = true)]
async fn a_newborn_is_not_an_orphan() {
    let rig = rig();
    rig.engine
        .fail(Fault::slow(Duration::from_secs(5)).on(Op::Inspect));
    let reap = async {
        sleep(Duration::from_secs(2)).await;
        assert_eq!(rig.engine.containers().len(), 1);
        rig.backend.reap_orphans().await
    };
    let (spawned, reaped) = tokio::join!(rig.try_spawn("sleeper"), reap);
    assert_eq!(reaped.unwrap(), 0);
    assert_eq!(
        rig.status(&spawned.unwrap().container_id),
        ContainerStatus::Running
    );
}

#[tokio::test(start_paused = true)]
async fn an_orphan_that_cannot_be_removed_is_not_counted_and_tried_again() {
    let rig = rig();
    let known = rig.spawn("sleeper").await;
    plant(&rig, &known, |_| {}).await;
    rig.engine.fail(Fault::unavailable().on(Op::Remove));
    assert_eq!(rig.backend.reap_orphans().await.unwrap(), 0);
    assert_eq!(rig.backend.reap_orphans().await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_reaper_looks_at_once_and_then_at_every_interval_until_it_is_told() {
    let rig = rig();
    let known = rig.spawn("sleeper").await;
    let first = plant(&rig, &known, |_| {}).await;
    let (stop, stopped) = watch::channel(false);
    let reaper = rig.backend.spawn_reaper(stopped);
    sleep(Duration::from_millis(1)).await;
    assert!(!rig.engine.containers().contains(&first));

    // An engine that is away does not end it.
    let second = plant(&rig, &known, |_| {}).await;
    rig.engine.fail(Fault::unavailable().on(Op::List));
    sleep(Duration::from_secs(61)).await;
    assert!(rig.engine.containers().contains(&second));
    sleep(Duration::from_secs(60)).await;
    assert!(!rig.engine.containers().contains(&second));

    stop.send(true).unwrap();
    reaper.await.unwrap();
    assert_eq!(rig.status(&known), ContainerStatus::Running);
}

/// When the engine was asked for its containers, in seconds.
fn looks(rig: &Rig) -> Vec<u64> {
    let looks = rig.engine.journal().only(&[Op::List]).entries;
    looks.iter().map(|entry| entry.at.as_secs()).collect()
}

#[tokio::test(start_paused = true)]
async fn the_reaper_asks_an_engine_that_is_down_ever_less_often_and_one_that_is_back_as_before() {
    let rig = rig();
    let (_stop, stopped) = watch::channel(false);
    rig.engine.fail(Fault::unavailable().on(Op::List).times(6));
    rig.backend.spawn_reaper(stopped);
    sleep(Duration::from_secs(60 * 34)).await;
    let minutes: Vec<u64> = looks(&rig).iter().map(|second| second / 60).collect();
    assert_eq!(minutes, [0, 1, 3, 7, 15, 23, 31, 32, 33]);
}

#[tokio::test(start_paused = true)]
async fn many_orphans_are_removed_a_few_at_a_time() {
    let rig = rig();
    let known = rig.spawn("sleeper").await;
    for _ in 0..40 {
        plant(&rig, &known, |_| {}).await;
    }
    let second = Duration::from_secs(1);
    rig.engine.fail(Fault::slow(second).on(Op::Remove).always());
    let begun = Instant::now();
    assert_eq!(rig.backend.reap_orphans().await.unwrap(), 40);
    // 16 and 16 and 8.
    assert_eq!(begun.elapsed().as_secs(), 3);
    assert_eq!(rig.engine.containers(), [known.to_string()]);
}

#[tokio::test(start_paused = true)]
async fn a_pass_ends_where_the_engine_goes_away_and_counts_what_was_confirmed() {
    let rig = rig();
    let known = rig.spawn("sleeper").await;
    for _ in 0..60 {
        plant(&rig, &known, |_| {}).await;
    }
    rig.engine.clear_journal();
    rig.engine
        .fail(Fault::unavailable().on(Op::Remove).after(20).always());
    assert_eq!(rig.backend.reap_orphans().await.unwrap(), 20);
    // The second piece still had answers, the third had none, and the fourth was not tried.
    assert_eq!(rig.engine.journal().only(&[Op::Remove]).len(), 48);
    rig.engine.recover();
    assert_eq!(rig.backend.reap_orphans().await.unwrap(), 40);
}

#[tokio::test(start_paused = true)]
async fn a_reaper_that_is_told_to_end_does_not_go_on_with_its_pass() {
    let rig = rig();
    let known = rig.spawn("sleeper").await;
    plant(&rig, &known, |_| {}).await;
    rig.engine.fail(Fault::hung().on(Op::Remove).always());
    let (stop, stopped) = watch::channel(false);
    let reaper = rig.backend.spawn_reaper(stopped);
    sleep(Duration::from_secs(1)).await;
    stop.send(true).unwrap();
    let begun = Instant::now();
    reaper.await.unwrap();
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_reaper_ends_when_nobody_can_stop_it_any_more() {
    let rig = rig();
    let (stop, stopped) = watch::channel(false);
    let reaper = rig.backend.spawn_reaper(stopped);
    drop(stop);
    reaper.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn evicting_ends_any_of_this_users_containers() {
    let rig = rig();
    let other = clawbox_backend_mock::mock_backend(rig.engine.clone()).unwrap();
    let theirs = other.spawn(request("sleeper")).await.unwrap().container_id;
    assert_eq!(rig.backend.survey().await.unwrap().len(), 1);
    rig.backend.evict(&theirs).await.unwrap();
    let exit = other.wait(&theirs).await.unwrap();
    // Its process 1 was killed without a word, and the engine has no record of it any more.
    assert_eq!(exit.status, ContainerStatus::Lost);
    let unknown = rig.backend.evict(&ContainerId::generate()).await;
    assert!(unknown.is_err());
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_are_reaped_in_one_pass() {
    const MANY: usize = 10_000;
    let rig = rig();
    let known = rig.spawn("sleeper").await;
    let labels = labels_of(&rig.engine, &known).await;
    for _ in 0..MANY {
        create(&rig.engine, &rig.backend, labels.clone(), |_| {}).await;
    }
    let second = Duration::from_secs(1);
    rig.engine.fail(Fault::slow(second).on(Op::Remove).always());
    let begun = Instant::now();
    assert_eq!(rig.backend.reap_orphans().await.unwrap(), MANY);
    assert_eq!(begun.elapsed().as_secs(), MANY as u64 / 16);
    assert_eq!(rig.engine.containers(), [known.to_string()]);
}
