//! Engines that mistreat a container's output.

use crate::sabotage::{How, Sabotage, engine::Lie};
use bytes::Bytes;
use clawbox_containers::engine::{OutputChunk, OutputChunks};
use clawbox_types::OutputStream;
use futures_util::{StreamExt, future, stream};
use std::time::Duration;
use tokio::time::Instant;

const fn output(
    id: &'static str,
    breaks: &'static str,
    change: fn(OutputChunks) -> OutputChunks,
) -> Sabotage {
    Sabotage::new(id, breaks, How::Engine(Lie::Output(change)))
}

pub(super) const TABLE: &[Sabotage] = &[
    output("output/silent", "attach delivers nothing", |_| {
        stream::empty().boxed()
    }),
    output(
        "output/never_ends",
        "the streams do not end with the container",
        |all| all.chain(stream::pending()).boxed(),
    ),
    output(
        "output/at_the_end",
        "attach delivers everything at the end",
        |all| {
            stream::once(all.collect::<Vec<_>>())
                .flat_map(stream::iter)
                .boxed()
        },
    ),
    output("output/late_attach", "attach misses the first 100 ms", late),
    output("output/merged", "stderr is told as stdout", |all| {
        each(all, |chunk| chunk.stream = OutputStream::Stdout)
    }),
    output("output/swapped", "stdout and stderr are exchanged", |all| {
        each(all, |chunk| {
            chunk.stream = match chunk.stream {
                OutputStream::Stdout => OutputStream::Stderr,
                OutputStream::Stderr => OutputStream::Stdout,
            };
        })
    }),
    output("output/no_stderr", "stderr is lost", |all| {
        all.filter(|chunk| {
            future::ready(!matches!(chunk, Ok(chunk) if chunk.stream == OutputStream::Stderr))
        })
        .boxed()
    }),
    output("output/no_nul", "NUL bytes are lost", |all| {
        bytes(all, |all| all.retain(|byte| *byte != 0))
    }),
    output(
        "output/utf8_by_chunk",
        "each chunk is made valid UTF-8",
        |all| {
            bytes(all, |all| {
                *all = String::from_utf8_lossy(all).into_owned().into_bytes()
            })
        },
    ),
    output(
        "output/text",
        "CR and other control characters are lost",
        |all| {
            bytes(all, |all| {
                all.retain(|byte| *byte >= 32 || [b'\n', b'\t'].contains(byte))
            })
        },
    ),
    output("output/crlf", "newlines become CRLF", |all| {
        bytes(all, |all| {
            *all = String::from_utf8_lossy(all)
                .replace('\n', "\r\n")
                .into_bytes()
        })
    }),
    output(
        "output/newline_added",
        "each chunk ends with a newline",
        |all| {
            bytes(all, |all| {
                if all.last() != Some(&b'\n') {
                    all.push(b'\n')
                }
            })
        },
    ),
    output(
        "output/newline_lost",
        "no chunk ends with a newline",
        |all| {
            bytes(all, |all| {
                if all.last() == Some(&b'\n') {
                    all.truncate(all.len() - 1)
                }
            })
        },
    ),
    output(
        "output/short_chunks",
        "no chunk has more than 4 KiB, and the rest is lost",
        |all| bytes(all, |all| all.truncate(4096)),
    ),
    output("output/doubled", "every chunk comes twice", |all| {
        all.flat_map(|chunk| match chunk {
            Ok(chunk) => stream::iter(vec![Ok(chunk.clone()), Ok(chunk)]),
            Err(error) => stream::iter(vec![Err(error)]),
        })
        .boxed()
    }),
    output("output/first_lost", "the first chunk is lost", |all| {
        all.skip(1).boxed()
    }),
    output("output/last_lost", "the last chunk is lost", |all| {
        stream::unfold((all, None), |(mut all, last)| async {
            let last: OutputChunk = match last {
                Some(last) => last,
                None => all.next().await?.ok()?,
            };
            let next = all.next().await?.ok()?;
            Some((Ok(last), (all, Some(next))))
        })
        .boxed()
    }),
    output(
        "output/capped",
        "everything beyond 64 chunks is lost",
        |all| all.take(64).boxed(),
    ),
    output(
        "output/cut",
        "the connection breaks after the third chunk, silently",
        |all| all.take(3).boxed(),
    ),
];

/// Leaves out what comes early.
fn late(all: OutputChunks) -> OutputChunks {
    let from = Instant::now() + Duration::from_millis(100);
    all.filter(move |_| future::ready(Instant::now() >= from))
        .boxed()
}

/// Changes every chunk.
fn each(all: OutputChunks, change: fn(&mut OutputChunk)) -> OutputChunks {
    all.map(move |chunk| {
        chunk.map(|mut chunk| {
            change(&mut chunk);
            chunk
        })
    })
    .boxed()
}

/// Changes every chunk's bytes.
fn bytes(all: OutputChunks, change: fn(&mut Vec<u8>)) -> OutputChunks {
    all.map(move |chunk| {
        chunk.map(|mut chunk| {
            let mut bytes = chunk.bytes.to_vec();
            change(&mut bytes);
            chunk.bytes = Bytes::from(bytes);
            chunk
        })
    })
    .boxed()
}
