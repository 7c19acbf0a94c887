//! Files into a container and out of it, as a further command: under the container's policy and as its user, so that
//! this can do nothing that the command could not.

mod get;
mod put;

use core::ffi::CStr;

use crate::memory::{INCOMING, OUTGOING};
use crate::protocol::{Header, NAME_BYTES, PART_BYTES, PIECE_BYTES, Piece, Sink, Why, check_part};
use crate::say::{REFUSED, give_up};
use crate::sys::{self, Errno, Fd, Kind};

/// Does the one transfer that standard input asks for.
pub(crate) fn transfer() -> ! {
    // Nobody else's word gets into this stream, and no limit ends this process. Without them less is told, and no more
    // can be done.
    let _ = sys::hide();
    let _ = sys::survive_file_limit();
    if sys::open_standard_streams().is_err() {
        sys::exit(REFUSED);
    }
    let (Some(incoming), Some(outgoing)) = (INCOMING.take(), OUTGOING.take()) else {
        sys::exit(REFUSED)
    };
    let mut input = Input {
        stream: sys::standard_input(),
        buffer: incoming,
        begin: 0,
        end: 0,
    };
    let mut output = Output {
        stream: sys::standard_output(),
        buffer: outgoing,
    };
    let mut name = Name::new();
    let outcome = match input.next() {
        Piece::Put(path) => match reach(path, true) {
            Ok(directory) => put::put(&directory, &mut input, &mut name),
            Err(why) => Err(why),
        },
        Piece::Get {
            path,
            tree,
            entries,
            bytes,
            depth,
        } => {
            let limits = get::Limits {
                entries,
                bytes,
                depth,
            };
            get::get(path, tree, limits, &mut output, &mut name)
        }
        _ => none_of_it(),
    };
    match outcome {
        Ok(()) => output.say(&Piece::Done),
        Err(why) => output.say(&Piece::Failed {
            name: name.text(),
            why,
        }),
    }
    sys::exit(u8::from(outcome.is_err()))
}

fn none_of_it() -> ! {
    give_up(format_args!("standard input is none of the protocol"))
}

impl From<Errno> for Why {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::ELOOP => Self::Link,
            Errno::EISDIR => Self::Directory,
            Errno::ENOTDIR => Self::NoDirectory,
            _ => Self::Errno(errno.number()),
        }
    }
}

/// The directory at an absolute path, without any link on the way.
fn reach(path: &CStr, make: bool) -> Result<Fd, Why> {
    let mut at = sys::root()?;
    let parts = path.to_bytes().split(|&byte| byte == b'/');
    for part in parts.filter(|part| !part.is_empty()) {
        let mut room = [0; PART_BYTES + 1];
        at = enter(&at, terminated(&mut room, part)?, make)?;
    }
    Ok(at)
}

/// The directory of this name, which is made where that is wanted.
fn enter(at: &Fd, part: &CStr, make: bool) -> Result<Fd, Why> {
    match sys::enter(at, part) {
        Err(Errno::ENOENT) if make => {
            make_directory(at, part, 0o755)?;
            Ok(sys::enter(at, part)?)
        }
        Err(Errno::ENOTDIR) => match sys::look(at, part)?.kind {
            Kind::Link => Err(Why::Link),
            _ => Err(Why::NoDirectory),
        },
        entered => Ok(entered?),
    }
}

fn make_directory(at: &Fd, part: &CStr, permissions: u32) -> Result<(), Why> {
    match sys::make_directory(at, part) {
        // Somebody else was faster. What it is shows when it is entered.
        Err(Errno::EEXIST) => return Ok(()),
        made => made?,
    }
    let made = sys::open_directory(at, part)?;
    Ok(sys::set_permissions(&made, permissions)?)
}

/// One part of a name, with a NUL after it.
fn terminated<'a>(room: &'a mut [u8; PART_BYTES + 1], part: &[u8]) -> Result<&'a CStr, Why> {
    check_part(part)?;
    room[..part.len()].copy_from_slice(part);
    room[part.len()] = 0;
    CStr::from_bytes_until_nul(room).map_err(|_| Why::Name)
}

/// The name of what is under way.
struct Name {
    bytes: [u8; NAME_BYTES + 1],
    length: usize,
}

impl Name {
    const fn new() -> Self {
        Self {
            bytes: [0; _],
            length: 0,
        }
    }

    fn text(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.bytes).unwrap_or(c"")
    }

    /// Adds a part, and gives how long the name was before. Nothing where it has no room.
    fn push(&mut self, part: &[u8]) -> Option<usize> {
        let before = self.length;
        let slash: &[u8] = if before == 0 { b"" } else { b"/" };
        let length = before + slash.len() + part.len();
        if length > NAME_BYTES {
            return None;
        }
        let place = &mut self.bytes[before..length];
        let (first, second) = place.split_at_mut(slash.len());
        first.copy_from_slice(slash);
        second.copy_from_slice(part);
        self.bytes[length] = 0;
        self.length = length;
        Some(before)
    }

    fn cut(&mut self, length: usize) {
        self.bytes[length] = 0;
        self.length = length;
    }
}

/// What the manager says.
struct Input {
    stream: Fd,
    buffer: &'static mut [u8],
    /// What of the buffer is there and was not taken.
    begin: usize,
    end: usize,
}

impl Input {
    /// The next piece. Where the stream ends, or is none of the protocol's, this process does: what is half done is
    /// the manager's to know, as it was the one to stop.
    fn next(&mut self) -> Piece<'_> {
        self.next_or_end().unwrap_or_else(|| none_of_it())
    }

    /// The next piece, or nothing where there is none.
    fn next_or_end(&mut self) -> Option<Piece<'_>> {
        let (kind, begin, end) = self.frame()?;
        Piece::decode(kind, &self.buffer[begin..end]).ok()
    }

    /// A whole frame: its kind, and where its payload is.
    fn frame(&mut self) -> Option<(u8, usize, usize)> {
        while self.end - self.begin < Header::BYTES {
            self.more()?;
        }
        let header = self.buffer[self.begin..].first_chunk().copied()?;
        let header = Header::decode(header, PIECE_BYTES).ok()?;
        let length = Header::BYTES + usize::try_from(header.length).ok()?;
        while self.end - self.begin < length {
            self.more()?;
        }
        let begin = self.begin;
        self.begin += length;
        Some((header.kind, begin + Header::BYTES, begin + length))
    }

    /// Reads some more.
    fn more(&mut self) -> Option<()> {
        // As much as the usual pipe holds, after the longest frame.
        const ENOUGH: usize = 4 * PIECE_BYTES as usize;

        if self.begin == self.end {
            (self.begin, self.end) = (0, 0);
        } else if self.end >= ENOUGH / 2 {
            self.buffer.copy_within(self.begin..self.end, 0);
            (self.begin, self.end) = (0, self.end - self.begin);
        }
        loop {
            match sys::read(&self.stream, &mut self.buffer[self.end..ENOUGH]) {
                Ok(0) => return None,
                Ok(read) => {
                    self.end += read;
                    return Some(());
                }
                Err(Errno::EINTR) => {}
                Err(_) => return None,
            }
        }
    }
}

/// What the manager is told.
struct Output {
    stream: Fd,
    buffer: &'static mut [u8],
}

impl Output {
    fn say(&mut self, piece: &Piece<'_>) {
        let mut filled = Filled(self.buffer, Header::BYTES);
        piece.encode(&mut filled);
        let length = filled.1 - Header::BYTES;
        self.send(piece.kind(), length);
    }

    /// Reads as much of a file as a frame holds, and no more than `most`, and tells it.
    fn copy(&mut self, file: &Fd, most: u64) -> sys::Result<usize> {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let room = most.min(PIECE_BYTES as usize);
        let read = loop {
            let place = &mut self.buffer[Header::BYTES..Header::BYTES + room];
            match sys::read(file, place) {
                Err(Errno::EINTR) => {}
                read => break read?,
            }
        };
        if read > 0 {
            self.send(Piece::Data(&[]).kind(), read);
        }
        Ok(read)
    }

    /// Sends a frame whose payload is in its place. Where nobody reads it any more, there is nothing left to do.
    fn send(&mut self, kind: u8, length: usize) {
        let header = Header {
            length: u32::try_from(length).unwrap_or(PIECE_BYTES),
            kind,
            pipes: 0,
        };
        self.buffer[..Header::BYTES].copy_from_slice(&header.encode());
        if write_all(&self.stream, &self.buffer[..Header::BYTES + length]).is_err() {
            sys::exit(REFUSED);
        }
    }
}

fn write_all(to: &Fd, mut bytes: &[u8]) -> sys::Result<()> {
    while !bytes.is_empty() {
        match sys::write(to, bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

/// A frame that is being made. Every piece but data has one name and a few numbers, and fits.
struct Filled<'a>(&'a mut [u8], usize);

impl Sink for Filled<'_> {
    fn put(&mut self, bytes: &[u8]) {
        self.0[self.1..self.1 + bytes.len()].copy_from_slice(bytes);
        self.1 += bytes.len();
    }
}
