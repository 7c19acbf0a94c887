//! Containers that run after their deadline, whoever should have ended them.

use crate::place::Engine;
use crate::story::{LATE, now};
use clawbox::containers::engine::EnginePhase;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    task::JoinHandle,
    time::{sleep, timeout},
};

/// By which all of clawbox's are listed.
pub(crate) fn selector() -> BTreeMap<String, String> {
    BTreeMap::from([("clawbox.schema".to_owned(), "1".to_owned())])
}

/// How long an engine that was away may still take a container for running that has ended meanwhile, in milliseconds.
const LAG: u64 = 3_000;

/// Looks at the engine for them.
pub(crate) struct Overdue {
    found: Arc<Mutex<BTreeSet<String>>>,
    task: JoinHandle<()>,
}

impl Overdue {
    pub(crate) fn watch(engine: Engine) -> Self {
        let found = Arc::<Mutex<BTreeSet<String>>>::default();
        let noted = Arc::clone(&found);
        let task = tokio::spawn(async move {
            let mut suspects = BTreeMap::<String, u64>::new();
            loop {
                sleep(Duration::from_secs(1)).await;
                let asked = now();
                // An engine that does not answer tells nothing.
                let Ok(Ok(listed)) =
                    timeout(Duration::from_secs(4), engine.list(&selector())).await
                else {
                    continue;
                };
                let known = std::mem::take(&mut suspects);
                for container in listed {
                    let deadline = container.labels.get("clawbox.deadline");
                    let deadline = deadline.and_then(|it| it.parse::<u64>().ok());
                    let is_ours =
                        container.labels.get("clawbox.container_id") == Some(&container.name);
                    let over = deadline.is_some_and(|it| it * 1_000 + LATE < asked);
                    if !is_ours || !over || container.phase != EnginePhase::Running {
                        continue;
                    }
                    let since = known.get(&container.name).copied().unwrap_or(asked);
                    if since + LAG < asked {
                        let mut noted = noted.lock().unwrap_or_else(PoisonError::into_inner);
                        noted.insert(container.name.clone());
                    }
                    suspects.insert(container.name, since);
                }
            }
        });
        Self { found, task }
    }

    pub(crate) fn end(self) -> BTreeSet<String> {
        self.task.abort();
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *found)
    }
}
