//! What the talk with process 1 costs before the command runs, from the events that the manager logs on its way.

use crate::{Outcome, table::percentile};
use std::{
    fmt::Debug,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    Layer,
    filter::{LevelFilter, Targets},
    layer::{Context, SubscriberExt},
};

/// From when it is let in, which may be before the engine's word that the container has started: what each step is, and the
/// event at its end.
const BEGIN: &str = "process 1 let in";
const STEPS: [(&str, &str); 3] = [
    ("it answers", "process 1 answered"),
    ("gate 2, and go", "process 1 told to go"),
    ("the command runs", "command runs"),
];

/// The steps of every spawn with a process 1 of ours.
pub(crate) struct Handshakes(Arc<Mutex<Seen>>);

#[derive(Default)]
struct Seen {
    since: Option<Instant>,
    times: [Vec<Duration>; STEPS.len()],
}

impl Handshakes {
    pub(crate) fn listen() -> Outcome<Self> {
        let seen = Arc::default();
        let targets = Targets::new().with_target("clawbox_containers", LevelFilter::DEBUG);
        let layer = Listener(Arc::clone(&seen)).with_filter(targets);
        tracing::subscriber::set_global_default(tracing_subscriber::registry().with(layer))?;
        Ok(Self(seen))
    }

    pub(crate) fn report(&self) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        println!("\nsince process 1 of ours was let in; milliseconds");
        println!("{:<24}{:>8}{:>8}", "", "p50", "p95");
        for ((name, _), times) in STEPS.iter().zip(&mut seen.times) {
            let (p50, p95) = (percentile(times, 50), percentile(times, 95));
            println!("{name:<24}{p50:>8.2}{p95:>8.2}");
        }
    }
}

struct Listener(Arc<Mutex<Seen>>);

impl<S: Subscriber> Layer<S> for Listener {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let now = Instant::now();
        let mut message = Message::default();
        event.record(&mut message);
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if message.0 == BEGIN {
            seen.since = Some(now);
        }
        let step = STEPS.iter().position(|(_, event)| message.0 == *event);
        if let (Some(step), Some(since)) = (step, seen.since) {
            seen.times[step].push(now - since);
        }
    }
}

#[derive(Default)]
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}
