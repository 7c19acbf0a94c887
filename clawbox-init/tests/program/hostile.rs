//! A manager that does not keep to the protocol, or is not there.

use std::io::Write;
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command as Process, Output, Stdio};
use std::time::{Duration, Instant};

use clawbox_init::protocol::{End, FromInit, Header, Question, Questions, TO_INIT_BYTES, ToInit};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::manager::{Init, program, program_file, status, write_program};
use crate::wanted::Wanted;
use crate::wire::{frame, pipes, read_all, send_frame};

/// Before the command has come, nothing is left to go on with: the exit code says so, and standard error says why.
#[track_caller]
fn gives_up(init: Init, reason: &str) {
    let (status, out, err) = init.wait();
    assert_eq!((status.code(), out.as_str()), (Some(125), ""), "{err}");
    assert_eq!(err, format!("clawbox-init: {reason}\n"));
}

/// Starts the program with these arguments and no manager.
fn alone(arguments: &[&str]) -> Output {
    let child = Process::new(program_file())
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = child.unwrap();
    status(&mut child);
    child.wait_with_output().unwrap()
}

#[test]
fn it_takes_one_argument_the_path_of_a_socket_that_is_there() {
    let long = "x".repeat(108);
    let usage = "one argument is taken, the path of the control socket, `wait` or `transfer`";
    for (arguments, reason) in [
        (&[][..], usage),
        (&["a", "b"], usage),
        (&["/nonexistent"], "connect to /nonexistent: errno 2"),
        (&["/dev/null"], "connect to /dev/null: errno 111"),
        (&[long.as_str()], &format!("connect to {long}: errno 36")),
    ] {
        let output = alone(arguments);
        assert_eq!(output.status.code(), Some(125));
        assert_eq!(
            String::from_utf8(output.stderr).unwrap(),
            format!("clawbox-init: {reason}\n")
        );
        assert_eq!(output.stdout, b"");
    }
}

#[test]
fn without_a_command_it_ends_with_its_manager() {
    let init = Init::greeted();
    init.link.shutdown(Shutdown::Both).unwrap();
    gives_up(init, "the manager closed the control socket");
}

#[test]
fn it_does_not_wait_for_a_command_for_ever() {
    // A copy with a shorter patience: the number stands in its memory once.
    let [long, short] = [60_000_000_000u64, 300_000_000].map(u64::to_le_bytes);
    let mut bytes = program().to_vec();
    let places: Vec<_> = (0..bytes.len())
        .filter(|&place| bytes[place..].starts_with(&long))
        .collect();
    let [place] = places[..] else {
        panic!("its patience is not to be found once, but at {places:?}");
    };
    bytes[place..place + short.len()].copy_from_slice(&short);
    let dir = tempfile::tempdir().unwrap();
    let hasty = dir.path().join("hasty");
    write_program(&hasty, &bytes);

    let begun = Instant::now();
    let mut init = Init::start_program(&hasty);
    init.hear_hello();
    assert!(init.try_hear().is_none());
    assert!(begun.elapsed() >= Duration::from_millis(300));
    gives_up(init, "no command came");

    // One that has come may take its time.
    let mut init = Init::start_program(&hasty);
    init.hear_hello();
    init.run_main(&Wanted::shell("sleep 0.6; exit 3"));
    init.expect(FromInit::Started { run: 0 });
    init.expect_ended(0, End::Code(3), false);
}

#[test]
fn a_frame_that_is_none_ends_it() {
    let kind = "a frame that is none of the protocol's: Kind";
    let value = "a frame that is none of the protocol's: Value";
    let long = Header {
        length: TO_INIT_BYTES + 1,
        kind: 1,
        pipes: 0,
    }
    .encode();
    for (bytes, reason) in [
        (&[0, 0, 0, 0, 9, 0, 0, 0][..], kind),
        (&[0, 0, 0, 0, 4, 0, 0, 1], value),
        (&[0, 0, 0, 0, 4, 1, 0, 0], value),
        (&long, "a frame that is none of the protocol's: TooLong"),
        (
            &[3, 0, 0, 0, 3, 0, 0, 0, 1, 2, 3],
            "a frame that is none of the protocol's: Short",
        ),
        (
            &[1, 0, 0, 0, 4, 0, 0, 0, 1],
            "a frame that is none of the protocol's: Trailing",
        ),
    ] {
        let mut init = Init::greeted();
        init.link.write_all(bytes).unwrap();
        gives_up(init, reason);
    }
}

#[test]
fn descriptors_come_with_a_command_only_and_three_of_them() {
    let (three, _streams) = pipes();
    let [input, output, error] = three.each_ref().map(AsFd::as_fd);
    let wanted = Wanted::new(&["true"]);
    let run = ToInit::Run {
        run: 0,
        command: wanted.command(),
    };
    let ask = ToInit::Ask(Questions::new(0, &[]).unwrap());
    let sent: [(Vec<u8>, &[BorrowedFd<'_>]); 6] = [
        (frame(&ask, 0), &[input]),
        (frame(&ask, 3), &[input, output, error]),
        (frame(&run, 0), &[input, output, error]),
        (frame(&run, 3), &[input, output]),
        (frame(&run, 3), &[input, output, error, error]),
        (frame(&run, 3), &[]),
    ];
    for (bytes, descriptors) in sent {
        let init = Init::greeted();
        send_frame(&init.link, &bytes, descriptors);
        gives_up(init, "a frame that is none of the protocol's: Value");
    }
}

#[test]
fn descriptors_that_come_with_the_rest_of_a_frame_are_its_own() {
    let (theirs, streams) = pipes();
    let wanted = Wanted::new(&["echo", "late"]);
    let bytes = frame(
        &ToInit::Run {
            run: 0,
            command: wanted.command(),
        },
        3,
    );
    let mut init = Init::greeted();
    send_frame(&init.link, &bytes[..5], &[]);
    send_frame(&init.link, &bytes[5..20], &[]);
    send_frame(
        &init.link,
        &bytes[20..],
        &theirs.each_ref().map(AsFd::as_fd),
    );
    drop(theirs);
    // The container's own command may have pipes too.
    init.expect(FromInit::Started { run: 0 });
    init.expect_ended(0, End::Code(0), false);
    assert_eq!(read_all(streams.output), b"late\n");
}

#[test]
fn the_containers_own_command_comes_first_and_once() {
    let wanted = Wanted::new(&["true"]);
    let mut init = Init::greeted();
    init.run(1, &wanted);
    gives_up(init, "a frame at a time when it may not come");

    for number in [0, 5] {
        let mut init = Init::greeted();
        init.run_main(&Wanted::shell("read line; exit 6"));
        init.expect(FromInit::Started { run: 0 });
        let _streams = init.run(5, &Wanted::new(&["cat"]));
        init.expect(FromInit::Started { run: 5 });
        // The command under this number is still there.
        let (theirs, _ours) = pipes();
        let command = wanted.command();
        init.send_with(
            &ToInit::Run {
                run: number,
                command,
            },
            &theirs.each_ref().map(AsFd::as_fd),
        );
        assert_eq!(init.try_hear(), None, "the connection is closed");
        // Without it the command goes on.
        drop(init.child.stdin.take());
        assert_eq!(init.status().code(), Some(6));
    }
}

#[test]
fn a_further_command_without_pipes_costs_the_connection_and_not_the_command() {
    let mut init = Init::greeted();
    init.run_main(&Wanted::shell("read line; exit 6"));
    init.expect(FromInit::Started { run: 0 });
    let wanted = Wanted::new(&["true"]);
    init.send(&ToInit::Run {
        run: 1,
        command: wanted.command(),
    });
    assert_eq!(init.try_hear(), None);
    drop(init.child.stdin.take());
    assert_eq!(init.status().code(), Some(6));
}

#[test]
fn one_pipe_is_the_containers_own_commands_alone() {
    let mut init = Init::greeted();
    init.run_main(&Wanted::shell("read line; exit 6"));
    init.expect(FromInit::Started { run: 0 });
    let (theirs, _ours) = pipes();
    let wanted = Wanted::new(&["true"]);
    let command = wanted.command();
    init.send_with(&ToInit::Run { run: 1, command }, &[theirs[0].as_fd()]);
    assert_eq!(init.try_hear(), None);
    drop(init.child.stdin.take());
    assert_eq!(init.status().code(), Some(6));
}

#[test]
fn no_such_signal_is_malformed() {
    let mut init = Init::greeted();
    init.run_main(&Wanted::shell("read line; exit 6"));
    init.expect(FromInit::Started { run: 0 });
    init.send(&ToInit::Signal { run: 0, signal: 65 });
    assert_eq!(init.try_hear(), None);
    drop(init.child.stdin.take());
    assert_eq!(init.status().code(), Some(6));
}

#[test]
fn a_manager_that_does_not_read_loses_the_connection() {
    let mut question = Vec::new();
    Question::Read(c"/proc/self/exe").encode(&mut question);
    let many = question.repeat(100);
    let asked = frame(&ToInit::Ask(Questions::new(100, &many).unwrap()), 0);

    let begun = Instant::now();
    let mut init = Init::greeted();
    init.link.write_all(&asked).unwrap();
    assert_eq!(init.status().code(), Some(125));
    assert!(begun.elapsed() >= Duration::from_millis(500));

    // A command that runs has its deadline all the same.
    let mut init = Init::greeted();
    init.run_main(&Wanted::new(&["sleep", "1000"]).with_deadline(Duration::from_secs(1)));
    init.expect(FromInit::Started { run: 0 });
    init.link.write_all(&asked).unwrap();
    assert_eq!(init.status().code(), Some(137));
}

/// Sends bytes and nothing more, and waits for the program's end, which is never by a signal.
fn survives(bytes: &[u8], pipes: &[BorrowedFd<'_>]) -> i32 {
    let mut init = Init::start();
    send_frame(&init.link, bytes, pipes);
    // It may have closed it already.
    let _ = init.link.shutdown(Shutdown::Write);
    let status = init.status();
    assert_eq!(status.signal(), None);
    status.code().unwrap()
}

/// Too short for a system call to be asked for: those are done as they come.
fn payload() -> impl Strategy<Value = Vec<u8>> {
    vec(prop_oneof![0..4u8, any::<u8>()], 0..50)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn whatever_bytes_come_it_ends_in_order(bytes in vec(any::<u8>(), 1..50)) {
        let code = survives(&bytes, &[]);
        prop_assert!(code == 125 || code == 137, "{}", code);
    }

    #[test]
    fn whatever_frames_come_it_ends_in_order(
        frames in vec((0..6u8, prop_oneof![Just(0), Just(3), any::<u8>()], payload()), 1..4),
        descriptors in 0..5usize,
    ) {
        let mut bytes = Vec::new();
        for (kind, pipes, payload) in frames {
            let length = u32::try_from(payload.len()).unwrap();
            bytes.extend(Header { length, kind, pipes }.encode());
            bytes.extend(payload);
        }
        let null = std::fs::File::open("/dev/null").unwrap();
        let passed = vec![null.as_fd(); descriptors];
        let code = survives(&bytes, &passed);
        prop_assert!([125, 126, 127, 137].contains(&code), "{}", code);
    }

    #[test]
    fn a_command_with_a_fault_in_it_does_no_harm(place in 0..1000usize, byte: u8) {
        let wanted = Wanted::new(&["/nonexistent/program", "a", "b"]).with_env(&["A=1", "B=2"]);
        let mut bytes = frame(&ToInit::Run { run: 0, command: wanted.command() }, 0);
        let place = place % bytes.len();
        bytes[place] = byte;
        let code = survives(&bytes, &[]);
        prop_assert!([125, 126, 127, 137].contains(&code), "{}", code);
    }

    #[test]
    fn whatever_comes_while_a_command_runs_costs_no_more_than_the_connection(bytes in payload()) {
        let mut init = Init::greeted();
        init.run_main(&Wanted::new(&["cat"]));
        init.expect(FromInit::Started { run: 0 });
        // The end of everything is a message too, and so is a signal for the command.
        prop_assume!(!matches!(bytes.get(4), Some(3 | 4)));
        init.link.write_all(&bytes).unwrap();
        let _ = init.link.shutdown(Shutdown::Write);
        while init.try_hear().is_some() {}
        drop(init.child.stdin.take());
        prop_assert_eq!(init.status().code(), Some(0));
    }
}
