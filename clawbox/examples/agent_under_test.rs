//! An agent that asks a sub-agent, and what it does when the sub-agent answers, fails, or never ends. Nothing real runs,
//! and a minute takes no time.
//!
//! `cargo run --example agent_under_test`

use clawbox::{
    Capabilities, ContainerBackend, ContainerResult, ContainerSpawnRequest, ContainerStatus,
    ResourceLimits,
    mock::{Fault, MockEngine, MockImage, Program, Script, mock_backend},
};
use std::{error::Error, time::Duration};

/// What the sub-agent answers within a minute; `None` where it does not.
async fn ask(backend: &dyn ContainerBackend, question: &str) -> ContainerResult<Option<String>> {
    let limits = ResourceLimits::new(60_000, 256);
    let request =
        ContainerSpawnRequest::new(question, Capabilities::default().with_resources(limits))
            .with_image("alpine")
            .with_command(["agent", question]);
    let id = backend.spawn(request).await?.container_id;
    let exit = backend.wait(&id).await?;
    let output = backend.collect_output(&id).await?;
    backend.kill(&id).await?; // removes it
    let answered = exit.status == ContainerStatus::Completed;
    Ok(answered.then(|| output.stdout.text().into_owned()))
}

/// An agent's engine, on which its sub-agent does this.
fn engine(agent: impl Program) -> Result<MockEngine, Box<dyn Error>> {
    let engine = MockEngine::new();
    engine.add_image(MockImage::new("alpine")?.with_program("agent", agent));
    Ok(engine)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    tokio::time::pause();

    let answers = mock_backend(engine(Script::stdout("42"))?)?;
    assert_eq!(ask(&answers, "6 * 7").await?.as_deref(), Some("42"));

    let fails = mock_backend(engine(Script::stdout("?").exit(1))?)?;
    assert_eq!(ask(&fails, "6 * 7").await?, None);

    let never_ends = mock_backend(engine(Script::sleep(Duration::from_secs(3600)))?)?;
    assert_eq!(ask(&never_ends, "6 * 7").await?, None);

    let broken = engine(Script::stdout("42"))?;
    broken.fail(Fault::start_failed("exec format error"));
    assert!(ask(&mock_backend(broken)?, "6 * 7").await.is_err());

    println!("the agent copes");
    Ok(())
}
