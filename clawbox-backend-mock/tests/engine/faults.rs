//! What goes wrong, where and how often.

use clawbox_backend_mock::{Fault, MockEngine, Op, Script};
use clawbox_containers::{
    ContainerBackend, ContainerEngine,
    engine::{EngineErrorKind, Signal},
};
use clawbox_types::{ContainerId, PullPolicy};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

#[tokio::test(start_paused = true)]
async fn faults_strike_at_their_calls_and_as_often_as_they_are_to() {
    let engine = MockEngine::new();
    let outcomes = async |calls: u32| {
        let mut outcomes = String::new();
        for _ in 0..calls {
            let listed = engine.list(&BTreeMap::new()).await.is_ok();
            let probed = engine.probe().await.is_ok();
            outcomes.push(match (listed, probed) {
                (true, true) => '.',
                (false, true) => 'l',
                (true, false) => 'p',
                (false, false) => 'X',
            });
        }
        engine.recover();
        outcomes
    };
    engine.fail(Fault::unavailable());
    assert_eq!(outcomes(3).await, "l..");
    engine.fail(Fault::unavailable().on(Op::Probe).times(2));
    assert_eq!(outcomes(4).await, "pp..");
    engine.fail(Fault::unavailable().on(Op::List).after(1).times(2));
    assert_eq!(outcomes(5).await, ".ll..");
    engine.fail(Fault::lost_answer().always());
    assert_eq!(outcomes(3).await, "XXX");
    engine.fail(
        Fault::unavailable()
            .when(|call| call.op() == Op::Probe)
            .after(2)
            .always(),
    );
    assert_eq!(outcomes(5).await, "..ppp");
    let since = tokio::time::Instant::now();
    engine.fail(Fault::slow(Duration::from_secs(5)).times(2));
    assert_eq!(outcomes(3).await, "...");
    assert_eq!(since.elapsed(), Duration::from_secs(10));
    engine.fail(
        Fault::refused(EngineErrorKind::BadAnswer, "nonsense").delayed(Duration::from_secs(3)),
    );
    let error = engine.probe().await.unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (EngineErrorKind::BadAnswer, "nonsense")
    );
    assert_eq!(since.elapsed(), Duration::from_secs(13));
}

#[tokio::test(start_paused = true)]
async fn unknown_containers_are_not_found() {
    let engine = MockEngine::new();
    let id = ContainerId::generate();
    for error in [
        engine.inspect(&id).await.map(drop),
        engine.start(&id).await,
        engine.attach(&id).await.map(drop),
        engine.wait(&id).await.map(drop),
        engine.kill(&id, Signal::Kill).await,
    ] {
        assert_eq!(error.unwrap_err().kind(), EngineErrorKind::NotFound);
    }
    let image = super::IMAGE.parse().unwrap();
    let missing = engine
        .ensure_image(&image, PullPolicy::Always, &|_| {})
        .await;
    assert_eq!(missing.unwrap_err().kind(), EngineErrorKind::ImageNotFound);
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_of_a_call_that_was_done() {
    for (fault, op, there) in [
        (Fault::lost_answer(), Op::Create, 1),
        (Fault::hung_after(), Op::Create, 1),
        (Fault::unavailable(), Op::Create, 0),
        (Fault::hung(), Op::Create, 0),
        (Fault::lost_answer(), Op::Start, 1),
    ] {
        let backend = super::with(Script::exit(0));
        let engine = backend.engine().clone();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let record = Arc::clone(&seen);
        backend.engine().watch(move |call| {
            if call.op() == Op::Remove {
                record.lock().unwrap().push(engine.containers().len());
            }
        });
        backend.engine().fail(fault.on(op));
        assert!(backend.spawn(super::request(&["x"])).await.is_err());
        assert_eq!(*seen.lock().unwrap(), [there], "{op}");
    }
}
