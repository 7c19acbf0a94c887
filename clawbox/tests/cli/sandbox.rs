//! What holds on every backend.

use crate::{
    Case,
    rig::{IMAGE, Live, Rig, end},
};
use clawbox_probe::{Pattern, Stream, pattern};
use rustix::process::Signal;
use serde_json::{Value, json};
use std::{
    fs::{self, Permissions},
    io::Write,
    os::unix::fs::{MetadataExt, PermissionsExt},
    process::Stdio,
    thread,
    time::Duration,
};

pub(crate) const CASES: &[Case] = &[
    ("the_exit_status_is_the_commands_own", exit_status),
    ("the_streams_stay_apart_and_exact", streams),
    ("what_does_not_fit_is_counted_aloud", dropped_output),
    ("the_deadline_is_124_and_keeps_the_output", deadline),
    ("the_report_tells_everything", report),
    ("the_report_of_a_deadline", report_of_deadline),
    ("the_report_of_a_refusal", report_of_refusal),
    ("a_program_that_is_not_there_is_127", not_found),
    ("memory_that_runs_out_is_said", out_of_memory),
    ("an_image_that_is_not_there_is_125", image_not_found),
    ("a_variable_reaches_the_command", environment),
    ("a_workspace_is_worked_in", workspace),
    ("files_go_in_and_come_out", files),
    ("what_cannot_go_in_or_out_is_named", no_files),
    ("a_signal_ends_the_container_and_is_the_status", signals),
    ("a_reader_that_goes_ends_it_quietly", broken_pipe),
    ("quiet_is_quiet", quiet),
    (
        "the_command_reads_standard_input_where_that_is_asked_for",
        stdin,
    ),
];

fn exit_status(rig: &Rig) {
    for code in [0, 1, 2, 7, 124, 125, 126, 127, 137, 143, 255] {
        let ended = end(rig.run(&[], &["probe", "exit", &code.to_string()]));
        assert_eq!(ended.status, code, "{ended:?}");
        assert_eq!(ended.stdout, b"");
        // An engine does not always know why a command was killed, and that is said.
        assert!(code == 137 || ended.stderr.is_empty(), "{ended:?}");
    }
}

fn streams(rig: &Rig) {
    for kind in [Pattern::Binary, Pattern::Multibyte, Pattern::Ascii] {
        let mut run = rig.run(
            &["--max-output", "1m"],
            &["probe", "flood", &kind.to_string(), "300000", "200001"],
        );
        let output = run.output().expect("clawbox starts");
        assert_eq!(output.status.code(), Some(0));
        assert!(
            output.stdout == pattern(kind, Stream::Stdout, 300_000),
            "{kind}"
        );
        assert!(
            output.stderr == pattern(kind, Stream::Stderr, 200_001),
            "{kind}"
        );
    }
}

fn dropped_output(rig: &Rig) {
    let ended = end(rig.run(
        &["--max-output", "1k"],
        &["probe", "flood", "ascii", "5000", "0"],
    ));
    assert_eq!(ended.status, 0, "{ended:?}");
    assert_eq!(ended.stdout, pattern(Pattern::Ascii, Stream::Stdout, 1024));
    for word in ["3976 bytes of stdout", "--max-output"] {
        assert!(ended.stderr.contains(word), "{ended:?}");
    }
}

fn workspace(rig: &Rig) {
    let dir = tempfile::tempdir().expect("a directory");
    // Nothing runs as root, and what anybody else has is his already.
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(dir.path(), Some(1234), Some(1234)).expect("root gives it away");
    }
    let path = dir.path().to_str().expect("UTF-8");
    let written = end(rig.run(&["--workspace", path], &["probe", "write", "file"]));
    assert_eq!(written.stdout, b"{\"errno\":null}\n", "{written:?}");
    let file = dir.path().join("file");
    assert_eq!(fs::read(&file).expect("it was left"), b"probe\n");
    let owner = |path| fs::metadata(path).expect("it is there").uid();
    assert_eq!(owner(file.as_path()), owner(dir.path()));

    fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).expect("it is ours");
    let read_only = format!("{path}:ro");
    let refused = end(rig.run(&["--workspace", &read_only], &["probe", "write", "more"]));
    assert_eq!(refused.stdout, b"{\"errno\":\"EROFS\"}\n", "{refused:?}");
    let home = end(rig.run(&["--workspace", "/tmp:ro"], &["probe", "exit", "0"]));
    assert_eq!(home.status, 125, "{home:?}");
    assert!(home.stderr.contains("workspaces"), "{home:?}");
}

fn files(rig: &Rig) {
    let dir = tempfile::tempdir().expect("a directory");
    let at = |name: &str| dir.path().join(name);
    let path = |name: &str| at(name).to_str().expect("UTF-8").to_owned();
    fs::create_dir_all(at("tree/inner")).expect("a directory");
    fs::write(at("tree/inner/file"), "inner").expect("a file");
    std::os::unix::fs::symlink("/etc/passwd", at("tree/link")).expect("a link");
    fs::write(at("single"), "before").expect("a file");
    let (single, tree) = (
        format!("{}:/tmp/in/", path("single")),
        format!("{}:/tmp/tree", path("tree")),
    );
    let (file, out) = (
        format!("/tmp/in/single:{}", path("new/name")),
        format!("/tmp:{}", path("out")),
    );
    let report = path("report.json");
    let ended = end(rig.run(
        &[
            "--put", &single, "--put", &tree, "--get", &file, "--get", &out, "--report", &report,
        ],
        &["probe", "write", "/tmp/in/single"],
    ));
    assert_eq!(ended.status, 0, "{ended:?}");
    assert_eq!(ended.stdout, b"{\"errno\":null}\n", "{ended:?}");
    let link = "/tmp/tree: \"link\": a link, left out";
    assert!(ended.stderr.contains(link), "{ended:?}");
    for name in ["new/name", "out/in/single"] {
        assert_eq!(fs::read(at(name)).expect("it came out"), b"probe\n");
    }
    let inner = fs::read(at("out/tree/inner/file")).expect("it came out");
    assert_eq!(inner, b"inner");
    let report = fs::read(&report).expect("a report");
    let report: Value = serde_json::from_slice(&report).expect("JSON");
    let transfers = report["transfers"].as_array().expect("an array");
    let ways: Vec<_> = transfers.iter().map(|it| &it["direction"]).collect();
    assert_eq!(ways, ["put", "put", "get", "get"]);
    let found = json!([{"name": "link", "what": "link"}]);
    assert_eq!(transfers[1]["findings"], found);
    assert_eq!(report["exit"]["exit_code"], 0);
    let failed = end(rig.run(&["--get", &out], &["probe", "exit", "7"]));
    assert_eq!(
        failed.status, 7,
        "what failed is of interest as well: {failed:?}"
    );
}

fn no_files(rig: &Rig) {
    for (option, moved, words) in [
        ("--put", "/none/such:/tmp/x", &["/none/such"][..]),
        (
            "--put",
            "/etc/hostname:/bin/x",
            &["/bin", "read-only", "/tmp"],
        ),
        ("--put", "/etc/hostname:/tmp/../x", &["without"]),
        ("--get", "/tmp/none:there", &["/tmp/none", "no such file"]),
        ("--get", "/dev/null:there", &["/dev/null", "a device"]),
    ] {
        let ended = end(rig.run(&[option, moved], &["probe", "exit", "0"]));
        assert_eq!(ended.status, 125, "{ended:?}");
        for word in words {
            assert!(ended.stderr.contains(word), "{word}: {ended:?}");
        }
    }
    let kept = &["--get", "/tmp:there", "--timeout", "3s"];
    let late = end(rig.run(kept, &["probe", "sleep", "60000"]));
    assert_eq!(late.status, 124, "{late:?}");
    assert!(!std::path::Path::new("there").exists());
}

fn deadline(rig: &Rig) {
    // What this machine needs for any run at all.
    let overhead = end(rig.run(&[], &["probe", "exit", "0"])).took;
    let ended = end(rig.run(
        &["--timeout", "2s"],
        &["probe", "sleep", "60000", "--ignore-term"],
    ));
    assert_eq!(ended.status, 124, "{ended:?}");
    assert_eq!(ended.stdout, b"ready\n", "{ended:?}");
    assert!(
        ended
            .stderr
            .contains("clawbox: ended at its deadline of 2s"),
        "{ended:?}"
    );
    let limit = Duration::from_secs(3) + overhead;
    assert!(ended.took < limit, "{:?}, {overhead:?}", ended.took);
}

fn report(rig: &Rig) {
    let file = rig.path("report.json");
    let file = file.to_str().expect("text");
    let argv = [
        "probe", "print", "--stdout", "hello", "--stderr", "oh", "--exit", "3",
    ];
    let ended = end(rig.run(&["--report", file, "--memory", "64m"], &argv));
    assert_eq!(ended.status, 3, "{ended:?}");
    let report = rig.report("report.json");
    assert_eq!(report["image"], IMAGE);
    assert_eq!(report["exit_status"], 3);
    assert_eq!(report["exit"]["status"], "failed");
    assert_eq!(report["exit"]["exit_code"], 3);
    assert_eq!(report["output"]["stdout"], json!({"kept": 5, "dropped": 0}));
    assert_eq!(report["output"]["stderr"], json!({"kept": 2, "dropped": 0}));
    assert_eq!(report["error"], Value::Null);
    assert_eq!(report["degraded"], json!([]));
    assert!(report["backend"]["version"].is_string(), "{report}");
    let items = report["enforcement"]["items"].as_array().expect("items");
    assert_eq!(items.len(), clawbox::PolicyItem::ALL.len());
    let memory = items
        .iter()
        .find(|item| item["item"] == "memory")
        .expect("memory");
    assert_eq!(memory["verdict"], "enforced", "{memory}");
    assert_eq!(memory["requested"], memory["observed"], "{memory}");
    for item in items {
        assert_ne!(item["verdict"], "not_enforced", "{item}");
    }
}

fn report_of_deadline(rig: &Rig) {
    let file = rig.path("report.json");
    let file = file.to_str().expect("text");
    let ended = end(rig.run(
        &["--report", file, "--timeout", "1s"],
        &["probe", "sleep", "60000"],
    ));
    assert_eq!(ended.status, 124, "{ended:?}");
    let report = rig.report("report.json");
    assert_eq!(report["exit"]["status"], "timed_out");
    assert_eq!(report["exit_status"], 124);
    assert_eq!(report["output"]["stdout"]["kept"], 6);
}

fn report_of_refusal(rig: &Rig) {
    let file = rig.path("report.json");
    let file = file.to_str().expect("text");
    let mut run = rig.on_engine("run", &["--image", "evil.example/x", "--report", file]);
    run.args(["-e", "LD_PRELOAD=x", "--", "true"]);
    assert_eq!(end(run).status, 125);
    let report = rig.report("report.json");
    assert_eq!(report["image"], "evil.example/x:latest");
    assert_eq!(report["container_id"], Value::Null);
    assert_eq!(report["exit"], Value::Null);
    assert_eq!(report["exit_status"], 125);
    let fields = report["error"]["violations"]
        .as_array()
        .expect("violations")
        .iter();
    let fields: Vec<_> = fields.map(|violation| &violation["field"]).collect();
    assert_eq!(fields, ["env.LD_PRELOAD", "image"]);
}

fn not_found(rig: &Rig) {
    let ended = end(rig.run(&[], &["no-such-program"]));
    assert_eq!(ended.status, 127, "{ended:?}");
    assert!(ended.stderr.contains("no-such-program"), "{ended:?}");
}

fn out_of_memory(rig: &Rig) {
    let ended = end(rig.run(&["--memory", "32m"], &["probe", "alloc", "256"]));
    assert_eq!(ended.status, 137, "{ended:?}");
    // For certain, or as a guess where the engine does not know.
    for said in ["memory", "32 MiB", "(--memory)"] {
        assert!(ended.stderr.contains(said), "{ended:?}");
    }
}

fn image_not_found(rig: &Rig) {
    let mut run = rig.on_engine("run", &["--image", "alpine:no-such-tag", "--pull", "never"]);
    run.arg("true");
    let ended = end(run);
    assert_eq!(ended.status, 125, "{ended:?}");
    for word in [
        "docker.io/library/alpine:no-such-tag",
        "try: ",
        "--pull if-missing",
    ] {
        assert!(ended.stderr.contains(word), "{word}: {ended:?}");
    }
}

fn environment(rig: &Rig) {
    let ended = end(rig.run(&["-e", "GREETING=a=b c"], &["probe", "facts"]));
    assert_eq!(ended.status, 0, "{ended:?}");
    let facts: Value = serde_json::from_slice(&ended.stdout).expect("facts");
    assert_eq!(facts["env"]["GREETING"], "a=b c");
}

fn signals(rig: &Rig) {
    for (signal, status) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        if ignored(signal) {
            // What our own parent has us ignore, clawbox ignores too.
            continue;
        }
        let file = rig.path("report.json");
        let file = file.to_str().expect("text");
        let mut live = Live::start(rig.run(&["--report", file], &["probe", "sleep", "60000"]));
        assert_eq!(live.line(), "ready");
        live.signal(signal);
        let (ended, said) = live.end();
        assert_eq!(ended, Some(status), "{said}");
        let report = rig.report("report.json");
        assert_eq!(report["exit"]["status"], "killed", "{report}");
        let id = report["container_id"].as_str().expect("an id");
        assert_eq!(rig.find(id), None);
    }
}

fn ignored(signal: Signal) -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let set = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let set = set.and_then(|set| u64::from_str_radix(set.trim(), 16).ok());
    set.is_some_and(|set| set >> (signal.as_raw() - 1) & 1 == 1)
}

fn broken_pipe(rig: &Rig) {
    let mut run = rig.run(
        &["--max-output", "8m"],
        &["probe", "flood", "ascii", "4000000", "0"],
    );
    let mut child = run
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("clawbox starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("a status");
    assert_eq!(output.status.code(), Some(141));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

fn quiet(rig: &Rig) {
    let ended = end(rig.run(&["-q", "--timeout", "1s"], &["probe", "sleep", "60000"]));
    assert_eq!((ended.status, ended.stderr.as_str()), (124, ""));
}

fn stdin(rig: &Rig) {
    let sent = pattern(Pattern::Binary, Stream::Stdout, 200_000);
    let with_a_file = &["--stdin", "--put", "/etc/hostname:/tmp/name"][..];
    for (options, argv, read) in [
        (&["--stdin"][..], &["probe", "cat"][..], &sent[..]),
        (&[], &["probe", "cat"], b""),
        // It ends without reading all, and while more may come.
        (&["--stdin"], &["probe", "cat", "10"], &sent[..10]),
        (with_a_file, &["probe", "cat"], &sent),
        (with_a_file, &["probe", "cat", "10"], &sent[..10]),
    ] {
        let mut run = rig.run(options, argv);
        run.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = run.spawn().expect("clawbox starts");
        let mut input = child.stdin.take().expect("a pipe");
        let output = thread::scope(|scope| {
            scope.spawn(|| {
                // Where nobody reads, it is refused.
                let written = input.write_all(&sent);
                if read.len() == sent.len() {
                    written.expect("all is read");
                    drop(input);
                }
            });
            child.wait_with_output().expect("it ends")
        });
        assert_eq!(output.status.code(), Some(0), "{argv:?}");
        assert!(output.stdout == read, "{argv:?}: {}", output.stdout.len());
    }
}
