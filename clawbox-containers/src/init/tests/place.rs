//! The directories and the socket, and who is let in.

use super::*;
use crate::init::place::{Place, Places, forget_places};
use clawbox_types::ContainerId;
use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt},
    path::{Path, PathBuf},
    process::Command,
};
use tokio::io::AsyncReadExt;

const PROGRAM: &[u8] = b"a program";

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

fn me() -> u32 {
    fs::metadata("/proc/self").unwrap().uid()
}

fn places(dir: PathBuf) -> (Places, Place) {
    let places = Places::make(dir, PROGRAM).unwrap();
    let place = places.open(&ContainerId::generate()).unwrap();
    (places, place)
}

/// The umask belongs to a process, so this is tried in others, which are this test again.
#[tokio::test]
async fn modes_are_the_same_whatever_the_umask() {
    const INSIDE: &str = "CLAWBOX_TEST_UMASK_IS_SET";
    if std::env::var_os(INSIDE).is_none() {
        for umask in ["000", "022", "077", "0177", "0277"] {
            let script = format!(
                "umask {umask}; exec \"$0\" --exact {}",
                "init::tests::place::modes_are_the_same_whatever_the_umask"
            );
            let output = Command::new("sh")
                .args(["-c", &script])
                .arg(std::env::current_exe().unwrap())
                .env(INSIDE, "1")
                .output()
                .unwrap();
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(
                output.status.success() && text.contains("1 passed"),
                "{umask}: {text}"
            );
        }
        return;
    }
    let above = tempfile::tempdir().unwrap();
    fs::set_permissions(above.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let dir = above.path().join("owner");
    let (_places, place) = places(dir.clone());
    let _reception = place.listen().unwrap();
    assert_eq!(mode(&dir), 0o700);
    assert_eq!(mode(&dir.join("init")), 0o755);
    assert_eq!(mode(place.dir()), 0o711);
    assert_eq!(mode(&place.dir().join("init")), 0o755);
    assert_eq!(mode(&place.dir().join("control.sock")), 0o666);
}

#[test]
fn each_container_has_a_directory_with_the_program() {
    let above = tempfile::tempdir().unwrap();
    let dir = above.path().join("owner");
    let places = Places::make(dir.clone(), PROGRAM).unwrap();
    let id = ContainerId::generate();
    let first = places.open(&id).unwrap();
    let second = places.open(&ContainerId::generate()).unwrap();
    assert_eq!(first.dir(), dir.join(id.to_string()));
    assert_ne!(first.dir(), second.dir());
    for place in [&first, &second] {
        assert_eq!(fs::read(place.dir().join("init")).unwrap(), PROGRAM);
        assert_eq!(fs::read_dir(place.dir()).unwrap().count(), 1);
    }
    // What is there already is somebody else's.
    assert_eq!(kind_of(places.open(&id)), io::ErrorKind::AlreadyExists);
    assert_eq!(
        kind_of(Places::make(dir.clone(), PROGRAM)),
        io::ErrorKind::AlreadyExists
    );
    let gone = first.dir().to_owned();
    drop(first);
    assert!(!gone.exists() && second.dir().exists());
    drop(places);
    assert!(!dir.exists() && above.path().exists());
    // Its container's owner went first.
    drop(second);
}

#[test]
fn what_a_dead_owner_left_is_removed() {
    let above = tempfile::tempdir().unwrap();
    let dir = above.path().join("owner");
    let (places, place) = places(dir.clone());
    std::mem::forget((places, place));
    forget_places(&dir);
    assert!(!dir.exists());
    forget_places(&dir);
}

/// A socket's address holds 107 bytes.
#[tokio::test]
async fn a_directory_may_be_deep() {
    within(async {
        let above = tempfile::tempdir().unwrap();
        let deep = above.path().join("d".repeat(120)).join("d".repeat(120));
        fs::create_dir_all(&deep).unwrap();
        let (_places, place) = places(deep.join("owner"));
        let reception = place.listen().unwrap();
        let near = fs::File::open(place.dir()).unwrap();
        let near = format!(
            "/proc/self/fd/{}/control.sock",
            std::os::fd::AsRawFd::as_raw_fd(&near)
        );
        let planned = format!("{}:1", me());
        let (accepted, _peer) =
            tokio::join!(reception.accept(&planned, &[]), UnixStream::connect(near));
        accepted.unwrap();
    })
    .await;
}

#[tokio::test]
async fn one_is_let_in_and_nobody_after() {
    within(async {
        let above = tempfile::tempdir().unwrap();
        let (_places, place) = places(above.path().join("owner"));
        let reception = place.listen().unwrap();
        let socket = place.dir().join("control.sock");
        let first = UnixStream::connect(&socket).await.unwrap();
        let mut waiting = UnixStream::connect(&socket).await.unwrap();
        let link = reception.accept(&format!("{}:1", me()), &[]).await.unwrap();
        assert!(!socket.exists());
        assert!(UnixStream::connect(&socket).await.is_err());
        // The one that came second is sent away.
        let ended = waiting.read(&mut [0]).await;
        assert!(matches!(ended, Ok(0) | Err(_)), "{ended:?}");
        let mut peer = Peer(first);
        peer.say(FromInit::Started { run: 5 }).await;
        let (mut reader, _writer) = link.split();
        assert!(reader.next().await.unwrap().is_some());
    })
    .await;
}

#[tokio::test]
async fn another_user_of_the_hosts_is_refused() {
    within(async {
        let above = tempfile::tempdir().unwrap();
        let places = Places::make(above.path().join("owner"), PROGRAM).unwrap();
        for planned in [
            format!("{}:1000", me() + 1),
            format!(":{}", me()),
            format!("1{}:{}", me(), me()),
        ] {
            let place = places.open(&ContainerId::generate()).unwrap();
            let reception = place.listen().unwrap();
            let socket = place.dir().join("control.sock");
            let writers = [me() + 2];
            let (refused, peer) = tokio::join!(
                reception.accept(&planned, &writers),
                UnixStream::connect(&socket)
            );
            assert_eq!(
                kind_of(refused),
                io::ErrorKind::PermissionDenied,
                "{planned}"
            );
            assert_eq!(peer.unwrap().read(&mut [0]).await.unwrap(), 0);
            assert!(!socket.exists());
        }
    })
    .await;
}

#[tokio::test]
async fn the_one_whose_files_are_written_is_let_in() {
    within(async {
        let above = tempfile::tempdir().unwrap();
        let places = Places::make(above.path().join("owner"), PROGRAM).unwrap();
        let place = places.open(&ContainerId::generate()).unwrap();
        let reception = place.listen().unwrap();
        let socket = place.dir().join("control.sock");
        let planned = format!("{}:1000", me() + 1);
        let writers = [me()];
        let (accepted, _peer) = tokio::join!(
            reception.accept(&planned, &writers),
            UnixStream::connect(&socket)
        );
        accepted.unwrap();
    })
    .await;
}
