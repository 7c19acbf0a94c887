//! A process that is killed with `SIGKILL`, and a manager in another that takes over its containers.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use super::{STOP_GRACE, policy, request};
use clawbox_containers::{
    ContainerBackend, ContainerEngine, ContainerError, ContainerManager, Grace, ManagerConfig,
};
use clawbox_types::{
    Capabilities, ContainerId, ContainerStatus, ExecRequest, OutputStream, ResourceLimits,
};
use std::{
    env,
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    time::{Duration, Instant},
};
use tokio::runtime::Runtime;

/// The state directory, in the environment of the process that is to be killed; and the engine's endpoint.
const STATE_DIR: &str = "CLAWBOX_TEST_ABANDONED_STATE";
const ENDPOINT: &str = "CLAWBOX_TEST_ABANDONED_ENDPOINT";

/// What the containers do, and how long they may, in seconds.
const SCRIPTS: [(&str, u64); 3] = [
    ("echo out; echo err >&2; exec sleep 600", 3600),
    ("echo last words; sleep 2; exit 3", 3600),
    ("trap '' TERM; echo deaf; while :; do sleep 1; done", 8),
];

/// Begins a test program's `main`: where this process is the one that [`is_adopted`] kills, it spawns containers, names
/// them, and waits for its end.
pub fn be_abandoned<E: ContainerEngine>(connect: fn(&str) -> E) -> Option<ExitCode> {
    let dir = PathBuf::from(env::var_os(STATE_DIR)?);
    let endpoint = env::var(ENDPOINT).ok()?;
    let spawned = Runtime::new().map(|runtime| {
        runtime.block_on(async {
            let manager = manager(connect(&endpoint), config(&dir));
            for (script, seconds) in SCRIPTS {
                let limits = ResourceLimits::new(seconds * 1000, 64);
                let mut request = request(crate::FIXTURE_IMAGE, script);
                request.capabilities = Capabilities::default().with_resources(limits);
                match manager.spawn(request).await {
                    Ok(info) => println!("{}", info.container_id),
                    Err(error) => println!("{error:?}"),
                }
            }
            drop(std::io::stdout().flush());
            std::future::pending::<()>().await;
        });
    });
    eprintln!("{spawned:?}");
    Some(ExitCode::FAILURE)
}

/// A test of its own: status, output, exit, deadline and kill of what a dead process has left. The program's `main` begins
/// with [`be_abandoned`].
///
/// # Panics
///
/// Where it fails.
pub async fn is_adopted<E: ContainerEngine>(endpoint: String, connect: fn(&str) -> E) {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().join("state");
    let begun = Instant::now();
    let [runs, ends, deaf] = abandoned(&endpoint, &dir);

    let (a, b) = (
        manager(connect(&endpoint), config(&dir)),
        manager(connect(&endpoint), config(&dir)),
    );
    let (by_a, by_b) = tokio::join!(a.adopt_orphans(), b.adopt_orphans());
    let (by_a, by_b) = (by_a.unwrap(), by_b.unwrap());
    assert_eq!(by_a.len() + by_b.len(), 3, "{by_a:?}, {by_b:?}");
    assert!(by_a.is_empty() || by_b.is_empty(), "{by_a:?}, {by_b:?}");
    let (heir, other) = if by_b.is_empty() { (a, b) } else { (b, a) };
    assert_eq!(other.reap_orphans().await.unwrap(), 0);

    let info = heir.get(&runs).unwrap();
    assert!(info.recovered && info.status == ContainerStatus::Running);
    let mut follower = heir.follow_output(&runs).unwrap();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    while (out.as_slice(), err.as_slice()) != (b"out\n".as_slice(), b"err\n".as_slice()) {
        match follower.next().await {
            Some((OutputStream::Stdout, bytes)) => out.extend(bytes),
            Some((OutputStream::Stderr, bytes)) => err.extend(bytes),
            None => panic!("the output ended with {out:?}, {err:?}"),
        }
    }
    let exec = heir.exec(&runs, ExecRequest::new(["true"])).await;
    assert!(
        matches!(exec, Err(ContainerError::Unsupported { .. })),
        "{exec:?}"
    );

    let exit = heir.wait(&ends).await.unwrap();
    assert_eq!(
        (exit.status, exit.exit_code),
        (ContainerStatus::Failed, Some(3))
    );
    assert!(exit.recovered && exit.output_incomplete);
    let output = heir.collect_output(&ends).await.unwrap();
    assert_eq!(output.stdout.text(), "last words\n");

    let exit = heir.wait(&deaf).await.unwrap();
    assert_eq!(exit.status, ContainerStatus::TimedOut, "{exit:?}");
    // The label allows five seconds for the start, and process 1 half a second of its own.
    let after = begun.elapsed();
    assert!(after < Duration::from_secs(8 + 5 + 10), "{after:?}");
    let ran = exit.finished_at.unwrap() - exit.started_at.unwrap();
    assert!(ran.whole_seconds() >= 8, "{ran}");

    heir.kill(&runs).await.unwrap();
    assert_eq!(heir.get(&runs).unwrap().status, ContainerStatus::Killed);
    heir.shutdown(Grace::Kill).await;
    let left = other.survey().await.unwrap();
    let ids = [&runs, &ends, &deaf];
    let left = left.iter().find(|found| ids.contains(&&found.id));
    assert_eq!(left, None);
    drop(heir);
    // Nor is anything left of the dead one on the host, once no create of his can be under way.
    let mut later = config(&dir);
    later.timeouts.change = Duration::ZERO;
    let later = manager(connect(&endpoint), later);
    later.reap_orphans().await.unwrap();
    let names: Vec<_> = std::fs::read_dir(&dir).unwrap().collect();
    assert!(names.is_empty(), "{names:?}");
}

/// Has another process spawn the containers, and kills it.
fn abandoned(endpoint: &str, dir: &Path) -> [ContainerId; 3] {
    let mut child = Command::new(env::current_exe().unwrap())
        .env(STATE_DIR, dir)
        .env(ENDPOINT, endpoint)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let ids: Vec<String> = lines.take(3).map(Result::unwrap).collect();
    child.kill().unwrap();
    child.wait().unwrap();
    let ids: Vec<ContainerId> = ids
        .iter()
        .map(|id| id.parse().unwrap_or_else(|_| panic!("{ids:?}")))
        .collect();
    ids.try_into().unwrap()
}

fn config(dir: &Path) -> ManagerConfig {
    ManagerConfig::default()
        .with_stop_grace(STOP_GRACE)
        .with_state_dir(Some(dir.to_owned()))
        .with_owner_name("a test of adoption")
}

fn manager<E: ContainerEngine>(engine: E, config: ManagerConfig) -> ContainerManager<E> {
    ContainerManager::new(engine, &policy(), config).unwrap_or_else(|error| panic!("{error}"))
}
