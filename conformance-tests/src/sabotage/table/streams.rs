//! Backends that do something else with a further command's streams.

use crate::sabotage::{How, Sabotage, backend::Lie};
use clawbox_containers::{ContainerError, ExecHandle, ExecOutput, ExecRunning, ExecStdin};
use clawbox_types::{LogEntry, OutputStream};
use futures_util::{FutureExt, StreamExt, stream};
use std::{
    io, mem,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{io::AsyncWrite, time::sleep};

const fn backend(id: &'static str, breaks: &'static str, lie: Lie) -> Sabotage {
    Sabotage::new(id, breaks, How::Backend(lie))
}

pub(super) const TABLE: &[Sabotage] = &[
    backend(
        "streams/swapped",
        "what a further command prints is told as of the other stream as it comes",
        Lie::Printed(|output| {
            let swapped = output.map(|chunk| {
                chunk.map(|mut chunk| {
                    chunk.stream = match chunk.stream {
                        OutputStream::Stdout => OutputStream::Stderr,
                        OutputStream::Stderr => OutputStream::Stdout,
                    };
                    chunk
                })
            });
            swapped.boxed()
        }),
    ),
    backend(
        "streams/at_the_end",
        "what a further command prints is there when it has ended, and not while it runs",
        Lie::Printed(|output| {
            let all = output.collect::<Vec<_>>();
            all.map(stream::iter).flatten_stream().boxed()
        }),
    ),
    backend(
        "streams/read_ahead",
        "what a further command prints is read before its reader asks, so that it does not wait for a slow one",
        Lie::Printed(|mut output| {
            let (tell, told) = tokio::sync::mpsc::unbounded_channel();
            tokio::spawn(async move {
                while let Some(chunk) = output.next().await {
                    if tell.send(chunk).is_err() {
                        return;
                    }
                }
            });
            let chunks =
                stream::unfold(told, |mut told| async { Some((told.recv().await?, told)) });
            chunks.boxed()
        }),
    ),
    backend(
        "streams/half_a_megabyte",
        "what a further command prints ends after 512 KiB",
        Lie::Printed(|output| {
            let mut left = 512 * 1024_usize;
            let first = output.take_while(move |chunk| {
                let length = chunk.as_ref().map_or(0, |chunk| chunk.bytes.len());
                let fits = left >= length;
                left = left.saturating_sub(length);
                async move { fits }
            });
            first.boxed()
        }),
    ),
    backend(
        "streams/one_only",
        "standard error of a further command ends with standard output",
        Lie::Printed(|output| {
            let one = output.filter(|chunk| {
                let kept = !matches!(chunk, Ok(chunk) if chunk.stream == OutputStream::Stderr);
                async move { kept }
            });
            one.boxed()
        }),
    ),
    backend(
        "streams/linger",
        "the output of a further command ends 20 s after its end, as a process that it left may print on",
        Lie::Printed(|output| {
            let late = sleep(Duration::from_secs(20)).map(|()| stream::empty());
            output.chain(late.flatten_stream()).boxed()
        }),
    ),
    backend(
        "streams/reader_kept",
        "a further command whose reader is gone waits for it for ever",
        Lie::Streamed(|handle| {
            let (kept, keeps) = tokio::sync::mpsc::unbounded_channel();
            let guard = Kept(Some(handle.output), kept);
            let output = stream::unfold(guard, |mut guard| async {
                let chunk = guard.0.as_mut()?.next().await?;
                Some((chunk, guard))
            });
            let running = handle.running;
            ExecHandle {
                output: output.boxed(),
                running: ExecRunning::new(async move {
                    let _keeps = keeps;
                    running.await
                }),
                stdin: handle.stdin,
                terminal: handle.terminal,
            }
        }),
    ),
    backend(
        "streams/goes_on",
        "a further command whose handle is dropped is not killed, and keeps its place",
        Lie::Streamed(|mut handle| {
            let running = handle.running;
            let (tell, told) = tokio::sync::oneshot::channel();
            tokio::spawn(async move {
                // Whether somebody still waits makes no difference.
                drop(tell.send(running.await));
            });
            handle.running = ExecRunning::new(async move {
                told.await
                    .unwrap_or_else(|_| Ok(clawbox_types::ExecEnd::new(0)))
            });
            handle
        }),
    ),
    backend(
        "streams/log_of_the_other",
        "what a container's log tells is told as of the other stream",
        Lie::Logged(|log| {
            let swapped = log.map(|mut entry| {
                if let LogEntry::Printed { stream, .. } = &mut entry {
                    *stream = match stream {
                        OutputStream::Stdout => OutputStream::Stderr,
                        OutputStream::Stderr => OutputStream::Stdout,
                    };
                }
                entry
            });
            swapped.boxed()
        }),
    ),
    backend(
        "streams/log_of_another_day",
        "a container's log tells of another time",
        Lie::Logged(|log| {
            let moved = log.map(|mut entry| {
                if let LogEntry::Printed { at, .. } = &mut entry {
                    *at -= Duration::from_secs(24 * 60 * 60);
                }
                entry
            });
            moved.boxed()
        }),
    ),
    backend(
        "streams/log_quiet_about_losses",
        "a container's log does not tell what was dropped",
        Lie::Logged(|log| {
            let kept = log.filter(|entry| {
                let kept = !matches!(entry, LogEntry::Dropped { .. });
                async move { kept }
            });
            kept.boxed()
        }),
    ),
    backend(
        "streams/log_goes_on",
        "a container's log that is not followed does not end while it runs",
        Lie::Logged(|log| log.chain(stream::pending()).boxed()),
    ),
    backend(
        "stdin/nothing",
        "a further command reads nothing of what its request brings",
        Lie::Exec(|request| {
            if let Some(bytes) = &mut request.stdin {
                bytes.clear();
            }
        }),
    ),
    backend(
        "stdin/never_shut",
        "the standard input of a further command that is streamed never ends",
        Lie::Streamed(|mut handle| {
            handle.stdin = handle
                .stdin
                .map(|stdin| -> ExecStdin { Box::pin(Unshut(mem::ManuallyDrop::new(stdin))) });
            handle
        }),
    ),
    Sabotage::new(
        "stdin/not_asked_for",
        "no container's command has a standard input, whatever its request asks for",
        How::Request(|request| request.stdin = false),
    ),
    Sabotage::new(
        "stdin/always_asked_for",
        "every container's command waits for what is written to its standard input",
        How::Request(|request| request.stdin = true),
    ),
    backend(
        "stdin/own_to_nobody",
        "what is written to a container's standard input goes nowhere",
        Lie::TakenStdin(|taken| taken.map(|stdin| -> ExecStdin { Box::pin(Unread(stdin)) })),
    ),
    backend(
        "stdin/own_never_shut",
        "a container's standard input never ends",
        Lie::TakenStdin(|taken| {
            taken.map(|stdin| -> ExecStdin { Box::pin(Unshut(mem::ManuallyDrop::new(stdin))) })
        }),
    ),
    backend(
        "stdin/taken_by_all",
        "a container's standard input can be taken again and again",
        Lie::TakenStdin(|taken| match taken {
            Err(ContainerError::Unsupported { .. }) => Ok(Box::pin(tokio::io::sink())),
            taken => taken,
        }),
    ),
    backend(
        "stdin/must_be_read",
        "a further command that does not read all of its standard input is an error",
        Lie::ExecReadsAll,
    ),
];

/// Output that is not let go of while somebody waits for the end.
struct Kept(
    Option<ExecOutput>,
    tokio::sync::mpsc::UnboundedSender<ExecOutput>,
);

impl Drop for Kept {
    fn drop(&mut self) {
        if let Some(output) = self.0.take() {
            // Where nobody waits any more it goes all the same.
            drop(self.1.send(output));
        }
    }
}

/// Standard input of which nothing arrives but its end.
struct Unread(ExecStdin);

impl AsyncWrite for Unread {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.as_mut().poll_shutdown(context)
    }
}

/// Standard input that cannot be shut.
struct Unshut(mem::ManuallyDrop<ExecStdin>);

impl AsyncWrite for Unshut {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.0.as_mut().poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.as_mut().poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
