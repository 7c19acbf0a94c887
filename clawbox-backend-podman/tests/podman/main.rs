//! What only a real Podman can show.

#![expect(clippy::unwrap_used, reason = "a panic is how a case fails")]

mod images;
mod profile;
#[path = "../common/rig.rs"]
mod rig;
mod secrets;

use clawbox_conformance::test_engine::{EngineTest, adoption};
use clawbox_containers::{
    ContainerBackend, ContainerEngine, ContainerError, InitProgram,
    types::{ContainerStatus, PolicyItem, Verdict},
};
use futures_util::FutureExt;
use rig::{IMAGE, PODMAN, backend, engine, policy, request};
use std::process::ExitCode;

const CASES: [(&str, EngineTest); 8] = [
    ("the_profile_is_a_file_while_it_is_read", |host| {
        profile::the_profile_is_a_file_while_it_is_read(host).boxed()
    }),
    ("no_name_is_guessed", |host| {
        images::no_name_is_guessed(host).boxed()
    }),
    ("an_image_that_no_registry_gives_is_not_found", |host| {
        images::an_image_that_no_registry_gives_is_not_found(host).boxed()
    }),
    ("what_a_killed_process_leaves_is_adopted", |host| {
        adoption::is_adopted(host, engine).boxed()
    }),
    ("the_engine_holds_no_secret", |host| {
        secrets::the_engine_holds_no_secret(host).boxed()
    }),
    ("the_engines_init_says_what_it_cannot_run", |host| {
        the_engines_init_says_what_it_cannot_run(host).boxed()
    }),
    ("a_start_that_fails_is_told_in_the_engines_words", |host| {
        a_start_that_fails_is_told_in_the_engines_words(host).boxed()
    }),
    ("with_the_engines_init_less_is_proven", |host| {
        with_the_engines_init_less_is_proven(host).boxed()
    }),
];

fn main() -> ExitCode {
    adoption::be_abandoned(engine).unwrap_or_else(|| PODMAN.run(CASES))
}

/// For Podman that init is the command: it is started, and fails.
async fn the_engines_init_says_what_it_cannot_run(host: String) {
    let backend = backend(&host, &policy().with_init(InitProgram::Engine));
    let request = request(IMAGE, "").with_command(["nosuch"]);
    let id = backend.spawn(request).await.unwrap().container_id;
    let exit = backend.wait(&id).await.unwrap();
    let output = backend.collect_output(&id).await.unwrap();
    assert_eq!(backend.cleanup_stopped().await.unwrap(), 1);
    assert_eq!(exit.status, ContainerStatus::Failed, "{exit:?}");
    let said = output.stderr.text();
    assert!(said.contains("No such file or directory"), "{said}");
}

/// Found out by the runtime, after Podman has made the container: no tmpfs stands on a file.
async fn a_start_that_fails_is_told_in_the_engines_words(host: String) {
    for init in [InitProgram::Clawbox, InitProgram::Engine] {
        let mut impossible = policy().with_init(init);
        impossible.tmpfs.push("/bin/busybox".to_owned());
        let backend = backend(&host, &impossible);
        let error = backend.spawn(request(IMAGE, "true")).await.unwrap_err();
        let ContainerError::StartFailed { source, .. } = &error else {
            panic!("{init:?} {error:?}");
        };
        let said = source.to_string();
        assert!(said.contains("busybox"), "{init:?} {said}");
        let of_owner = [("clawbox.owner".to_owned(), backend.owner().to_string())];
        let left = engine(&host).list(&of_owner.into()).await.unwrap();
        assert_eq!(left, [], "{init:?}");
    }
}

async fn with_the_engines_init_less_is_proven(host: String) {
    let backend = backend(&host, &policy().with_init(InitProgram::Engine));
    let run = backend
        .spawn(request(IMAGE, "echo out; exit 7"))
        .await
        .unwrap();
    let id = run.container_id;
    let exit = backend.wait(&id).await.unwrap();
    let output = backend.collect_output(&id).await.unwrap();
    let report = backend.enforcement(&id).unwrap();
    assert_eq!(backend.cleanup_stopped().await.unwrap(), 1);

    assert_eq!(exit.exit_code, Some(7));
    assert_eq!(output.stdout.text(), "out\n");
    // Podman tells a file's path, and the file is gone.
    let seccomp = report.get(PolicyItem::Seccomp).unwrap();
    assert_eq!(seccomp.verdict, Verdict::Unverified, "{seccomp}");
    assert_eq!(seccomp.kernel, None, "{seccomp}");
}
