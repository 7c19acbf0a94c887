//! What only a real Docker can show.

#![expect(clippy::unwrap_used, reason = "a panic is how a case fails")]

mod dropped;
mod process_one;
#[path = "../common/mod.rs"]
mod rig;
mod secrets;

use bollard::{
    Docker,
    models::{ContainerConfig, ContainerCreateBody},
    query_parameters::{
        CommitContainerOptions, ListContainersOptions, ListVolumesOptions, RemoveContainerOptions,
        RemoveImageOptions,
    },
};
use clawbox_conformance::test_engine::{EngineTest, adoption};
use clawbox_containers::{
    ContainerBackend, ContainerEngine, ContainerError,
    engine::{EngineErrorKind, EnginePhase, Removal, Signal},
    policy::{Placement, SecurityPolicy},
    types::{ContainerId, PullPolicy},
};
use futures_util::FutureExt;
use rig::{DOCKER, IMAGE, backend, bystander, engine, policy, request};
use std::{
    collections::{BTreeMap, BTreeSet},
    process::ExitCode,
};

/// Made here of it: with a `VOLUME`, and with variables that nobody may set.
const GREEDY_IMAGE: &str = "ghcr.io/n0xmare/clawbox-docker-greedy";

const CASES: [(&str, EngineTest); 11] = [
    ("the_calls_mean_what_the_contract_says", |host| {
        the_calls_mean_what_the_contract_says(host).boxed()
    }),
    ("an_absent_image_is_named_in_full", |host| {
        an_absent_image_is_named_in_full(host).boxed()
    }),
    ("an_image_that_no_registry_gives_is_not_found", |host| {
        an_image_that_no_registry_gives_is_not_found(host).boxed()
    }),
    ("no_volume_is_left_behind", |host| {
        no_volume_is_left_behind(host).boxed()
    }),
    ("a_variable_of_the_image_is_taken_away", |host| {
        a_variable_of_the_image_is_taken_away(host).boxed()
    }),
    ("a_state_directory_may_be_in_memory", |host| {
        process_one::a_state_directory_may_be_in_memory(host).boxed()
    }),
    ("a_process_one_that_gives_up_says_why", |host| {
        process_one::a_process_one_that_gives_up_says_why(host).boxed()
    }),
    ("what_process_one_cannot_run_is_named", |host| {
        process_one::what_process_one_cannot_run_is_named(host).boxed()
    }),
    ("a_spawn_dropped_at_any_moment_is_gone", |host| {
        dropped::a_spawn_dropped_at_any_moment_is_gone_within_ten_seconds(host).boxed()
    }),
    ("what_a_killed_process_leaves_is_adopted", |host| {
        adoption::is_adopted(host, engine).boxed()
    }),
    ("the_engine_holds_no_secret", |host| {
        secrets::the_engine_holds_no_secret(host).boxed()
    }),
];

fn main() -> ExitCode {
    adoption::be_abandoned(engine).unwrap_or_else(|| DOCKER.run(CASES))
}

async fn the_calls_mean_what_the_contract_says(host: String) {
    let docker = engine(&host);
    let request = request(IMAGE, "echo out; echo err >&2; exit 7");
    let admission = SecurityPolicy::new(&policy())
        .unwrap()
        .admit(&request)
        .unwrap();
    let image = docker
        .ensure_image(admission.image(), PullPolicy::Never, &|_| ())
        .await
        .unwrap();
    let backend = backend(&host, &policy());
    let identity = backend.pre_generate_id().unwrap();
    let id = identity.id.clone();
    let labels = BTreeMap::from([
        ("clawbox.test.run".to_owned(), id.to_string()),
        ("clawbox.test".to_owned(), "docker".to_owned()),
    ]);
    let placement = Placement {
        identity,
        labels: labels.clone(),
        proxy_dir: None,
        init_dir: None,
    };
    let plan = admission.compile(&image, placement).unwrap();

    assert_eq!(docker.create(&plan).await.unwrap(), []);
    let taken = docker.create(&plan).await.unwrap_err();
    assert_eq!(taken.kind(), EngineErrorKind::AlreadyExists, "{taken}");
    let listed = docker.list(&labels).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0].name, id.to_string());
    assert_eq!(listed[0].phase, EnginePhase::Created);
    assert!(
        labels
            .iter()
            .all(|(key, value)| listed[0].labels.get(key) == Some(value))
    );
    let early = docker.kill(&id, Signal::Term).await.unwrap_err();
    assert_eq!(early.kind(), EngineErrorKind::NotRunning, "{early}");

    let mut chunks = docker.attach(&id).await.unwrap();
    docker.start(&id).await.unwrap();
    assert_eq!(docker.wait(&id).await.unwrap(), 7);
    let mut seen = BTreeSet::new();
    while let Some(chunk) = futures_util::StreamExt::next(&mut chunks).await {
        let chunk = chunk.unwrap();
        seen.insert((format!("{:?}", chunk.stream), chunk.bytes.to_vec()));
    }
    let expected = [("Stderr", b"err\n"), ("Stdout", b"out\n")];
    assert_eq!(
        seen,
        expected
            .map(|(name, bytes)| (name.to_owned(), bytes.to_vec()))
            .into()
    );

    let state = docker.inspect(&id).await.unwrap().state;
    assert_eq!(
        (state.phase, state.exit_code),
        (EnginePhase::Exited, Some(7))
    );
    // In any order: Docker writes them down from two sources.
    assert!(state.started_at.is_some() && state.finished_at.is_some());
    let late = docker.kill(&id, Signal::Kill).await.unwrap_err();
    assert_eq!(late.kind(), EngineErrorKind::NotRunning, "{late}");
    assert_eq!(docker.remove(&id).await.unwrap(), Removal::Now);
    assert_eq!(docker.remove(&id).await.unwrap(), Removal::AlreadyGone);
    assert_eq!(docker.list(&labels).await.unwrap(), []);
    for error in [
        docker.inspect(&id).await.map(drop).unwrap_err(),
        docker.attach(&id).await.map(drop).unwrap_err(),
        docker.start(&id).await.unwrap_err(),
        docker.wait(&id).await.map(drop).unwrap_err(),
        docker.kill(&id, Signal::Kill).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), EngineErrorKind::NotFound, "{error}");
    }
}

async fn an_absent_image_is_named_in_full(host: String) {
    let security = policy().with_allowed_images(["docker.io/library/absent"]);
    let error = backend(&host, &security)
        .spawn(request("absent", "true"))
        .await
        .unwrap_err();
    let ContainerError::ImageNotFound { image, .. } = &error else {
        panic!("{error:?}");
    };
    assert_eq!(image.to_string(), "docker.io/library/absent:latest");
}

async fn an_image_that_no_registry_gives_is_not_found(host: String) {
    for pull in [PullPolicy::IfMissing, PullPolicy::Always] {
        // Nothing listens on that port.
        let security = policy()
            .with_pull(pull)
            .with_allowed_images(["localhost:1/"]);
        let error = backend(&host, &security)
            .spawn(request("localhost:1/absent:1", "true"))
            .await
            .unwrap_err();
        assert!(
            matches!(error, ContainerError::ImageNotFound { .. }),
            "{pull:?} {error:?}"
        );
    }
}

async fn no_volume_is_left_behind(host: String) {
    let docker = bystander(&host).await;
    let image = greedy_image(&docker, "volume").await;
    let backend = backend(&host, &policy());
    let before = volumes(&docker).await;

    let runs = backend
        .spawn(request(&image, "echo x > /vol/x && ls /vol"))
        .await
        .unwrap();
    let during = volumes(&docker).await;
    backend.wait(&runs.container_id).await.unwrap();
    let output = backend.collect_output(&runs.container_id).await.unwrap();
    assert_eq!(output.stdout.text(), "x\n", "{}", output.stderr.text());

    let killed = backend.spawn(request(&image, "sleep 60")).await.unwrap();
    backend.kill(&killed.container_id).await.unwrap();

    // Found out by the runtime, after Docker has made the container: no tmpfs stands on a file.
    let mut impossible = policy();
    impossible.tmpfs.push("/bin/busybox".to_owned());
    let error = self::backend(&host, &impossible)
        .spawn(request(&image, "true"))
        .await
        .unwrap_err();
    assert!(
        matches!(error, ContainerError::StartFailed { .. }),
        "{error:?}"
    );

    assert_eq!(backend.cleanup_stopped().await.unwrap(), 2);
    assert_eq!(containers(&docker, &image).await, 0);
    remove_image(&docker, &image).await;
    assert_eq!(during, before, "the tmpfs at /vol takes the volume's place");
    assert_eq!(volumes(&docker).await, before);
}

async fn a_variable_of_the_image_is_taken_away(host: String) {
    let docker = bystander(&host).await;
    let image = greedy_image(&docker, "env").await;
    let backend = backend(&host, &policy());
    let run = backend.spawn(request(&image, "env")).await.unwrap();
    backend.wait(&run.container_id).await.unwrap();
    let output = backend.collect_output(&run.container_id).await.unwrap();
    backend.kill(&run.container_id).await.unwrap();
    remove_image(&docker, &image).await;
    let text = output.stdout.text();
    assert!(text.lines().any(|line| line == "KEPT=yes"), "{text}");
    assert!(!text.contains("LD_PRELOAD"), "{text}");
}

/// Commits the fixture with an appetite, under a tag of the case's own.
async fn greedy_image(docker: &Docker, tag: &str) -> String {
    let body = ContainerCreateBody {
        image: Some(IMAGE.to_owned()),
        cmd: Some(vec!["true".to_owned()]),
        ..ContainerCreateBody::default()
    };
    let created = docker.create_container(None, body).await;
    let base = created.expect("`cargo xtask fixture` makes the image").id;
    let options = CommitContainerOptions {
        container: Some(base.clone()),
        repo: Some(GREEDY_IMAGE.to_owned()),
        tag: Some(tag.to_owned()),
        ..CommitContainerOptions::default()
    };
    let config = ContainerConfig {
        volumes: Some(vec!["/vol".to_owned()]),
        env: Some(
            ["PATH=/bin", "KEPT=yes", "LD_PRELOAD=/x"]
                .map(str::to_owned)
                .into(),
        ),
        ..ContainerConfig::default()
    };
    docker.commit_container(options, config).await.unwrap();
    let options = RemoveContainerOptions {
        v: true,
        force: true,
        link: false,
    };
    docker.remove_container(&base, Some(options)).await.unwrap();
    format!("{GREEDY_IMAGE}:{tag}")
}

async fn remove_image(docker: &Docker, image: &str) {
    let removed = docker.remove_image(image, None::<RemoveImageOptions>, None);
    removed.await.unwrap();
}

async fn volumes(docker: &Docker) -> BTreeSet<String> {
    let listed = docker
        .list_volumes(None::<ListVolumesOptions>)
        .await
        .unwrap();
    listed
        .volumes
        .into_iter()
        .flatten()
        .map(|volume| volume.name)
        .collect()
}

async fn containers(docker: &Docker, image: &str) -> usize {
    let options = ListContainersOptions {
        all: true,
        filters: Some([("ancestor".to_owned(), vec![image.to_owned()])].into()),
        ..ListContainersOptions::default()
    };
    let listed = docker.list_containers(Some(options)).await.unwrap();
    let ours = |name: &String| name.trim_start_matches('/').parse::<ContainerId>().is_ok();
    listed
        .iter()
        .flat_map(|it| it.names.iter().flatten())
        .filter(|name| ours(name))
        .count()
}
