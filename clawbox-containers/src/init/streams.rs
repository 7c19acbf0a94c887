//! The manager's ends of a command's standard streams.

use super::link::Pipe;
use bytes::BytesMut;
use futures_util::FutureExt;
use rustix::pipe::{PipeFlags, pipe_with};
use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};
use tokio::{
    io::{AsyncReadExt, AsyncWrite, DuplexStream},
    net::unix::pipe::{Receiver, Sender},
    task::unconstrained,
};

/// The manager's ends of a command's streams.
#[derive(Debug)]
pub(crate) struct Streams {
    pub(crate) stdin: Input,
    pub(crate) stdout: Stream,
    pub(crate) stderr: Stream,
}

/// How much of a stream in memory waits for its reader: as a pipe of the kernel's.
pub(super) const STREAM_BYTES: usize = 64 * 1024;

/// What kind of streams a link carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Carries {
    Descriptors,
    Memory,
}

impl Carries {
    /// The streams of a command: process 1's ends, and ours.
    pub(crate) fn streams(self) -> io::Result<(Vec<Pipe>, Streams)> {
        let (input, stdin) = self.input()?;
        let ((out, stdout), (err, stderr)) = match self {
            Self::Descriptors => (Stream::pipe()?, Stream::pipe()?),
            Self::Memory => (Stream::memory(), Stream::memory()),
        };
        let ours = Streams {
            stdin,
            stdout,
            stderr,
        };
        Ok((vec![input, out, err], ours))
    }

    /// Standard input alone: process 1's end, and ours.
    pub(crate) fn input(self) -> io::Result<(Pipe, Input)> {
        match self {
            Self::Descriptors => Input::pipe(),
            Self::Memory => Ok(Input::memory()),
        }
    }
}

/// The manager's end of one output stream.
#[derive(Debug)]
pub(crate) enum Stream {
    Pipe(Receiver),
    Memory(DuplexStream),
}

impl Stream {
    fn pipe() -> io::Result<(Pipe, Self)> {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
        let reader = Receiver::from_owned_fd(reader)?;
        Ok((Pipe::Descriptor(writer), Self::Pipe(reader)))
    }

    fn memory() -> (Pipe, Self) {
        let (theirs, ours) = tokio::io::duplex(STREAM_BYTES);
        (Pipe::Memory(theirs), Self::Memory(ours))
    }

    /// Reads some more. 0 is the end.
    pub(crate) async fn read(&mut self, buffer: &mut BytesMut) -> io::Result<usize> {
        buffer.reserve(STREAM_BYTES);
        match self {
            Self::Pipe(pipe) => pipe.read_buf(buffer).await,
            Self::Memory(stream) => stream.read_buf(buffer).await,
        }
    }

    /// How much may be there to be read without waiting.
    pub(crate) fn waiting(&self) -> io::Result<usize> {
        match self {
            Self::Pipe(pipe) => {
                let bytes = rustix::io::ioctl_fionread(pipe)?;
                Ok(usize::try_from(bytes).unwrap_or(usize::MAX))
            }
            Self::Memory(_) => Ok(STREAM_BYTES),
        }
    }

    /// Reads what is there, without waiting. 0 where there is nothing, or nothing more.
    pub(crate) fn read_now(&mut self, buffer: &mut BytesMut) -> io::Result<usize> {
        match self {
            // Past tokio, which asks the kernel only once it was told that there is something.
            Self::Pipe(pipe) => {
                buffer.resize(STREAM_BYTES, 0);
                let read = match rustix::io::read(&*pipe, &mut buffer[..]) {
                    Err(rustix::io::Errno::AGAIN) => 0,
                    read => read?,
                };
                buffer.truncate(read);
                Ok(read)
            }
            // Whatever the task has read before: otherwise what is there would seem not to be.
            Self::Memory(stream) => unconstrained(stream.read_buf(buffer))
                .now_or_never()
                .unwrap_or(Ok(0)),
        }
    }
}

/// The manager's end of a command's standard input. `None`: it is shut.
#[derive(Debug)]
pub(crate) struct Input(Option<Writer>);

#[derive(Debug)]
enum Writer {
    Pipe(Sender),
    Memory(DuplexStream),
}

impl Input {
    fn pipe() -> io::Result<(Pipe, Self)> {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
        let writer = Sender::from_owned_fd(writer)?;
        let ours = Self(Some(Writer::Pipe(writer)));
        Ok((Pipe::Descriptor(reader), ours))
    }

    fn memory() -> (Pipe, Self) {
        let (theirs, ours) = tokio::io::duplex(STREAM_BYTES);
        (Pipe::Memory(theirs), Self(Some(Writer::Memory(ours))))
    }

    /// What is read after what was written is the end.
    pub(crate) fn shut(&mut self) {
        self.0 = None;
    }
}

impl AsyncWrite for Input {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match &mut self.0 {
            Some(Writer::Pipe(pipe)) => Pin::new(pipe).poll_write(context, bytes),
            Some(Writer::Memory(stream)) => Pin::new(stream).poll_write(context, bytes),
            None => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.shut();
        Poll::Ready(Ok(()))
    }
}
