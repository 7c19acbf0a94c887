//! The engine itself: what programs can do, what goes wrong when, and what the journal tells.

#![expect(clippy::unwrap_used, reason = "a test fails where it panics")]

mod faults;
mod images;
mod journal;
mod process;
mod process_one;

use clawbox_backend_mock::{
    Argv, MockBackend, MockEngine, MockImage, Program, mock_backend, mock_config,
};
use clawbox_containers::{ContainerBackend, ContainerSecurityConfig, InitProgram};
use clawbox_types::{Capabilities, ContainerOutput, ContainerSpawnRequest, ExitReport};

const IMAGE: &str = "alpine";

fn backend(image: MockImage) -> MockBackend {
    let engine = MockEngine::new();
    engine.add_image(image);
    mock_backend(engine).unwrap()
}

/// Without `clawbox-init`: what the engine is told to run is the command itself.
fn without_init(program: impl Program) -> MockBackend {
    let engine = MockEngine::new();
    let image = MockImage::new(IMAGE).unwrap();
    engine.add_image(image.with_program(Argv::Any, program));
    let config = mock_config(&engine);
    let security = ContainerSecurityConfig::new().with_init(InitProgram::Engine);
    MockBackend::new(engine, &security, config).unwrap()
}

fn with(program: impl Program) -> MockBackend {
    backend(
        MockImage::new(IMAGE)
            .unwrap()
            .with_program(Argv::Any, program),
    )
}

fn request(argv: &[&str]) -> ContainerSpawnRequest {
    let argv = argv.iter().copied();
    ContainerSpawnRequest::new("a test", Capabilities::default())
        .with_image(IMAGE)
        .with_command(argv)
}

async fn run(backend: &MockBackend, argv: &[&str]) -> (ExitReport, ContainerOutput) {
    let id = backend.spawn(request(argv)).await.unwrap().container_id;
    let exit = backend.wait(&id).await.unwrap();
    (exit, backend.collect_output(&id).await.unwrap())
}
