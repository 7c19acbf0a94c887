//! What the engine holds.

use super::Watcher;
use crate::{
    container::Container, fault::Faults, image::MockImage, journal::Ring, limit::Limit,
    seccomp::Filter,
};
use clawbox_containers::{
    Clock,
    aspects::Seccomp,
    engine::{EngineError, EngineErrorKind, EngineResult, ImageFacts},
    plan::PlanSpec,
};
use clawbox_types::{ImageRef, PullPolicy};
use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

#[derive(Default)]
pub(super) struct State {
    pub(super) containers: HashMap<String, Arc<Container>>,
    /// How many containers were ever created.
    created: u64,
    pub(super) images: HashMap<ImageRef, MockImage>,
    pub(super) registry: HashMap<ImageRef, MockImage>,
    /// How many images were ever added.
    images_added: u64,
    pub(super) missing: BTreeSet<Limit>,
    pub(super) faults: Faults,
    pub(super) journal: Ring,
    pub(super) watchers: Vec<Watcher>,
    /// The last system call filter that was read, and what from.
    pub(super) filter: Option<(Seccomp, Filter)>,
}

impl State {
    /// The image with an id, of its own or a new one.
    pub(super) fn with_id(&mut self, mut image: MockImage) -> MockImage {
        self.images_added += 1;
        if image.facts.id.is_empty() {
            image.facts.id = format!("sha256:{:064x}", self.images_added);
        }
        image
    }

    /// The image's facts, and whether it had to be fetched.
    pub(super) fn ensure(
        &mut self,
        image: &ImageRef,
        pull: PullPolicy,
    ) -> EngineResult<(ImageFacts, bool)> {
        let held = self.images.get(image).map(|held| held.facts.clone());
        let fetch = match pull {
            PullPolicy::Never => false,
            PullPolicy::IfMissing => held.is_none(),
            PullPolicy::Always => true,
        };
        if fetch && let Some(found) = self.registry.get(image).cloned() {
            let facts = found.facts.clone();
            self.images.insert(image.clone(), found);
            return Ok((facts, true));
        }
        held.filter(|_| !fetch)
            .map(|facts| (facts, false))
            .ok_or_else(|| {
                let words = format!("no such image: {image}");
                EngineError::new(EngineErrorKind::ImageNotFound, words)
            })
    }

    pub(super) fn create(
        &mut self,
        spec: Arc<PlanSpec>,
        told: Arc<PlanSpec>,
        clock: Clock,
    ) -> EngineResult<()> {
        let name = &spec.identity.name;
        if self.containers.contains_key(name) {
            let words = format!("the container name {name} is already in use");
            return Err(EngineError::new(EngineErrorKind::AlreadyExists, words));
        }
        let image = self
            .images
            .values()
            .find(|image| image.facts.id == spec.image);
        let image = image.cloned().ok_or_else(|| {
            let words = format!("no such image: {}", spec.image);
            EngineError::new(EngineErrorKind::ImageNotFound, words)
        })?;
        self.created += 1;
        let name = name.clone();
        let container = Container::new(self.created, image, spec, told, clock);
        self.containers.insert(name, Arc::new(container));
        Ok(())
    }

    pub(super) fn oldest_first(&self) -> Vec<Arc<Container>> {
        let mut containers: Vec<_> = self.containers.values().cloned().collect();
        containers.sort_by_key(|container| container.number);
        containers
    }
}
