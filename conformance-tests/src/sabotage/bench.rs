//! One case under one sabotage.

use super::{How, Sabotage, Sabotaged, backend::SabotagedBackend};
use crate::{
    case::Case,
    context::Scene,
    declared::Declarations,
    host::Host,
    report::CaseReport,
    rig::Setup,
    suite::{CASE_LIMIT, FIXTURE_IMAGE, run_case},
};
use clawbox_containers::{ContainerBackend, ContainerEngine, InitProgram};
use std::{io, sync::Arc};

/// Where cases are run under sabotages.
#[derive(Debug)]
pub struct Bench(Arc<Scene>);

impl Bench {
    /// A bench for engines of this endpoint, of whose host this is declared.
    ///
    /// # Errors
    ///
    /// Where its directory cannot be made.
    pub fn new(endpoint: &str, declared: Declarations) -> io::Result<Self> {
        let (host, _) = Host::enter(endpoint)?;
        Ok(Self(Arc::new(Scene {
            image: FIXTURE_IMAGE.to_owned(),
            host,
            declared,
            case_limit: CASE_LIMIT,
        })))
    }

    /// Runs one case on an engine of its own, under a sabotage or, as a control, under none.
    ///
    /// A [weakening](Sabotage::weakening) or a [lie of process 1's](Sabotage::init_lie) must already be in `engine`. On a paused clock this takes next to no
    /// time, unless the case [needs the real one](Case::is_real_time).
    pub async fn run(
        &self,
        engine: Arc<dyn ContainerEngine>,
        sabotage: Option<&'static Sabotage>,
        case: &Case,
    ) -> CaseReport {
        let engine: Arc<dyn ContainerEngine> = match sabotage {
            Some(sabotage) => Arc::new(Sabotaged::new(engine, sabotage)),
            None => engine,
        };
        run_case(engine, Arc::clone(&self.0), sabotage, case).await
    }
}

impl Sabotage {
    /// The backend, or one that breaks it.
    pub(crate) fn backend(&self, inner: Arc<dyn ContainerBackend>) -> Arc<dyn ContainerBackend> {
        match self.how() {
            How::Backend(_) | How::Request(_) => Arc::new(SabotagedBackend::new(inner, self)),
            How::Engine(_) | How::Plan(_) | How::Init(_) | How::Setup(_) => inner,
        }
    }

    /// Breaks how a backend is set up.
    pub(crate) fn set_up(&self, setup: &mut Setup) {
        match self.how() {
            How::Setup(change) => change(setup),
            // Gate 2 would see it before any case could.
            How::Plan(_) => setup.security.init = InitProgram::Engine,
            How::Engine(lie) if lie.is_overruled() => setup.security.init = InitProgram::Engine,
            _ => {}
        }
    }
}
