//! The container's own command.

use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use clawbox_init::protocol::{End, FromInit, Step, ToInit};
use rustix::io::Errno;

use crate::manager::{Init, program_file, write_program};
use crate::wanted::Wanted;
use crate::wire::pipes;

/// Runs a command as the container's own to its end: the exit code of process 1, and what was written.
fn run(wanted: &Wanted, end: End) -> (i32, String, String) {
    let mut init = Init::greeted();
    init.run_main(wanted);
    init.expect(FromInit::Started { run: 0 });
    init.expect_ended(0, end, false);
    assert_eq!(init.try_hear(), None, "its end is the last that is said");
    let (status, out, err) = init.wait();
    (status.code().unwrap(), out, err)
}

#[test]
fn the_command_has_the_containers_streams_and_its_exit_code_is_process_1s() {
    let wanted = Wanted::shell("echo to output; echo to error >&2; exit 7");
    let ended = run(&wanted, End::Code(7));
    assert_eq!(
        ended,
        (7, "to output\n".to_owned(), "to error\n".to_owned())
    );
}

#[test]
fn the_command_reads_from_a_pipe_that_came_with_it_and_prints_to_the_containers_streams() {
    let (theirs, ours) = pipes();
    let mut init = Init::greeted();
    let wanted = Wanted::shell("cat; echo its end >&2");
    let command = wanted.command();
    init.send_with(&ToInit::Run { run: 0, command }, &[theirs[0].as_fd()]);
    drop(theirs);
    init.expect(FromInit::Started { run: 0 });
    rustix::io::write(&ours.input, b"read and printed").unwrap();
    drop(ours);
    init.expect_ended(0, End::Code(0), false);
    let (_, out, err) = init.wait();
    assert_eq!(
        (out.as_str(), err.as_str()),
        ("read and printed", "its end\n")
    );
}

#[test]
fn a_signal_that_kills_the_command_is_told_and_is_128_and_its_number() {
    let ended = run(&Wanted::shell("kill -USR1 $$"), End::Signal(10));
    assert_eq!(ended, (138, String::new(), String::new()));
}

#[test]
fn the_command_has_exactly_the_arguments_that_it_was_given() {
    let script = r#"printf '<%s>' "$0" "$@""#;
    let wanted = Wanted::new(&["sh", "-c", script, "", "a b", "$HOME", "*", "é\n"]);
    assert_eq!(run(&wanted, End::Code(0)).1, "<><a b><$HOME><*><é\n>");
}

#[test]
fn the_command_has_exactly_the_environment_that_it_was_given() {
    let wanted = Wanted::new(&["/usr/bin/env"]).with_env(&["TOKEN=a=b c", "EMPTY=", "TOKEN=twice"]);
    let (_, out, _) = run(&wanted, End::Code(0));
    assert_eq!(out, "TOKEN=a=b c\nEMPTY=\nTOKEN=twice\n");

    let none = Wanted::new(&["/usr/bin/env"]).with_env(&[]);
    assert_eq!(run(&none, End::Code(0)).1, "");
}

#[test]
fn the_command_begins_in_its_directory() {
    let wanted = Wanted::new(&["/bin/pwd"]).in_directory("/usr");
    assert_eq!(run(&wanted, End::Code(0)).1, "/usr\n");
}

#[test]
fn the_command_leads_a_session_and_has_no_descriptors_but_the_streams() {
    let script = "ls /proc/self/fd; cut -d' ' -f1,5,6 /proc/$$/stat";
    let (_, out, _) = run(&Wanted::shell(script), End::Code(0));
    let mut lines = out.lines();
    // The fourth is the one that `ls` opened.
    let descriptors: Vec<_> = lines.by_ref().take(4).collect();
    assert_eq!(descriptors, ["0", "1", "2", "3"]);
    let [pid, group, session]: [&str; 3] = lines
        .next()
        .unwrap()
        .split(' ')
        .collect::<Vec<_>>()
        .try_into()
        .unwrap();
    assert_eq!((pid, pid), (group, session));
    assert_eq!(lines.next(), None);
}

#[test]
fn no_signal_is_blocked_or_ignored_in_the_command() {
    // Whoever starts process 1 may have left some ignored.
    let dir = tempfile::tempdir().unwrap();
    let starter = dir.path().join("starter");
    let script = format!(
        "#!/bin/sh\ntrap '' PIPE USR1 TERM\nexec {} \"$1\"\n",
        program_file().display()
    );
    write_program(&starter, script.as_bytes());
    let mut init = Init::start_program(&starter);
    init.hear_hello();
    // No shell, which would see to its signals itself.
    init.run_main(&Wanted::new(&[
        "grep",
        "-E",
        "^Sig(Blk|Ign)",
        "/proc/self/status",
    ]));
    init.expect(FromInit::Started { run: 0 });
    init.expect_ended(0, End::Code(0), false);
    let (_, out, _) = init.wait();
    assert_eq!(
        out,
        "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n"
    );
}

/// Has a command fail, and checks what is told and the exit code of process 1.
fn fails(wanted: &Wanted, step: Step, errno: Errno, code: i32) {
    let mut init = Init::greeted();
    init.run_main(wanted);
    init.expect_failed(0, step, errno);
    assert_eq!(init.try_hear(), None);
    let (status, out, err) = init.wait();
    assert_eq!(
        (status.code(), out.as_str(), err.as_str()),
        (Some(code), "", "")
    );
}

#[test]
fn a_program_that_cannot_be_run_is_a_failure_with_its_reason() {
    let dir = tempfile::tempdir().unwrap();
    let plain = dir.path().join("plain");
    std::fs::write(&plain, "").unwrap();
    let plain = plain.to_str().unwrap();

    let absent = Wanted::new(&["/nonexistent/program"]);
    fails(&absent, Step::Program, Errno::NOENT, 127);
    fails(
        &Wanted::new(&["no-such-program"]),
        Step::Program,
        Errno::NOENT,
        127,
    );
    fails(&Wanted::new(&[""]), Step::Program, Errno::NOENT, 127);
    fails(
        &Wanted::new(&["/dev/null/program"]),
        Step::Program,
        Errno::NOTDIR,
        127,
    );
    fails(&Wanted::new(&[plain]), Step::Program, Errno::ACCESS, 126);
    fails(&Wanted::new(&["/"]), Step::Program, Errno::ACCESS, 126);
    fails(&Wanted::new(&[]), Step::Program, Errno::INVAL, 126);
    let elsewhere = Wanted::new(&["true"]).in_directory("/nonexistent");
    fails(&elsewhere, Step::Directory, Errno::NOENT, 127);

    // It is there and may not be executed, which says more than that it is not elsewhere.
    let path = format!("PATH=/nonexistent:{}:/nonexistent", dir.path().display());
    let searched = Wanted::new(&["plain"]).with_env(&[&path]);
    fails(&searched, Step::Program, Errno::ACCESS, 126);
}

#[test]
fn a_program_is_looked_for_in_the_commands_own_path() {
    let dir = tempfile::tempdir().unwrap();
    let tool = dir.path().join("clawbox-tool");
    std::os::unix::fs::symlink("/bin/echo", &tool).unwrap();
    let path = format!("PATH=/nonexistent:{}", dir.path().display());
    let found = Wanted::new(&["clawbox-tool", "found"]).with_env(&[&path]);
    assert_eq!(run(&found, End::Code(0)).1, "found\n");

    // An empty directory is the working directory.
    let here = Wanted::new(&["clawbox-tool", "here"])
        .with_env(&["PATH=/nonexistent:"])
        .in_directory(dir.path().to_str().unwrap());
    assert_eq!(run(&here, End::Code(0)).1, "here\n");

    // Without one there is the usual one.
    let usual = Wanted::new(&["echo", "usual"]).with_env(&[]);
    assert_eq!(run(&usual, End::Code(0)).1, "usual\n");
}

#[test]
fn at_its_deadline_the_command_is_killed_with_its_group() {
    let begun = Instant::now();
    let mut init = Init::greeted();
    let wanted = Wanted::shell("trap '' TERM; sleep 1000 & sleep 1000")
        .with_deadline(Duration::from_millis(300));
    init.run_main(&wanted);
    init.expect(FromInit::Started { run: 0 });
    init.expect_ended(0, End::Signal(9), true);
    assert!(begun.elapsed() >= Duration::from_millis(300));
    // Its output ends, so that nothing is left that could write.
    let (status, out, _) = init.wait();
    assert_eq!((status.code(), out.as_str()), (Some(137), ""));
}

#[test]
fn without_a_manager_the_command_goes_on_and_has_its_deadline() {
    let mut init = Init::greeted();
    let wanted = Wanted::shell("read line; echo $line; sleep 1000")
        .with_deadline(Duration::from_millis(500));
    init.run_main(&wanted);
    init.expect(FromInit::Started { run: 0 });
    init.link.shutdown(std::net::Shutdown::Both).unwrap();
    // It is still there to read this, after the link is gone.
    std::io::Write::write_all(&mut init.child.stdin.take().unwrap(), b"alive\n").unwrap();
    let (status, out, err) = init.wait();
    assert_eq!(
        (status.code(), out.as_str(), err.as_str()),
        (Some(137), "alive\n", "")
    );
}

#[test]
fn without_a_manager_the_commands_own_exit_code_is_process_1s() {
    let mut init = Init::greeted();
    init.run_main(&Wanted::shell("read line; exit 5"));
    init.expect(FromInit::Started { run: 0 });
    init.link.shutdown(std::net::Shutdown::Both).unwrap();
    drop(init.child.stdin.take());
    assert_eq!(init.wait().0.code(), Some(5));
}

#[test]
fn signals_to_process_1_are_the_commands() {
    use rustix::process::{Pid, Signal, kill_process};
    for (signal, name, number) in [
        (Signal::TERM, "TERM", 15),
        (Signal::INT, "INT", 2),
        (Signal::HUP, "HUP", 1),
        (Signal::QUIT, "QUIT", 3),
        (Signal::USR1, "USR1", 10),
        (Signal::USR2, "USR2", 12),
    ] {
        let mut init = Init::greeted();
        // It says so itself, in a shell that is not killed, or else does not answer.
        let script = format!(
            "trap 'exit {}' {name}; echo; while :; do sleep 0.01; done",
            60 + number
        );
        init.run_main(&Wanted::shell(&script));
        init.expect(FromInit::Started { run: 0 });
        let mut line = [0];
        std::io::Read::read_exact(init.child.stdout.as_mut().unwrap(), &mut line).unwrap();
        kill_process(Pid::from_child(&init.child), signal).unwrap();
        init.expect_ended(0, End::Code(60 + number), false);
        assert!(!init.status().success());
    }
}

#[test]
fn the_end_that_the_manager_wants_is_everythings() {
    let mut init = Init::greeted();
    init.run_main(&Wanted::shell("trap '' TERM; sleep 1000 & sleep 1000"));
    init.expect(FromInit::Started { run: 0 });
    init.send(&ToInit::End);
    let (status, out, _) = init.wait();
    assert_eq!(
        (status.code(), status.signal(), out.as_str()),
        (Some(137), None, "")
    );
}
