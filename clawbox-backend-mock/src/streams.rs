//! Where a command reads from and prints to: the container's own streams, or three that came with it.

use clawbox_containers::init::Pipe;
use clawbox_types::OutputStream;
use std::{
    future::poll_fn,
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

pub(crate) enum Streams {
    /// The container's, and what its command reads, if anything.
    Container(Option<Arc<Mutex<DuplexStream>>>),
    Own(Own),
}

/// Streams of a command alone.
pub(crate) struct Own {
    stdin: Arc<Mutex<DuplexStream>>,
    stdout: Output,
    stderr: Output,
}

struct Output {
    stream: Mutex<DuplexStream>,
    /// Held while something is printed, as a stream wakes one writer only.
    turn: tokio::sync::Mutex<()>,
}

impl Streams {
    /// The container's own, with what came to be read. `None`: it is not in memory, or too much.
    pub(crate) fn of_container(pipes: Vec<Pipe>) -> Option<Self> {
        let mut streams = in_memory(pipes)?.into_iter();
        let stdin = streams.next().map(|stream| Arc::new(Mutex::new(stream)));
        streams.next().is_none().then_some(Self::Container(stdin))
    }

    /// The three that came with a command, which must be in memory.
    pub(crate) fn of(pipes: Vec<Pipe>) -> Option<Self> {
        let streams = in_memory(pipes);
        let [stdin, stdout, stderr] = <[_; 3]>::try_from(streams?).ok()?;
        Some(Self::Own(Own {
            stdin: Arc::new(Mutex::new(stdin)),
            stdout: Output::to(stdout),
            stderr: Output::to(stderr),
        }))
    }

    pub(crate) fn stdin(&self) -> Stdin {
        Stdin(match self {
            Self::Container(stdin) => stdin.clone(),
            Self::Own(own) => Some(Arc::clone(&own.stdin)),
        })
    }
}

fn in_memory(pipes: Vec<Pipe>) -> Option<Vec<DuplexStream>> {
    let memory = |pipe| match pipe {
        Pipe::Memory(stream) => Some(stream),
        Pipe::Descriptor(_) => None,
    };
    pipes.into_iter().map(memory).collect()
}

impl Own {
    pub(crate) fn close_stdout(&self) {
        self.stdout.close();
    }

    /// Prints, waiting for a slow reader. What nobody reads any more is lost.
    pub(crate) async fn print(&self, stream: OutputStream, bytes: &[u8]) {
        let output = match stream {
            OutputStream::Stdout => &self.stdout,
            OutputStream::Stderr => &self.stderr,
        };
        let _turn = output.turn.lock().await;
        let mut rest = bytes;
        while !rest.is_empty() {
            match poll_fn(|context| output.poll_write(context, rest)).await {
                Ok(count @ 1..) => rest = &rest[count..],
                Ok(0) | Err(_) => return,
            }
        }
    }
}

impl Output {
    fn close(&self) {
        *lock(&self.stream) = tokio::io::duplex(1).0;
    }

    fn to(stream: DuplexStream) -> Self {
        Self {
            stream: Mutex::new(stream),
            turn: tokio::sync::Mutex::default(),
        }
    }

    fn poll_write(&self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut *lock(&self.stream)).poll_write(context, bytes)
    }
}

/// A command's standard input. Where there is none it is `/dev/null`, which is at its end at once.
pub(crate) struct Stdin(Option<Arc<Mutex<DuplexStream>>>);

impl AsyncRead for Stdin {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &self.0 {
            Some(stream) => Pin::new(&mut *lock(stream)).poll_read(context, buffer),
            None => Poll::Ready(Ok(())),
        }
    }
}

fn lock(stream: &Mutex<DuplexStream>) -> MutexGuard<'_, DuplexStream> {
    // A stream, whole after any panic.
    stream.lock().unwrap_or_else(PoisonError::into_inner)
}
