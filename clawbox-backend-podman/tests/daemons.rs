//! Services that crash or hang while containers run: private ones, whose image comes from the given Podman.

#![expect(clippy::unwrap_used, reason = "a panic is how a case fails")]

#[path = "common/private.rs"]
mod private;
#[path = "common/rig.rs"]
mod rig;

use clawbox_backend_podman::PodmanBackend;
use clawbox_containers::{
    ContainerBackend, ContainerError, EngineTimeouts, ManagerConfig,
    types::{ContainerStatus, ExecRequest},
};
use futures_util::FutureExt;
use private::Private;
use rig::{IMAGE, PODMAN, backend, engine, get, policy, request};
use rustix::process::Signal;
use serde_json::Value;
use std::{
    fs,
    path::Path,
    process::ExitCode,
    time::{Duration, Instant},
};

/// A busy host's Podman takes two seconds to describe itself.
const BOUND: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    PODMAN.run([
        ("a_run_outlives_its_service", |host| {
            a_run_outlives_its_service(host).boxed()
        }),
        ("a_service_that_hangs_is_a_timeout", |host| {
            a_service_that_hangs_is_a_timeout(host).boxed()
        }),
    ])
}

async fn a_run_outlives_its_service(given: String) {
    let mut podman = Private::start(&given).await;
    let host = podman.host();
    let backend = backend(&host, &policy());
    let script = "echo before; until [ -e /tmp/go ]; do sleep 0.02; done; echo after; exit 7";
    let id = backend.spawn(request(IMAGE, script)).await.unwrap();
    let id = id.container_id;
    let inspected = get(&host, &format!("/containers/{id}/json")).await;
    let inspected: Value = serde_json::from_str(&inspected).unwrap();
    let engines_id = inspected["Id"].as_str().unwrap();
    assert!(is_grouped(engines_id), "where its control groups are");
    let mut followed = backend.follow_output(&id).unwrap();
    assert_eq!(followed.next().await.unwrap().1, b"before\n");
    let status = || backend.get(&id).unwrap().status;

    podman.kill();
    let error = backend.info().await.unwrap_err();
    assert!(
        matches!(error, ContainerError::EngineUnavailable { .. }),
        "{error:?}"
    );
    let asked = backend.exec(&id, ExecRequest::new(["true"])).await;
    assert_eq!(asked.unwrap().exit_code, 0, "the command still runs");
    assert_eq!(status(), ContainerStatus::Running);

    podman.serve().await;
    backend.info().await.unwrap();
    assert_eq!(status(), ContainerStatus::Running);
    let go = ExecRequest::new(["touch", "/tmp/go"]);
    assert_eq!(backend.exec(&id, go).await.unwrap().exit_code, 0);
    let exit = backend.wait(&id).await.unwrap();
    let output = backend.collect_output(&id).await.unwrap();
    assert_eq!(
        (exit.status, exit.exit_code, exit.signal),
        (ContainerStatus::Failed, Some(7), None)
    );
    // What it printed since went to a connection that was no more, and is read from the log, which need not have it all.
    assert_eq!(output.stdout.text(), "before\nafter\n");
    assert!(exit.output_incomplete && output.incomplete);

    assert_eq!(backend.cleanup_stopped().await.unwrap(), 1);
    assert_eq!(get(&host, "/containers/json?all=true").await.trim(), "[]");
    podman.end().await;
    assert!(!is_grouped(engines_id), "its control groups are left");
}

async fn a_service_that_hangs_is_a_timeout(given: String) {
    let podman = Private::start(&given).await;
    let host = podman.host();
    let config = ManagerConfig::default().with_timeouts(EngineTimeouts::all(BOUND));
    let backend = PodmanBackend::new(engine(&host), &policy(), config).unwrap();
    backend.info().await.unwrap();

    podman.signal(Signal::STOP);
    let began = Instant::now();
    let of_info = backend.info().await.map(drop).unwrap_err();
    let spawned = backend.spawn(request(IMAGE, "true")).await;
    let took = began.elapsed();
    podman.signal(Signal::CONT);
    for error in [of_info, spawned.map(drop).unwrap_err()] {
        let ContainerError::EngineTimeout {
            endpoint, after, ..
        } = &error
        else {
            panic!("{error:?}");
        };
        assert_eq!((endpoint, *after), (&host, BOUND));
    }
    assert!(took < BOUND * 3, "{took:?}");

    backend.info().await.unwrap();
    assert_eq!(get(&host, "/containers/json?all=true").await.trim(), "[]");
    podman.end().await;
}

/// Whether the container has control groups, of which version 1 has a hierarchy for each controller.
fn is_grouped(engines_id: &str) -> bool {
    let group = format!("libpod_parent/libpod-{engines_id}");
    let root = Path::new("/sys/fs/cgroup");
    let hierarchies = fs::read_dir(root).unwrap().map(|it| it.unwrap().path());
    hierarchies
        .chain([root.to_owned()])
        .any(|hierarchy| hierarchy.join(&group).exists())
}
