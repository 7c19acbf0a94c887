//! What only a real engine can show.

use crate::{
    Case,
    rig::{Live, Rig, end},
};
use rustix::process::Signal;
use serde_json::Value;
use std::{
    fs,
    io::{Read, Write},
    os::unix::net::UnixStream,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

pub(crate) const CASES: &[Case] = &[
    ("a_shell_in_the_sandbox", shell),
    ("nothing_is_left_of_a_run", nothing_left),
    ("a_program_that_cannot_be_run_is_named", not_run),
    ("two_runs_do_not_disturb_each_other", parallel),
    ORPHAN,
    ("a_container_ends_at_its_deadline_without_clawbox", deadline),
    ("the_engines_own_process_one_is_asked_for", engines_init),
    ("a_refused_state_directory_is_named", state_directory),
    ("kill_ends_anothers_container", kill),
    ("doctor_knows_the_engine", doctor),
];

/// On every engine.
pub(crate) const ORPHAN: Case = ("what_a_killed_clawbox_leaves_is_an_orphan", orphan);

/// Says which container it is, and stays.
const STAY: [&str; 3] = ["sh", "-c", "echo $CLAWBOX_CONTAINER_ID; sleep 60"];

fn shell(rig: &Rig) {
    let script = "id; echo out; echo err >&2; exit 7";
    let ended = end(rig.run(&[], &["sh", "-c", script]));
    assert_eq!(ended.status, 7, "{ended:?}");
    let stdout = String::from_utf8_lossy(&ended.stdout);
    assert!(stdout.starts_with("uid=1000"), "{ended:?}");
    assert!(stdout.ends_with("\nout\n"), "{ended:?}");
    assert_eq!(ended.stderr, "err\n");
}

fn nothing_left(rig: &Rig) {
    for (option, script) in [
        ("--timeout=60s", "echo $CLAWBOX_CONTAINER_ID"),
        ("--timeout=1s", "echo $CLAWBOX_CONTAINER_ID; sleep 60"),
    ] {
        let ended = end(rig.run(&[option], &["sh", "-c", script]));
        let id = String::from_utf8_lossy(&ended.stdout);
        assert!(id.starts_with("clawbox-"), "{ended:?}");
        assert_eq!(rig.find(id.trim_end()), None);
    }
    let leases = fs::read_dir(rig.path("clawbox")).expect("a directory");
    assert_eq!(leases.count(), 0);
}

fn not_run(rig: &Rig) {
    for (program, status, words) in [
        (
            "/etc/passwd",
            126,
            r#"program "/etc/passwd": Permission denied"#,
        ),
        ("nosuch", 127, r#"no program "nosuch" in the PATH"#),
        ("/nosuch", 127, r#"no program "/nosuch" in the container"#),
    ] {
        let ended = end(rig.run(&[], &[program]));
        assert_eq!(ended.status, status, "{ended:?}");
        assert!(ended.stderr.contains(words), "{ended:?}");
    }
}

fn parallel(rig: &Rig) {
    let one = |word: &'static str, status| {
        move || {
            let script =
                format!("for i in 1 2 3 4 5; do echo {word}; sleep 0.1; done; exit {status}");
            let ended = end(rig.run(&[], &["sh", "-c", &script]));
            assert_eq!(ended.status, status, "{ended:?}");
            assert_eq!(ended.stdout, format!("{word}\n").repeat(5).as_bytes());
        }
    };
    thread::scope(|scope| {
        scope.spawn(one("left", 3));
        scope.spawn(one("right", 4));
    });
}

fn orphan(rig: &Rig) {
    let mut victim = Live::start(rig.run(&[], &STAY));
    let mut other = Live::start(rig.run(&[], &STAY));
    let (dead, alive) = (victim.line(), other.line());
    assert!(dead.starts_with("clawbox-") && alive.starts_with("clawbox-"));
    victim.signal(Signal::KILL);
    assert_eq!(victim.end().0, None);

    let found = rig.find(&dead).expect("the orphan is there");
    assert_eq!(
        (&found["owner"], &found["orphan"]),
        (&"dead".into(), &true.into())
    );
    let found = rig.find(&alive).expect("the other is there");
    assert_eq!(
        (&found["owner"], &found["orphan"]),
        (&"alive".into(), &false.into())
    );
    let listed = end(rig.on_engine("ps", &[]));
    let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
    let line = listed
        .lines()
        .find(|line| line.contains(&dead))
        .expect("a line");
    assert!(
        line.contains("dead") && line.ends_with("orphan"),
        "{listed}"
    );

    let ended = end(rig.on_engine("cleanup", &[]));
    assert!(ended.stderr.contains("removed 1 orphan;"), "{ended:?}");
    assert_eq!(rig.find(&dead), None);
    assert!(rig.find(&alive).is_some());

    other.signal(Signal::TERM);
    let (status, said) = other.end();
    assert_eq!(status, Some(143), "{said}");
    assert_eq!(rig.find(&alive), None);
}

fn deadline(rig: &Rig) {
    let mut victim = Live::start(rig.run(&["--timeout=3s"], &STAY));
    let id = victim.line();
    victim.signal(Signal::KILL);
    assert_eq!(victim.end().0, None);
    let left = fs::read_dir(rig.path("clawbox")).expect("a directory");
    assert_eq!(left.count(), 2, "a lease, and the places of process 1");

    assert_eq!(
        ask(rig, "POST", &format!("/containers/{id}/wait"))["StatusCode"],
        137
    );
    let state = &ask(rig, "GET", &format!("/containers/{id}/json"))["State"];
    let at = |name: &str| {
        let text = state[name].as_str().expect("a time");
        OffsetDateTime::parse(text, &Rfc3339).expect("RFC 3339")
    };
    let ran = at("FinishedAt") - at("StartedAt");
    // Process 1 is half a second more patient than a manager that lives, and a second is to notice.
    let expected = Duration::from_secs(3)..=Duration::from_millis(4500);
    assert!(ran >= *expected.start() && ran <= *expected.end(), "{ran}");
    assert_eq!(state["ExitCode"], 137, "{state}");

    let found = rig.find(&id).expect("the orphan is there");
    assert_eq!(found["orphan"], true, "{found}");
    let ended = end(rig.on_engine("cleanup", &[]));
    assert!(ended.stderr.contains("removed 1 orphan;"), "{ended:?}");
    assert_eq!(rig.find(&id), None);
    // Whose a container is that comes of a create from before the death, is known for a while.
    let left = fs::read_dir(rig.path("clawbox")).expect("a directory");
    let left: Vec<PathBuf> = left.map(|entry| entry.expect("an entry").path()).collect();
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(
        left[0].extension().is_some_and(|end| end == "lease"),
        "{left:?}"
    );
}

/// Docker's own answer.
fn ask(rig: &Rig, method: &str, path: &str) -> Value {
    let socket = rig.host().strip_prefix("unix://").expect("a socket");
    let mut stream = UnixStream::connect(socket).expect("Docker listens");
    write!(stream, "{method} {path} HTTP/1.0\r\nHost: docker\r\n\r\n").expect("a request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    assert!(head.starts_with("HTTP/1.0 200"), "{answer}");
    serde_json::from_str(body).expect("JSON")
}

fn engines_init(rig: &Rig) {
    for (init, kernel) in [("clawbox", true), ("engine", false)] {
        let report = rig.path("report.json");
        let options = [
            &format!("--init={init}"),
            "--report",
            report.to_str().expect("text"),
        ];
        let ended = end(rig.run(&options, &["true"]));
        assert_eq!(ended.status, 0, "{ended:?}");
        let report = rig.report("report.json");
        let items = report["enforcement"]["items"].as_array().expect("items");
        let by_kernel = items
            .iter()
            .filter(|item| item["kernel"].is_string())
            .count();
        assert_eq!(by_kernel > items.len() / 2, kernel, "{report}");
        assert_eq!(by_kernel == 0, !kernel, "{report}");
    }
}

fn state_directory(rig: &Rig) {
    fs::write(rig.path("clawbox"), "").expect("a file in its place");
    let ended = end(rig.run(&[], &["true"]));
    assert_eq!(ended.status, 125, "{ended:?}");
    assert!(ended.stderr.contains("the state directory"), "{ended:?}");
    let ended = end(rig.on_engine("doctor", &[]));
    let text = String::from_utf8_lossy(&ended.stdout);
    assert!(text.contains("clawbox-init CANNOT be had"), "{text}");
    assert!(text.contains("XDG_RUNTIME_DIR"), "{text}");
}

fn kill(rig: &Rig) {
    let mut live = Live::start(rig.run(&[], &STAY));
    let id = live.line();
    let ended = end(rig.on_engine("kill", &[&id]));
    assert_eq!(ended.status, 0, "{ended:?}");
    let since = Instant::now();
    assert_eq!(live.end().0, Some(137));
    assert!(since.elapsed() < Duration::from_secs(10));
    assert_eq!(rig.find(&id), None);
}

fn doctor(rig: &Rig) {
    let ended = end(rig.on_engine("doctor", &[]));
    assert_eq!(ended.status, 0, "{ended:?}");
    let text = String::from_utf8_lossy(&ended.stdout);
    assert!(
        text.contains("docker ") && text.contains("memory"),
        "{text}"
    );
    assert!(text.contains("clawbox-init of "), "{text}");
    assert!(!text.contains("CANNOT be had"), "{text}");
}
