//! What is there, told.

use core::ffi::CStr;

use super::{Name, Output, reach, terminated};
use crate::answer::first_entry;
use crate::protocol::{DEEPEST, PART_BYTES, Piece, Why, check_part};
use crate::sys::{self, Entries, Fd, Kind};

/// What may still be told.
pub(super) struct Limits {
    pub(super) entries: u64,
    pub(super) bytes: u64,
    pub(super) depth: u32,
}

/// Tells a file, or a directory and all below it.
pub(super) fn get(
    path: &CStr,
    tree: bool,
    limits: Limits,
    output: &mut Output,
    name: &mut Name,
) -> Result<(), Why> {
    let path = path.to_bytes();
    let at = path.iter().rposition(|&byte| byte == b'/').unwrap_or(0);
    let (above, last) = path.split_at(at);
    let last = last.strip_prefix(b"/").unwrap_or(last);
    let mut room = [0; 4096];
    let above = above_path(&mut room, above)?;
    let at = reach(above, false)?;
    let mut room = [0; PART_BYTES + 1];
    let last = terminated(&mut room, last)?;
    let kind = sys::look(&at, last)?.kind;
    let mut walk = Walk {
        limits,
        output,
        name,
    };
    match (tree, kind) {
        (true, Kind::Directory) => walk.below(&sys::open_directory(&at, last)?, 1),
        (false, Kind::File) => walk.one(&at, last),
        (true, Kind::File) => Err(Why::NoDirectory),
        (false, Kind::Directory) => Err(Why::Directory),
        (_, other) => Err(refusal(other)),
    }
}

fn above_path<'a>(room: &'a mut [u8; 4096], path: &[u8]) -> Result<&'a CStr, Why> {
    let place = room.get_mut(..path.len()).ok_or(Why::Name)?;
    place.copy_from_slice(path);
    CStr::from_bytes_until_nul(room).map_err(|_| Why::Name)
}

/// Why something of this kind is not told.
fn refusal(kind: Kind) -> Why {
    match kind {
        Kind::Link => Why::Link,
        Kind::Pipe => Why::Pipe,
        Kind::Socket => Why::Socket,
        Kind::Directory => Why::Directory,
        // A file that has become something else meanwhile.
        Kind::File | Kind::Device => Why::Device,
    }
}

struct Walk<'a> {
    limits: Limits,
    output: &'a mut Output,
    name: &'a mut Name,
}

impl Walk<'_> {
    /// One file, whatever its size is said to be: to its end.
    fn one(&mut self, at: &Fd, last: &CStr) -> Result<(), Why> {
        let file = sys::open_file(at, last)?;
        let seen = sys::look_at(&file)?;
        if seen.kind != Kind::File {
            return Err(refusal(seen.kind));
        }
        if seen.size > self.limits.bytes {
            return Err(Why::Size(seen.size));
        }
        self.output.say(&Piece::File {
            name: c"",
            mode: seen.permissions,
            size: seen.size,
        });
        let mut told = 0;
        loop {
            // One byte more than there may be shows that there are more.
            let left = (self.limits.bytes - told).saturating_add(1);
            let read = self.output.copy(&file, left)? as u64;
            told += read;
            if told > self.limits.bytes {
                return Err(Why::Size(told));
            }
            if read == 0 {
                self.output.say(&Piece::Close);
                return Ok(());
            }
        }
    }

    /// Everything in a directory, whose entries' names have `depth` parts.
    fn below(&mut self, directory: &Fd, depth: u32) -> Result<(), Why> {
        let mut entries = Entries([0; _]);
        loop {
            let read = sys::read_entries(directory, &mut entries)?;
            let Some(mut rest) = entries.0.get(..read).filter(|read| !read.is_empty()) else {
                return Ok(());
            };
            while let Some((part, after)) = first_entry(rest) {
                rest = after;
                let part = part.to_bytes();
                if matches!(part, b"." | b"..") {
                    continue;
                }
                self.limits.entries = self.limits.entries.checked_sub(1).ok_or(Why::Entries)?;
                let Some(before) = self.name.push(part) else {
                    // It is told by the name of what it is in.
                    self.refuse(Why::Name);
                    continue;
                };
                match self.entry(directory, part, depth) {
                    Ok(()) => {}
                    Err(Stop::Here(why)) => self.refuse(why),
                    Err(Stop::All(why)) => return Err(why),
                }
                self.name.cut(before);
            }
        }
    }

    fn refuse(&mut self, why: Why) {
        let name = self.name.text();
        self.output.say(&Piece::Refused { name, why });
    }

    fn entry(&mut self, at: &Fd, part: &[u8], depth: u32) -> Result<(), Stop> {
        check_part(part)?;
        if depth > self.limits.depth.min(DEEPEST) {
            return Err(Why::Depth.into());
        }
        let mut room = [0; PART_BYTES + 1];
        let part = terminated(&mut room, part)?;
        match sys::look(at, part)?.kind {
            Kind::Directory => {
                let directory = sys::open_directory(at, part)?;
                let mode = sys::look_at(&directory)?.permissions;
                let name = self.name.text();
                self.output.say(&Piece::Directory { name, mode });
                self.below(&directory, depth + 1).map_err(Stop::All)
            }
            Kind::File => self.file(&sys::open_file(at, part)?),
            other => Err(refusal(other).into()),
        }
    }

    /// A file, as long as it is now: what is added later is not told.
    fn file(&mut self, file: &Fd) -> Result<(), Stop> {
        let seen = sys::look_at(file)?;
        if seen.kind != Kind::File {
            return Err(refusal(seen.kind).into());
        }
        let left = self.limits.bytes.checked_sub(seen.size);
        self.limits.bytes = left.ok_or(Why::Size(seen.size))?;
        self.output.say(&Piece::File {
            name: self.name.text(),
            mode: seen.permissions,
            size: seen.size,
        });
        let mut left = seen.size;
        while left > 0 {
            match self.output.copy(file, left) {
                Ok(0) => break,
                Ok(read) => left -= read as u64,
                Err(errno) => return Err(Stop::All(errno.into())),
            }
        }
        self.output.say(&Piece::Close);
        Ok(())
    }
}

/// What is not told.
enum Stop {
    /// This, and the rest is.
    Here(Why),
    /// Everything from here on.
    All(Why),
}

impl<T: Into<Why>> From<T> for Stop {
    fn from(why: T) -> Self {
        Self::Here(why.into())
    }
}
