//! Names of images: whole ones, of which Podman guesses nothing.

use crate::rig::{IMAGE, ask, backend, policy, request};
use clawbox_containers::{ContainerBackend, ContainerError, ContainerResult, types::PullPolicy};

/// No other case's, and nobody's own.
const TAG: &str = "clawbox-guessed";

/// What is built at a host has a name below `localhost/`, which Podman's own client finds without that too.
pub(crate) async fn no_name_is_guessed(host: String) {
    let tag = |what: &str| format!("/images/{IMAGE}/{what}?repo=localhost/alpine&tag={TAG}");
    ask(&host, "POST", &tag("tag"), b"").await;
    let short = format!("alpine:{TAG}");
    let long = format!("localhost/alpine:{TAG}");
    let spawn = async |rule: &str, image: &str| {
        let backend = backend(&host, &policy().with_allowed_images([rule]));
        let spawned = backend.spawn(request(image, "true")).await;
        if let Ok(run) = &spawned {
            backend.kill(&run.container_id).await.unwrap();
        }
        spawned
    };
    let guessed = spawn("alpine", &short).await;
    let not_of_the_rule = spawn("alpine", &long).await;
    let not_of_the_other = spawn("localhost/alpine", &short).await;
    let named = spawn("localhost/alpine", &long).await;
    ask(&host, "POST", &tag("untag"), b"").await;

    let whole = format!("docker.io/library/{short}");
    match guessed.unwrap_err() {
        ContainerError::ImageNotFound { image, .. } => assert_eq!(image.to_string(), whole),
        other => panic!("{other:?}"),
    }
    not_allowed(not_of_the_rule, &long);
    not_allowed(not_of_the_other, &whole);
    assert!(named.is_ok(), "{named:?}");
}

fn not_allowed<T: std::fmt::Debug>(spawned: ContainerResult<T>, name: &str) {
    match spawned.unwrap_err() {
        ContainerError::ImageNotAllowed { image, .. } => assert_eq!(image.to_string(), name),
        other => panic!("{other:?}"),
    }
}

pub(crate) async fn an_image_that_no_registry_gives_is_not_found(host: String) {
    for pull in [PullPolicy::IfMissing, PullPolicy::Always] {
        // Nothing listens on that port.
        let security = policy()
            .with_pull(pull)
            .with_allowed_images(["localhost:1/"]);
        let error = backend(&host, &security)
            .spawn(request("localhost:1/x:1", "true"))
            .await
            .unwrap_err();
        let ContainerError::ImageNotFound { image, source } = &error else {
            panic!("{pull:?} {error:?}");
        };
        assert_eq!(image.to_string(), "localhost:1/x:1");
        let said = source.to_string();
        assert!(said.contains("connection refused"), "{pull:?} {said}");
    }
}
