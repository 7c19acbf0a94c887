//! The terminal that clawbox was started in.

use clawbox::types::TerminalSize;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use std::io::{self, Stdin};

/// The terminal on standard input.
pub(super) struct OwnTerminal(Stdin);

impl OwnTerminal {
    /// Nothing where standard input is none.
    pub(super) fn find() -> Option<Self> {
        let stdin = io::stdin();
        rustix::termios::isatty(&stdin).then_some(Self(stdin))
    }

    /// Its size; zeros where it does not know.
    pub(super) fn size(&self) -> TerminalSize {
        let size = tcgetwinsize(&self.0);
        let (rows, columns) = size.map_or((0, 0), |size| (size.ws_row, size.ws_col));
        TerminalSize { rows, columns }
    }

    /// Has every key be the sandbox's, Ctrl-C among them, until the answer is dropped.
    pub(super) fn raw(&self) -> io::Result<Raw<'_>> {
        let before = tcgetattr(&self.0)?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(&self.0, OptionalActions::Drain, &raw)?;
        Ok(Raw(&self.0, before))
    }
}

/// A terminal that is raw.
pub(super) struct Raw<'a>(&'a Stdin, Termios);

impl Drop for Raw<'_> {
    fn drop(&mut self) {
        // Where the terminal is gone there is nothing to mend.
        let _ = tcsetattr(self.0, OptionalActions::Drain, &self.1);
    }
}
