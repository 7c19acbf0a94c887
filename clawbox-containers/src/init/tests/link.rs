//! Frames, over a socket and in memory.

use super::*;
use crate::init::{
    link::{Frame, LinkReader, LinkWriter, Pipe},
    streams::Input,
};
use bytes::BytesMut;
use clawbox_init::protocol::{
    Command, End, FROM_INIT_BYTES, Question, Questions, Step, Strings, put_text,
};
use futures_util::FutureExt;
use io::ErrorKind::{BrokenPipe, InvalidData, InvalidInput, UnexpectedEof};

fn strings(words: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for word in words {
        put_text(&mut bytes, &std::ffi::CString::new(*word).unwrap());
    }
    bytes
}

fn questions() -> Vec<u8> {
    let mut bytes = Vec::new();
    Question::Read(c"/proc/self/status").encode(&mut bytes);
    Question::Call {
        number: 3,
        arguments: [1; 6],
    }
    .encode(&mut bytes);
    bytes
}

/// Each message of the manager's, to be compared with what arrives.
fn with_to_init(check: impl FnOnce(&[ToInit<'_>])) {
    let (questions, argv, env) = (questions(), strings(&["sh", "-c", ""]), strings(&["A=1"]));
    check(&[
        ToInit::Ask(Questions::new(2, &questions).unwrap()),
        ToInit::Run {
            run: 7,
            command: Command {
                deadline_ms: u64::MAX,
                directory: c"/tmp",
                argv: Strings::new(3, &argv).unwrap(),
                env: Strings::new(1, &env).unwrap(),
            },
        },
        ToInit::Signal {
            run: u32::MAX,
            signal: 15,
        },
        ToInit::End,
    ]);
}

const FROM_INIT: [FromInit<'static>; 7] = [
    FromInit::Hello { version: 1, pid: 1 },
    FromInit::Answer {
        result: -2,
        bytes: b"",
    },
    FromInit::Answer {
        result: i64::MAX,
        bytes: b"\0\xff text",
    },
    FromInit::Started { run: 3 },
    FromInit::Failed {
        run: 3,
        step: Step::Directory,
        errno: 2,
    },
    FromInit::Ended {
        run: 3,
        end: End::Code(255),
        by_deadline: false,
        oom_kills: None,
    },
    FromInit::Ended {
        run: 3,
        end: End::Signal(9),
        by_deadline: true,
        oom_kills: Some(2),
    },
];

async fn next(reader: &mut LinkReader) -> Frame {
    reader.next().await.unwrap().unwrap()
}

fn send(
    writer: &mut LinkWriter,
    message: &ToInit<'_>,
    pipes: Vec<Pipe>,
) -> impl Future<Output = io::Result<()>> {
    let frame = Frame::to_init(message, pipes);
    async move { writer.send(frame?).await }
}

#[test]
fn messages_of_the_managers_arrive() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    with_to_init(|messages| {
        runtime.block_on(within(async {
            let (socket, mut peer) = Peer::pair();
            let (_reader, mut by_socket) = socket.split();
            let (ours, theirs) = InitLink::pair();
            let ((_open, mut in_memory), (mut reader, _writer)) = (ours.split(), theirs.split());
            for message in messages {
                send(&mut by_socket, message, Vec::new()).await.unwrap();
                assert_eq!(peer.hear().await.unwrap().message(), *message);
                send(&mut in_memory, message, Vec::new()).await.unwrap();
                let frame = next(&mut reader).await;
                assert_eq!(
                    ToInit::decode(frame.kind, &frame.payload).unwrap(),
                    *message
                );
                assert!(frame.pipes.is_empty());
            }
        }))
    });
}

#[tokio::test]
async fn messages_of_process_one_arrive() {
    within(async {
        let (link, mut peer) = Peer::pair();
        let (mut by_socket, _writer) = link.split();
        let (ours, theirs) = InitLink::pair();
        let ((mut in_memory, _open), (_reader, mut writer)) = (ours.split(), theirs.split());
        for message in FROM_INIT {
            peer.say(message).await;
            writer.say(message).await.unwrap();
            for reader in [&mut by_socket, &mut in_memory] {
                let frame = next(reader).await;
                assert_eq!(FromInit::decode(frame.kind, &frame.payload), Ok(message));
            }
        }
        drop((peer, writer, _reader));
        for reader in [&mut by_socket, &mut in_memory] {
            assert!(reader.next().await.unwrap().is_none());
        }
    })
    .await;
}

/// Wherever the stream is cut, frames come whole, and waiting for one loses nothing of it.
#[tokio::test]
async fn frames_come_in_pieces() {
    within(async {
        let all: Vec<u8> = FROM_INIT
            .iter()
            .flat_map(|message| from_init(*message))
            .collect();
        for at in 0..=all.len() {
            let (link, mut peer) = Peer::pair();
            let (mut reader, _writer) = link.split();
            let (first, second) = all.split_at(at);
            peer.send(first).await;
            let mut seen = 0;
            let mut take = |frame: Frame| {
                assert_eq!(
                    FromInit::decode(frame.kind, &frame.payload),
                    Ok(FROM_INIT[seen])
                );
                seen += 1;
            };
            // Given up half way, often.
            while let Some(frame) = reader.next().now_or_never() {
                take(frame.unwrap().unwrap());
            }
            peer.send(second).await;
            drop(peer);
            while let Some(frame) = reader.next().await.unwrap() {
                take(frame);
            }
            assert_eq!(seen, FROM_INIT.len(), "{at}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_link_that_ends_within_a_frame_is_broken() {
    within(async {
        let whole = from_init(FromInit::Started { run: 3 });
        for at in 0..whole.len() {
            let (link, mut peer) = Peer::pair();
            let (mut reader, _writer) = link.split();
            peer.send(&whole[..at]).await;
            drop(peer);
            match (at, reader.next().await) {
                (0, ended) => assert!(ended.unwrap().is_none()),
                (_, broken) => assert_eq!(kind_of(broken), UnexpectedEof, "{at}"),
            }
        }
    })
    .await;
}

#[tokio::test]
async fn what_is_no_frame_of_process_ones_is_refused() {
    within(async {
        let most = FROM_INIT_BYTES as usize;
        let mut reserved = frame(3, &[0; 4], 0);
        reserved[6] = 1;
        for (what, bytes) in [
            ("too long", frame(2, &vec![0; most + 1], 0)),
            (
                "as long as can be",
                [&[0xff; 4][..], &[2, 0, 0, 0]].concat(),
            ),
            ("three descriptors", frame(3, &[0; 4], 3)),
            ("one descriptor", frame(3, &[0; 4], 1)),
            ("a reserved byte", reserved),
        ] {
            let (link, mut peer) = Peer::pair();
            let (mut reader, _writer) = link.split();
            peer.send(&bytes[..bytes.len().min(64)]).await;
            assert_eq!(kind_of(reader.next().await), InvalidData, "{what}");
        }
        let (link, mut peer) = Peer::pair();
        let (mut reader, _writer) = link.split();
        let bytes = frame(2, &vec![7; most], 0);
        let (_, longest) = tokio::join!(peer.send(&bytes), next(&mut reader));
        assert_eq!(longest.payload.len(), most);
    })
    .await;
}

#[tokio::test]
async fn a_message_that_no_frame_holds_is_not_sent() {
    within(async {
        let (link, mut peer) = Peer::pair();
        let (_reader, mut writer) = link.split();
        let long = vec![0; FROM_INIT_BYTES as usize - 7];
        let said = writer
            .say(FromInit::Answer {
                result: 0,
                bytes: &long,
            })
            .await;
        assert_eq!(kind_of(said), InvalidInput);
        let encoded = strings(&["x".repeat(TO_INIT_BYTES as usize).as_str()]);
        let words = Strings::new(1, &encoded).unwrap();
        let command = Command {
            deadline_ms: 0,
            directory: c"/",
            argv: words,
            env: Strings::NONE,
        };
        let sent = Frame::to_init(&ToInit::Run { run: 1, command }, Vec::new());
        assert_eq!(kind_of(sent), InvalidInput);
        // Nothing of either was written.
        send(&mut writer, &ToInit::End, Vec::new()).await.unwrap();
        assert_eq!(peer.hear().await.unwrap().message(), ToInit::End);
    })
    .await;
}

async fn write(input: &mut Input, bytes: &[u8]) {
    input.write_all(bytes).await.unwrap();
}

#[tokio::test]
async fn three_pipes_come_with_their_frame() {
    within(async {
        let (link, mut peer) = Peer::pair();
        let (_reader, mut writer) = link.split();
        let (pipes, mut streams) = writer.carries().streams().unwrap();
        send(&mut writer, &ToInit::End, Vec::new()).await.unwrap();
        send(&mut writer, &ToInit::Signal { run: 1, signal: 2 }, pipes)
            .await
            .unwrap();
        assert!(peer.hear().await.unwrap().descriptors.is_empty());
        let heard = peer.hear().await.unwrap();
        let [stdin, stdout, stderr] = heard.descriptors.try_into().unwrap();
        let mut bytes = [0; 4];
        write(&mut streams.stdin, b"in").await;
        assert_eq!(rustix::io::read(&stdin, &mut bytes).unwrap(), 2);
        assert_eq!(&bytes[..2], b"in");
        drop(streams.stdin);
        assert_eq!(rustix::io::read(&stdin, &mut bytes).unwrap(), 0);
        let mut buffer = BytesMut::new();
        for (theirs, ours, text) in [
            (stderr, &mut streams.stderr, "err"),
            (stdout, &mut streams.stdout, "out"),
        ] {
            assert_eq!(ours.read_now(&mut buffer).unwrap(), 0);
            buffer.clear();
            rustix::io::write(&theirs, text.as_bytes()).unwrap();
            assert_eq!(ours.read(&mut buffer).await.unwrap(), 3);
            assert_eq!(buffer, text);
            buffer.clear();
            rustix::io::write(&theirs, b"now").unwrap();
            assert_eq!(ours.read_now(&mut buffer).unwrap(), 3);
            assert_eq!(buffer, "now");
            // The manager keeps no copy of process 1's ends.
            drop(theirs);
            assert_eq!(ours.read(&mut buffer).await.unwrap(), 0);
            buffer.clear();
        }
    })
    .await;
}

#[tokio::test]
async fn streams_in_memory_stay_there() {
    within(async {
        let (ours, theirs) = InitLink::pair();
        let ((_open, mut writer), (mut reader, _theirs)) = (ours.split(), theirs.split());
        let (pipes, mut streams) = writer.carries().streams().unwrap();
        let (link, _peer) = Peer::pair();
        let (_reader, mut socket) = link.split();
        let refused = send(&mut socket, &ToInit::End, pipes).await;
        assert_eq!(kind_of(refused), InvalidInput);
        let mut buffer = BytesMut::new();
        assert_eq!(
            streams.stdout.read(&mut buffer).await.unwrap(),
            0,
            "the other end is gone"
        );

        let (pipes, mut streams) = writer.carries().streams().unwrap();
        send(&mut writer, &ToInit::End, pipes).await.unwrap();
        let mut pipes = next(&mut reader).await.pipes;
        assert_eq!(pipes.len(), 3);
        let Some(Pipe::Memory(mut stderr)) = pipes.pop() else {
            panic!()
        };
        assert_eq!(streams.stderr.read_now(&mut buffer).unwrap(), 0);
        stderr.write_all(b"text").await.unwrap();
        assert_eq!(streams.stderr.read_now(&mut buffer).unwrap(), 4);
        assert_eq!(buffer, "text");
    })
    .await;
}

/// Longer than a socket takes at once: the descriptors still come once, with the first part.
#[tokio::test]
async fn a_long_message_is_written_in_parts() {
    within(async {
        let (link, mut peer) = Peer::pair();
        let (_reader, mut writer) = link.split();
        let words: Vec<String> = (0..30).map(|n| format!("{n}").repeat(30_000)).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let encoded = strings(&words);
        let argv = Strings::new(30, &encoded).unwrap();
        let command = Command {
            deadline_ms: 1,
            directory: c"/",
            argv,
            env: Strings::NONE,
        };
        let message = ToInit::Run { run: 1, command };
        let (pipes, _streams) = writer.carries().streams().unwrap();
        let (sent, heard) = tokio::join!(send(&mut writer, &message, pipes), peer.hear());
        sent.unwrap();
        let heard = heard.unwrap();
        assert_eq!(heard.message(), message);
        assert_eq!(heard.descriptors.len(), 3);
        assert!(heard.payload.len() > 1 << 20);
    })
    .await;
}

#[tokio::test]
async fn nothing_is_sent_over_a_link_that_has_ended() {
    within(async {
        let (link, peer) = Peer::pair();
        let (_reader, mut writer) = link.split();
        drop(peer);
        assert_eq!(
            kind_of(send(&mut writer, &ToInit::End, Vec::new()).await),
            BrokenPipe
        );
        let (ours, theirs) = InitLink::pair();
        let (_reader, mut writer) = ours.split();
        drop(theirs);
        assert_eq!(
            kind_of(send(&mut writer, &ToInit::End, Vec::new()).await),
            BrokenPipe
        );
    })
    .await;
}
