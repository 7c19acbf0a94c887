//! The manager's lifecycle, on virtual time and an engine that can be made to fail.

#![expect(clippy::unwrap_used, reason = "a test fails where it panics")]

mod adopt;
mod capacity;
mod deadline;
mod exec;
mod image;
mod kill;
mod late;
mod orphans;
mod process_one;
mod run;
mod shutdown;
mod spawn_dropped;
mod spawn_failed;
mod spawn_hung;
mod times;
mod wait_lost;

use clawbox_backend_mock::{
    Fault, InitFault, MockBackend, MockEngine, MockImage, Script, mock_config,
};
use clawbox_containers::{
    ContainerBackend, ContainerResult, ContainerSecurityConfig, InitProgram, ManagerConfig,
    types::ContainerId,
};
use clawbox_types::{
    Capabilities, ContainerInfo, ContainerSpawnRequest, ContainerStatus, DEFAULT_AGENT_IMAGE,
    ResourceLimits,
};
use std::time::Duration;

/// Longer than any deadline.
const FOREVER: Duration = Duration::from_secs(48 * 60 * 60);

/// An engine with the agent's image, and a backend over it.
struct Rig {
    engine: MockEngine,
    backend: MockBackend,
}

fn rig() -> Rig {
    rig_with(&ContainerSecurityConfig::new(), |config| config)
}

fn rig_of(places: usize) -> Rig {
    rig_with(&ContainerSecurityConfig::new(), |config| {
        config.with_max_containers(places)
    })
}

fn rig_with(
    security: &ContainerSecurityConfig,
    edit: impl FnOnce(ManagerConfig) -> ManagerConfig,
) -> Rig {
    let engine = MockEngine::new();
    engine.add_image(agent());
    let config = edit(mock_config(&engine));
    let backend = MockBackend::new(engine.clone(), security, config).unwrap();
    Rig { engine, backend }
}

/// Rigs on which only the engine knows of a container's end: its init is process 1, or `clawbox-init` has lost its
/// manager.
fn rigs_of_the_engines_word() -> [Rig; 2] {
    let security = ContainerSecurityConfig::new().with_init(InitProgram::Engine);
    let cut = rig();
    let fault = Fault::process_one(InitFault::CutAfterGo);
    cut.engine.fail(fault.always());
    [rig_with(&security, |config| config), cut]
}

fn agent() -> MockImage {
    let seconds = Duration::from_secs;
    MockImage::new(DEFAULT_AGENT_IMAGE)
        .unwrap()
        .with_program("ok", Script::stdout("done\n").stderr("no trouble\n"))
        .with_program("three", Script::exit(3))
        .with_program("crash", Script::stdout("half").die_of(11))
        .with_program(
            "minute",
            Script::stdout("a\n").sleep(seconds(60)).stdout("b\n"),
        )
        .with_program("sleeper", Script::stdout("ready\n").sleep(FOREVER))
        .with_program(
            "deaf",
            Script::ignore_term().stdout("ready\n").sleep(FOREVER),
        )
}

fn request(program: &str) -> ContainerSpawnRequest {
    request_within(program, 3600)
}

fn request_within(program: &str, seconds: u64) -> ContainerSpawnRequest {
    let limits = ResourceLimits::new(seconds * 1000, 64);
    ContainerSpawnRequest::new("a test", Capabilities::default().with_resources(limits))
        .with_command([program])
}

impl Rig {
    async fn spawn(&self, program: &str) -> ContainerId {
        self.try_spawn(program).await.unwrap().container_id
    }

    async fn try_spawn(&self, program: &str) -> ContainerResult<ContainerInfo> {
        self.backend.spawn(request(program)).await
    }

    fn status(&self, id: &ContainerId) -> ContainerStatus {
        self.backend.get(id).unwrap().status
    }

    async fn stdout(&self, id: &ContainerId) -> String {
        let output = self.backend.collect_output(id).await.unwrap();
        output.stdout.text().into_owned()
    }

    /// After a failed spawn: no container, no record, no token, and every one of `places` places free.
    async fn assert_nothing_left(&self, places: usize, what: &str) {
        assert_eq!(self.engine.containers(), [""; 0], "{what}: containers left");
        assert_eq!(self.backend.list(), [], "{what}: records left");
        assert!(self.backend.token_store().is_empty(), "{what}: tokens left");
        for place in 0..places {
            let spawned = self.try_spawn("sleeper").await;
            assert!(spawned.is_ok(), "{what}: place {place}: {spawned:?}");
        }
    }
}
