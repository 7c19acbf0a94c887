//! Daemons that are not there, do not answer, or answer with nonsense: sockets of the tests' own.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use clawbox_backend_docker::{DockerBackend, DockerEngine, EndpointError};
use clawbox_containers::{
    ContainerBackend, ContainerEngine, ContainerError, ContainerSecurityConfig, EngineTimeouts,
    ManagerConfig,
    engine::{EngineErrorKind, PullProgress, Removal},
    types::{Capabilities, ContainerId, ContainerSpawnRequest, PullPolicy},
};
use std::{
    sync::Mutex,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixListener,
};

const BOUND: Duration = Duration::from_millis(200);

fn backend(endpoint: &str) -> DockerBackend {
    let engine = DockerEngine::connect(Some(endpoint)).unwrap();
    let config = ManagerConfig::default().with_timeouts(EngineTimeouts::all(BOUND));
    DockerBackend::new(engine, &ContainerSecurityConfig::new(), config).unwrap()
}

fn request() -> ContainerSpawnRequest {
    ContainerSpawnRequest::new("never runs", Capabilities::default())
        .with_image("alpine")
        .with_command(["true"])
}

/// A daemon that answers a request with the text of the first path that its line contains, and hangs up.
/// To its `/version` it always knows an answer.
fn daemon(answers: &'static [(&'static str, &'static str)]) -> (TempDir, DockerEngine) {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("docker.sock");
    let listener = UnixListener::bind(&path).unwrap();
    tokio::spawn(async move {
        loop {
            let (mut peer, _) = listener.accept().await.unwrap();
            let mut asked = vec![0; 64 * 1024];
            let n = peer.read(&mut asked).await.unwrap();
            let asked = String::from_utf8_lossy(&asked[..n]).into_owned();
            let line = asked.lines().next().unwrap_or_default();
            let known = answers.iter().find(|(path, _)| line.contains(path));
            let answer = match known {
                Some((_, answer)) => *answer,
                None if line.contains("/version") => {
                    "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"ApiVersion\":\"1.41\"}"
                }
                None => {
                    "HTTP/1.1 500 Oops\r\nConnection: close\r\n\r\n{\"message\":\"unexpected\"}"
                }
            };
            peer.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    let engine = DockerEngine::connect(Some(&format!("unix://{}", path.display()))).unwrap();
    (dir, engine)
}

#[tokio::test]
async fn a_daemon_that_never_answers_is_a_timeout_within_the_bound() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("docker.sock");
    let _listener = UnixListener::bind(&path).unwrap();
    let endpoint = format!("unix://{}", path.display());
    let backend = backend(&endpoint);
    let began = Instant::now();
    let of_info = backend.info().await.map(drop).unwrap_err();
    assert!(!backend.is_available().await);
    assert!(began.elapsed() < BOUND * 10, "{:?}", began.elapsed());
    let of_spawn = backend.spawn(request()).await.map(drop).unwrap_err();
    for error in [of_info, of_spawn] {
        let ContainerError::EngineTimeout {
            endpoint: named,
            after,
            ..
        } = &error
        else {
            panic!("{error:?}");
        };
        assert_eq!((named, *after), (&endpoint, BOUND));
    }
}

#[tokio::test]
async fn a_missing_socket_is_unavailable_until_it_is_there() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("docker.sock");
    let endpoint = format!("unix://{}", path.display());
    let backend = backend(&endpoint);
    let error = backend.spawn(request()).await.unwrap_err();
    let ContainerError::EngineUnavailable {
        endpoint: named,
        source,
    } = &error
    else {
        panic!("{error:?}");
    };
    assert_eq!(*named, endpoint);
    assert!(source.to_string().contains(&endpoint), "{source}");

    // A file that nobody listens on is the same to a caller.
    drop(UnixListener::bind(&path).unwrap());
    let error = backend.info().await.unwrap_err();
    assert!(
        matches!(error, ContainerError::EngineUnavailable { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn plain_tcp_is_refused_before_anything_is_connected_to() {
    let error = DockerEngine::connect(Some("tcp://127.0.0.1:2375")).unwrap_err();
    assert!(
        matches!(error, EndpointError::Unauthenticated { .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains("unix:///"), "{error}");
}

#[tokio::test]
async fn what_is_no_docker_gives_a_bad_answer() {
    let (_dir, engine) = daemon(&[(
        "/info",
        "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n<html>",
    )]);
    let error = engine.probe().await.unwrap_err();
    assert_eq!(error.kind(), EngineErrorKind::BadAnswer, "{error}");
}

/// What a wait sees when the daemon dies: at its headers, or before them.
#[tokio::test]
async fn a_wait_that_ends_without_a_word_is_no_exit() {
    const CUT: [&str; 3] = [
        "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        "",
    ];
    for (answers, cut) in [
        (&[("/wait", CUT[0])] as &'static [_], CUT[0]),
        (&[("/wait", CUT[1])], CUT[1]),
        (&[("/wait", CUT[2])], CUT[2]),
    ] {
        let (_dir, engine) = daemon(answers);
        let error = engine.wait(&ContainerId::generate()).await.unwrap_err();
        assert_eq!(
            error.kind(),
            EngineErrorKind::Unavailable,
            "{cut:?} {error}"
        );
    }
}

#[tokio::test]
async fn a_code_other_than_zero_is_an_exit() {
    let (_dir, engine) = daemon(&[(
        "/wait",
        "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"Error\":null,\"StatusCode\":42}\n",
    )]);
    assert_eq!(engine.wait(&ContainerId::generate()).await.unwrap(), 42);
}

#[tokio::test]
async fn a_removal_counts_when_it_is_done_and_not_while_it_goes_on() {
    let id = ContainerId::generate();
    let (_dir, engine) = daemon(&[(
        "DELETE",
        "HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n{\"message\":\"No such container\"}",
    )]);
    assert_eq!(engine.remove(&id).await.unwrap(), Removal::AlreadyGone);
    let (_dir, engine) = daemon(&[(
        "DELETE",
        "HTTP/1.1 409 Conflict\r\nConnection: close\r\n\r\n{\"message\":\"removal of container x is already in progress\"}",
    )]);
    let error = engine.remove(&id).await.unwrap_err();
    assert_eq!(error.kind(), EngineErrorKind::Refused, "{error}");
}

#[tokio::test]
async fn an_error_among_the_steps_of_a_fetch_is_found() {
    let (_dir, engine) = daemon(&[
        (
            "/images/create",
            "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n\
             {\"status\":\"Pulling\",\"id\":\"3.20\"}\n\
             {\"errorDetail\":{\"message\":\"manifest unknown\"},\"error\":\"manifest unknown\"}\n",
        ),
        (
            "/json",
            "HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n{\"message\":\"No such image\"}",
        ),
    ]);
    let steps: Mutex<Vec<PullProgress>> = Mutex::default();
    let image = "alpine:3.20".parse().unwrap();
    let error = engine
        .ensure_image(&image, PullPolicy::IfMissing, &|step| {
            steps.lock().unwrap().push(step);
        })
        .await
        .unwrap_err();
    assert_eq!(error.kind(), EngineErrorKind::ImageNotFound, "{error}");
    assert_eq!(error.to_string(), "manifest unknown");
    let steps = steps.into_inner().unwrap();
    assert_eq!(steps.len(), 1);
    assert_eq!(
        (steps[0].part.as_str(), steps[0].action.as_str()),
        ("3.20", "Pulling")
    );
}

/// Told apart from an image that is not there: nothing is fetched from a registry because of it.
#[tokio::test]
async fn a_daemon_in_trouble_is_no_missing_image() {
    let (_dir, engine) = daemon(&[]);
    let image = "alpine".parse().unwrap();
    let asked = engine.ensure_image(&image, PullPolicy::IfMissing, &|_| ());
    let error = asked.await.unwrap_err();
    assert_eq!(error.kind(), EngineErrorKind::Refused, "{error}");
}
