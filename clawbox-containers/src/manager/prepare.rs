//! The way to a container that is created: the image, the plan, and the call.

use super::{
    calls::refusal,
    lifecycle::{CLEAN_UP_PATIENCE, Life},
    process_one::Awaited,
};
use crate::{
    config::InitProgram,
    engine::{ContainerEngine, EngineErrorKind, EngineWarning, ImageFacts},
    error::{ContainerError, ContainerResult},
    init::CONTAINER_INIT_DIR,
    labels::Ours,
    plan::ContainerPlan,
    policy::Placement,
};
use clawbox_types::{ImageRef, PullPolicy};
use std::{
    sync::{Mutex, PoisonError, atomic::Ordering},
    time::Duration,
};
use tokio::{
    join, select,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

/// How much later than the limit alone the deadline on the label is: the limit counts from the start, and the
/// label is written before the container is created.
pub(super) const START_ALLOWANCE: Duration = Duration::from_secs(5);

/// How long the look at the image may take for what was created meanwhile to be of use: its label counts from before.
const FRESH: Duration = Duration::from_secs(1);

/// A container that the engine says it has created.
pub(super) struct Prepared {
    pub(super) plan: ContainerPlan,
    pub(super) awaited: Option<Awaited>,
    pub(super) warnings: Vec<EngineWarning>,
}

/// The image that was found last, and what it was. An engine takes long to tell, and tells the same nearly always.
#[derive(Debug, Default)]
pub(super) struct LastImage(Mutex<Option<(ImageRef, ImageFacts)>>);

impl LastImage {
    fn get(&self, image: &ImageRef) -> Option<ImageFacts> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, facts) = last.as_ref().filter(|(last, _)| last == image)?;
        Some(facts.clone())
    }

    fn set(&self, image: &ImageRef, facts: &ImageFacts) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some((image.clone(), facts.clone()));
    }
}

impl<E: ContainerEngine> Life<E> {
    /// Finds the image, compiles the plan, and has the container created. Where [`asked`](Life::asked) is set, something
    /// may be left at the engine on an error.
    ///
    /// A container of what the image was last is created while the engine looks whether it still is that. Nothing of it
    /// runs before that is known.
    pub(super) async fn prepare(&self, abandoned: &CancellationToken) -> ContainerResult<Prepared> {
        let awaited = self.await_process_one()?;
        let find = self.find_image(abandoned);
        let (found, made) = match self.shared.last_image.get(self.admission.image()) {
            None => (find.await?, None),
            Some(known) => {
                let begun = Instant::now();
                let (found, made) = join!(find, self.make(&known));
                let made = match made {
                    // Whether there is something to take back is not known, or it is not ours to take back.
                    Err(error) if self.is_in_doubt(&error) => return Err(error),
                    made => made,
                };
                let found = found?;
                match found == known && begun.elapsed() <= FRESH {
                    true => (found, Some(made?)),
                    false => {
                        self.unmake().await?;
                        (found, None)
                    }
                }
            }
        };
        let (plan, warnings) = match made {
            Some(made) => made,
            None => self.make(&found).await?,
        };
        Ok(Prepared {
            plan,
            awaited,
            warnings,
        })
    }

    async fn find_image(&self, abandoned: &CancellationToken) -> ContainerResult<ImageFacts> {
        let calls = &self.shared.calls;
        let image = self.admission.image();
        let pull = self.shared.policy.pull();
        let observer = self.shared.on_pull.clone();
        let progress = move |step| {
            if let Some(observer) = &observer {
                observer(step);
            }
        };
        let looked_up = calls.bounded(
            "find the image",
            calls.timeouts.image,
            calls.engine.ensure_image(image, pull, &progress),
        );
        // A fetch may be dropped half way; the calls after it are waited for, so that their outcome is known.
        let found = select! {
            found = looked_up => found.map_err(|error| self.image_error(error))?,
            () = self.unwanted(abandoned) => return Err(self.given_up()),
        };
        if pull != PullPolicy::Always {
            self.shared.last_image.set(image, &found);
        }
        Ok(found)
    }

    fn image_error(&self, error: ContainerError) -> ContainerError {
        match error {
            ContainerError::EngineFailed { source, .. }
                if source.kind() == EngineErrorKind::ImageNotFound =>
            {
                ContainerError::ImageNotFound {
                    image: Box::new(self.admission.image().clone()),
                    source,
                }
            }
            other => other,
        }
    }

    /// Has a container made of this image.
    async fn make(
        &self,
        image: &ImageFacts,
    ) -> ContainerResult<(ContainerPlan, Vec<EngineWarning>)> {
        let plan = self.compile(image)?;
        let calls = &self.shared.calls;
        self.shared.renew_lease();
        self.asked.store(true, Ordering::Relaxed);
        let created = calls.change("create the container", calls.engine.create(&plan));
        let warnings = created.await.inspect_err(|error| {
            let unanswered = refusal(error).is_none();
            self.unanswered.store(unanswered, Ordering::Relaxed);
        })?;
        Ok((plan, warnings))
    }

    fn compile(&self, image: &ImageFacts) -> ContainerResult<ContainerPlan> {
        let ours = Ours {
            id: self.id().clone(),
            owner: self.shared.owner,
            deadline: self.shared.config.clock.now()
                + self.admission.timeout().duration()
                + START_ALLOWANCE,
        };
        let init_dir = match (self.init_dir.get(), self.shared.policy.init()) {
            (Some(place), _) => Some(place.dir().to_owned()),
            (None, InitProgram::Clawbox) => Some(CONTAINER_INIT_DIR.into()),
            (None, InitProgram::Engine) => None,
        };
        self.admission.compile(
            image,
            Placement {
                identity: self.identity.clone(),
                labels: ours.encode(),
                proxy_dir: self.proxy_dir.clone(),
                init_dir,
            },
        )
    }

    /// Takes back a container of what the image no longer is.
    async fn unmake(&self) -> ContainerResult<()> {
        if !self.asked.load(Ordering::Relaxed) {
            return Ok(());
        }
        let removal = self.shared.remove_until_gone(self.id());
        match timeout(CLEAN_UP_PATIENCE, removal).await {
            Ok(_) => Ok(()),
            Err(_) => Err(ContainerError::EngineTimeout {
                endpoint: self.shared.calls.engine.endpoint(),
                call: "remove the container",
                after: CLEAN_UP_PATIENCE,
            }),
        }
    }

    fn is_in_doubt(&self, error: &ContainerError) -> bool {
        self.unanswered.load(Ordering::Relaxed)
            || refusal(error) == Some(EngineErrorKind::AlreadyExists)
    }
}
