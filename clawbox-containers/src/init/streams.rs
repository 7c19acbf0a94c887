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
const STREAM_BYTES: usize = 64 * 1024;

/// What kind of streams a link carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Carries {
    Descriptors,
    Memory,
}

impl Carries {
    /// The streams of a command: process 1's ends, and ours.
    pub(crate) fn streams(self) -> io::Result<(Vec<Pipe>, Streams)> {
        let (input, stdin) = match self {
            Self::Descriptors => Input::pipe()?,
            Self::Memory => Input::memory(),
        };
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

/// The manager's end of a command's standard input.
#[derive(Debug)]
pub(crate) enum Input {
    Pipe(Sender),
    Memory(DuplexStream),
}

impl Input {
    fn pipe() -> io::Result<(Pipe, Self)> {
        let (reader, writer) = pipe_with(PipeFlags::CLOEXEC)?;
        let writer = Sender::from_owned_fd(writer)?;
        Ok((Pipe::Descriptor(reader), Self::Pipe(writer)))
    }

    fn memory() -> (Pipe, Self) {
        let (theirs, ours) = tokio::io::duplex(STREAM_BYTES);
        (Pipe::Memory(theirs), Self::Memory(ours))
    }

    /// Writes some, once there is room.
    pub(crate) fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Pipe(pipe) => Pin::new(pipe).poll_write(context, bytes),
            Self::Memory(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }
}
