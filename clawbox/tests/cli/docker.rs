//! What only a real engine can show.

use crate::{
    Case,
    rig::{Live, Rig, end},
};
use rustix::process::Signal;
use std::{
    fs, thread,
    time::{Duration, Instant},
};

pub(crate) const CASES: &[Case] = &[
    ("a_shell_in_the_sandbox", shell),
    ("nothing_is_left_of_a_run", nothing_left),
    ("a_program_that_cannot_be_executed_is_126", not_executable),
    ("two_runs_do_not_disturb_each_other", parallel),
    ("what_a_killed_clawbox_leaves_is_an_orphan", orphan),
    ("kill_ends_anothers_container", kill),
    ("doctor_knows_the_engine", doctor),
];

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

fn not_executable(rig: &Rig) {
    let ended = end(rig.run(&[], &["/etc/passwd"]));
    assert_eq!(ended.status, 126, "{ended:?}");
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
}
