//! What the journal tells.

use super::{IMAGE, request, with};
use clawbox_backend_mock::{
    Fault, JOURNAL_CAPACITY, MockEngine, MockImage, Op, Script, mock_backend,
};
use clawbox_containers::{ContainerBackend, ContainerEngine};
use clawbox_types::{ContainerIdentity, ProxyToken};
use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Duration,
};

#[tokio::test(start_paused = true)]
async fn the_journal_shows_what_differs() {
    let backend = with(Script::sleep(Duration::from_millis(1500)));
    let id = backend.spawn(request(&["x"])).await.unwrap().container_id;
    backend.wait(&id).await.unwrap();
    backend.kill(&id).await.unwrap();
    let journal = backend.engine().journal().of(&id);
    let wrong = || {
        journal.assert(&[
            "create",
            "inspect",
            "start",
            "run x",
            "kill SIGTERM",
            "remove",
        ])
    };
    let panic = catch_unwind(AssertUnwindSafe(wrong)).unwrap_err();
    let text = panic.downcast_ref::<String>().unwrap();
    let lines: Vec<_> = text
        .lines()
        .map(|line| line.split(" at ").next().unwrap().trim_end())
        .collect();
    let expected = [
        "the engine was not called as expected:",
        "  create",
        "  inspect",
        "+ attach",
        "  start",
        "  run x",
        "- kill SIGTERM",
        "  remove",
    ];
    assert_eq!(lines, expected, "{text}");
    assert!(text.ends_with("at 1.500 s\n"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn the_journal_is_bounded_and_says_what_it_forgot() {
    let engine = MockEngine::new();
    for _ in 0..JOURNAL_CAPACITY + 10 {
        engine.probe().await.unwrap();
    }
    let journal = engine.journal();
    assert_eq!((journal.len(), journal.forgotten), (JOURNAL_CAPACITY, 10));
    assert_eq!(journal.entries[0].number, 10);
    engine.clear_journal();
    assert!(engine.journal().is_empty());
}

/// The identity of this number: a manager's own are random.
fn identity(number: u8) -> ContainerIdentity {
    let id = format!("clawbox-00000000-0000-4000-8000-{number:012}");
    ContainerIdentity::new(id.parse().unwrap(), ProxyToken::from_bytes([number; 32]))
}

#[test]
fn the_same_test_is_the_same_every_time() {
    let history = || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(async {
            let engine = MockEngine::starting_at(time::OffsetDateTime::UNIX_EPOCH);
            let script = Script::stdout("a")
                .sleep(Duration::from_secs(90))
                .stdout("b")
                .exit(3);
            engine.add_image(MockImage::new(IMAGE).unwrap().with_program("x", script));
            engine.fail(Fault::start_failed("no").after(2));
            engine.fail(
                Fault::slow(Duration::from_secs(2))
                    .on(Op::Inspect)
                    .after(1)
                    .times(3),
            );
            let backend = mock_backend(engine.clone()).unwrap();
            let asked = (0..5).map(|n| request(&["x"]).with_identity(identity(n)));
            let spawns = asked.map(|request| backend.spawn(request));
            let spawned = futures_util::future::join_all(spawns).await;
            let survey = backend.survey().await.unwrap();
            let mut reports = Vec::new();
            for info in spawned.into_iter().flatten() {
                let report = backend.wait(&info.container_id).await.unwrap();
                reports.push((info, report));
            }
            let entries = engine.journal().entries.into_iter();
            let calls: Vec<_> = entries.map(|e| (e.at, e.call.summary())).collect();
            (calls, reports, survey, backend.list())
        })
    };
    let first = history();
    assert_eq!((first.1.len(), first.2.len(), first.3.len()), (4, 4, 4));
    assert!(first.0.len() > 30, "{:?}", first.0);
    for _ in 0..5 {
        assert_eq!(history(), first);
    }
}
