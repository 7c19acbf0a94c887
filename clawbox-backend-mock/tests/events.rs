//! What is said through `tracing`: every move, by names that stay, and never a secret.
//!
//! Alone in its program, as `tracing` remembers what no listener of any thread wanted.

#![expect(clippy::unwrap_used, reason = "a test fails where it panics")]

use clawbox_backend_mock::{Fault, MockEngine, MockImage, Op, Script, mock_backend};
use clawbox_containers::ContainerBackend;
use clawbox_types::{Capabilities, ContainerId, ContainerSpawnRequest, DEFAULT_AGENT_IMAGE};
use std::{
    fmt::{self, Write as _},
    sync::{Arc, Mutex},
    time::Duration,
};
use tracing::{
    Event, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
};

/// Writes every event, of every level, as one line.
#[derive(Clone, Default)]
struct Scribe(Arc<Mutex<String>>);

struct Line<'a>(&'a mut String);

impl Visit for Line<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0, "{}={value:?} ", field.name()).unwrap();
    }
}

impl Subscriber for Scribe {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        attributes.record(&mut Line(&mut self.0.lock().unwrap()));
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut Line(&mut self.0.lock().unwrap()));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut text = self.0.lock().unwrap();
        event.record(&mut Line(&mut text));
        text.push('\n');
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[tokio::test(start_paused = true)]
async fn every_move_is_told_and_no_secret() {
    let scribe = Scribe::default();
    let listening = tracing::subscriber::set_default(scribe.clone());
    let engine = MockEngine::new();
    let forever = Duration::from_secs(1 << 20);
    let image = MockImage::new(DEFAULT_AGENT_IMAGE).unwrap();
    let image = image.with_program("ok", Script::exit(0));
    engine.add_image(image.with_program("deaf", Script::ignore_term().sleep(forever)));
    let backend = mock_backend(engine.clone()).unwrap();
    let mut secrets = vec!["hunter2".to_owned(), "the-secret-task".to_owned()];
    let mut ids = Vec::new();
    for program in ["ok", "deaf", "no-such-program"] {
        let identity = backend.pre_generate_id().unwrap();
        secrets.push(identity.token.reveal().to_string());
        let id = identity.id.clone();
        let request = ContainerSpawnRequest::new("the-secret-task", Capabilities::default())
            .with_command([program])
            .with_identity(identity)
            .with_env("PASSWORD", "hunter2");
        if backend.spawn(request).await.is_ok() {
            tokio::time::sleep(Duration::from_secs(1)).await;
            // An error's words are told, and may hold nothing either.
            engine.fail(Fault::unavailable().on(Op::Remove));
            engine.fail(Fault::unavailable().on(Op::Kill));
            backend.kill(&id).await.unwrap();
        }
        ids.push(id);
    }
    drop(listening);
    let text = scribe.0.lock().unwrap().clone();
    for secret in secrets {
        assert!(!text.contains(&secret), "{secret} is told:\n{text}");
    }
    let moves = |id: &ContainerId| -> Vec<String> {
        let about = format!("container={id} ");
        let moved = text
            .lines()
            .filter(|line| line.contains("container moved") && line.contains(&about));
        moved
            .map(|line| line.split(&about).nth(1).unwrap().trim().to_owned())
            .collect()
    };
    let [ok, deaf, missing] = [&ids[0], &ids[1], &ids[2]].map(moves);
    assert_eq!(
        ok,
        [
            "from=creating to=running gone=false",
            "from=running to=completed gone=false",
            "from=completed to=completed gone=true",
        ]
    );
    assert_eq!(
        deaf,
        [
            "from=creating to=running gone=false",
            "from=running to=killed gone=false",
            "from=killed to=killed gone=true",
        ]
    );
    assert_eq!(
        missing,
        [
            "from=creating to=failed gone=false",
            "from=failed to=failed gone=true",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_reaper_tells_once_that_it_waits_for_the_engine_and_once_that_it_has_it_again() {
    let scribe = Scribe::default();
    let _listening = tracing::subscriber::set_default(scribe.clone());
    let engine = MockEngine::new();
    let backend = mock_backend(engine.clone()).unwrap();
    engine.fail(Fault::unavailable().on(Op::List).times(5));
    let (_stop, stopped) = tokio::sync::watch::channel(false);
    backend.spawn_reaper(stopped);
    tokio::time::sleep(Duration::from_secs(24 * 60 * 60)).await;
    let text = scribe.0.lock().unwrap().clone();
    let told = ["the reaper waits", "the reaper has"].map(|event| text.matches(event).count());
    assert_eq!(told, [1, 1], "{text}");
}
