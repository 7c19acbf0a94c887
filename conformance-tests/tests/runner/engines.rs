//! Engines that are not there, or lack what the suite needs.

use async_trait::async_trait;
use clawbox_containers::{
    ContainerEngine, ContainerPlan,
    engine::{
        EngineError, EngineErrorKind, EngineResult, EngineWarning, ImageFacts, Inspection,
        ListedContainer, OutputChunks, PullProgress, Removal, Signal,
    },
    init::Carrier,
};
use clawbox_types::{ContainerId, EngineInfo, ImageRef, PullPolicy};
use std::collections::BTreeMap;

pub(crate) fn unavailable() -> EngineError {
    EngineError::new(EngineErrorKind::Unavailable, "nothing listens there")
}

/// Defines an engine that answers to `probe`, `list` and `ensure_image` as given, and to nothing else.
macro_rules! engine {
    ($(#[$docs:meta])* $name:ident: $probe:expr, $list:expr, $image:expr) => {
        $(#[$docs])*
        pub(crate) struct $name;

        #[async_trait]
        impl ContainerEngine for $name {
            fn endpoint(&self) -> String {
                "nowhere".to_owned()
            }

            fn carrier(&self) -> Carrier {
                Carrier::None("it answers to nothing")
            }

            async fn probe(&self) -> EngineResult<EngineInfo> {
                $probe
            }

            async fn ensure_image(
                &self,
                _: &ImageRef,
                _: PullPolicy,
                _: &(dyn Fn(PullProgress) + Send + Sync),
            ) -> EngineResult<ImageFacts> {
                $image
            }

            async fn create(&self, _: &ContainerPlan) -> EngineResult<Vec<EngineWarning>> {
                Err(unavailable())
            }

            async fn inspect(&self, _: &ContainerId) -> EngineResult<Inspection> {
                Err(unavailable())
            }

            async fn attach(&self, _: &ContainerId) -> EngineResult<OutputChunks> {
                Err(unavailable())
            }

            async fn logs(&self, _: &ContainerId) -> EngineResult<OutputChunks> {
                Err(unavailable())
            }

            async fn start(&self, _: &ContainerId) -> EngineResult<()> {
                Err(unavailable())
            }

            async fn wait(&self, _: &ContainerId) -> EngineResult<i32> {
                Err(unavailable())
            }

            async fn kill(&self, _: &ContainerId, _: Signal) -> EngineResult<()> {
                Err(unavailable())
            }

            async fn remove(&self, _: &ContainerId) -> EngineResult<Removal> {
                Err(unavailable())
            }

            async fn list(
                &self,
                _: &BTreeMap<String, String>,
            ) -> EngineResult<Vec<ListedContainer>> {
                $list
            }
        }
    };
}

engine! {
    /// Nothing is there.
    Absent: Err(unavailable()), Err(unavailable()), Err(unavailable())
}

engine! {
    /// It is there, and has no image.
    Bare: Ok(EngineInfo::new("bare", "1", "nowhere")),
    Ok(Vec::new()),
    Err(EngineError::new(EngineErrorKind::ImageNotFound, "no such image"))
}
