//! Images, fetched and replaced.

use super::{IMAGE, request, run, with};
use clawbox_backend_mock::{MockEngine, MockImage, Script, mock_config};
use clawbox_containers::{
    ContainerBackend, ContainerManager, ContainerSecurityConfig, engine::PullProgress,
};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

#[tokio::test(start_paused = true)]
async fn an_image_is_fetched_with_progress() {
    let engine = MockEngine::new();
    engine.add_to_registry(
        MockImage::new(IMAGE)
            .unwrap()
            .with_program("x", Script::exit(0)),
    );
    let steps = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&steps);
    let observer = move |step: PullProgress| seen.lock().unwrap().push(step.action);
    let security = ContainerSecurityConfig::new();
    let observer = Some(Arc::new(observer) as _);
    let config = mock_config(&engine);
    let backend =
        ContainerManager::with_pull_observer(engine, &security, config, observer).unwrap();
    run(&backend, &["x"]).await;
    run(&backend, &["x"]).await;
    assert_eq!(
        *steps.lock().unwrap(),
        ["Downloading", "Downloading", "Pull complete"]
    );
}

#[tokio::test(start_paused = true)]
async fn an_image_that_gets_a_new_content_leaves_older_containers_theirs() {
    let backend = with(Script::sleep(Duration::from_secs(9)).exit(1));
    let old = backend.spawn(request(&["x"])).await.unwrap().container_id;
    let image = MockImage::new(IMAGE)
        .unwrap()
        .with_program("x", Script::exit(2));
    backend.engine().add_image(image);
    assert_eq!(run(&backend, &["x"]).await.0.exit_code, Some(2));
    assert_eq!(backend.wait(&old).await.unwrap().exit_code, Some(1));
}
