//! A chore's own lines on standard output.

use std::fmt;
use std::io::{self, ErrorKind, Write};

/// Prints a line. Where nobody reads any more, as behind `| head -1`, the chore goes on without.
macro_rules! say {
    ($($words:tt)*) => {
        if let Err(error) = $crate::say::line(&mut std::io::stdout(), format_args!($($words)*)) {
            eprintln!("warning: standard output cannot be written: {error}");
        }
    };
}

pub(crate) use say;

pub(crate) fn line(out: &mut impl Write, words: fmt::Arguments<'_>) -> io::Result<()> {
    match writeln!(out, "{words}") {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Broken(ErrorKind);

    impl Write for Broken {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }

        fn flush(&mut self) -> io::Result<()> {
            Err(self.0.into())
        }
    }

    #[test]
    fn only_a_reader_that_went_away_is_no_error() {
        let mut written = Vec::new();
        line(&mut written, format_args!("a {}", 1)).unwrap();
        assert_eq!(written, b"a 1\n");
        assert!(line(&mut Broken(ErrorKind::BrokenPipe), format_args!("a")).is_ok());
        assert!(line(&mut Broken(ErrorKind::StorageFull), format_args!("a")).is_err());
    }
}
