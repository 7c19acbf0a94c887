//! Every weakening of the suite's table behind gate 1's back: what the kernel can see of it is refused by name.

#![expect(clippy::unwrap_used, reason = "a test fails where it panics")]

use clawbox_backend_mock::{Fault, MockBackend, MockEngine, fixture, mock_config};
use clawbox_conformance::sabotage::sabotages;
use clawbox_containers::{ContainerBackend, ContainerError, ContainerSecurityConfig};
use clawbox_types::{Capabilities, ContainerSpawnRequest, PolicyItem, ResourceLimits};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, Permissions},
    os::unix::{fs::PermissionsExt, net::UnixListener},
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// What becomes of a spawn.
#[derive(Debug)]
enum Outcome {
    /// Not enforced, or not proven, are these.
    Refused(BTreeSet<PolicyItem>),
    /// Process 1 could not be had.
    NotStarted(String),
    Runs,
}

/// A proxy's socket, in a directory that a container may have.
fn proxy() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let inner = dir.path().join("proxies/one");
    let socket = inner.join("proxy.sock");
    fs::create_dir_all(&inner).unwrap();
    UnixListener::bind(&socket).unwrap();
    for (path, mode) in [(&inner, 0o711), (&socket, 0o666)] {
        fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }
    (dir, socket)
}

/// What a fault makes of a spawn that uses everything there is. Whatever that is, it leaves nothing but what runs.
async fn outcome(proxy: &Path, fault: Option<Fault>) -> Outcome {
    let engine = MockEngine::new();
    fixture::install(&engine);
    if let Some(fault) = fault {
        engine.fail(fault);
    }
    let mut security = ContainerSecurityConfig::new();
    security.user = "2001:2002".to_owned();
    security.tmpfs = vec!["/tmp:size=1m".to_owned(), "/scratch:size=1m".to_owned()];
    let config = mock_config(&engine);
    let backend = MockBackend::new(engine.clone(), &security, config).unwrap();
    let limits = ResourceLimits::new(60_000, 64).with_cpu_shares(512);
    let request =
        ContainerSpawnRequest::new("a test", Capabilities::default().with_resources(limits))
            .with_image(fixture::FIXTURE_IMAGE)
            .with_proxy_socket(proxy)
            .with_command(["/bin/sleep", "60"])
            .with_env("EMPTY", "")
            .with_env("GREETING", "two words");
    let outcome = match backend.spawn(request).await {
        Ok(_) => return Outcome::Runs,
        Err(ContainerError::PolicyNotEnforced { items, .. }) => {
            Outcome::Refused(items.iter().map(|report| report.item).collect())
        }
        Err(ContainerError::StartFailed { source, .. }) => Outcome::NotStarted(source.to_string()),
        Err(other) => panic!("{other:?}"),
    };
    assert_eq!(engine.containers(), [""; 0]);
    outcome
}

#[tokio::test(start_paused = true)]
async fn what_the_kernel_can_see_is_refused_by_name() {
    let (_dir, proxy) = proxy();
    let mut passed = BTreeMap::from(PASSES);
    let mut not_started = BTreeMap::from(NOT_STARTED);
    let mut wrong = Vec::new();
    for sabotage in sabotages() {
        let (id, Some(weaken)) = (sabotage.id(), sabotage.weakening()) else {
            continue;
        };
        // What an honest engine would tell is what it is about.
        let honest = outcome(&proxy, Some(Fault::weakened(weaken))).await;
        let in_secret = outcome(&proxy, Some(Fault::weakened_in_secret(weaken))).await;
        let as_expected = match (&honest, &in_secret) {
            (Outcome::Refused(items), Outcome::Refused(seen)) => {
                !items.is_disjoint(seen) || OTHERWISE.contains(&(id, seen.first().copied()))
            }
            (_, Outcome::Runs) => passed.remove(id).is_some(),
            (_, Outcome::NotStarted(why)) => not_started
                .remove(id)
                .is_some_and(|says| why.contains(says)),
            _ => false,
        };
        if !as_expected {
            wrong.push(format!(
                "{id}: {in_secret:?}, and of an honest engine {honest:?}"
            ));
        }
    }
    assert!(
        wrong.is_empty() && passed.is_empty() && not_started.is_empty(),
        "{wrong:#?}\nlisted, and not so: {passed:#?} {not_started:#?}"
    );
}

/// What is refused by another name than an engine's.
const OTHERWISE: [(&str, Option<PolicyItem>); 1] = [
    // What nobody planned is a mount, whatever is mounted.
    ("policy/more_scratch", Some(PolicyItem::Mounts)),
];

/// What gate 2 does not see, and why that is no hole.
const PASSES: [(&str, &str); 11] = [
    (
        "policy/relatives",
        "where they are refused, a call by another architecture's door ends the caller, so process 1 tries none",
    ),
    (
        "policy/proxy_for_all",
        "it changes nothing here, as there is a bind",
    ),
    ("policy/no_init", "no init of the engine's was planned"),
    (
        "policy/split_words",
        "process 1 has one argument, and the command's travel past the engine",
    ),
    ("policy/trimmed_arguments", "as with split words"),
    (
        "policy/working_directory",
        "process 1 works in / anyway, and the command's travels past the engine",
    ),
    (
        "policy/no_environment",
        "that process 1 has nothing of the image's is what was planned",
    ),
    (
        "policy/home",
        "engines set HOME of their own accord, and the command's travels past the engine",
    ),
    (
        "policy/empty_variables",
        "the engine has no variable of the command's",
    ),
    ("policy/no_token", "the engine has no token"),
    (
        "policy/other_label",
        "an engine's labels are not the kernel's to tell",
    ),
];

/// Where process 1 itself does not come up, and what is said of it then.
const NOT_STARTED: [(&str, &str); 5] = [
    ("policy/no_binds", "exec /.clawbox/init: no such file"),
    ("policy/processes_of_the_host", "it is process 4200"),
    ("policy/no_arguments", "process 1 ended with code 125"),
    ("policy/argument_added", "process 1 ended with code 125"),
    ("policy/program_found", "no such program"),
];

#[tokio::test(start_paused = true)]
async fn without_a_weakening_it_runs() {
    let (_dir, proxy) = proxy();
    let outcome = outcome(&proxy, None).await;
    assert!(matches!(outcome, Outcome::Runs), "{outcome:?}");
}
