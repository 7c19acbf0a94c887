//! A further command as its caller holds it: standard input, output as it comes, and the end.

use crate::{engine::OutputChunk, error::ContainerResult};
use clawbox_types::{
    CapturedStream, ContainerOutput, ExecEnd, ExecReport, OutputStream, TerminalSize,
};
use futures_util::{
    FutureExt, StreamExt,
    future::{BoxFuture, try_join},
    stream::BoxStream,
};
use std::{
    fmt, io,
    pin::Pin,
    task::{Context, Poll},
};
use tokio::io::AsyncWrite;

/// A command's standard input, a further one's or a container's own. Shutting it, or dropping it, is the end that the
/// command reads. What the command does not take any more, or after its end, is [`io::ErrorKind::BrokenPipe`].
pub type ExecStdin = Pin<Box<dyn AsyncWrite + Send>>;

/// A command's output as it comes, the bytes of each stream in their order. Nothing is read ahead: a command that is
/// faster than its reader waits for it. It ends with the command, also where another process keeps the streams open.
pub type ExecOutput = BoxStream<'static, io::Result<OutputChunk>>;

/// A further command that runs, from [`exec_stream`](crate::ContainerBackend::exec_stream). Its parts may be taken apart
/// and used by different tasks.
///
/// Drop [`stdin`](Self::stdin) where there is nothing to write, or a command that reads to its end waits for ever. Read
/// or drop [`output`](Self::output), or a command that prints much does. Who drops it has the command's writes fail.
pub struct ExecHandle {
    /// `None` where the request brought what is to be read.
    pub stdin: Option<ExecStdin>,
    /// Both streams, apart.
    pub output: ExecOutput,
    /// The end. Dropping it kills the command's process group.
    pub running: ExecRunning,
    /// Where the request asked for one. Both other streams are its: what is typed, and what it shows, as standard output.
    /// Its input cannot be shut, as a terminal's end is typed.
    pub terminal: Option<Terminal>,
}

/// The terminal of a command.
pub struct Terminal(Box<Resize>);

type Resize = dyn Fn(TerminalSize) -> io::Result<()> + Send + Sync;

impl Terminal {
    /// One that is resized by `resize`.
    pub fn new(resize: impl Fn(TerminalSize) -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self(Box::new(resize))
    }

    /// Changes its size, of which whoever runs in front is told (`SIGWINCH`).
    ///
    /// # Errors
    ///
    /// The system's.
    pub fn resize(&self, size: TerminalSize) -> io::Result<()> {
        (self.0)(size)
    }
}

/// The end of a command to come. Dropping it kills the command's process group.
///
/// # Errors
///
/// [`InvalidState`](crate::ContainerError::InvalidState) where the container ends before the command does.
pub struct ExecRunning(BoxFuture<'static, ContainerResult<ExecEnd>>);

impl ExecRunning {
    /// From a future that kills the command where it is dropped.
    pub fn new(end: impl Future<Output = ContainerResult<ExecEnd>> + Send + 'static) -> Self {
        Self(end.boxed())
    }
}

impl Future for ExecRunning {
    type Output = ContainerResult<ExecEnd>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll_unpin(context)
    }
}

impl ExecHandle {
    /// Closes standard input, reads the output to its end, and keeps `limit` bytes of each stream. What comes after
    /// them is counted.
    ///
    /// # Errors
    ///
    /// Those of [`ExecRunning`].
    pub async fn collect(self, limit: usize) -> ContainerResult<ExecReport> {
        let Self {
            stdin,
            mut output,
            running,
            terminal: _terminal,
        } = self;
        drop(stdin);
        let mut kept = ContainerOutput::default();
        let reading = async {
            while let Some(chunk) = output.next().await {
                match chunk {
                    Ok(chunk) => keep(&mut kept, &chunk, limit),
                    Err(error) => {
                        tracing::warn!(%error, "output of a further command broke off");
                        kept.incomplete = true;
                    }
                }
            }
            Ok(())
        };
        let (end, ()) = try_join(running, reading).await?;
        let mut report = ExecReport::new(end.exit_code, kept);
        report.signal = end.signal;
        report.timed_out = end.timed_out;
        Ok(report)
    }
}

fn keep(output: &mut ContainerOutput, chunk: &OutputChunk, limit: usize) {
    let CapturedStream { bytes, dropped } = match chunk.stream {
        OutputStream::Stdout => &mut output.stdout,
        OutputStream::Stderr => &mut output.stderr,
    };
    let room = limit.saturating_sub(bytes.len()).min(chunk.bytes.len());
    let (kept, beyond) = chunk.bytes.split_at(room);
    bytes.extend_from_slice(kept);
    *dropped += beyond.len() as u64;
}

impl fmt::Debug for ExecHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExecHandle").finish_non_exhaustive()
    }
}

impl fmt::Debug for Terminal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Terminal").finish_non_exhaustive()
    }
}

impl fmt::Debug for ExecRunning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExecRunning").finish_non_exhaustive()
    }
}
