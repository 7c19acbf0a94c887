//! Bytes on the two outputs, exactly as asked.

use std::io::{self, Read, Write};

use clawbox_probe::{Pattern, Stream};

/// No divisor of a pipe's or a log's buffer, so that chunk borders move along them.
const CHUNK: u64 = 10_000;

/// Writes both texts.
pub(crate) fn write_all(stdout: &str, stderr: &str) -> io::Result<()> {
    put(Stream::Stdout, stdout.as_bytes())?;
    put(Stream::Stderr, stderr.as_bytes())
}

/// Writes so many bytes of each stream's pattern, chunk by chunk in turns.
pub(crate) fn flood(pattern: Pattern, stdout: u64, stderr: u64) -> io::Result<()> {
    for offset in (0..stdout.max(stderr)).step_by(CHUNK as usize) {
        for (stream, total) in [(Stream::Stdout, stdout), (Stream::Stderr, stderr)] {
            let len = total.saturating_sub(offset).min(CHUNK);
            put(stream, &pattern.part(stream, offset, len as usize))?;
        }
    }
    Ok(())
}

/// Copies standard input to standard output as it comes, and takes no more of it than so many bytes.
pub(crate) fn cat(max: Option<u64>) -> io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    let mut left = max.unwrap_or(u64::MAX);
    while left > 0 {
        let most = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        let read = io::stdin().lock().read(&mut buffer[..most])?;
        if read == 0 {
            break;
        }
        put(Stream::Stdout, &buffer[..read])?;
        left -= read as u64;
    }
    Ok(())
}

fn put(stream: Stream, bytes: &[u8]) -> io::Result<()> {
    match stream {
        Stream::Stdout => {
            let mut stdout = io::stdout().lock();
            stdout.write_all(bytes)?;
            stdout.flush()
        }
        Stream::Stderr => io::stderr().lock().write_all(bytes),
    }
}
