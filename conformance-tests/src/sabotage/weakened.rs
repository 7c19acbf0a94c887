//! A real engine whose containers are weaker than was planned.

use async_trait::async_trait;
use clawbox_containers::{
    ContainerEngine, ContainerPlan,
    engine::{
        EngineError, EngineErrorKind, EngineResult, EngineWarning, ImageFacts, Inspection,
        ListedContainer, OutputChunks, PullProgress, Removal, Signal,
    },
    facts::ObservedFacts,
    init::Carrier,
    plan::PlanSpec,
    verify::verify,
};
use clawbox_types::{ContainerId, EngineInfo, ImageRef, PolicyItem, PullPolicy};
use futures_util::future::BoxFuture;
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
};

/// Makes a container of what no policy plans, in the engine's own words. A backend's encoder refuses that, so it is the
/// backend that must have another.
pub type Create<E> = for<'a> fn(&'a E, PlanSpec) -> BoxFuture<'a, EngineResult<Vec<EngineWarning>>>;

/// An engine that weakens every plan, and does not tell unless it is [`honest`](Self::honest): inspections repeat what
/// was asked for, and warnings are swallowed.
#[derive(Debug)]
pub struct WeakenedEngine<E> {
    engine: E,
    create: Create<E>,
    weaken: fn(&mut PlanSpec),
    tells: bool,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// By name: what was asked for.
    asked: HashMap<String, PlanSpec>,
    weakened: Vec<PolicyItem>,
    not_given: Option<String>,
}

impl<E: ContainerEngine> WeakenedEngine<E> {
    /// Weakens each plan in this way.
    pub fn new(engine: E, create: Create<E>, weaken: fn(&mut PlanSpec)) -> Self {
        Self {
            engine,
            create,
            weaken,
            tells: false,
            known: Mutex::default(),
        }
    }

    /// Passes inspections and warnings on as they are.
    #[must_use]
    pub fn honest(mut self) -> Self {
        self.tells = true;
        self
    }

    /// Why a weakened container was not made or did not start, where there was one.
    #[must_use]
    pub fn not_given(&self) -> Option<String> {
        self.known().not_given.clone()
    }

    /// The items in which the last container that was made is not as it was asked for.
    #[must_use]
    pub fn weakened(&self) -> Vec<PolicyItem> {
        self.known().weakened.clone()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn noted<T>(&self, answer: EngineResult<T>) -> EngineResult<T> {
        if let Err(error) = &answer {
            self.known().not_given = Some(error.to_string());
        }
        answer
    }

    fn weaker(&self, asked: &PlanSpec) -> EngineResult<PlanSpec> {
        let mut spec = asked.clone();
        (self.weaken)(&mut spec);
        harmless(asked, &spec)?;
        let report = verify(asked, &ObservedFacts::as_planned(&spec), &[]);
        self.known().weakened = report.not_enforced().map(|report| report.item).collect();
        Ok(spec)
    }
}

/// Root alone is without a capability, and what is the kernel's is read-only. With more it could change the host.
fn harmless(asked: &PlanSpec, weakened: &PlanSpec) -> EngineResult<()> {
    let root_alone = PlanSpec {
        user: weakened.user.clone(),
        ..asked.clone()
    };
    let uid = weakened.user.split(':').next();
    let uid = uid.and_then(|uid| uid.parse::<u32>().ok());
    match uid {
        Some(1..) => Ok(()),
        _ if *weakened == root_alone => Ok(()),
        _ => Err(EngineError::new(
            EngineErrorKind::Unsupported,
            "root with anything else weakened could harm the host",
        )),
    }
}

#[async_trait]
impl<E: ContainerEngine> ContainerEngine for WeakenedEngine<E> {
    fn endpoint(&self) -> String {
        self.engine.endpoint()
    }

    fn carrier(&self) -> Carrier {
        self.engine.carrier()
    }

    async fn probe(&self) -> EngineResult<EngineInfo> {
        self.engine.probe().await
    }

    async fn ensure_image(
        &self,
        image: &ImageRef,
        pull: PullPolicy,
        progress: &(dyn Fn(PullProgress) + Send + Sync),
    ) -> EngineResult<ImageFacts> {
        self.engine.ensure_image(image, pull, progress).await
    }

    async fn create(&self, plan: &ContainerPlan) -> EngineResult<Vec<EngineWarning>> {
        let asked = plan.spec();
        let spec = self.noted(self.weaker(asked))?;
        let warnings = self.noted((self.create)(&self.engine, spec).await)?;
        if self.tells {
            return Ok(warnings);
        }
        let name = asked.identity.name.clone();
        self.known().asked.insert(name, asked.clone());
        Ok(Vec::new())
    }

    async fn inspect(&self, id: &ContainerId) -> EngineResult<Inspection> {
        let mut inspection = self.engine.inspect(id).await?;
        if let Some(asked) = self.known().asked.get(&id.to_string()) {
            inspection.facts = ObservedFacts::as_planned(asked);
        }
        Ok(inspection)
    }

    async fn attach(&self, id: &ContainerId) -> EngineResult<OutputChunks> {
        self.engine.attach(id).await
    }

    async fn logs(&self, id: &ContainerId) -> EngineResult<OutputChunks> {
        self.engine.logs(id).await
    }

    async fn start(&self, id: &ContainerId) -> EngineResult<()> {
        self.noted(self.engine.start(id).await)
    }

    async fn wait(&self, id: &ContainerId) -> EngineResult<i32> {
        self.engine.wait(id).await
    }

    async fn kill(&self, id: &ContainerId, signal: Signal) -> EngineResult<()> {
        self.engine.kill(id, signal).await
    }

    async fn remove(&self, id: &ContainerId) -> EngineResult<Removal> {
        self.engine.remove(id).await
    }

    async fn list(&self, labels: &BTreeMap<String, String>) -> EngineResult<Vec<ListedContainer>> {
        self.engine.list(labels).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::golden;

    #[test]
    fn root_is_made_alone_or_not_at_all() {
        let plan =
            golden::plan("sha256:a14b614a07a987c03b21368fc8f1351a66ae9bfd3bfb459243920a0aaea90fbe");
        let made = |weaken: fn(&mut PlanSpec)| {
            let mut spec = plan.spec().clone();
            weaken(&mut spec);
            harmless(plan.spec(), &spec)
        };
        assert!(made(|plan| plan.read_only_root = false).is_ok());
        assert!(made(|plan| plan.user = "0:0".to_owned()).is_ok());
        let harmful: [fn(&mut PlanSpec); 3] = [
            |plan| (plan.user, plan.devices.privileged) = ("0:0".to_owned(), true),
            |plan| (plan.user, plan.read_only_root) = ("root".to_owned(), false),
            |plan| {
                plan.user.clear();
                plan.kernel_paths.read_only.clear();
            },
        ];
        for weaken in harmful {
            let error = made(weaken).unwrap_err();
            assert_eq!(error.kind(), EngineErrorKind::Unsupported, "{error}");
        }
    }
}
