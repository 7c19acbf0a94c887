//! The command line's own manners. No engine is needed for them.

use crate::{
    Case, hanging,
    rig::{IMAGE, Live, Rig, end},
};
use rustix::process::Signal;
use serde_json::Value;
use std::{fs, os::unix::net::UnixListener, thread, time::Duration};

pub(crate) const CASES: &[Case] = &[
    (
        "a_mistake_is_one_error_that_says_what_is_accepted",
        mistakes,
    ),
    (
        "a_refused_image_names_the_rules_and_asks_no_engine",
        refused_image,
    ),
    ("all_violations_are_listed_one_to_a_line", violations),
    ("a_variable_given_twice_is_refused", twice),
    ("a_refused_secret_is_not_repeated", secret),
    (
        "a_report_that_cannot_be_kept_begins_nothing",
        unwritable_report,
    ),
    ("doctor_says_how_to_mend", doctor),
    ("an_engine_that_is_not_there", no_engine),
    (
        "a_signal_before_anything_is_created_ends_at_once",
        early_signal,
    ),
    (
        "a_second_signal_gives_up_on_an_engine_that_hangs",
        hung_engine,
    ),
    ("auto_never_takes_the_mock", auto),
    ("the_environment_chooses_the_backend", chosen_by_environment),
    ("ids", ids),
    ("ps_and_cleanup_of_nothing", nothing),
    ("help_and_version_are_no_errors", help),
    ("every_shell_has_completions", completions),
    ("every_command_has_a_page", manual),
    ("conformance_of_the_mock", conformance),
];

fn mistakes(rig: &Rig) {
    for (args, accepted) in [
        (&["run"][..], "<COMMAND>"),
        (&["run", "--memory", "64mb", "true"], "64m"),
        (&["run", "--memory", "1k", "true"], "whole MiB"),
        (&["run", "--memory", "5m", "true"], "6m to 16t"),
        (&["run", "--memory", "-1", "true"], "--memory"),
        (&["run", "--cpus", "0.0005", "true"], "0.01 to 1024"),
        (&["run", "--pids", "1", "true"], "2 to 4194304"),
        (&["run", "--timeout", "5", "true"], "500ms"),
        (&["run", "--timeout", "0s", "true"], "100ms to 30days"),
        (&["run", "--max-output", "2g", "true"], "at most 1g"),
        (&["run", "-e", "NAME", "true"], "KEY=VALUE"),
        (
            &["run", "--workspace", "/none:ro", "true"],
            "/none: No such file",
        ),
        (
            &["run", "--allow-degraded", "everything", "true"],
            "read_only_root",
        ),
        (&["run", "--allow-image", "UPPER", "true"], "image rule"),
        (&["run", "--pull", "sometimes", "true"], "if-missing"),
        (
            &["run", "--backend", "lxc", "true"],
            "docker, podman, mock, or auto",
        ),
        (&["run", "--bakend", "mock", "true"], "--backend"),
        (&["runn"], "run"),
        (&["kill"], "<ID>"),
    ] {
        let ended = end(rig.bare(args));
        assert_eq!(ended.status, 125, "{args:?} {ended:?}");
        assert!(ended.stderr.starts_with("clawbox: "), "{args:?} {ended:?}");
        assert!(ended.stderr.contains(accepted), "{args:?} {ended:?}");
        assert_eq!(ended.stdout, b"", "{args:?}");
    }
}

fn refused_image(rig: &Rig) {
    let socket = rig.path("engine.sock");
    let listener = UnixListener::bind(&socket).expect("a socket");
    // Answers the first question by hanging up.
    let asked = thread::spawn(move || listener.accept().map(drop));
    let host = format!("unix://{}", socket.display());
    let line = ["run", "--backend", "docker", "--host", &host];
    let line = [&line[..], &["--image", "evil.example/x", "--", "true"]].concat();
    let ended = end(rig.bare(&line));
    assert_eq!(ended.status, 125, "{ended:?}");
    for word in [
        "evil.example/x:latest",
        "ghcr.io/n0xmare/, alpine",
        "--allow-image evil.example/x",
    ] {
        assert!(ended.stderr.contains(word), "{word}: {ended:?}");
    }
    assert!(!asked.is_finished(), "the engine was asked");
    assert!(!rig.path("clawbox").exists(), "a lease was taken");
}

fn violations(rig: &Rig) {
    let options = ["-e", "LD_PRELOAD=x", "-e", "https_proxy=x", "-e", "9=x"];
    let options = [&options[..], &["--proxy-socket", "relative"]].concat();
    let mut run = rig.on_engine("run", &["--image", "evil.example/x"]);
    run.args(options).arg("true");
    let ended = end(run);
    assert_eq!(ended.status, 125, "{ended:?}");
    for option in [
        "--env LD_PRELOAD",
        "--env https_proxy",
        "--env",
        "--proxy-socket",
        "--image",
    ] {
        let line = format!("\nclawbox:   {option}: ");
        assert_eq!(
            ended.stderr.matches(&line).count(),
            1,
            "{option}: {ended:?}"
        );
    }
}

fn twice(rig: &Rig) {
    let ended = end(rig.run(&["-e", "A=1", "-e", "A=2"], &["probe", "exit", "0"]));
    assert_eq!(ended.status, 125, "{ended:?}");
    assert!(ended.stderr.contains("once"), "{ended:?}");
}

fn secret(rig: &Rig) {
    let ended = end(rig.run(&["-e", "LD_PRELOAD=hunter2", "-e", "=hunter2"], &["true"]));
    assert_eq!(ended.status, 125, "{ended:?}");
    assert!(!ended.stderr.contains("hunter2"), "{ended:?}");
}

fn unwritable_report(rig: &Rig) {
    let nowhere = rig.path("missing/report.json");
    let ended = end(rig.run(
        &["--report", nowhere.to_str().expect("text")],
        &["probe", "exit", "0"],
    ));
    assert_eq!(ended.status, 125, "{ended:?}");
    assert!(ended.stderr.contains("missing/report.json"), "{ended:?}");
}

fn doctor(rig: &Rig) {
    let ended = end(rig.on_engine("doctor", &["--json"]));
    assert_eq!(ended.status, 0, "{ended:?}");
    let found: Value = serde_json::from_slice(&ended.stdout).expect("JSON");
    assert_eq!(found["engines"][0]["engine"]["name"], "mock");
    assert!(String::from_utf8_lossy(&end(rig.on_engine("doctor", &[])).stdout).contains("mock"));

    let host = format!("unix://{}", rig.path("none.sock").display());
    let ended = end(rig.bare(&["doctor", "--backend", "docker", "--host", &host]));
    assert_eq!(ended.status, 1, "{ended:?}");
    let text = String::from_utf8_lossy(&ended.stdout);
    assert!(
        text.contains(&host) && text.contains("start docker"),
        "{text}"
    );
}

fn no_engine(rig: &Rig) {
    let host = format!("unix://{}", rig.path("none.sock").display());
    for (args, status) in [
        (&["run", "--image", IMAGE, "--host", &host, "true"][..], 125),
        (&["ps", "--host", &host], 1),
        (&["cleanup", "--host", &host], 1),
        (
            &[
                "run",
                "--image",
                IMAGE,
                "--host",
                "tcp://127.0.0.1:2375",
                "true",
            ],
            125,
        ),
    ] {
        let ended = end(rig.bare(args));
        assert_eq!(ended.status, status, "{args:?} {ended:?}");
        let named = ended.stderr.contains(&host) || ended.stderr.contains("tcp://127.0.0.1:2375");
        assert!(named, "{args:?} {ended:?}");
    }
}

fn hung_engine(rig: &Rig) {
    let socket = rig.path("hung.sock");
    let hangs = hanging::serve(&socket);
    let host = format!("unix://{}", socket.display());
    let mut run = rig.bare(&["run", "--backend", "docker", "--host", &host]);
    run.args(["--image", IMAGE, "true"]);
    let live = Live::start(run);
    hangs.recv().expect("it is asked to create");
    live.signal(Signal::TERM);
    thread::sleep(Duration::from_millis(1500));
    live.signal(Signal::TERM);
    let (status, said) = live.end();
    assert_eq!(status, Some(143), "{said}");
    for words in ["another signal gives up", "clawbox cleanup"] {
        assert!(said.contains(words), "{said}");
    }
}

fn early_signal(rig: &Rig) {
    let socket = rig.path("hung.sock");
    let listener = UnixListener::bind(&socket).expect("a socket");
    let host = format!("unix://{}", socket.display());
    let mut run = rig.bare(&["run", "--backend", "docker", "--host", &host]);
    run.args(["--image", IMAGE, "true"]);
    let live = Live::start(run);
    let connection = listener.accept().expect("it asks");
    live.signal(Signal::TERM);
    assert_eq!(live.end(), (Some(143), String::new()));
    drop(connection);
}

fn auto(rig: &Rig) {
    let host = format!("unix://{}", rig.path("none.sock").display());
    let ended = end(rig.bare(&[
        "run", "--image", IMAGE, "--host", &host, "probe", "exit", "0",
    ]));
    assert_eq!(ended.status, 125, "{ended:?}");
    assert!(ended.stderr.contains("clawbox doctor"), "{ended:?}");
}

fn chosen_by_environment(rig: &Rig) {
    let mut run = rig.bare(&["run", "--image", IMAGE, "probe", "exit", "9"]);
    run.env("CLAWBOX_BACKEND", "mock");
    assert_eq!(end(run).status, 9);
}

fn ids(rig: &Rig) {
    let ended = end(rig.on_engine("kill", &["abc"]));
    assert_eq!(ended.status, 125, "{ended:?}");
    assert!(ended.stderr.contains("`clawbox-`"), "{ended:?}");
    let id = "clawbox-9f2c1f0e-6d5b-4c3a-8b7e-0a1b2c3d4e5f";
    let ended = end(rig.on_engine("kill", &[id]));
    assert_eq!(ended.status, 1, "{ended:?}");
    for word in [id, "not found", "clawbox ps"] {
        assert!(ended.stderr.contains(word), "{ended:?}");
    }
}

fn nothing(rig: &Rig) {
    assert_eq!(rig.ps(), Vec::<Value>::new());
    let ended = end(rig.on_engine("cleanup", &[]));
    assert_eq!(ended.status, 0, "{ended:?}");
    assert!(ended.stderr.contains("removed 0 orphans"), "{ended:?}");
}

fn help(rig: &Rig) {
    for args in [
        &["--help"][..],
        &["--version"],
        &["run", "--help"],
        &["doctor", "-h"],
        &["ps", "-h"],
        &["kill", "-h"],
        &["cleanup", "-h"],
        &["conformance", "-h"],
        &["config", "-h"],
        &["completions", "-h"],
        &["man", "-h"],
    ] {
        let ended = end(rig.bare(args));
        assert_eq!((ended.status, ended.stderr.as_str()), (0, ""), "{args:?}");
        let text = String::from_utf8_lossy(&ended.stdout);
        let lines = text.lines().count();
        assert!((1..=50).contains(&lines), "{args:?}: {lines} lines");
    }
    let whole = end(rig.bare(&["help", "run"]));
    let text = String::from_utf8_lossy(&whole.stdout);
    assert!(
        text.contains("only a live clawbox holds the deadline"),
        "{text}"
    );
}

fn completions(rig: &Rig) {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let ended = end(rig.bare(&["completions", shell]));
        assert_eq!((ended.status, ended.stderr.as_str()), (0, ""), "{shell}");
        let script = String::from_utf8_lossy(&ended.stdout);
        for word in ["clawbox", "allow-degraded", "doctor"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
}

fn manual(rig: &Rig) {
    let dir = rig.path("man");
    let dir = dir.to_str().expect("text");
    let ended = end(rig.bare(&["man", dir]));
    assert_eq!(ended.status, 125, "it is not there yet: {ended:?}");
    assert!(ended.stderr.contains(dir), "{ended:?}");
    fs::create_dir(dir).expect("a directory");
    assert_eq!(end(rig.bare(&["man", dir])).status, 0);
    let page = |name| fs::read_to_string(rig.path(name)).expect("a page");
    assert!(page("man/clawbox.1").contains("clawbox\\-run(1)"));
    assert!(page("man/clawbox-run.1").contains("allow\\-degraded"));
    assert!(page("man/clawbox-config-check.1").contains("clawbox config check"));
}

fn conformance(rig: &Rig) {
    let file = rig.path("results.json");
    let file = file.to_str().expect("text");
    let ended = end(rig.on_engine("conformance", &["--json", file, "exit"]));
    assert_eq!(ended.status, 0, "{ended:?}");
    assert!(
        String::from_utf8_lossy(&ended.stdout).contains(" 0 failed"),
        "{ended:?}"
    );
    let results: Value = serde_json::from_slice(&fs::read(file).expect("results")).expect("JSON");
    assert!(!results["cases"].as_array().expect("cases").is_empty());
    for (item, says) in [
        ("swap", "swap: a stale declaration"),
        ("seccomp", "seccomp is of the baseline"),
    ] {
        let ended = end(rig.on_engine("conformance", &["--cannot", item, "cannot/"]));
        assert_eq!(ended.status, 1, "{ended:?}");
        let words = String::from_utf8_lossy(&ended.stdout) + ended.stderr.as_str();
        assert!(words.contains(says), "{ended:?}");
    }
    assert_eq!(
        end(rig.on_engine("conformance", &["no such case"])).status,
        1
    );
}
