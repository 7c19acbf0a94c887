//! Process 1 of ours, where it depends on the host.

use crate::rig::{IMAGE, backend, engine, policy, request};
use clawbox_backend_docker::DockerBackend;
use clawbox_containers::{
    ContainerBackend, ContainerError, ContainerResult, ManagerConfig,
    types::{ContainerSpawnRequest, ExecRequest},
};
use std::{fs, time::Duration};

/// As a user's runtime directory usually is.
pub(crate) async fn a_state_directory_may_be_in_memory(host: String) {
    let memory = tempfile::tempdir_in("/dev/shm").unwrap();
    let config = ManagerConfig::default().with_state_dir(Some(memory.path().join("state")));
    let backend = DockerBackend::new(engine(&host), &policy(), config).unwrap();
    let id = backend.spawn(request(IMAGE, "exit 7")).await.unwrap();
    let exit = backend.wait(&id.container_id).await.unwrap();
    backend.kill(&id.container_id).await.unwrap();
    assert_eq!(exit.exit_code, Some(7));
}

/// Its socket is taken away before it is started.
pub(crate) async fn a_process_one_that_gives_up_says_why(host: String) {
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let config = ManagerConfig::default().with_state_dir(Some(state.clone()));
    let backend = DockerBackend::new(engine(&host), &policy(), config).unwrap();
    let identity = backend.pre_generate_id().unwrap();
    let owner = state.join(backend.owner().to_string());
    let socket = owner.join(identity.id.to_string()).join("control.sock");
    let thief = async {
        while fs::remove_file(&socket).is_err() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    let request = request(IMAGE, "true").with_identity(identity);
    let (refusal, ()) = tokio::join!(backend.spawn(request), thief);
    let words = "process 1 ended with code 125 before it ran the command: clawbox-init: connect to \
                 /.clawbox/control.sock: errno 2";
    refused(refusal, None, words);
}

pub(crate) async fn what_process_one_cannot_run_is_named(host: String) {
    let backend = backend(&host, &policy());
    let running = backend.spawn(request(IMAGE, "sleep 60")).await.unwrap();
    let script = [
        "/bin/sh",
        "-c",
        "printf x > /tmp/empty && chmod +x /tmp/empty",
    ];
    let made = backend
        .exec(&running.container_id, ExecRequest::new(script))
        .await;
    assert_eq!(made.unwrap().exit_code, 0);
    for (program, code, words) in [
        (
            "nosuch",
            Some(127),
            r#"no program "nosuch" in the PATH of the container"#,
        ),
        (
            "/bin/nosuch",
            Some(127),
            r#"no program "/bin/nosuch" in the container"#,
        ),
        (
            "/etc/passwd/x",
            Some(127),
            r#"no program "/etc/passwd/x" in the container"#,
        ),
        (
            "/etc/passwd",
            Some(126),
            r#"program "/etc/passwd": Permission denied"#,
        ),
        ("/bin", Some(126), r#"program "/bin": Permission denied"#),
        (
            "/tmp/empty",
            Some(126),
            r#"program "/tmp/empty": Permission denied"#,
        ),
    ] {
        let command = ExecRequest::new([program]);
        refused(
            backend.exec(&running.container_id, command).await,
            code,
            words,
        );
        if program != "/tmp/empty" {
            let request: ContainerSpawnRequest = request(IMAGE, "").with_command([program]);
            refused(backend.spawn(request).await, code, words);
        }
    }
    let elsewhere = ExecRequest::new(["true"]).with_working_dir("/nosuch");
    let refusal = backend.exec(&running.container_id, elsewhere).await;
    refused(
        refusal,
        None,
        r#"working directory "/nosuch": No such file or directory"#,
    );
    backend.kill(&running.container_id).await.unwrap();
}

fn refused<T: std::fmt::Debug>(result: ContainerResult<T>, code: Option<i32>, words: &str) {
    match result.unwrap_err() {
        ContainerError::StartFailed {
            exit_code, source, ..
        } => {
            let said = source.to_string();
            assert!(said.starts_with(words), "{said}; expected {words}");
            assert_eq!(exit_code, code, "{said}");
        }
        other => panic!("{other:?}"),
    }
}
