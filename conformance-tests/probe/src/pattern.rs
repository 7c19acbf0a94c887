//! The bytes that `probe flood` prints.

use std::fmt;
use std::str::FromStr;

/// A kind of byte pattern. Each has a meaning at every offset, so any part can be made alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// Lines of 64 bytes: the stream's letter, the line's offset in 14 hexadecimal digits, dots, a
    /// newline. A lost, repeated or moved part shows where it happened.
    Ascii,
    /// Blocks of 256 bytes that each hold every byte value once, NUL included, in an order that
    /// differs from block to block and between the streams.
    Binary,
    /// One ASCII letter, then one four-byte UTF-8 character over and over, no newline. A character
    /// therefore lies across every border that is a multiple of four, 16 KiB among them.
    Multibyte,
}

/// Which of the two outputs; the same pattern differs between them, so that a mix-up shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// The first `len` bytes that `probe flood` writes to `stream`.
#[must_use]
pub fn pattern(kind: Pattern, stream: Stream, len: usize) -> Vec<u8> {
    kind.part(stream, 0, len)
}

impl Pattern {
    /// The `len` bytes from `offset` on.
    #[must_use]
    pub fn part(self, stream: Stream, offset: u64, len: usize) -> Vec<u8> {
        (offset..)
            .take(len)
            .map(|at| match self {
                Self::Ascii => ascii(stream, at),
                Self::Binary => binary(stream, at),
                Self::Multibyte => multibyte(stream, at),
            })
            .collect()
    }
}

fn ascii(stream: Stream, at: u64) -> u8 {
    const LINE: u64 = 64;
    const DIGITS: u64 = 14;
    match at % LINE {
        0 => stream.letter(),
        column @ 1..=DIGITS => {
            let line_start = at - column;
            let digit = (line_start >> (4 * (DIGITS - column))) & 0xf;
            b"0123456789abcdef"[digit as usize]
        }
        63 => b'\n',
        _ => b'.',
    }
}

fn binary(stream: Stream, at: u64) -> u8 {
    // Any odd multiplier spreads the block number over the upper byte; this one is 2^64 / phi.
    let block = (at / 256 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    at.to_le_bytes()[0] ^ block.to_be_bytes()[0] ^ stream.letter()
}

fn multibyte(stream: Stream, at: u64) -> u8 {
    let character = match stream {
        Stream::Stdout => "🦀",
        Stream::Stderr => "🐙",
    };
    match at {
        0 => stream.letter(),
        _ => character.as_bytes()[((at - 1) % 4) as usize],
    }
}

impl Stream {
    fn letter(self) -> u8 {
        match self {
            Self::Stdout => b'o',
            Self::Stderr => b'e',
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ascii => "ascii",
            Self::Binary => "binary",
            Self::Multibyte => "multibyte",
        })
    }
}

impl FromStr for Pattern {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        match word {
            "ascii" => Ok(Self::Ascii),
            "binary" => Ok(Self::Binary),
            "multibyte" => Ok(Self::Multibyte),
            _ => Err(format!(
                "`{word}` is no pattern: ascii, binary or multibyte"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const KINDS: [Pattern; 3] = [Pattern::Ascii, Pattern::Binary, Pattern::Multibyte];

    #[test]
    fn parts_join_to_the_whole() {
        for kind in KINDS {
            let whole = pattern(kind, Stream::Stderr, 1000);
            let mut joined = kind.part(Stream::Stderr, 0, 333);
            joined.extend(kind.part(Stream::Stderr, 333, 667));
            assert_eq!(joined, whole, "{kind}");
        }
    }

    #[test]
    fn the_streams_differ_in_every_window() {
        for kind in KINDS {
            let [stdout, stderr] =
                [Stream::Stdout, Stream::Stderr].map(|stream| pattern(kind, stream, 1 << 12));
            for (out, err) in stdout.chunks(64).zip(stderr.chunks(64)) {
                assert_ne!(out, err, "{kind}");
            }
        }
    }

    #[test]
    fn ascii_lines_carry_their_offset() {
        let text = String::from_utf8(Pattern::Ascii.part(Stream::Stdout, 640, 128)).expect("ascii");
        let lines: Vec<&str> = text.lines().collect();
        let dots = ".".repeat(48);
        assert_eq!(
            lines,
            [
                format!("o00000000000280{dots}"),
                format!("o000000000002c0{dots}")
            ]
        );
    }

    #[test]
    fn binary_blocks_hold_every_value_in_changing_order() {
        let bytes = pattern(Pattern::Binary, Stream::Stdout, 64 * 256);
        let blocks: Vec<&[u8]> = bytes.chunks(256).collect();
        for block in &blocks {
            assert_eq!(block.iter().collect::<BTreeSet<_>>().len(), 256);
        }
        assert!(blocks.windows(2).all(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn a_multibyte_character_lies_across_every_16_kib_border() {
        let text = String::from_utf8(pattern(Pattern::Multibyte, Stream::Stdout, (1 << 16) + 1))
            .expect("whole characters");
        for border in [1 << 14, 2 << 14, 3 << 14, 4 << 14] {
            assert!(!text.is_char_boundary(border), "{border}");
        }
    }
}
