//! Containers that a dead manager has left and another one takes over.

use super::{agent, request, request_within};
use clawbox_backend_mock::{Fault, MockBackend, MockEngine, Op, mock_config};
use clawbox_containers::{
    Adopt, ContainerBackend, ContainerError, ContainerSecurityConfig, Grace, InitProgram, Liveness,
    ManagerConfig,
};
use clawbox_types::{ContainerId, ContainerStatus, ExecRequest};
use std::{slice::from_ref, time::Duration};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

/// An engine, and managers that share a state directory.
pub(super) struct Host {
    pub(super) engine: MockEngine,
    dir: TempDir,
    init: InitProgram,
}

impl Host {
    pub(super) fn new(init: InitProgram) -> Self {
        let engine = MockEngine::new();
        engine.add_image(agent());
        let dir = tempfile::tempdir().unwrap();
        Self { engine, dir, init }
    }

    pub(super) fn manager(&self, edit: impl FnOnce(ManagerConfig) -> ManagerConfig) -> MockBackend {
        let security = ContainerSecurityConfig::new().with_init(self.init);
        let config = mock_config(&self.engine).with_state_dir(Some(self.dir.path().join("state")));
        MockBackend::new(self.engine.clone(), &security, edit(config)).unwrap()
    }

    fn named(&self, name: &str) -> MockBackend {
        self.manager(|config| config.with_owner_name(name))
    }

    /// Spawns with a manager of this name, lets time pass, and leaves as a process that dies.
    pub(super) async fn left(
        &self,
        name: &str,
        program: &str,
        limit: u64,
        after: u64,
    ) -> ContainerId {
        let manager = self.named(name);
        let info = manager.spawn(request_within(program, limit)).await.unwrap();
        sleep(Duration::from_secs(after)).await;
        let report = manager.shutdown(Grace::Keep).await;
        assert_eq!(report.kept, from_ref(&info.container_id));
        info.container_id
    }

    pub(super) fn leases(&self) -> usize {
        std::fs::read_dir(self.dir.path().join("state"))
            .unwrap()
            .count()
    }
}

async fn adopted(manager: &MockBackend) -> Vec<ContainerId> {
    let infos = manager.adopt_orphans().await.unwrap();
    assert!(infos.iter().all(|info| info.recovered), "{infos:?}");
    infos.into_iter().map(|info| info.container_id).collect()
}

async fn stdout(manager: &MockBackend, id: &ContainerId) -> String {
    let output = manager.collect_output(id).await.unwrap();
    assert!(output.incomplete);
    output.stdout.text().into_owned()
}

#[tokio::test(start_paused = true)]
async fn a_namesake_takes_over_what_runs_and_nobody_else_does_meanwhile() {
    let host = Host::new(InitProgram::Clawbox);
    let id = host.left("agent", "minute", 3600, 30).await;
    assert_eq!(adopted(&host.named("another")).await, []);
    assert_eq!(adopted(&host.manager(|config| config)).await, []);
    let (heir, late) = (host.named("agent"), host.named("agent"));
    assert_eq!(adopted(&heir).await, from_ref(&id));
    assert_eq!(adopted(&heir).await, []);
    let info = heir.get(&id).unwrap();
    assert_eq!(info.status, ContainerStatus::Running);
    assert!(info.recovered);
    assert_eq!(heir.list(), [info]);

    let orphans = host.manager(|config| config.with_adopt(Adopt::Orphans));
    for other in [&late, &orphans] {
        assert_eq!(adopted(other).await, []);
        assert_eq!(other.survey().await.unwrap()[0].owner, Liveness::Alive);
        assert_eq!(other.reap_orphans().await.unwrap(), 0);
    }
    assert_eq!(heir.reap_orphans().await.unwrap(), 0);

    let exec = heir.exec(&id, ExecRequest::new(["ok"])).await;
    assert!(
        matches!(exec, Err(ContainerError::Unsupported { .. })),
        "{exec:?}"
    );
    assert!(heir.token_store().is_empty());

    let exit = heir.wait(&id).await.unwrap();
    assert_eq!(
        (exit.status, exit.exit_code),
        (ContainerStatus::Completed, Some(0))
    );
    assert!(exit.recovered && exit.output_incomplete);
    let ran = exit.finished_at.unwrap() - exit.started_at.unwrap();
    assert_eq!(ran.whole_seconds(), 60);
    assert_eq!(stdout(&heir, &id).await, "a\nb\n");

    // The dead one's lease goes with the last of its containers, two minutes after it asked for one.
    assert_eq!(host.leases(), 1);
    assert_eq!(heir.cleanup_stopped().await.unwrap(), 1);
    assert_eq!(adopted(&heir).await, []);
    sleep(Duration::from_secs(60)).await;
    assert_eq!(adopted(&heir).await, []);
    assert_eq!(host.leases(), 0);
    assert_eq!(host.engine.containers(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn what_has_ended_meanwhile_is_told_as_the_engine_has_it() {
    let host = Host::new(InitProgram::Clawbox);
    let id = host.left("agent", "three", 3600, 30).await;
    let heir = host.named("agent");
    assert_eq!(adopted(&heir).await, from_ref(&id));
    let exit = heir.wait(&id).await.unwrap();
    assert_eq!(
        (exit.status, exit.exit_code),
        (ContainerStatus::Failed, Some(3))
    );
    assert!(exit.recovered);
}

#[tokio::test(start_paused = true)]
async fn an_adopted_container_can_be_killed() {
    let host = Host::new(InitProgram::Clawbox);
    let id = host.left("agent", "deaf", 3600, 1).await;
    let heir = host.named("agent");
    adopted(&heir).await;
    heir.kill(&id).await.unwrap();
    assert_eq!(heir.get(&id).unwrap().status, ContainerStatus::Killed);
    assert_eq!(host.engine.containers(), [""; 0]);
    assert_eq!(stdout(&heir, &id).await, "ready\n");
}

#[tokio::test(start_paused = true)]
async fn the_deadline_holds_from_the_label() {
    // Process 1 keeps the limit itself; without it the manager has the label, which allows five seconds for the start.
    for (init, longest) in [(InitProgram::Clawbox, 101), (InitProgram::Engine, 105)] {
        let host = Host::new(init);
        let begun = Instant::now();
        let id = host.left("agent", "deaf", 100, 40).await;
        let heir = host.named("agent");
        adopted(&heir).await;
        sleep(Duration::from_secs(55)).await;
        assert_eq!(heir.get(&id).unwrap().status, ContainerStatus::Running);
        let exit = heir.wait(&id).await.unwrap();
        assert_eq!(exit.status, ContainerStatus::TimedOut, "{init:?}: {exit:?}");
        let after = begun.elapsed();
        assert!(after <= Duration::from_secs(longest), "{init:?}: {after:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_has_passed_is_the_end_at_once() {
    let host = Host::new(InitProgram::Engine);
    let id = host.left("agent", "deaf", 100, 1).await;
    sleep(Duration::from_secs(1000)).await;
    let heir = host.named("agent");
    adopted(&heir).await;
    let begun = Instant::now();
    assert_eq!(
        heir.wait(&id).await.unwrap().status,
        ContainerStatus::TimedOut
    );
    assert!(begun.elapsed() < Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_reaper_adopts_what_it_is_to_adopt_and_reaps_the_rest() {
    let host = Host::new(InitProgram::Clawbox);
    let ours = host.left("agent", "sleeper", 3600, 1).await;
    host.left("another", "sleeper", 3600, 1).await;
    let heir = host.named("agent");
    assert_eq!(heir.reap_orphans().await.unwrap(), 1);
    assert_eq!(host.engine.containers(), [ours.to_string()]);
    assert_eq!(heir.list()[0].container_id, ours);
    host.left("nobody", "sleeper", 3600, 1).await;
    let all = host.manager(|config| config.with_adopt(Adopt::Orphans));
    assert_eq!(all.reap_orphans().await.unwrap(), 0);
    assert_eq!(all.list().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_adopted_can_be_left_and_adopted_again() {
    let host = Host::new(InitProgram::Clawbox);
    let id = host.left("agent", "sleeper", 3600, 1).await;
    for _ in 0..3 {
        let heir = host.named("agent");
        assert_eq!(adopted(&heir).await, from_ref(&id));
        assert_eq!(heir.shutdown(Grace::Keep).await.kept, from_ref(&id));
        assert!(matches!(
            heir.adopt_orphans().await,
            Err(ContainerError::ShutDown)
        ));
    }
    // The last handle kills what was adopted as what was spawned.
    let heir = host.named("agent");
    adopted(&heir).await;
    drop(heir);
    sleep(Duration::from_secs(10)).await;
    assert_eq!(host.engine.containers(), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn adopted_containers_take_the_places_there_are() {
    let host = Host::new(InitProgram::Clawbox);
    for _ in 0..3 {
        host.left("agent", "sleeper", 3600, 1).await;
    }
    let heir = host.manager(|config| config.with_owner_name("agent").with_max_containers(2));
    let ids = adopted(&heir).await;
    assert_eq!(ids.len(), 3);
    let spawned = heir.spawn(request("ok")).await;
    assert!(matches!(
        spawned,
        Err(ContainerError::LimitReached { limit: 2 })
    ));
    for id in &ids {
        heir.kill(id).await.unwrap();
    }
    heir.spawn(request("sleeper")).await.unwrap();
    heir.spawn(request("sleeper")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_is_away_delays_an_adoption_and_loses_nothing() {
    let host = Host::new(InitProgram::Clawbox);
    let id = host.left("agent", "sleeper", 3600, 1).await;
    let heir = host.named("agent");
    host.engine.fail(Fault::unavailable().on(Op::List));
    assert!(heir.adopt_orphans().await.is_err());
    host.engine.fail(Fault::unavailable().on(Op::Inspect));
    assert_eq!(adopted(&heir).await, []);
    assert_eq!(heir.reap_orphans().await.unwrap(), 0);
    assert_eq!(heir.list()[0].container_id, id);
}

#[tokio::test(start_paused = true)]
async fn a_log_that_cannot_be_read_is_missing_output_and_no_more() {
    let host = Host::new(InitProgram::Clawbox);
    let id = host.left("agent", "deaf", 3600, 1).await;
    host.engine.fail(Fault::hung().on(Op::Logs).always());
    let heir = host.named("agent");
    adopted(&heir).await;
    sleep(Duration::from_secs(60)).await;
    assert_eq!(heir.get(&id).unwrap().status, ContainerStatus::Running);
    assert_eq!(stdout(&heir, &id).await, "");
    heir.kill(&id).await.unwrap();
}
