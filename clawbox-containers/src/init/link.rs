//! Frames between the manager and process 1, whatever carries them.

use super::streams::Carries;
use bytes::{Buf, Bytes, BytesMut};
use clawbox_init::protocol::{FROM_INIT_BYTES, FromInit, Header, TO_INIT_BYTES, ToInit};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use std::{
    fmt,
    io::{self, IoSlice},
    mem::MaybeUninit,
    os::fd::{AsFd, OwnedFd},
};
use tokio::{
    io::{AsyncReadExt, DuplexStream, Interest},
    net::unix::{OwnedReadHalf, OwnedWriteHalf},
    sync::mpsc,
};

/// How many frames wait in memory at most.
const FRAMES: usize = 64;

/// How much is read at once at least: process 1 sends its answers in one go.
const READ_BYTES: usize = 4096;

/// One message, and the streams that come with it.
#[derive(Debug)]
pub struct Frame {
    /// Which message it is.
    pub kind: u8,
    /// The message, in the protocol's encoding.
    pub payload: Bytes,
    /// Standard input, output and error of a command that brings its own; otherwise none.
    pub pipes: Vec<Pipe>,
}

impl Frame {
    /// A message of the manager's.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidInput`] for one that no frame holds.
    pub(crate) fn to_init(message: &ToInit<'_>, pipes: Vec<Pipe>) -> io::Result<Self> {
        Ok(Self {
            kind: message.kind(),
            payload: payload(TO_INIT_BYTES, |sink| message.encode(sink))?,
            pipes,
        })
    }
}

/// One end of a stream for a command in the container.
#[derive(Debug)]
pub enum Pipe {
    /// A pipe's descriptor, which travels over a unix socket.
    Descriptor(OwnedFd),
    /// In memory.
    Memory(DuplexStream),
}

/// One end of what connects a manager with process 1 of a container.
pub struct InitLink(Ends);

enum Ends {
    Socket(OwnedReadHalf, OwnedWriteHalf),
    /// Boxed, as a channel keeps room for dozens of its items.
    Memory(mpsc::Receiver<Box<Frame>>, mpsc::Sender<Box<Frame>>),
}

impl fmt::Debug for InitLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Ends::Socket(..) => "InitLink(socket)",
            Ends::Memory(..) => "InitLink(memory)",
        })
    }
}

impl InitLink {
    /// Both ends of a link in memory: the manager's, and process 1's.
    #[must_use]
    pub fn pair() -> (Self, Self) {
        let (to_init, init_reads) = mpsc::channel(FRAMES);
        let (to_manager, manager_reads) = mpsc::channel(FRAMES);
        (
            Self(Ends::Memory(manager_reads, to_init)),
            Self(Ends::Memory(init_reads, to_manager)),
        )
    }

    pub(super) fn socket(stream: tokio::net::UnixStream) -> Self {
        let (reader, writer) = stream.into_split();
        Self(Ends::Socket(reader, writer))
    }

    /// Where frames come from and where they go.
    #[must_use]
    pub fn split(self) -> (LinkReader, LinkWriter) {
        match self.0 {
            Ends::Socket(reader, writer) => (
                LinkReader(Reader::Socket(reader, BytesMut::new())),
                LinkWriter(Writer::Socket(writer)),
            ),
            Ends::Memory(reader, writer) => (
                LinkReader(Reader::Memory(reader)),
                LinkWriter(Writer::Memory(writer)),
            ),
        }
    }
}

/// Where frames come from.
#[derive(Debug)]
pub struct LinkReader(Reader);

#[derive(Debug)]
enum Reader {
    /// With what was read of the next frame.
    Socket(OwnedReadHalf, BytesMut),
    Memory(mpsc::Receiver<Box<Frame>>),
}

impl LinkReader {
    /// The next frame, or `None` at the link's end. Dropping the future loses nothing.
    ///
    /// # Errors
    ///
    /// What the link broke with; [`io::ErrorKind::InvalidData`] for what is no frame.
    pub async fn next(&mut self) -> io::Result<Option<Frame>> {
        match &mut self.0 {
            Reader::Memory(frames) => Ok(frames.recv().await.map(|frame| *frame)),
            Reader::Socket(socket, read) => loop {
                if let Some(frame) = cut(read)? {
                    return Ok(Some(frame));
                }
                // Left to itself, a buffer makes room for 64 bytes at a time.
                read.reserve(READ_BYTES);
                if socket.read_buf(read).await? == 0 {
                    return if read.is_empty() {
                        Ok(None)
                    } else {
                        Err(io::ErrorKind::UnexpectedEof.into())
                    };
                }
            },
        }
    }
}

/// Takes a frame of process 1's off what was read, where it is whole.
fn cut(read: &mut BytesMut) -> io::Result<Option<Frame>> {
    let Some(header) = read.first_chunk() else {
        return Ok(None);
    };
    let invalid = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why);
    let header = Header::decode(*header, FROM_INIT_BYTES)
        .map_err(|malformed| invalid(&format!("no frame of process 1's: {malformed:?}")))?;
    if header.pipes != 0 {
        return Err(invalid("process 1 sends no descriptors"));
    }
    let length = header.length as usize;
    if read.len() < Header::BYTES + length {
        return Ok(None);
    }
    read.advance(Header::BYTES);
    Ok(Some(Frame {
        kind: header.kind,
        payload: read.split_to(length).freeze(),
        pipes: Vec::new(),
    }))
}

/// Where frames go.
#[derive(Debug)]
pub struct LinkWriter(Writer);

#[derive(Debug)]
enum Writer {
    Socket(OwnedWriteHalf),
    Memory(mpsc::Sender<Box<Frame>>),
}

impl LinkWriter {
    /// Sends a message of process 1's.
    ///
    /// # Errors
    ///
    /// What the link broke with; [`io::ErrorKind::InvalidInput`] for a message that no frame holds.
    pub async fn say(&mut self, message: FromInit<'_>) -> io::Result<()> {
        self.send(Frame {
            kind: message.kind(),
            payload: payload(FROM_INIT_BYTES, |sink| message.encode(sink))?,
            pipes: Vec::new(),
        })
        .await
    }

    /// What kind of streams the link carries.
    pub(crate) const fn carries(&self) -> Carries {
        match self.0 {
            Writer::Socket(_) => Carries::Descriptors,
            Writer::Memory(_) => Carries::Memory,
        }
    }

    /// Sends a frame. A future that is dropped half way leaves the link unusable.
    ///
    /// # Errors
    ///
    /// What the link broke with.
    pub(crate) async fn send(&mut self, frame: Frame) -> io::Result<()> {
        match &mut self.0 {
            Writer::Memory(frames) => frames
                .send(Box::new(frame))
                .await
                .map_err(|_| io::ErrorKind::BrokenPipe.into()),
            Writer::Socket(socket) => {
                let Frame {
                    kind,
                    payload,
                    pipes,
                } = frame;
                let descriptors = pipes
                    .into_iter()
                    .map(|pipe| match pipe {
                        Pipe::Descriptor(descriptor) => Ok(descriptor),
                        Pipe::Memory(_) => Err(io::Error::new(
                            io::ErrorKind::InvalidInput,
                            "a stream in memory does not travel over a socket",
                        )),
                    })
                    .collect::<io::Result<Vec<_>>>()?;
                send(socket, kind, payload, &descriptors).await
            }
        }
    }
}

/// Sends a frame. The descriptors go with its first byte.
async fn send(
    socket: &OwnedWriteHalf,
    kind: u8,
    payload: Bytes,
    descriptors: &[OwnedFd],
) -> io::Result<()> {
    let header = Header {
        length: u32::try_from(payload.len()).unwrap_or(u32::MAX),
        kind,
        pipes: u8::try_from(descriptors.len()).unwrap_or(u8::MAX),
    };
    let mut frame = Bytes::copy_from_slice(&header.encode()).chain(payload);
    let mut descriptors: Vec<_> = descriptors.iter().map(AsFd::as_fd).collect();
    let stream: &tokio::net::UnixStream = socket.as_ref();
    while frame.has_remaining() {
        let sent = stream
            .async_io(Interest::WRITABLE, || {
                let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(3))];
                let mut control = SendAncillaryBuffer::new(&mut space);
                if !descriptors.is_empty()
                    && !control.push(SendAncillaryMessage::ScmRights(&descriptors))
                {
                    return Err(io::ErrorKind::InvalidInput.into());
                }
                let mut parts = [IoSlice::new(&[]); 2];
                let count = frame.chunks_vectored(&mut parts);
                Ok(sendmsg(
                    stream,
                    &parts[..count],
                    &mut control,
                    SendFlags::NOSIGNAL,
                )?)
            })
            .await?;
        frame.advance(sent);
        descriptors.clear();
    }
    Ok(())
}

/// A message's payload, which must fit into a frame.
fn payload(most: u32, encode: impl FnOnce(&mut Vec<u8>)) -> io::Result<Bytes> {
    let mut encoded = Vec::new();
    encode(&mut encoded);
    if encoded.len() > most as usize {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("a message of {} bytes; at most {most}", encoded.len()),
        ));
    }
    Ok(encoded.into())
}
