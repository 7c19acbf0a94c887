//! What comes, made into files.

use core::ffi::CStr;

use super::{Input, Name, enter, make_directory, terminated, write_all};
use crate::protocol::{DEEPEST, MODE_BITS, PART_BYTES, Piece, Why, check_name};
use crate::sys::{self, Errno, Fd};

/// Makes everything that comes below a directory.
pub(super) fn put(directory: &Fd, input: &mut Input, name: &mut Name) -> Result<(), Why> {
    let mut room = [0; 32];
    let scratch = scratch_name(&mut room);
    loop {
        match input.next() {
            Piece::Directory { name: made, mode } => {
                let (at, last) = lead_to(directory, made, name)?;
                let mut room = [0; PART_BYTES + 1];
                let last = terminated(&mut room, last)?;
                make_directory(&at, last, mode & MODE_BITS | 0o700)?;
                enter(&at, last, false)?;
            }
            Piece::File {
                name: made, mode, ..
            } => {
                let (at, last) = lead_to(directory, made, name)?;
                let mut room = [0; PART_BYTES + 1];
                let last = terminated(&mut room, last)?;
                let file = Unfinished::create(at, scratch)?;
                fill(&file.file, input)?;
                sys::set_permissions(&file.file, mode & MODE_BITS)?;
                file.finish(last)?;
            }
            Piece::Done => {
                name.cut(0);
                return Ok(());
            }
            _ => super::none_of_it(),
        }
    }
}

/// The directory that a name leads to, with all those on the way made, and the last part of the name.
fn lead_to<'a>(top: &Fd, whole: &'a CStr, name: &mut Name) -> Result<(Fd, &'a [u8]), Why> {
    let whole = whole.to_bytes();
    name.cut(0);
    check_name(whole, DEEPEST)?;
    name.push(whole);
    let mut parts = whole.split(|&byte| byte == b'/');
    let last = parts.next_back().unwrap_or_default();
    let mut at = sys::enter(top, c".")?;
    for part in parts {
        let mut room = [0; PART_BYTES + 1];
        at = enter(&at, terminated(&mut room, part)?, true)?;
    }
    Ok((at, last))
}

/// Writes what comes until the end of the file.
fn fill(file: &Fd, input: &mut Input) -> Result<(), Why> {
    loop {
        match input.next_or_end() {
            Some(Piece::Data(bytes)) => write_all(file, bytes)?,
            Some(Piece::Close) => return Ok(()),
            // What was begun is taken away again.
            Some(_) | None => return Err(Why::Errno(Errno::EINVAL.number())),
        }
    }
}

/// A file that has not got its name yet.
struct Unfinished<'a> {
    at: Fd,
    file: Fd,
    scratch: &'a CStr,
}

impl<'a> Unfinished<'a> {
    fn create(at: Fd, scratch: &'a CStr) -> Result<Self, Why> {
        let file = match sys::create(&at, scratch) {
            // One that had this process's number has left it.
            Err(Errno::EEXIST) => {
                sys::remove(&at, scratch)?;
                sys::create(&at, scratch)
            }
            created => created,
        };
        let file = file?;
        Ok(Self { at, file, scratch })
    }

    /// Gives it its name. What had it before is replaced, and not followed where it is a link.
    fn finish(self, name: &CStr) -> Result<(), Why> {
        Ok(sys::rename(&self.at, self.scratch, name)?)
    }
}

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        // After a rename there is none.
        let _ = sys::remove(&self.at, self.scratch);
    }
}

/// The name of a file that is not whole yet, with this process's number in it.
fn scratch_name(room: &mut [u8; 32]) -> &CStr {
    const PREFIX: &[u8] = b".clawbox-put-";

    room[..PREFIX.len()].copy_from_slice(PREFIX);
    let mut number = sys::process_id();
    let mut digits = [0; 10];
    let mut begin = digits.len();
    loop {
        begin -= 1;
        digits[begin] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    let digits = &digits[begin..];
    room[PREFIX.len()..PREFIX.len() + digits.len()].copy_from_slice(digits);
    CStr::from_bytes_until_nul(room).unwrap_or(c".clawbox-put")
}
