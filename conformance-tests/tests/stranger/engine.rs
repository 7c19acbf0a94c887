//! An engine as somebody else would bring one: behind a wire, of which this is only the near end.
//!
//! Every call becomes a message, and every answer comes from another task. What runs the containers over there is
//! the engine in memory; all that is used of it, and of clawbox, is public.

use async_trait::async_trait;
use clawbox_backend_mock::{MockEngine, fixture};
use clawbox_containers::{
    ContainerEngine, ContainerPlan,
    engine::{
        EngineError, EngineErrorKind, EngineResult, EngineWarning, ImageFacts, Inspection,
        ListedContainer, OutputChunks, PullProgress, Removal, Signal,
    },
    init::Carrier,
};
use clawbox_types::{ContainerId, EngineInfo, ImageRef, PullPolicy};
use futures_util::future::BoxFuture;
use std::{collections::BTreeMap, future::Future, time::Duration};
use tokio::{
    sync::{mpsc, oneshot},
    time::sleep,
};

/// How long a message takes.
const WIRE: Duration = Duration::from_millis(1);

/// Something that is to be done over there.
type Message = Box<dyn FnOnce(MockEngine) -> BoxFuture<'static, ()> + Send>;

/// The near end of the wire.
pub(crate) struct Remote(mpsc::UnboundedSender<Message>);

impl Remote {
    /// Starts the far end, with the suite's image.
    pub(crate) async fn connect() -> EngineResult<Self> {
        let far = MockEngine::new();
        fixture::install(&far);
        let (near, mut messages) = mpsc::unbounded_channel::<Message>();
        tokio::spawn(async move {
            while let Some(message) = messages.recv().await {
                tokio::spawn(message(far.clone()));
            }
        });
        Ok(Self(near))
    }

    /// Has something done, and waits for the answer. Where nobody waits any more, it is done all the same.
    async fn ask<T, F, Fut>(&self, call: F) -> EngineResult<T>
    where
        T: Send + 'static,
        F: FnOnce(MockEngine) -> Fut + Send + 'static,
        Fut: Future<Output = EngineResult<T>> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let message: Message = Box::new(move |far| {
            Box::pin(async move {
                sleep(WIRE).await;
                // Nobody may be there to hear it.
                drop(answer.send(call(far).await));
            })
        });
        let cut = || EngineError::new(EngineErrorKind::Unavailable, "the wire is cut");
        self.0.send(message).map_err(|_| cut())?;
        answered.await.map_err(|_| cut())?
    }
}

#[async_trait]
impl ContainerEngine for Remote {
    fn endpoint(&self) -> String {
        "wire:stranger".to_owned()
    }

    fn carrier(&self) -> Carrier {
        Carrier::None("the engine is on another machine")
    }

    async fn probe(&self) -> EngineResult<EngineInfo> {
        let mut info = self.ask(|far| async move { far.probe().await }).await?;
        info.name = "stranger".to_owned();
        info.endpoint = self.endpoint();
        Ok(info)
    }

    async fn ensure_image(
        &self,
        image: &ImageRef,
        pull: PullPolicy,
        _: &(dyn Fn(PullProgress) + Send + Sync),
    ) -> EngineResult<ImageFacts> {
        let image = image.clone();
        self.ask(move |far| async move { far.ensure_image(&image, pull, &|_| {}).await })
            .await
    }

    async fn create(&self, plan: &ContainerPlan) -> EngineResult<Vec<EngineWarning>> {
        let plan = plan.clone();
        self.ask(move |far| async move { far.create(&plan).await })
            .await
    }

    async fn inspect(&self, id: &ContainerId) -> EngineResult<Inspection> {
        let id = id.clone();
        self.ask(move |far| async move { far.inspect(&id).await })
            .await
    }

    async fn attach(&self, id: &ContainerId) -> EngineResult<OutputChunks> {
        let id = id.clone();
        self.ask(move |far| async move { far.attach(&id).await })
            .await
    }

    async fn logs(&self, id: &ContainerId) -> EngineResult<OutputChunks> {
        let id = id.clone();
        self.ask(move |far| async move { far.logs(&id).await })
            .await
    }

    async fn start(&self, id: &ContainerId) -> EngineResult<()> {
        let id = id.clone();
        self.ask(move |far| async move { far.start(&id).await })
            .await
    }

    async fn wait(&self, id: &ContainerId) -> EngineResult<i32> {
        let id = id.clone();
        self.ask(move |far| async move { far.wait(&id).await })
            .await
    }

    async fn kill(&self, id: &ContainerId, signal: Signal) -> EngineResult<()> {
        let id = id.clone();
        self.ask(move |far| async move { far.kill(&id, signal).await })
            .await
    }

    async fn remove(&self, id: &ContainerId) -> EngineResult<Removal> {
        let id = id.clone();
        self.ask(move |far| async move { far.remove(&id).await })
            .await
    }

    async fn list(&self, labels: &BTreeMap<String, String>) -> EngineResult<Vec<ListedContainer>> {
        let labels = labels.clone();
        self.ask(move |far| async move { far.list(&labels).await })
            .await
    }
}
