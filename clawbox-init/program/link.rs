//! The connection with the manager: whole frames in, whole frames out.

use core::ffi::CStr;
use core::fmt;

use crate::protocol::{FROM_INIT_BYTES, FromInit, Header, Malformed, PIPES, Sink, TO_INIT_BYTES};
use crate::sys::{self, Errno, Fd, Moment, Polled};

/// How long the manager may take to read what it is sent, in nanoseconds.
const PATIENCE: u64 = 500_000_000;

/// How much is put together before it is sent, in bytes. Each piece that is sent may wake the manager.
const TOGETHER: usize = 16 << 10;

/// Room for what is put together, and a frame of any length behind it.
pub(crate) const OUTGOING_BYTES: usize = TOGETHER + Header::BYTES + FROM_INIT_BYTES as usize;

/// Why there is no connection any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lost {
    /// The manager closed it.
    Closed,
    /// The kernel says so.
    Errno(Errno),
    /// The manager sent what it may not send.
    Malformed(Malformed),
    /// The manager sent something at a time when it may not.
    OutOfOrder,
    /// The manager did not read what it was sent.
    Unread,
}

impl From<Malformed> for Lost {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

impl fmt::Display for Lost {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => write!(out, "the manager closed the control socket"),
            Self::Errno(errno) => write!(
                out,
                "the control socket failed with errno {}",
                errno.number()
            ),
            Self::Malformed(malformed) => {
                write!(out, "a frame that is none of the protocol's: {malformed:?}")
            }
            Self::OutOfOrder => write!(out, "a frame at a time when it may not come"),
            Self::Unread => write!(out, "the manager does not read"),
        }
    }
}

/// The descriptors that came with a frame, the first places first.
pub(crate) type Passed = [Option<Fd>; PIPES as usize];

/// A frame whose payload is in the buffer.
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) length: usize,
    /// As many as its header said.
    pub(crate) pipes: Passed,
}

pub(crate) struct Link {
    pub(crate) socket: Fd,
    header: [u8; Header::BYTES],
    /// How much of the frame is there, its header included.
    filled: usize,
    passed: Passed,
    outgoing: &'static mut [u8],
    /// How much of that is to be sent.
    put: usize,
}

impl Link {
    pub(crate) fn connect(path: &CStr, outgoing: &'static mut [u8]) -> Result<Self, Errno> {
        Ok(Self {
            socket: sys::connect(path)?,
            header: [0; Header::BYTES],
            filled: 0,
            passed: [const { None }; PIPES as usize],
            outgoing,
            put: 0,
        })
    }

    /// Receives what is there, but no more than a frame, so that each descriptor is known to be that frame's.
    pub(crate) fn receive(&mut self, payload: &mut [u8]) -> Result<Option<Frame>, Lost> {
        while self.filled < Header::BYTES {
            let Some(received) = receive(
                &self.socket,
                &mut self.header[self.filled..],
                &mut self.passed,
            )?
            else {
                return Ok(None);
            };
            self.filled += received;
        }
        let header = Header::decode(self.header, TO_INIT_BYTES)?;
        let length = usize::try_from(header.length).map_err(|_| Malformed::TooLong)?;
        let payload = payload.get_mut(..length).ok_or(Malformed::TooLong)?;
        while self.filled < Header::BYTES + length {
            let Some(received) = receive(
                &self.socket,
                &mut payload[self.filled - Header::BYTES..],
                &mut self.passed,
            )?
            else {
                return Ok(None);
            };
            self.filled += received;
        }
        self.filled = 0;
        let came = self.passed.iter().flatten().count();
        if came != usize::from(header.pipes) {
            return Err(Malformed::Value.into());
        }
        Ok(Some(Frame {
            kind: header.kind,
            length,
            pipes: core::mem::take(&mut self.passed),
        }))
    }

    /// Sends a message.
    pub(crate) fn send(&mut self, message: &FromInit<'_>) -> Result<(), Lost> {
        self.put(message)?;
        self.flush()
    }

    /// Puts a message behind those that are to be sent.
    pub(crate) fn put(&mut self, message: &FromInit<'_>) -> Result<(), Lost> {
        if self.put > TOGETHER {
            self.flush()?;
        }
        let start = self.put;
        let mut frame = Outgoing {
            bytes: self.outgoing,
            length: start + Header::BYTES,
        };
        message.encode(&mut frame);
        let end = frame.length;
        let header = Header {
            length: u32::try_from(end - start - Header::BYTES).unwrap_or(FROM_INIT_BYTES),
            kind: message.kind(),
            pipes: 0,
        };
        self.outgoing[start..start + Header::BYTES].copy_from_slice(&header.encode());
        self.put = end;
        Ok(())
    }

    /// Sends what was put together.
    pub(crate) fn flush(&mut self) -> Result<(), Lost> {
        let length = core::mem::take(&mut self.put);
        let mut sent = 0;
        let mut begun = None;
        while sent < length {
            match sys::send(&self.socket, &self.outgoing[sent..length]) {
                Ok(more) => sent += more,
                Err(Errno::EINTR) => {}
                Err(Errno::EAGAIN) => {
                    let now = Moment::now();
                    let waited = now.since(*begun.get_or_insert(now));
                    let Some(left) = PATIENCE.checked_sub(waited) else {
                        return Err(Lost::Unread);
                    };
                    // An error ends the wait, and is met again by the next turn.
                    let _ = sys::poll(&mut [Polled::writable(&self.socket)], Some(left));
                }
                Err(errno) => return Err(Lost::Errno(errno)),
            }
        }
        Ok(())
    }
}

/// Receives some bytes, or nothing where none are there. At the end of the stream it is lost.
fn receive(socket: &Fd, into: &mut [u8], passed: &mut Passed) -> Result<Option<usize>, Lost> {
    let mut too_many = false;
    let received = sys::receive(socket, into, |descriptor| {
        match passed.iter_mut().find(|place| place.is_none()) {
            Some(place) => *place = Some(descriptor),
            None => too_many = true,
        }
    });
    match received {
        Ok(_) if too_many => Err(Malformed::Value.into()),
        Ok(0) => Err(Lost::Closed),
        Ok(received) => Ok(Some(received)),
        Err(Errno::EAGAIN | Errno::EINTR) => Ok(None),
        Err(errno) => Err(Lost::Errno(errno)),
    }
}

/// A frame that is being made. Every message fits: only an answer is of any length, and its room is measured for it.
struct Outgoing<'a> {
    bytes: &'a mut [u8],
    length: usize,
}

impl Sink for Outgoing<'_> {
    fn put(&mut self, bytes: &[u8]) {
        self.bytes[self.length..self.length + bytes.len()].copy_from_slice(bytes);
        self.length += bytes.len();
    }
}
