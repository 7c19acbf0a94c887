//! What is counted through the `metrics` facade, by names that stay.

#![expect(clippy::unwrap_used, reason = "a test fails where it panics")]

use clawbox_backend_mock::{Fault, MockBackend, MockEngine, MockImage, Op, Script, mock_config};
use clawbox_containers::{ContainerBackend, ContainerSecurityConfig, Grace};
use clawbox_types::{Capabilities, ContainerSpawnRequest, DEFAULT_AGENT_IMAGE, ResourceLimits};
use metrics::{
    Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
    set_default_local_recorder,
};
use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// Keeps every counter and gauge by its name.
#[derive(Default)]
struct Book {
    counters: Mutex<BTreeMap<String, Arc<AtomicU64>>>,
    gauges: Mutex<BTreeMap<String, Arc<AtomicU64>>>,
}

fn entry(of: &Mutex<BTreeMap<String, Arc<AtomicU64>>>, key: &Key) -> Arc<AtomicU64> {
    assert_eq!(key.labels().len(), 0, "{key}");
    let mut entries = of.lock().unwrap();
    Arc::clone(entries.entry(key.name().to_owned()).or_default())
}

impl Recorder for Book {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(entry(&self.counters, key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(entry(&self.gauges, key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        panic!("{key}")
    }
}

impl Book {
    fn counted(&self) -> Vec<(String, u64)> {
        let counters = self.counters.lock().unwrap();
        let all = counters.iter();
        all.map(|(name, count)| (name.clone(), count.load(Ordering::Relaxed)))
            .collect()
    }

    fn live(&self) -> f64 {
        let gauges = self.gauges.lock().unwrap();
        let names: Vec<_> = gauges.keys().collect();
        assert_eq!(names, ["clawbox_containers_live"]);
        f64::from_bits(gauges["clawbox_containers_live"].load(Ordering::Relaxed))
    }
}

fn request(program: &str) -> ContainerSpawnRequest {
    let limits = ResourceLimits::new(10_000, 64);
    let capabilities = Capabilities::default().with_resources(limits);
    ContainerSpawnRequest::new("a test", capabilities).with_command([program])
}

#[tokio::test(start_paused = true)]
async fn what_becomes_of_containers_is_counted() {
    let book = Book::default();
    let _recording = set_default_local_recorder(&book);
    let engine = MockEngine::new();
    let image = MockImage::new(DEFAULT_AGENT_IMAGE).unwrap();
    let sleeper = Script::stdout("ready\n").sleep(Duration::from_secs(1 << 20));
    let image = image.with_program("ok", Script::exit(0));
    engine.add_image(image.with_program("sleeper", sleeper));
    let state = tempfile::tempdir().unwrap();
    let manager = |places| {
        let config = mock_config(&engine)
            .with_max_containers(places)
            .with_state_dir(Some(state.path().join("state")));
        MockBackend::new(engine.clone(), &ContainerSecurityConfig::new(), config).unwrap()
    };
    let backend = manager(2);

    let ok = backend.spawn(request("ok")).await.unwrap().container_id;
    backend.wait(&ok).await.unwrap();
    assert_eq!(book.live(), 1.0);
    let late = backend.spawn(request("sleeper")).await.unwrap();
    assert_eq!(book.live(), 2.0);
    // Three refusals: by the policy, for want of a place, and by gate 1.
    let image = request("ok").with_image("docker.io/other/image:1");
    assert!(backend.spawn(image).await.is_err());
    assert!(backend.spawn(request("ok")).await.is_err());
    backend.wait(&late.container_id).await.unwrap();
    backend.cleanup_stopped().await.unwrap();
    assert_eq!(book.live(), 0.0);
    engine.fail(Fault::warning(None, "a thing that nobody knows").on(Op::Create));
    assert!(backend.spawn(request("ok")).await.is_err());
    assert_eq!(book.live(), 0.0);

    // Left to others, of whom one reaps it.
    backend.spawn(request("sleeper")).await.unwrap();
    assert_eq!(book.live(), 1.0);
    backend.shutdown(Grace::Keep).await;
    assert_eq!(book.live(), 0.0);
    assert_eq!(manager(1).reap_orphans().await.unwrap(), 1);
    let expected = [
        ("clawbox_containers_spawned", 3),
        ("clawbox_containers_timed_out", 1),
        ("clawbox_orphans_reaped", 1),
        ("clawbox_spawns_refused", 3),
        ("clawbox_verification_failures", 1),
    ];
    assert_eq!(
        book.counted(),
        expected.map(|(name, count)| (name.to_owned(), count))
    );
}
