//! The calls that a manager makes.

use super::{ENDPOINT, MockEngine, no_such};
use crate::{
    call::Call, container::Container, fault::Effect, kernel::starts_clawbox_init, process_one,
};
use async_trait::async_trait;
use clawbox_containers::{
    ContainerEngine, ContainerPlan,
    aspects::Bind,
    engine::{
        EngineError, EngineErrorKind, EngineResult, EngineWarning, ImageFacts, Inspection,
        ListedContainer, OutputChunks, PullProgress, Removal, Signal,
    },
    facts::ObservedFacts,
    init::{CONTAINER_INIT_DIR, Carrier},
};
use clawbox_types::{Ability, ContainerId, EngineInfo, ImageRef, PolicyItem, PullPolicy};
use futures_util::{StreamExt, future::pending, stream};
use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

#[async_trait]
impl ContainerEngine for MockEngine {
    fn endpoint(&self) -> String {
        ENDPOINT.to_owned()
    }

    fn carrier(&self) -> Carrier {
        let engine = self.clone();
        Carrier::Memory(Arc::new(move |id| engine.find(id).ok()?.take_link()))
    }

    async fn probe(&self) -> EngineResult<EngineInfo> {
        let rest = self.begin(Call::Probe).await?;
        let mut info = EngineInfo::new("mock", env!("CARGO_PKG_VERSION"), ENDPOINT);
        let missing = self.lock().missing.clone();
        let ability = |item: &PolicyItem| {
            let missing = missing.iter().find(|limit| limit.item() == *item);
            missing.map_or(Ability::available(*item), |limit| limit.ability())
        };
        info.abilities = PolicyItem::ALL.iter().map(ability).collect();
        rest.answer(Ok(info)).await
    }

    async fn ensure_image(
        &self,
        image: &ImageRef,
        pull: PullPolicy,
        progress: &(dyn Fn(PullProgress) + Send + Sync),
    ) -> EngineResult<ImageFacts> {
        let call = Call::EnsureImage {
            image: image.clone(),
            pull,
        };
        let rest = self.begin(call).await?;
        let answer = self.lock().ensure(image, pull);
        let answer = answer.map(|(facts, fetched)| {
            if fetched {
                fetch(progress);
            }
            facts
        });
        rest.answer(answer).await
    }

    async fn create(&self, plan: &ContainerPlan) -> EngineResult<Vec<EngineWarning>> {
        let asked = Arc::new(plan.spec().clone());
        let call = Call::Create {
            plan: Arc::clone(&asked),
        };
        let rest = self.begin(call).await?;
        let mut warnings = Vec::new();
        let (mut spec, mut told) = (Arc::clone(&asked), asked);
        for effect in &rest.0 {
            match effect {
                Effect::Warn(warning) => warnings.push(warning.clone()),
                Effect::Weaken { edit, told: shown } => {
                    edit(Arc::make_mut(&mut spec));
                    if *shown {
                        told = Arc::clone(&spec);
                    }
                }
                _ => {}
            }
        }
        for limit in &self.lock().missing {
            limit.lift(Arc::make_mut(&mut spec));
            limit.hide(Arc::make_mut(&mut told));
            warnings.push(limit.warning());
        }
        let refused = |words: String| EngineError::new(EngineErrorKind::Refused, words);
        self.filter(&spec.seccomp)
            .map_err(|error| refused(format!("decoding seccomp profile failed: {error}")))?;
        if let Some(bind) = spec.mounts.0.iter().find(|bind| !is_there(bind)) {
            let words = format!("bind source path does not exist: {}", bind.source.display());
            return Err(refused(words));
        }
        let late = rest.0.iter().find_map(|effect| match effect {
            Effect::Late(time) => Some(*time),
            _ => None,
        });
        if let Some(time) = late {
            let engine = self.clone();
            tokio::spawn(async move {
                tokio::time::sleep(time).await;
                drop(engine.lock().create(spec, told, engine.0.clock));
            });
            return pending().await;
        }
        let created = self.lock().create(spec, told, self.0.clock);
        rest.answer(created.map(|()| warnings)).await
    }

    async fn inspect(&self, id: &ContainerId) -> EngineResult<Inspection> {
        let rest = self.begin(Call::Inspect { id: id.clone() }).await?;
        let container = self.find(id)?;
        let mut inspection = Inspection {
            facts: ObservedFacts::as_planned(&container.told),
            state: container.state(),
        };
        for effect in &rest.0 {
            if let Effect::EditInspection(edit) = effect {
                edit(&mut inspection);
            }
        }
        rest.answer(Ok(inspection)).await
    }

    async fn attach(&self, id: &ContainerId) -> EngineResult<OutputChunks> {
        let rest = self.begin(Call::Attach { id: id.clone() }).await?;
        let mut chunks = self.find(id)?.attach();
        for effect in &rest.0 {
            match effect {
                Effect::CutOutput(bytes) => chunks = cut(chunks, *bytes),
                Effect::SlowOutput(time) => chunks = slow(chunks, *time),
                _ => {}
            }
        }
        rest.answer(Ok(chunks)).await
    }

    async fn logs(&self, id: &ContainerId) -> EngineResult<OutputChunks> {
        let rest = self.begin(Call::Logs { id: id.clone() }).await?;
        let chunks = self.find(id)?.logs();
        rest.answer(Ok(chunks)).await
    }

    async fn start(&self, id: &ContainerId) -> EngineResult<()> {
        let rest = self.begin(Call::Start { id: id.clone() }).await?;
        let container = self.find(id)?;
        if starts_clawbox_init(&container.spec) {
            let faults = rest.0.iter().filter_map(|effect| match effect {
                Effect::Init(fault) => Some(fault.clone()),
                _ => None,
            });
            let started = process_one::start(self, &container, faults.collect());
            return rest.answer(started).await;
        }
        let argv = &container.spec.command.argv;
        let program = container.image.program(argv).ok_or_else(|| {
            let name = argv.first().map_or("", String::as_str);
            EngineError::new(
                EngineErrorKind::Refused,
                format!("{name:?}: no such program in the image"),
            )
        })?;
        rest.answer(container.start(program)).await
    }

    async fn wait(&self, id: &ContainerId) -> EngineResult<i32> {
        let rest = self.begin(Call::Wait { id: id.clone() }).await?;
        let container = self.find(id)?;
        let code = container.wait().await.ok_or_else(|| no_such(id));
        rest.answer(code).await
    }

    async fn kill(&self, id: &ContainerId, signal: Signal) -> EngineResult<()> {
        let call = Call::Kill {
            id: id.clone(),
            signal,
        };
        let rest = self.begin(call).await?;
        if !self.find(id)?.signal(signal) {
            let words = format!("container {id} is not running");
            return Err(EngineError::new(EngineErrorKind::NotRunning, words));
        }
        rest.answer(Ok(())).await
    }

    async fn remove(&self, id: &ContainerId) -> EngineResult<Removal> {
        let rest = self.begin(Call::Remove { id: id.clone() }).await?;
        let removal = if self.vanish(id) {
            Removal::Now
        } else {
            Removal::AlreadyGone
        };
        rest.answer(Ok(removal)).await
    }

    async fn list(&self, labels: &BTreeMap<String, String>) -> EngineResult<Vec<ListedContainer>> {
        let call = Call::List {
            labels: labels.clone(),
        };
        let rest = self.begin(call).await?;
        let containers = self.lock().oldest_first();
        let carries = |container: &&Arc<Container>| {
            let own = &container.spec.identity.labels;
            labels
                .iter()
                .all(|(key, value)| own.get(key) == Some(value))
        };
        let listed = containers
            .iter()
            .filter(carries)
            .map(|container| ListedContainer {
                name: container.spec.identity.name.clone(),
                labels: container.spec.identity.labels.clone(),
                phase: container.phase(),
            });
        rest.answer(Ok(listed.collect())).await
    }
}

/// Whether there is something to bind. What process 1 is to find is not the host's, but a link in memory.
fn is_there(bind: &Bind) -> bool {
    bind.source == Path::new(CONTAINER_INIT_DIR) || bind.source.exists()
}

/// Tells of a fetch as a registry's client would: one layer, in two steps.
fn fetch(progress: &(dyn Fn(PullProgress) + Send + Sync)) {
    let total = Some(1 << 20);
    for (action, current) in [
        ("Downloading", Some(0)),
        ("Downloading", total),
        ("Pull complete", None),
    ] {
        progress(PullProgress {
            part: "layer".to_owned(),
            action: action.to_owned(),
            current,
            total: current.and(total),
        });
    }
}

/// The output, each piece of it so late.
fn slow(chunks: OutputChunks, time: Duration) -> OutputChunks {
    chunks
        .then(move |chunk| async move {
            tokio::time::sleep(time).await;
            chunk
        })
        .boxed()
}

/// The first bytes of the output, and then a broken connection.
fn cut(chunks: OutputChunks, bytes: usize) -> OutputChunks {
    let broken = || {
        let words = "the connection broke in the middle of the output";
        EngineError::new(EngineErrorKind::Unavailable, words)
    };
    stream::unfold(Some((chunks, bytes)), move |state| async move {
        let (mut chunks, left) = state?;
        let mut chunk = match chunks.next().await? {
            Ok(chunk) => chunk,
            Err(error) => return Some((Err(error), None)),
        };
        if left == 0 {
            return Some((Err(broken()), None));
        }
        chunk.bytes.truncate(left);
        let left = left - chunk.bytes.len();
        Some((Ok(chunk), Some((chunks, left))))
    })
    .boxed()
}
