//! The little that is ever written to standard error.

use core::fmt::{Arguments, Write};

use crate::sys;

/// The exit code where the command was not run, and that is none of its own doing.
pub(crate) const REFUSED: u8 = 125;

/// Says why, and ends this process.
pub(crate) fn give_up(reason: Arguments<'_>) -> ! {
    let mut line = Line {
        bytes: [0; 512],
        length: 0,
    };
    // What does not fit is cut.
    let _ = write!(line, "clawbox-init: {reason}");
    line.end();
    sys::say(&line.bytes[..line.length]);
    sys::exit(REFUSED)
}

struct Line {
    bytes: [u8; 512],
    length: usize,
}

impl Line {
    fn end(&mut self) {
        let last = self.length.min(self.bytes.len() - 1);
        self.bytes[last] = b'\n';
        self.length = last + 1;
    }
}

impl Write for Line {
    fn write_str(&mut self, text: &str) -> core::fmt::Result {
        let room = &mut self.bytes[self.length..];
        let taken = text.len().min(room.len());
        room[..taken].copy_from_slice(&text.as_bytes()[..taken]);
        self.length += taken;
        Ok(())
    }
}
