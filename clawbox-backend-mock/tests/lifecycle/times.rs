//! What is told of times, on one virtual clock.

use super::{agent, request_within};
use clawbox_backend_mock::{Fault, MockEngine, Op, mock_backend};
use clawbox_containers::ContainerBackend;
use std::time::Duration;
use time::OffsetDateTime;
use tokio::time::sleep;

const HOUR: Duration = Duration::from_secs(3600);
/// How long it takes to find the image.
const FETCH: Duration = Duration::from_secs(10);
/// How much later than the limit alone the deadline on the label is.
const START_ALLOWANCE: Duration = Duration::from_secs(5);

#[tokio::test(start_paused = true)]
async fn infos_labels_and_reports_agree_exactly() {
    let start = OffsetDateTime::from_unix_timestamp(4_000_000_000).unwrap();
    let engine = MockEngine::starting_at(start);
    engine.add_image(agent());
    engine.fail(Fault::slow(FETCH).on(Op::EnsureImage).always());
    let backend = mock_backend(engine).unwrap();
    for round in 0..3 {
        let created = start + round * (HOUR + FETCH);
        let asked = request_within("deaf", HOUR.as_secs());
        let info = backend.spawn(asked).await.unwrap();
        assert_eq!(info.created_at, created);
        let found = backend.survey().await.unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].deadline, created + FETCH + HOUR + START_ALLOWANCE);

        let exit = backend.wait(&info.container_id).await.unwrap();
        assert_eq!(exit.started_at, Some(created + FETCH));
        assert_eq!(exit.finished_at, Some(created + FETCH + HOUR));
        let after = backend.get(&info.container_id).unwrap();
        assert_eq!(after.created_at, created);
        backend.kill(&info.container_id).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_program_that_ends_by_itself_takes_its_own_time() {
    let engine = MockEngine::new();
    engine.add_image(agent());
    let backend = mock_backend(engine.clone()).unwrap();
    sleep(HOUR).await;
    let now = engine.clock().now();
    let info = backend.spawn(request_within("minute", 120)).await.unwrap();
    let exit = backend.wait(&info.container_id).await.unwrap();
    assert_eq!(info.created_at, now);
    assert_eq!(exit.started_at, Some(now));
    assert_eq!(exit.finished_at, Some(now + Duration::from_secs(60)));
}
