//! The whole conformance suite, on the engine in memory.

use clawbox_backend_mock::{MockEngine, fixture};
use clawbox_containers::{ContainerEngine, engine::EngineResult};
use std::{process::ExitCode, sync::Arc};

fn main() -> ExitCode {
    clawbox_conformance::run("mock", || async { engine() })
}

fn engine() -> EngineResult<Arc<dyn ContainerEngine>> {
    let engine = MockEngine::new();
    fixture::install(&engine);
    Ok(Arc::new(engine))
}
