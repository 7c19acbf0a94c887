//! The stream of an attached container: frames of a byte for the stream, three of nothing, a length, and that many bytes.
//!
//! `podman-api` has a decoder. It panics at a stream that it does not know, sets aside as much memory as a frame
//! announces, and ends in silence where a frame is cut.

use bytes::{Bytes, BytesMut};
use clawbox_containers::{
    decode::bad,
    engine::{EngineError, EngineErrorKind, EngineResult, OutputChunk, OutputChunks},
    types::OutputStream,
};
use futures_util::{StreamExt, stream};
use std::io;
use tokio::io::{AsyncRead, AsyncReadExt};

/// The most that is read at once, whatever a frame announces.
const CHUNK_BYTES: usize = 64 * 1024;

const HEADER_BYTES: usize = 8;

/// The chunks of `input`, up to its end or the first error.
pub(crate) fn chunks(input: impl AsyncRead + Send + Unpin + 'static) -> OutputChunks {
    let reader = Reader {
        input,
        frame: None,
        buffer: BytesMut::new(),
    };
    stream::unfold(Some(reader), |reader| async {
        let mut reader = reader?;
        match reader.next().await {
            Ok(Some(chunk)) => Some((Ok(chunk), Some(reader))),
            Ok(None) => None,
            Err(error) => Some((Err(error), None)),
        }
    })
    .boxed()
}

struct Reader<R> {
    input: R,
    /// What is left of the frame that is being read.
    frame: Option<(OutputStream, usize)>,
    buffer: BytesMut,
}

impl<R: AsyncRead + Unpin> Reader<R> {
    async fn next(&mut self) -> EngineResult<Option<OutputChunk>> {
        loop {
            let Some((stream, left)) = self.frame else {
                match self.header().await? {
                    Some(frame) => self.frame = Some(frame),
                    None => return Ok(None),
                }
                continue;
            };
            if left == 0 {
                self.frame = None;
                continue;
            }
            let bytes = self.some(left.min(CHUNK_BYTES)).await?;
            self.frame = Some((stream, left - bytes.len()));
            return Ok(Some(OutputChunk { stream, bytes }));
        }
    }

    /// `None` at the end.
    async fn header(&mut self) -> EngineResult<Option<(OutputStream, usize)>> {
        let mut header = [0; HEADER_BYTES];
        let mut filled = 0;
        while filled < HEADER_BYTES {
            match self
                .input
                .read(&mut header[filled..])
                .await
                .map_err(broken)?
            {
                0 if filled == 0 => return Ok(None),
                0 => return Err(cut()),
                read => filled += read,
            }
        }
        let [stream, _, _, _, length @ ..] = header;
        let stream = match stream {
            1 => OutputStream::Stdout,
            2 => OutputStream::Stderr,
            other => return Err(bad(format!("podman sent output of the stream {other}"))),
        };
        let length = usize::try_from(u32::from_be_bytes(length)).map_err(|e| bad(e.to_string()))?;
        Ok(Some((stream, length)))
    }

    /// At least one byte, and at most so many.
    async fn some(&mut self, most: usize) -> EngineResult<Bytes> {
        self.buffer.reserve(most);
        let mut part = (&mut self.input).take(most as u64);
        match part.read_buf(&mut self.buffer).await.map_err(broken)? {
            0 => Err(cut()),
            _ => Ok(self.buffer.split().freeze()),
        }
    }
}

fn broken(error: io::Error) -> EngineError {
    let text = format!("the connection to podman broke: {error}");
    EngineError::new(EngineErrorKind::Unavailable, text).with_source(error)
}

fn cut() -> EngineError {
    let text = "podman closed the connection in the middle of the output";
    EngineError::new(EngineErrorKind::Unavailable, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(stream: u8, bytes: &[u8]) -> Vec<u8> {
        let length = u32::try_from(bytes.len()).unwrap().to_be_bytes();
        [&[stream, 0, 0, 0], &length[..], bytes].concat()
    }

    async fn read(input: Vec<u8>) -> (String, String, Option<EngineErrorKind>) {
        let (mut out, mut err) = (Vec::new(), Vec::new());
        let mut chunks = chunks(io::Cursor::new(input));
        while let Some(chunk) = chunks.next().await {
            match chunk {
                Ok(OutputChunk { stream, bytes }) => match stream {
                    OutputStream::Stdout => out.extend_from_slice(&bytes),
                    OutputStream::Stderr => err.extend_from_slice(&bytes),
                },
                Err(error) => {
                    assert!(chunks.next().await.is_none(), "it went on after {error}");
                    let text = |bytes| String::from_utf8(bytes).unwrap();
                    return (text(out), text(err), Some(error.kind()));
                }
            }
        }
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (text(out), text(err), None)
    }

    #[tokio::test]
    async fn each_stream_has_its_own_bytes_in_order() {
        let big = "x".repeat(3 * CHUNK_BYTES + 1);
        let input = [
            frame(1, b"one "),
            frame(2, b"error"),
            frame(1, b""),
            frame(1, big.as_bytes()),
        ];
        let (out, err, error) = read(input.concat()).await;
        assert_eq!(out, format!("one {big}"));
        assert_eq!(err, "error");
        assert_eq!(error, None);
        assert_eq!(read(Vec::new()).await.2, None);
    }

    #[tokio::test]
    async fn an_end_in_the_middle_is_no_end() {
        let whole = [frame(1, b"one"), frame(2, b"two")].concat();
        for length in 1..whole.len() {
            let (.., error) = read(whole[..length].to_vec()).await;
            let is_whole = length == frame(1, b"one").len();
            let expected = (!is_whole).then_some(EngineErrorKind::Unavailable);
            assert_eq!(error, expected, "{length} bytes");
        }
    }

    #[tokio::test]
    async fn a_stream_that_is_none_of_the_two_is_an_error_and_what_came_before_is_kept() {
        for stream in [0, 3, 255] {
            let (out, _, error) = read([frame(1, b"one"), frame(stream, b"two")].concat()).await;
            assert_eq!(out, "one");
            assert_eq!(error, Some(EngineErrorKind::BadAnswer), "{stream}");
        }
    }
}
