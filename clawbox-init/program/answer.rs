//! Answers to the manager's questions about what the kernel gives.

use core::ffi::CStr;

use crate::protocol::{FromInit, Question};
use crate::sys::{self, Entries, Errno};

/// The answer to a question. What is read is in `room`.
pub(crate) fn answer<'a>(question: Question<'_>, room: &'a mut [u8]) -> FromInit<'a> {
    let answered = match question {
        Question::Read(path) => read(path, room).map(|read| (number(read), read)),
        Question::List(path) => list(path, room).map(|(names, length)| (number(names), length)),
        Question::Link(path) => sys::read_link(path, room).map(|length| (number(length), length)),
        Question::Stat(path) => sys::mode_of(path).map(|mode| (i64::from(mode), 0)),
        Question::Identity(path) => sys::identity_of(path).map(|(owner, identity)| {
            let length = identity.len().min(room.len());
            room[..length].copy_from_slice(&identity[..length]);
            (i64::from(owner), length)
        }),
        Question::Call { number, arguments } => Ok((sys::call_as_asked(number, arguments), 0)),
        Question::Socket {
            family,
            kind,
            protocol,
        } => sys::socket(family, kind, protocol).map(|_| (0, 0)),
    };
    match answered {
        Ok((result, length)) => FromInit::Answer {
            result,
            bytes: &room[..length],
        },
        Err(errno) => FromInit::Answer {
            result: -i64::from(errno.number()),
            bytes: &[],
        },
    }
}

fn number(length: usize) -> i64 {
    i64::try_from(length).unwrap_or(i64::MAX)
}

/// Reads what a file begins with, as far as there is room.
pub(crate) fn read(path: &CStr, room: &mut [u8]) -> sys::Result<usize> {
    let file = sys::open(path)?;
    let mut length = 0;
    while length < room.len() {
        match sys::read(&file, &mut room[length..]) {
            Ok(0) => break,
            Ok(more) => length += more,
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(length)
}

/// Reads the names in a directory, as far as there is room. Gives how many there are, and how long those are that
/// had room.
fn list(path: &CStr, room: &mut [u8]) -> sys::Result<(usize, usize)> {
    let directory = sys::open(path)?;
    let mut entries = Entries([0; _]);
    let (mut names, mut length, mut full) = (0, 0, false);
    loop {
        let read = sys::read_entries(&directory, &mut entries)?;
        let Some(mut rest) = entries.0.get(..read).filter(|read| !read.is_empty()) else {
            return Ok((names, length));
        };
        while let Some((name, after)) = first_entry(rest) {
            rest = after;
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            names += 1;
            let name = name.to_bytes_with_nul();
            // Not even a shorter name has a place after one that had none.
            match room.get_mut(length..length + name.len()) {
                Some(place) if !full => {
                    place.copy_from_slice(name);
                    length += name.len();
                }
                _ => full = true,
            }
        }
    }
}

/// The name in the first of the kernel's `struct linux_dirent64`, and the entries after it.
pub(crate) fn first_entry(entries: &[u8]) -> Option<(&CStr, &[u8])> {
    /// Two numbers of 64 bits stand before an entry's length, and its type before the name.
    const LENGTH: usize = 16;
    const NAME: usize = 19;

    let length = entries.get(LENGTH..)?.first_chunk().copied()?;
    let (entry, rest) = entries.split_at_checked(usize::from(u16::from_ne_bytes(length)))?;
    let name = CStr::from_bytes_until_nul(entry.get(NAME..)?).ok()?;
    Some((name, rest))
}

/// How many processes the kernel has killed in this container for lack of memory, where that is to be seen.
pub(crate) fn oom_kills(room: &mut [u8]) -> Option<u64> {
    // Control groups of version 1, then of version 2: where the first are mounted, somebody else may have put a file at
    // the second's place.
    [
        c"/sys/fs/cgroup/memory/memory.oom_control",
        c"/sys/fs/cgroup/memory.events",
    ]
    .into_iter()
    .find_map(|path| {
        let length = read(path, room).ok()?;
        oom_kills_in(&room[..length])
    })
}

fn oom_kills_in(text: &[u8]) -> Option<u64> {
    let mut lines = text.split(|&byte| byte == b'\n');
    let count = lines.find_map(|line| line.strip_prefix(b"oom_kill "))?;
    str::from_utf8(count).ok()?.parse().ok()
}
