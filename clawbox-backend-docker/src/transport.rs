//! How a request reaches Docker: over a connection of its own, on which no more comes back than an answer may have.
//! The client would read an answer of any length into memory.

use bollard::{BollardRequest, errors::Error};
use hyper::{
    Response, Uri,
    body::Incoming,
    client::conn::http1,
    header::{HOST, HeaderValue},
};
use hyper_util::rt::TokioIo;
use std::{
    error::Error as StdError,
    fmt, io,
    path::Path,
    pin::Pin,
    task::{Context, Poll},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::UnixStream,
};

/// The most of an answer that is read, with its head.
const MAX_ANSWER: u64 = 1 << 20;
/// Of a list, which has one or two kilobytes for each container.
const MAX_LIST: u64 = 64 << 20;
/// Of what is told while an image is fetched.
const MAX_PULL: u64 = 16 << 20;

/// The most of the answer to a request of this path. What a container prints has no end, and is read piece by piece.
fn most(path: &str) -> u64 {
    if path.ends_with("/attach") || path.ends_with("/logs") {
        u64::MAX
    } else if path.ends_with("/containers/json") {
        MAX_LIST
    } else if path.ends_with("/images/create") {
        MAX_PULL
    } else {
        MAX_ANSWER
    }
}

/// Sends a request to the daemon behind this socket.
pub(crate) async fn send(
    socket: &Path,
    mut request: BollardRequest,
) -> Result<Response<Incoming>, Error> {
    let most = most(request.uri().path());
    // As a server wants it: the client has put a scheme and a host before it.
    let path = request.uri().path_and_query().cloned();
    *request.uri_mut() = path.map_or_else(Uri::default, Uri::from);
    let host = HeaderValue::from_static("docker");
    request.headers_mut().insert(HOST, host);
    let stream = Bounded {
        stream: UnixStream::connect(socket).await?,
        most,
        left: most,
    };
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    // It ends with the answer's body, or with the upgraded stream. What fails in it fails in the answer as well.
    tokio::spawn(connection.with_upgrades());
    Ok(sender.send_request(request).await?)
}

/// More came than the answer may have.
#[derive(Debug)]
pub(crate) struct TooLong {
    most: u64,
}

impl TooLong {
    /// The one behind an error of the client's, which has put others around it. Of what it reads as a stream, the client
    /// keeps the text alone: there it is a connection that broke.
    pub(crate) fn behind(error: &Error) -> Option<&Self> {
        // The client's error of this kind is none beside the one in it.
        let mut next: Option<&(dyn StdError + 'static)> = match error {
            Error::IOError { err } => Some(err),
            other => Some(other),
        };
        while let Some(error) = next {
            let io = error.downcast_ref::<io::Error>();
            // What is in an error of I/O is not its source.
            let inner = io.and_then(io::Error::get_ref);
            if let Some(found) = inner.and_then(|inner| inner.downcast_ref()) {
                return Some(found);
            }
            next = match inner {
                Some(inner) => Some(inner),
                None => error.source(),
            };
        }
        None
    }
}

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "docker's answer is longer than {} bytes", self.most)
    }
}

impl StdError for TooLong {}

/// A connection for one answer.
struct Bounded {
    stream: UnixStream,
    most: u64,
    left: u64,
}

impl AsyncRead for Bounded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        let came = (buffer.filled().len() - before) as u64;
        match self.left.checked_sub(came) {
            Some(left) => self.left = left,
            None => {
                buffer.set_filled(before);
                let most = self.most;
                return Poll::Ready(Err(io::Error::other(TooLong { most })));
            }
        }
        read
    }
}

impl AsyncWrite for Bounded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
