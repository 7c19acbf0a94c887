//! Further commands in a running container.

use std::collections::HashMap;
use std::os::fd::AsFd;
use std::time::Duration;

use clawbox_init::protocol::{End, FromInit, Question, Step, ToInit};
use rustix::io::Errno;
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt};

use crate::manager::{Init, until};
use crate::number;
use crate::wanted::Wanted;
use crate::wire::{pipes, read_all};

#[test]
fn a_further_command_has_its_own_streams_and_its_own_end() {
    let mut init = Init::running();
    let streams = init.run(7, &Wanted::shell("cat; echo to error >&2; exit 9"));
    init.expect(FromInit::Started { run: 7 });
    rustix::io::write(&streams.input, b"to input").unwrap();
    drop(streams.input);
    assert_eq!(read_all(streams.output), b"to input");
    assert_eq!(read_all(streams.error), b"to error\n");
    init.expect_ended(7, End::Code(9), false);

    init.send(&ToInit::End);
    let (status, out, err) = init.wait();
    assert_eq!(
        (status.code(), out.as_str(), err.as_str()),
        (Some(137), "", "")
    );
}

#[test]
fn a_terminal_in_place_of_three_pipes_controls_the_commands_session() {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let ours = openpt(flags).unwrap();
    unlockpt(&ours).unwrap();
    let theirs = ioctl_tiocgptpeer(&ours, flags).unwrap();
    let mut init = Init::running();
    let wanted =
        Wanted::shell("read word; echo $word > /dev/tty; [ -t 0 ] && [ -t 1 ] && [ -t 2 ]");
    let command = wanted.command();
    init.send_with(&ToInit::Run { run: 1, command }, &[theirs.as_fd(); 3]);
    init.expect(FromInit::Started { run: 1 });
    rustix::io::write(&ours, b"heard\n").unwrap();
    init.expect_ended(1, End::Code(0), false);
    // What was typed, and what was printed.
    let wanted_words = b"heard\r\nheard\r\n";
    let mut shown = Vec::new();
    while shown.len() < wanted_words.len() {
        let mut piece = [0; 64];
        let length = rustix::io::read(&ours, &mut piece).unwrap();
        shown.extend_from_slice(&piece[..length]);
    }
    assert_eq!(shown, wanted_words);

    // Not with something else among the three.
    let (pipes, _streams) = pipes();
    let command = wanted.command();
    let mixed = [theirs.as_fd(), theirs.as_fd(), pipes[2].as_fd()];
    init.send_with(&ToInit::Run { run: 2, command }, &mixed);
    init.expect_failed(2, Step::Pipes, Errno::INVAL);
}

#[test]
fn a_hundred_commands_run_at_once_and_each_has_its_own_end() {
    let mut init = Init::running();
    let streams: Vec<_> = (1..=100)
        .map(|run| {
            let script = format!("read line; echo {run}; exit {run}");
            (run, init.run(run, &Wanted::shell(&script)))
        })
        .collect();
    for (_, streams) in &streams {
        rustix::io::write(&streams.input, b"go\n").unwrap();
    }
    let mut told: HashMap<u32, Vec<bool>> = HashMap::new();
    for _ in 0..200 {
        match init.hear().message() {
            FromInit::Started { run } => told.entry(run).or_default().push(false),
            FromInit::Ended {
                run,
                end,
                by_deadline,
                ..
            } => {
                assert_eq!(
                    (end, by_deadline),
                    (End::Code(u8::try_from(run).unwrap()), false)
                );
                told.entry(run).or_default().push(true);
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(told.len(), 100);
    for (run, told) in told {
        assert_eq!(told, [false, true], "{run} starts, then ends");
    }
    for (run, streams) in streams {
        assert_eq!(read_all(streams.output), format!("{run}\n").into_bytes());
    }
}

#[test]
fn a_number_is_free_again_once_its_end_or_failure_is_told() {
    let mut init = Init::running();
    for _ in 0..2 {
        init.run(1, &Wanted::new(&["true"]));
        init.expect(FromInit::Started { run: 1 });
        init.expect_ended(1, End::Code(0), false);
        init.run(1, &Wanted::new(&["/nonexistent"]));
        init.expect_failed(1, Step::Program, Errno::NOENT);
    }
}

#[test]
fn a_deadline_kills_the_group_of_its_command_and_no_other() {
    let mut init = Init::running();
    let other = init.run(1, &Wanted::shell("read line; exit 3"));
    init.expect(FromInit::Started { run: 1 });
    let wanted = Wanted::shell("trap '' TERM; sleep 1000 & sleep 1000")
        .with_deadline(Duration::from_millis(200));
    let streams = init.run(2, &wanted);
    init.expect(FromInit::Started { run: 2 });
    init.expect_ended(2, End::Signal(9), true);
    // The whole group is gone: nobody holds the stream.
    assert_eq!(read_all(streams.output), b"");
    rustix::io::write(&other.input, b"\n").unwrap();
    init.expect_ended(1, End::Code(3), false);
}

#[test]
fn an_end_before_the_deadline_is_not_the_deadlines_doing() {
    let mut init = Init::running();
    let wanted = Wanted::shell("kill -KILL $$").with_deadline(Duration::from_secs(60));
    init.run(1, &wanted);
    init.expect(FromInit::Started { run: 1 });
    init.expect_ended(1, End::Signal(9), false);
}

#[test]
fn a_signal_goes_to_the_group_of_the_command_that_is_meant() {
    let mut init = Init::running();
    let streams = init.run(
        1,
        &Wanted::shell("trap 'exit 4' USR1; sh -c 'echo; exec sleep 1000' & wait"),
    );
    init.expect(FromInit::Started { run: 1 });
    let mut ready = [0];
    rustix::io::read(&streams.output, &mut ready).unwrap();
    init.send(&ToInit::Signal { run: 1, signal: 10 });
    init.expect_ended(1, End::Code(4), false);
    // The sleeping one has no trap: it is gone too.
    assert_eq!(read_all(streams.output), b"");
    // One that has ended already is nothing wrong, and no other one.
    init.send(&ToInit::Signal { run: 1, signal: 9 });
    init.run(1, &Wanted::new(&["true"]));
    init.expect(FromInit::Started { run: 1 });
    init.expect_ended(1, End::Code(0), false);
}

#[test]
fn what_is_left_behind_is_reaped() {
    const PR_SET_CHILD_SUBREAPER: u64 = 36;

    let mut init = Init::greeted();
    // So that it inherits them, as process 1 does.
    let arguments = [PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0, 0];
    let inherit = Question::Call {
        number: number::PRCTL,
        arguments,
    };
    assert_eq!(init.ask(&[inherit]), [(0, vec![])]);
    init.run_main(&Wanted::new(&["sleep", "1000"]));
    init.expect(FromInit::Started { run: 0 });

    let streams = init.run(
        1,
        &Wanted::shell("exec 3<&0; sh -c 'echo $$; read line; exit 1' <&3 & exit 0"),
    );
    init.expect(FromInit::Started { run: 1 });
    init.expect_ended(1, End::Code(0), false);
    let mut pid = [0; 16];
    let length = rustix::io::read(&streams.output, &mut pid).unwrap();
    let pid = str::from_utf8(&pid[..length]).unwrap().trim();
    let parent = format!("\nPPid:\t{}\n", init.pid());
    let status = format!("/proc/{pid}/status");
    assert!(std::fs::read_to_string(&status).unwrap().contains(&parent));
    drop(streams);
    until("it is gone", || {
        (!std::fs::exists(&status).unwrap()).then_some(())
    });

    // Nobody is told of it, and all goes on.
    init.run(1, &Wanted::new(&["true"]));
    init.expect(FromInit::Started { run: 1 });
    init.expect_ended(1, End::Code(0), false);
}

#[test]
fn more_commands_than_there_is_room_for_fail() {
    let mut init = Init::running();
    let limit = u32::try_from(clawbox_init::protocol::RUNS).unwrap();
    let streams: Vec<_> = (1..limit)
        .map(|run| {
            let streams = init.run(run, &Wanted::new(&["cat"]));
            init.expect(FromInit::Started { run });
            streams
        })
        .collect();
    init.run(limit, &Wanted::new(&["true"]));
    init.expect_failed(limit, Step::Place, Errno::AGAIN);
    drop(streams);
    for _ in 1..limit {
        assert!(matches!(
            init.hear().message(),
            FromInit::Ended {
                end: End::Code(0),
                ..
            }
        ));
    }
    init.run(limit, &Wanted::new(&["true"]));
    init.expect(FromInit::Started { run: limit });
    init.expect_ended(limit, End::Code(0), false);
}

#[test]
fn only_pipes_that_go_the_right_way_are_taken_and_others_are_closed() {
    let dir = tempfile::tempdir().unwrap();
    let file = std::fs::File::create_new(dir.path().join("file")).unwrap();
    let (socket, peer) = std::os::unix::net::UnixStream::pair().unwrap();
    let fifo = dir.path().join("fifo");
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, 0o600.into()).unwrap();
    let path_only = rustix::fs::open(&fifo, rustix::fs::OFlags::PATH, 0.into()).unwrap();

    let mut init = Init::running();
    let wanted = Wanted::new(&["cat"]);
    let refused = |init: &mut Init, place: usize, descriptor: std::os::fd::BorrowedFd<'_>| {
        let (theirs, ours) = pipes();
        let mut passed = theirs.each_ref().map(AsFd::as_fd);
        passed[place] = descriptor;
        let command = wanted.command();
        init.send_with(&ToInit::Run { run: 1, command }, &passed);
        init.expect_failed(1, Step::Pipes, Errno::INVAL);
        drop(theirs);
        ours
    };
    for place in 0..3 {
        for descriptor in [file.as_fd(), socket.as_fd(), path_only.as_fd()] {
            let ours = refused(&mut init, place, descriptor);
            // Whatever came with it is closed.
            if place != 1 {
                assert_eq!(read_all(ours.output), b"");
            }
        }
        // The right thing, the wrong way.
        let (theirs, ours) = pipes();
        let wrong = if place == 0 { &theirs[1] } else { &theirs[0] };
        refused(&mut init, place, wrong.as_fd());
        drop(ours);
    }
    drop(socket);
    let mut byte = [0];
    assert_eq!(
        std::io::Read::read(&mut &peer, &mut byte).unwrap(),
        0,
        "it is closed there"
    );

    init.run(1, &Wanted::new(&["true"]));
    init.expect(FromInit::Started { run: 1 });
}
