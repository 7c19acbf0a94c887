//! A further command in a running container, and its three streams.

use super::{
    session::{Errand, KillOnDrop, ProcessOne, RunEvent},
    streams::{Input, STREAM_BYTES, Stream, Streams},
    terminal,
};
use crate::{
    engine::OutputChunk,
    error::ContainerError,
    exec::{ExecHandle, ExecOutput, ExecRunning, ExecStdin, Terminal},
};
use bytes::{Bytes, BytesMut};
use clawbox_init::protocol::{End, Step};
use clawbox_types::{ExecEnd, OutputStream, TerminalSize};
use futures_util::{
    FutureExt, StreamExt,
    future::{BoxFuture, Shared},
    stream,
};
use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::io::AsyncWrite;

/// Why a command did not run to its end.
#[derive(Debug)]
pub(crate) enum NotRun {
    /// It could not be started.
    Failed { step: Step, errno: i32 },
    /// The link to process 1 carries no terminal.
    NoTerminal,
    /// The link to process 1 broke, or the container ended.
    Broken(io::Error),
}

impl From<io::Error> for NotRun {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}

/// How a command ends; `None` where that was not told. Its streams know it too: nobody waits for a process that holds
/// them open longer.
pub(super) type Ending = Shared<BoxFuture<'static, Option<ExecEnd>>>;

/// A command that runs.
pub(crate) struct Execution {
    stdin: ExecStdin,
    output: ExecOutput,
    ending: Ending,
    kill: KillOnDrop,
    terminal: Option<Terminal>,
}

/// Starts a command, and returns when its program runs.
pub(crate) async fn execute(
    process_one: &Arc<ProcessOne>,
    errand: &Errand,
    deadline: Option<Duration>,
    terminal: Option<TerminalSize>,
) -> Result<Execution, NotRun> {
    let (pipes, ends) = match terminal {
        None => {
            let (pipes, streams) = process_one.streams()?;
            (pipes, Ends::Pipes(streams))
        }
        Some(_) if !process_one.carries_descriptors() => return Err(NotRun::NoTerminal),
        Some(size) => {
            let (pipes, screen) = terminal::open(size)?;
            (pipes, Ends::Terminal(screen))
        }
    };
    let (kill, mut events) = process_one.run(errand, deadline, pipes)?;
    match events.recv().await {
        Some(RunEvent::Started) => {}
        Some(RunEvent::Failed { step, errno }) => return Err(NotRun::Failed { step, errno }),
        Some(RunEvent::Ended { .. }) | None => {
            return Err(NotRun::Broken(io::ErrorKind::UnexpectedEof.into()));
        }
    }
    let ending = async move {
        let Some(RunEvent::Ended {
            end, by_deadline, ..
        }) = events.recv().await
        else {
            return None;
        };
        let (exit_code, signal) = code_and_signal(end);
        let mut end = ExecEnd::new(exit_code);
        end.signal = signal;
        end.timed_out = by_deadline;
        Some(end)
    };
    let ending = ending.boxed().shared();
    let (stdin, output, terminal): (ExecStdin, _, _) = match ends {
        Ends::Pipes(streams) => {
            let Streams {
                stdin,
                stdout,
                stderr,
            } = streams;
            let stdin = Stdin {
                input: stdin,
                ending: ending.clone(),
            };
            let output = Output {
                stdout: Source::new(OutputStream::Stdout, stdout),
                stderr: Source::new(OutputStream::Stderr, stderr),
                stderr_first: false,
                has_ended: false,
                ending: ending.clone(),
            };
            let output = stream::unfold(output, |mut output| async {
                Some((output.next().await?, output))
            });
            (Box::pin(stdin), output.boxed(), None)
        }
        Ends::Terminal(screen) => {
            let (stdin, output, terminal) = screen.split(&ending);
            (stdin, output, Some(terminal))
        }
    };
    Ok(Execution {
        stdin,
        output,
        ending,
        kill,
        terminal,
    })
}

/// Our ends of a command's streams.
enum Ends {
    Pipes(Streams),
    Terminal(terminal::Screen),
}

impl Execution {
    /// As its caller holds it; `lost` is what it is told where the end was not.
    pub(crate) fn into_handle(
        self,
        lost: impl FnOnce() -> ContainerError + Send + 'static,
    ) -> ExecHandle {
        let Self {
            stdin,
            output,
            ending,
            kill,
            terminal,
        } = self;
        let running = async move {
            let _kill = kill;
            ending.await.ok_or_else(lost)
        };
        ExecHandle {
            stdin: Some(stdin),
            output,
            running: ExecRunning::new(running),
            terminal,
        }
    }
}

/// As a shell tells it: a signal is the code 128 + n too.
pub(crate) fn code_and_signal(end: End) -> (i32, Option<i32>) {
    match end {
        End::Code(code) => (code.into(), None),
        End::Signal(signal) => (i32::from(signal) + 128, Some(signal.into())),
    }
}

/// A command's standard input, until it is shut or the command has ended.
struct Stdin {
    input: Input,
    ending: Ending,
}

impl AsyncWrite for Stdin {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        // Somebody else in the container may hold it open, and read nothing.
        if self.ending.poll_unpin(context).is_ready() {
            self.input.shut();
        }
        Pin::new(&mut self.input).poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.input.shut();
        Poll::Ready(Ok(()))
    }
}

/// A command's two output streams, read as its caller asks for them.
struct Output {
    stdout: Source,
    stderr: Source,
    /// They take turns.
    stderr_first: bool,
    has_ended: bool,
    ending: Ending,
}

impl Output {
    /// The next bytes of either, or `None` when both are at their end, or the command is and all it wrote was read.
    async fn next(&mut self) -> Option<io::Result<OutputChunk>> {
        if !self.has_ended {
            tokio::select! {
                // The end first: whoever holds the streams open may write for ever.
                biased;
                _ = self.ending.clone() => {}
                read = read(&mut self.stdout, &mut self.stderr, &mut self.stderr_first) => return read,
            }
            self.has_ended = true;
            // All that the command wrote is there by now, and no more is waited for.
            for source in [&mut self.stdout, &mut self.stderr] {
                if let Err(error) = source.bound() {
                    return Some(Err(error));
                }
            }
        }
        self.stdout.rest().or_else(|| self.stderr.rest())
    }
}

/// Reads from whichever has something, in turns.
async fn read(
    stdout: &mut Source,
    stderr: &mut Source,
    stderr_first: &mut bool,
) -> Option<io::Result<OutputChunk>> {
    *stderr_first = !*stderr_first;
    let (first, second) = match stderr_first {
        true => (stderr, stdout),
        false => (stdout, stderr),
    };
    tokio::select! {
        biased;
        Some(chunk) = first.next() => Some(chunk),
        Some(chunk) = second.next() => Some(chunk),
        else => None,
    }
}

/// From how many bytes on what was read has its buffer for itself.
const WORTH_A_BUFFER: usize = STREAM_BYTES / 2;

/// One output stream.
struct Source {
    which: OutputStream,
    /// `None`: it is at its end.
    stream: Option<Stream>,
    /// How much of it is still the command's, once that has ended.
    left: usize,
    buffer: BytesMut,
}

impl Source {
    fn new(which: OutputStream, stream: Stream) -> Self {
        Self {
            which,
            stream: Some(stream),
            left: 0,
            buffer: BytesMut::new(),
        }
    }

    async fn next(&mut self) -> Option<io::Result<OutputChunk>> {
        let read = self.stream.as_mut()?.read(&mut self.buffer).await;
        self.take(read)
    }

    /// From here on no more is read than is there now.
    fn bound(&mut self) -> io::Result<()> {
        if let Some(stream) = &self.stream {
            self.left = stream.waiting()?;
        }
        Ok(())
    }

    fn rest(&mut self) -> Option<io::Result<OutputChunk>> {
        let stream = self.stream.as_mut().filter(|_| self.left > 0)?;
        let read = stream.read_now(&mut self.buffer);
        self.buffer.truncate(self.left);
        self.left -= self.buffer.len();
        self.take(read)
    }

    /// What was read. A little is copied, so that a few bytes that are kept do not keep a whole buffer.
    fn take(&mut self, read: io::Result<usize>) -> Option<io::Result<OutputChunk>> {
        match read {
            Ok(1..) => {
                let bytes = if self.buffer.len() < WORTH_A_BUFFER {
                    let copied = Bytes::copy_from_slice(&self.buffer);
                    self.buffer.clear();
                    copied
                } else {
                    self.buffer.split().freeze()
                };
                let stream = self.which;
                Some(Ok(OutputChunk { stream, bytes }))
            }
            Ok(0) => {
                self.stream = None;
                None
            }
            Err(error) => {
                self.stream = None;
                Some(Err(error))
            }
        }
    }
}
