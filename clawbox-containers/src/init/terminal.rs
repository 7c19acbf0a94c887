//! A terminal for a further command: a pair made here, of which the command has the one end and its caller the other.

use super::{exec::Ending, link::Pipe};
use crate::{
    engine::OutputChunk,
    exec::{ExecOutput, ExecStdin, Terminal},
};
use bytes::BytesMut;
use clawbox_types::{OutputStream, TerminalSize};
use futures_util::{FutureExt, StreamExt, stream};
use rustix::{
    fs::{OFlags, fcntl_setfl},
    io::Errno,
    pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt},
    termios::{Winsize, tcsetwinsize},
};
use std::{
    io,
    os::fd::OwnedFd,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWrite},
    net::unix::pipe::{Receiver, Sender},
    time::timeout,
};

/// How much is read at once: as much as the kernel hands out.
const READ_BYTES: usize = 4096;

/// How long after the command's end its last words may be on their way through the kernel, from the one end to the other.
/// Nobody writes any more: with its leader a session loses its terminal.
const LAST_WORDS: Duration = Duration::from_millis(50);

/// Our end. What tokio calls a pipe is any descriptor that can be waited for.
#[derive(Debug)]
pub(crate) struct Screen {
    shown: Receiver,
    typed: Sender,
    /// For its size.
    ours: OwnedFd,
}

/// Makes a terminal: the command's three streams, and our end.
pub(crate) fn open(size: TerminalSize) -> io::Result<(Vec<Pipe>, Screen)> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let ours = openpt(flags)?;
    unlockpt(&ours)?;
    // Not by its path, which may lead elsewhere.
    let theirs = ioctl_tiocgptpeer(&ours, flags)?;
    resize(&ours, size)?;
    fcntl_setfl(&ours, OFlags::RDWR | OFlags::NONBLOCK)?;
    let screen = Screen {
        shown: Receiver::from_owned_fd_unchecked(ours.try_clone()?)?,
        typed: Sender::from_owned_fd_unchecked(ours.try_clone()?)?,
        ours,
    };
    let streams = [theirs.try_clone()?, theirs.try_clone()?, theirs];
    Ok((streams.map(Pipe::Descriptor).into(), screen))
}

fn resize(terminal: &OwnedFd, size: TerminalSize) -> io::Result<()> {
    let size = Winsize {
        ws_row: size.rows,
        ws_col: size.columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    Ok(tcsetwinsize(terminal, size)?)
}

/// Whether nobody has the other end open any more.
fn is_hung_up(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::IO.raw_os_error())
}

impl Screen {
    /// What is typed, what is shown, and what changes its size. What is shown ends with the command.
    pub(crate) fn split(self, ending: &Ending) -> (ExecStdin, ExecOutput, Terminal) {
        let Self { shown, typed, ours } = self;
        let keyboard = Keyboard {
            typed,
            ending: ending.clone(),
        };
        let shown = stream::unfold(
            (shown, ending.clone(), false),
            |(mut shown, mut ending, mut has_ended)| async move {
                let mut bytes = BytesMut::new();
                let early = match has_ended {
                    true => None,
                    false => tokio::select! {
                        biased;
                        _ = &mut ending => None,
                        read = read(&mut shown, &mut bytes) => Some(read),
                    },
                };
                let read = match early {
                    Some(read) => read,
                    None => {
                        has_ended = true;
                        let last = timeout(LAST_WORDS, read(&mut shown, &mut bytes)).await;
                        last.unwrap_or(Ok(0))
                    }
                };
                let chunk = match read {
                    Ok(0) => return None,
                    Ok(_) => Ok(OutputChunk {
                        stream: OutputStream::Stdout,
                        bytes: bytes.freeze(),
                    }),
                    Err(error) => Err(error),
                };
                Some((chunk, (shown, ending, has_ended)))
            },
        );
        let terminal = Terminal::new(move |size| resize(&ours, size));
        (Box::pin(keyboard), shown.boxed(), terminal)
    }
}

/// Reads some of what is shown. 0 is the end.
async fn read(shown: &mut Receiver, bytes: &mut BytesMut) -> io::Result<usize> {
    bytes.reserve(READ_BYTES);
    match shown.read_buf(bytes).await {
        Err(error) if is_hung_up(&error) => Ok(0),
        read => read,
    }
}

struct Keyboard {
    typed: Sender,
    ending: Ending,
}

impl AsyncWrite for Keyboard {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.ending.poll_unpin(context).is_ready() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        match Pin::new(&mut self.typed).poll_write(context, bytes) {
            Poll::Ready(Err(error)) if is_hung_up(&error) => {
                Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
            }
            written => written,
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// A terminal has no end but the one that is typed.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
