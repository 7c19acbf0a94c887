//! A second container of an image is created while the engine looks whether the image is what it was.

use super::{Rig, agent, rig};
use clawbox_backend_mock::{Fault, MockImage, Op, Script};
use clawbox_containers::{
    ContainerBackend, ContainerError,
    engine::{EngineErrorKind, ImageFacts},
};
use clawbox_types::DEFAULT_AGENT_IMAGE;
use std::time::Duration;
use tokio::time::Instant;

const LONG: Duration = Duration::from_millis(800);

/// The agent's image after it was built anew.
fn built_anew() -> MockImage {
    MockImage::new(DEFAULT_AGENT_IMAGE)
        .unwrap()
        .with_program("ok", Script::stdout("anew\n"))
}

async fn first(rig: &Rig) {
    let id = rig.spawn("ok").await;
    rig.backend.wait(&id).await.unwrap();
    rig.backend.kill(&id).await.unwrap();
    assert_eq!(rig.engine.containers(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn the_look_and_the_create_take_as_long_as_one_of_them() {
    let rig = rig();
    first(&rig).await;
    for op in [Op::EnsureImage, Op::Create] {
        rig.engine.fail(Fault::slow(LONG).on(op).always());
    }
    let begun = Instant::now();
    rig.spawn("sleeper").await;
    assert_eq!(begun.elapsed(), LONG);
}

#[tokio::test(start_paused = true)]
async fn an_image_that_has_changed_is_taken_as_it_is() {
    let rig = rig();
    first(&rig).await;
    rig.engine.add_image(built_anew());
    for _ in 0..2 {
        let id = rig.spawn("ok").await;
        rig.backend.wait(&id).await.unwrap();
        assert_eq!(rig.stdout(&id).await, "anew\n");
    }
    assert_eq!(rig.engine.containers().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_container_of_what_the_image_was_is_taken_back() {
    let rig = rig();
    // Of one id, so that the engine makes the container.
    let with = |name: &str| {
        agent().with_facts(ImageFacts {
            id: format!("sha256:{:064}", 7),
            env: vec!["PATH=/bin".to_owned(), format!("NAME={name}")],
            ..ImageFacts::default()
        })
    };
    rig.engine.add_image(with("old"));
    first(&rig).await;
    rig.engine.add_image(with("new"));
    rig.engine.clear_journal();
    let id = rig.spawn("sleeper").await;
    let made = rig.engine.journal().only(&[Op::Create, Op::Remove]);
    made.assert(&["create", "remove", "create"]);
    assert_eq!(rig.engine.containers(), [id.to_string()]);
}

#[tokio::test(start_paused = true)]
async fn an_image_that_is_gone_is_told_and_leaves_nothing() {
    let rig = rig();
    first(&rig).await;
    let gone = EngineErrorKind::ImageNotFound;
    for op in [Op::EnsureImage, Op::Create] {
        rig.engine
            .fail(Fault::refused(gone, "no such image").on(op));
    }
    let error = rig.try_spawn("ok").await.unwrap_err();
    assert!(
        matches!(error, ContainerError::ImageNotFound { .. }),
        "{error:?}"
    );
    assert_eq!(rig.engine.containers(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn what_an_outdated_image_was_refused_for_is_no_refusal() {
    let rig = rig();
    first(&rig).await;
    rig.engine.add_image(built_anew());
    let gone = EngineErrorKind::ImageNotFound;
    rig.engine
        .fail(Fault::refused(gone, "no such image").on(Op::Create));
    rig.spawn("ok").await;
}

#[tokio::test(start_paused = true)]
async fn somebody_elses_container_of_that_name_stays_though_the_image_is_gone() {
    let rig = rig();
    first(&rig).await;
    let taken = EngineErrorKind::AlreadyExists;
    rig.engine
        .fail(Fault::refused(taken, "the name is in use").on(Op::Create));
    let gone = EngineErrorKind::ImageNotFound;
    rig.engine
        .fail(Fault::refused(gone, "no such image").on(Op::EnsureImage));
    let error = rig.try_spawn("ok").await.unwrap_err();
    assert!(
        matches!(error, ContainerError::AlreadyExists { .. }),
        "{error:?}"
    );
    let removals = rig.engine.journal().only(&[Op::Remove]);
    assert_eq!(removals.len(), 1, "the first one's own");
}
