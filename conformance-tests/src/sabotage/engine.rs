//! An engine that breaks one thing.

use super::{How, Sabotage};
use crate::tap::Call;
use async_trait::async_trait;
use clawbox_containers::{
    ContainerEngine, ContainerPlan,
    engine::{
        EngineError, EngineErrorKind, EnginePhase, EngineResult, EngineState, EngineWarning,
        ImageFacts, Inspection, ListedContainer, OutputChunks, PullProgress, Removal, Signal,
    },
    facts::ObservedFacts,
    init::Carrier,
};
use clawbox_types::{ContainerId, EngineInfo, ImageRef, PullPolicy};
use futures_util::{StreamExt, future::pending, stream};
use std::{collections::BTreeMap, time::Duration};
use tokio::time::sleep;

/// What an engine may break.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Lie {
    /// The call is not done, and answered as if it were.
    Undone(Call),
    /// The call is not done and never answered.
    Hung(Call),
    /// The call is not done and refused.
    Refused(Call),
    /// The call is done and refused.
    Regretted(Call),
    /// The call is done so late.
    Late(Call, Duration),
    /// Errors of the first kind are told as errors of the second.
    Kind(EngineErrorKind, EngineErrorKind),
    /// The call's errors are told as success.
    Swallowed(Call),
    Info(fn(&mut EngineInfo)),
    Image(fn(&mut ImageFacts)),
    Warnings(fn(&mut Vec<EngineWarning>)),
    Facts(fn(&mut ObservedFacts)),
    State(fn(&mut EngineState)),
    Inspected(fn(&mut Inspection)),
    Output(fn(OutputChunks) -> OutputChunks),
    Code(fn(i32) -> i32),
    /// `None`: the signal is not sent.
    Signal(fn(Signal) -> Option<Signal>),
    Removal(fn(Removal) -> Removal),
    Listed(fn(&mut Vec<ListedContainer>)),
    /// A listing takes no account of labels.
    ListedAll,
    /// A taken name is taken over.
    Replaces,
    /// A container starts at its creation.
    Starts,
    /// Removing one removes all.
    RemovesAll,
}

impl Lie {
    /// Whether it is about what process 1 of ours tells of a command, so that nobody believes the engine.
    pub(super) const fn is_overruled(&self) -> bool {
        matches!(
            self,
            Self::Code(_)
                | Self::State(_)
                | Self::Late(Call::Wait, _)
                | Self::Swallowed(Call::Start)
                | Self::Kind(EngineErrorKind::Refused, _)
        )
    }
}

/// An engine over which one [`Sabotage`] hangs. Where that is none of the engine's, everything passes.
#[derive(Debug, Clone)]
pub struct Sabotaged<E> {
    engine: E,
    lie: Option<Lie>,
}

impl<E: ContainerEngine> Sabotaged<E> {
    /// Breaks what `sabotage` says.
    pub fn new(engine: E, sabotage: &Sabotage) -> Self {
        let lie = match sabotage.how() {
            How::Engine(lie) => Some(lie),
            _ => None,
        };
        Self { engine, lie }
    }

    /// What becomes of a call: done, or not.
    async fn call<T>(
        &self,
        call: Call,
        undone: impl FnOnce() -> T,
        done: impl Future<Output = EngineResult<T>>,
    ) -> EngineResult<T> {
        let refused = || Err(EngineError::new(EngineErrorKind::Refused, "sabotaged"));
        let answer = match self.lie {
            Some(Lie::Undone(this)) if this == call => return Ok(undone()),
            Some(Lie::Hung(this)) if this == call => pending().await,
            Some(Lie::Refused(this)) if this == call => return refused(),
            Some(Lie::Regretted(this)) if this == call => {
                done.await?;
                return refused();
            }
            Some(Lie::Late(this, time)) if this == call => {
                sleep(time).await;
                done.await
            }
            _ => done.await,
        };
        match (self.lie, answer) {
            (Some(Lie::Kind(from, to)), Err(error)) if error.kind() == from => {
                Err(EngineError::new(to, error.to_string()))
            }
            (Some(Lie::Swallowed(this)), Err(_)) if this == call => Ok(undone()),
            (_, answer) => answer,
        }
    }

    async fn empty_all(&self) -> EngineResult<()> {
        for container in self.engine.list(&BTreeMap::new()).await? {
            if let Ok(id) = container.name.parse() {
                self.engine.remove(&id).await?;
            }
        }
        Ok(())
    }
}

#[async_trait]
impl<E: ContainerEngine> ContainerEngine for Sabotaged<E> {
    fn endpoint(&self) -> String {
        self.engine.endpoint()
    }

    fn carrier(&self) -> Carrier {
        self.engine.carrier()
    }

    async fn probe(&self) -> EngineResult<EngineInfo> {
        let undone = || EngineInfo::new("", "", "");
        let mut info = self.call(Call::Probe, undone, self.engine.probe()).await?;
        if let Some(Lie::Info(change)) = self.lie {
            change(&mut info);
        }
        Ok(info)
    }

    async fn ensure_image(
        &self,
        image: &ImageRef,
        pull: PullPolicy,
        progress: &(dyn Fn(PullProgress) + Send + Sync),
    ) -> EngineResult<ImageFacts> {
        let done = self.engine.ensure_image(image, pull, progress);
        let mut facts = self
            .call(Call::EnsureImage, ImageFacts::default, done)
            .await?;
        if let Some(Lie::Image(change)) = self.lie {
            change(&mut facts);
        }
        Ok(facts)
    }

    async fn create(&self, plan: &ContainerPlan) -> EngineResult<Vec<EngineWarning>> {
        let done = async {
            let answer = self.engine.create(plan).await;
            let name = plan.spec().identity.name.parse::<ContainerId>();
            match (self.lie, answer, name) {
                (Some(Lie::Replaces), Err(error), Ok(id))
                    if error.kind() == EngineErrorKind::AlreadyExists =>
                {
                    self.engine.remove(&id).await?;
                    self.engine.create(plan).await
                }
                (Some(Lie::Starts), Ok(warnings), Ok(id)) => {
                    self.engine.start(&id).await?;
                    Ok(warnings)
                }
                (_, answer, _) => answer,
            }
        };
        let mut warnings = self.call(Call::Create, Vec::new, done).await?;
        if let Some(Lie::Warnings(change)) = self.lie {
            change(&mut warnings);
        }
        Ok(warnings)
    }

    async fn inspect(&self, id: &ContainerId) -> EngineResult<Inspection> {
        let done = async { Ok(Some(self.engine.inspect(id).await?)) };
        let inspection = self.call(Call::Inspect, || None, done).await?;
        // There is nothing to say without asking.
        let mut inspection =
            inspection.ok_or_else(|| EngineError::new(EngineErrorKind::BadAnswer, "sabotaged"))?;
        match self.lie {
            Some(Lie::Facts(change)) => change(&mut inspection.facts),
            Some(Lie::State(change)) => change(&mut inspection.state),
            Some(Lie::Inspected(change)) => change(&mut inspection),
            Some(Lie::Starts) => inspection.state.phase = EnginePhase::Created,
            _ => {}
        }
        Ok(inspection)
    }

    async fn attach(&self, id: &ContainerId) -> EngineResult<OutputChunks> {
        let none = || stream::empty().boxed();
        let chunks = self
            .call(Call::Attach, none, self.engine.attach(id))
            .await?;
        Ok(match self.lie {
            Some(Lie::Output(change)) => change(chunks),
            _ => chunks,
        })
    }

    async fn logs(&self, id: &ContainerId) -> EngineResult<OutputChunks> {
        self.engine.logs(id).await
    }

    async fn start(&self, id: &ContainerId) -> EngineResult<()> {
        if matches!(self.lie, Some(Lie::Starts)) {
            return Ok(());
        }
        self.call(Call::Start, || (), self.engine.start(id)).await
    }

    async fn wait(&self, id: &ContainerId) -> EngineResult<i32> {
        let code = self.call(Call::Wait, || 0, self.engine.wait(id)).await;
        match (self.lie, code) {
            (Some(Lie::Code(change)), Ok(code)) => Ok(change(code)),
            (_, code) => code,
        }
    }

    async fn kill(&self, id: &ContainerId, signal: Signal) -> EngineResult<()> {
        let signal = match self.lie {
            Some(Lie::Signal(change)) => change(signal),
            _ => Some(signal),
        };
        match signal {
            Some(signal) => {
                let done = self.engine.kill(id, signal);
                self.call(Call::Kill, || (), done).await
            }
            None => Ok(()),
        }
    }

    async fn remove(&self, id: &ContainerId) -> EngineResult<Removal> {
        if matches!(self.lie, Some(Lie::RemovesAll)) {
            self.empty_all().await?;
        }
        let done = self.engine.remove(id);
        let removal = self.call(Call::Remove, || Removal::Now, done).await?;
        Ok(match self.lie {
            Some(Lie::Removal(change)) => change(removal),
            _ => removal,
        })
    }

    async fn list(&self, labels: &BTreeMap<String, String>) -> EngineResult<Vec<ListedContainer>> {
        let all = BTreeMap::new();
        let labels = match self.lie {
            Some(Lie::ListedAll) => &all,
            _ => labels,
        };
        let done = self.engine.list(labels);
        let mut listed = self.call(Call::List, Vec::new, done).await?;
        if let Some(Lie::Listed(change)) = self.lie {
            change(&mut listed);
        }
        Ok(listed)
    }
}
