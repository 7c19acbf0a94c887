//! A command's output and its end.

use super::*;
use crate::{
    error::ContainerError,
    init::exec::{NotRun, execute},
};
use clawbox_init::protocol::{End, Step};
use clawbox_types::{ContainerId, ContainerStatus, ExecReport, OutputStream};
use futures_util::{FutureExt, StreamExt, future::poll_immediate};
use io::ErrorKind::{BrokenPipe, UnexpectedEof};
use tokio::io::AsyncWriteExt;

/// Runs a command without standard input, and collects what it prints.
async fn run_collected(
    process_one: &Arc<ProcessOne>,
    errand: &Errand,
    deadline: Option<Duration>,
    limit: usize,
) -> Result<ExecReport, NotRun> {
    let handle = execute(process_one, errand, deadline, None)
        .await?
        .into_handle(lost);
    let report = handle.collect(limit).await;
    report.map_err(|_| NotRun::Broken(UnexpectedEof.into()))
}

fn lost() -> ContainerError {
    ContainerError::InvalidState {
        id: ContainerId::generate(),
        expected: "running",
        actual: ContainerStatus::Killed,
    }
}

fn ended(end: End, by_deadline: bool) -> FromInit<'static> {
    FromInit::Ended {
        run: 1,
        end,
        by_deadline,
        oom_kills: None,
    }
}

async fn start(peer: &mut Peer) -> [OwnedFd; 3] {
    let (_, heard) = peer.start().await;
    heard.descriptors.try_into().unwrap()
}

/// Runs a command that writes this to its two streams, and ends so.
async fn collected(out: &[u8], err: &[u8], end: FromInit<'static>, limit: usize) -> ExecReport {
    let (process_one, _events, mut peer) = gone().await;
    peer.start().await;
    let inside = async {
        let [_stdin, stdout, stderr] = start(&mut peer).await;
        rustix::io::write(&stdout, out).unwrap();
        rustix::io::write(&stderr, err).unwrap();
        peer.say(end).await;
        // Somebody else in the container keeps them open.
        (stdout, stderr, peer)
    };
    let errand = errand();
    let (report, _open) = tokio::join!(run_collected(&process_one, &errand, None, limit), inside);
    report.unwrap()
}

#[tokio::test]
async fn output_and_end_are_reported() {
    within(async {
        let report = collected(b"out", b"err", ended(End::Code(7), false), 100).await;
        assert_eq!(report.output.stdout.bytes, b"out");
        assert_eq!(report.output.stderr.bytes, b"err");
        assert_eq!(
            (report.exit_code, report.signal, report.timed_out),
            (7, None, false)
        );
        assert_eq!(
            (report.output.stdout.dropped, report.output.stderr.dropped),
            (0, 0)
        );
        let report = collected(b"", b"", ended(End::Signal(9), true), 100).await;
        assert_eq!(
            (report.exit_code, report.signal, report.timed_out),
            (137, Some(9), true)
        );
    })
    .await;
}

#[tokio::test]
async fn output_over_the_limit_is_counted() {
    within(async {
        let report = collected(b"0123456789", b"0123", ended(End::Code(0), false), 4).await;
        assert_eq!(report.output.stdout.bytes, b"0123");
        assert_eq!(
            (report.output.stdout.dropped, report.output.stderr.dropped),
            (6, 0)
        );
    })
    .await;
}

/// More than a pipe holds: it is read while the command runs, and to the end before it has ended.
#[tokio::test]
async fn long_output_is_read_as_it_comes() {
    within(async {
        let (process_one, _events, mut peer) = gone().await;
        peer.start().await;
        let inside = async {
            let [_stdin, stdout, stderr] = start(&mut peer).await;
            let writing = move || {
                for _ in 0..1000 {
                    rustix::io::write(&stdout, &[7; 1000]).unwrap();
                    rustix::io::write(&stderr, &[8; 1000]).unwrap();
                }
            };
            tokio::task::spawn_blocking(writing).await.unwrap();
            peer.say(ended(End::Code(0), false)).await;
            peer
        };
        let errand = errand();
        let (report, _peer) =
            tokio::join!(run_collected(&process_one, &errand, None, 999_999), inside);
        let output = report.unwrap().output;
        assert_eq!(output.stdout.bytes, [7; 999_999]);
        assert_eq!((output.stdout.dropped, output.stderr.dropped), (1, 1));
    })
    .await;
}

#[tokio::test]
async fn what_did_not_run_says_why() {
    within(async {
        for (said, failed) in [
            (
                Some(FromInit::Failed {
                    run: 1,
                    step: Step::Program,
                    errno: 2,
                }),
                true,
            ),
            (Some(ended(End::Code(0), false)), false),
            (None, false),
        ] {
            let (process_one, _events, mut peer) = gone().await;
            peer.start().await;
            let inside = async {
                peer.hear().await.unwrap();
                match said {
                    Some(said) => peer.say(said).await,
                    None => drop(peer),
                }
            };
            let errand = errand();
            let (report, ()) = tokio::join!(run_collected(&process_one, &errand, None, 1), inside);
            match report.unwrap_err() {
                NotRun::Failed { step, errno } => {
                    assert_eq!((step, errno, failed), (Step::Program, 2, true))
                }
                NotRun::Broken(error) => assert_eq!((error.kind(), failed), (UnexpectedEof, false)),
                NotRun::NoTerminal => panic!("none was asked for"),
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_link_that_breaks_ends_the_wait() {
    within(async {
        let (process_one, _events, mut peer) = gone().await;
        peer.start().await;
        let inside = async {
            let pipes = start(&mut peer).await;
            drop(peer);
            pipes
        };
        let errand = errand();
        let (report, _pipes) = tokio::join!(run_collected(&process_one, &errand, None, 1), inside);
        let Err(NotRun::Broken(error)) = report else {
            panic!()
        };
        assert_eq!(error.kind(), UnexpectedEof);
        let later = run_collected(&process_one, &errand, None, 1).await;
        assert!(matches!(later, Err(NotRun::Broken(_))));
    })
    .await;
}

#[tokio::test]
async fn a_command_that_nobody_waits_for_is_killed() {
    within(async {
        let (process_one, _events, mut peer) = gone().await;
        peer.start().await;
        let errand = errand();
        let mut running = Box::pin(run_collected(&process_one, &errand, None, 1));
        assert!(poll_immediate(&mut running).await.is_none());
        let _pipes = tokio::select! {
            pipes = start(&mut peer) => pipes,
            _ = &mut running => panic!("it runs"),
        };
        assert!(poll_immediate(&mut running).await.is_none());
        drop(running);
        let kill = ToInit::Signal { run: 1, signal: 9 };
        assert_eq!(peer.hear().await.unwrap().message(), kill);
    })
    .await;
}

/// Nothing is read ahead, each chunk says whose it is, and the end is there beside them.
#[tokio::test]
async fn output_comes_as_it_is_asked_for() {
    within(async {
        let (process_one, _events, mut peer) = gone().await;
        peer.start().await;
        let errand = errand();
        let running = execute(&process_one, &errand, None, None);
        let (running, [_stdin, stdout, stderr]) = tokio::join!(running, start(&mut peer));
        let mut handle = running.unwrap().into_handle(lost);
        assert!(handle.output.next().now_or_never().is_none());
        rustix::io::write(&stderr, b"aside").unwrap();
        let chunk = handle.output.next().await.unwrap().unwrap();
        assert_eq!(
            (chunk.stream, &chunk.bytes[..]),
            (OutputStream::Stderr, &b"aside"[..])
        );
        rustix::io::write(&stdout, &[7; 65_536]).unwrap();
        assert!((&mut handle.running).now_or_never().is_none());
        assert_eq!(rustix::io::ioctl_fionread(&stdout).unwrap(), 65_536);
        peer.say(ended(End::Code(3), false)).await;
        assert_eq!((&mut handle.running).await.unwrap().exit_code, 3);
        let rest = handle.output.map(|chunk| chunk.unwrap().bytes.len());
        assert_eq!(rest.collect::<Vec<_>>().await, [65_536]);
    })
    .await;
}

/// Whoever has the streams of a command that has ended may fill them for ever.
#[tokio::test]
async fn what_is_written_after_the_end_is_not_waited_for() {
    within(async {
        let (process_one, _events, mut peer) = gone().await;
        peer.start().await;
        let errand = errand();
        let running = execute(&process_one, &errand, None, None);
        let (running, [_stdin, stdout, _stderr]) = tokio::join!(running, start(&mut peer));
        let mut handle = running.unwrap().into_handle(lost);
        rustix::io::write(&stdout, b"its own").unwrap();
        peer.say(ended(End::Code(0), false)).await;
        (&mut handle.running).await.unwrap();
        let flood =
            tokio::task::spawn_blocking(
                move || {
                    while rustix::io::write(&stdout, &[7; 4096]).is_ok() {}
                },
            );
        let mut output = handle.output;
        let mut read = 0;
        while let Some(chunk) = output.next().await {
            read += chunk.unwrap().bytes.len();
        }
        assert!((7..=65_536).contains(&read), "{read}");
        drop(output);
        flood.await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn standard_input_is_written_shut_and_ends_with_the_command() {
    within(async {
        let (process_one, _events, mut peer) = gone().await;
        peer.start().await;
        let errand = errand();
        let over = |run| FromInit::Ended {
            run,
            end: End::Code(0),
            by_deadline: false,
            oom_kills: None,
        };
        for shut in [true, false] {
            let running = execute(&process_one, &errand, None, None);
            let (running, told) = tokio::join!(running, peer.start());
            let (run, heard) = told;
            let [input, ..]: [OwnedFd; 3] = heard.descriptors.try_into().unwrap();
            let mut handle = running.unwrap().into_handle(lost);
            let mut stdin = handle.stdin.take().unwrap();
            stdin.write_all(b"abc").await.unwrap();
            let mut read = [0; 10];
            assert_eq!(rustix::io::read(&input, &mut read).unwrap(), 3);
            if shut {
                stdin.shutdown().await.unwrap();
                assert_eq!(rustix::io::read(&input, &mut read).unwrap(), 0);
                assert_eq!(kind_of(stdin.write_all(b"d").await), BrokenPipe);
                peer.say(over(run)).await;
            } else {
                // More than the pipe holds, which nobody reads.
                let mut writing = Box::pin(stdin.write_all(&[7; 100_000]));
                assert!(poll_immediate(&mut writing).await.is_none());
                peer.say(over(run)).await;
                assert_eq!(kind_of(writing.await), BrokenPipe);
            }
            handle.running.await.unwrap();
        }
    })
    .await;
}
