//! Backends whose transfers of files say something else, in one direction or the other.

use crate::sabotage::{How, Sabotage, backend::Lie};
use clawbox_containers::{ExecOutput, ExecRunning, ExecStdin, engine::OutputChunk};
use clawbox_init::protocol::{Header, PIECE_BYTES, Piece, Why};
use clawbox_types::{ExecEnd, OutputStream};
use futures_util::{StreamExt, stream};
use std::ffi::CString;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

const fn backend(id: &'static str, breaks: &'static str, lie: Lie) -> Sabotage {
    Sabotage::new(id, breaks, How::Backend(lie))
}

/// What is said in place of a piece, as the kinds and payloads of frames.
type Change = fn(Piece<'_>, &mut Vec<u8>);

/// A transfer that tells its caller something else.
macro_rules! tells {
    ($id:literal, $breaks:literal, $change:expr) => {
        backend(
            $id,
            $breaks,
            Lie::Transferred(|mut handle| {
                handle.output = told(handle.output, $change);
                handle
            }),
        )
    };
}

/// A transfer that is told something else.
macro_rules! hears {
    ($id:literal, $breaks:literal, $change:expr) => {
        backend(
            $id,
            $breaks,
            Lie::Transferred(|mut handle| {
                handle.stdin = handle.stdin.map(|stdin| heard(stdin, $change));
                handle
            }),
        )
    };
}

pub(super) const TABLE: &[Sabotage] = &[
    tells!(
        "transfer/last_byte_lost",
        "the last byte of each part of a file that is got is lost",
        |piece, said| match piece {
            Piece::Data(bytes) => say(said, Piece::Data(&bytes[..bytes.len().saturating_sub(1)])),
            piece => say(said, piece),
        }
    ),
    tells!(
        "transfer/permissions_lost",
        "all that is got has the same permissions",
        |piece, said| match piece {
            Piece::File { name, size, .. } => say(
                said,
                Piece::File {
                    name,
                    size,
                    mode: 0o644
                }
            ),
            Piece::Directory { name, .. } => say(said, Piece::Directory { name, mode: 0o755 }),
            piece => say(said, piece),
        }
    ),
    tells!(
        "transfer/links_followed",
        "a link is got as the file that it leads to",
        |piece, said| match piece {
            Piece::Refused {
                name,
                why: Why::Link,
            } => {
                say(
                    said,
                    Piece::File {
                        name,
                        size: 4,
                        mode: 0o644,
                    },
                );
                say(said, Piece::Data(b"root"));
                say(said, Piece::Close);
            }
            piece => say(said, piece),
        }
    ),
    tells!(
        "transfer/failures_untold",
        "a transfer that fails is told to be done",
        |piece, said| match piece {
            Piece::Failed { .. } => say(said, Piece::Done),
            piece => say(said, piece),
        }
    ),
    tells!(
        "transfer/findings_untold",
        "what is left out is not told",
        |piece, said| match piece {
            Piece::Refused { .. } => {}
            piece => say(said, piece),
        }
    ),
    tells!(
        "transfer/directories_untold",
        "a directory that is got is told by what is in it alone",
        |piece, said| match piece {
            Piece::Directory { .. } => {}
            piece => say(said, piece),
        }
    ),
    hears!(
        "transfer/for_its_user_alone",
        "what is put can be read by its owner alone",
        |piece, said| match piece {
            Piece::File { name, size, .. } => say(
                said,
                Piece::File {
                    name,
                    size,
                    mode: 0o600
                }
            ),
            piece => say(said, piece),
        }
    ),
    hears!(
        "transfer/each_part_is_whole",
        "each part of a file that is put is a file of its name",
        |piece, said| match piece {
            Piece::Data(bytes) => {
                say(said, Piece::Data(bytes));
                say(said, Piece::Close);
                let name = &CString::from(c"file");
                say(
                    said,
                    Piece::File {
                        name,
                        size: 0,
                        mode: 0o644,
                    },
                );
            }
            piece => say(said, piece),
        }
    ),
    backend(
        "transfer/ends_well_with_the_container",
        "a transfer that ends with its container is told as killed",
        Lie::Transferred(|mut handle| {
            let running = handle.running;
            handle.running =
                ExecRunning::new(async move { Ok(running.await.unwrap_or(ExecEnd::new(137))) });
            handle
        }),
    ),
    backend(
        "transfer/no_deadline",
        "a further command has no deadline of its own",
        Lie::Exec(|request| request.timeout_ms = None),
    ),
];

fn say(said: &mut Vec<u8>, piece: Piece<'_>) {
    let mut payload = Vec::new();
    piece.encode(&mut payload);
    let header = Header {
        length: u32::try_from(payload.len()).unwrap_or(u32::MAX),
        kind: piece.kind(),
        pipes: 0,
    };
    said.extend(header.encode());
    said.extend(payload);
}

/// Takes whole frames from the beginning, and says what is said in their place. What is no frame stays.
fn replace(unread: &mut Vec<u8>, change: Change) -> Vec<u8> {
    let mut said = Vec::new();
    while let Some(header) = unread.first_chunk() {
        let Ok(header) = Header::decode(*header, PIECE_BYTES) else {
            break;
        };
        let length = Header::BYTES + header.length as usize;
        let Some(payload) = unread.get(Header::BYTES..length) else {
            break;
        };
        if let Ok(piece) = Piece::decode(header.kind, payload) {
            change(piece, &mut said);
        }
        unread.drain(..length);
    }
    said
}

fn told(output: ExecOutput, change: Change) -> ExecOutput {
    let changed = stream::unfold(
        (output, Vec::new()),
        move |(mut output, mut unread)| async move {
            loop {
                let chunk = output.next().await?;
                let Ok(OutputChunk {
                    stream: OutputStream::Stdout,
                    bytes,
                }) = chunk
                else {
                    return Some((chunk, (output, unread)));
                };
                unread.extend_from_slice(&bytes);
                let said = replace(&mut unread, change);
                if !said.is_empty() {
                    let chunk = OutputChunk {
                        stream: OutputStream::Stdout,
                        bytes: said.into(),
                    };
                    return Some((Ok(chunk), (output, unread)));
                }
            }
        },
    );
    changed.boxed()
}

fn heard(mut stdin: ExecStdin, change: Change) -> ExecStdin {
    let (theirs, mut ours) = duplex(1 << 16);
    tokio::spawn(async move {
        let mut unread = Vec::new();
        while let Ok(1..) = ours.read_buf(&mut unread).await {
            let said = replace(&mut unread, change);
            if stdin.write_all(&said).await.is_err() {
                return;
            }
        }
    });
    Box::pin(theirs)
}
