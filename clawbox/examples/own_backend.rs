//! An engine of one's own, here one that tells of each change before another makes it; and what the conformance suite
//! says of it. Policy, gates and lifecycle are clawbox's for every engine.
//!
//! `cargo run --example own_backend [CASES]`

use async_trait::async_trait;
use clawbox::{
    Backend, ContainerId, EngineInfo, ImageRef, PullPolicy,
    containers::{
        ContainerEngine, ContainerPlan,
        engine::{
            EngineResult, EngineWarning, ImageFacts, Inspection, ListedContainer, OutputChunks,
            PullProgress, Removal, Signal,
        },
        init::Carrier,
    },
};
use clawbox_conformance::{Declarations, Outcome, run_cases};
use std::{collections::BTreeMap, env::args, error::Error, sync::Arc};

struct Telling(Arc<dyn ContainerEngine>);

#[async_trait]
impl ContainerEngine for Telling {
    fn endpoint(&self) -> String {
        self.0.endpoint()
    }

    fn carrier(&self) -> Carrier {
        self.0.carrier()
    }

    async fn probe(&self) -> EngineResult<EngineInfo> {
        self.0.probe().await
    }

    async fn ensure_image(
        &self,
        image: &ImageRef,
        pull: PullPolicy,
        progress: &(dyn Fn(PullProgress) + Send + Sync),
    ) -> EngineResult<ImageFacts> {
        self.0.ensure_image(image, pull, progress).await
    }

    async fn create(&self, plan: &ContainerPlan) -> EngineResult<Vec<EngineWarning>> {
        println!("  create");
        self.0.create(plan).await
    }

    async fn inspect(&self, id: &ContainerId) -> EngineResult<Inspection> {
        self.0.inspect(id).await
    }

    async fn attach(&self, id: &ContainerId) -> EngineResult<OutputChunks> {
        self.0.attach(id).await
    }

    async fn logs(&self, id: &ContainerId) -> EngineResult<OutputChunks> {
        self.0.logs(id).await
    }

    async fn start(&self, id: &ContainerId) -> EngineResult<()> {
        println!("  start {id}");
        self.0.start(id).await
    }

    async fn wait(&self, id: &ContainerId) -> EngineResult<i32> {
        self.0.wait(id).await
    }

    async fn kill(&self, id: &ContainerId, signal: Signal) -> EngineResult<()> {
        println!("  kill {id}");
        self.0.kill(id, signal).await
    }

    async fn remove(&self, id: &ContainerId) -> EngineResult<Removal> {
        println!("  remove {id}");
        self.0.remove(id).await
    }

    async fn list(&self, labels: &BTreeMap<String, String>) -> EngineResult<Vec<ListedContainer>> {
        self.0.list(labels).await
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let cases = args().nth(1).unwrap_or_else(|| "exit/".to_owned());
    let engine = Arc::new(Telling(clawbox::engine(Backend::Mock, None)?));
    let summary = run_cases(
        engine,
        Declarations::default(),
        |case| case.id().contains(&cases),
        |case| match &case.outcome {
            Outcome::Passed => println!("passed {}", case.id),
            other => println!("{other:?} {}", case.id),
        },
    )
    .await;
    assert!(!summary.cases.is_empty() && summary.is_good(), "{cases}");
    Ok(())
}
