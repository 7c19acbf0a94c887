//! A container's output as it comes: bounded, byte-exact, readable at any time by any number of readers.

use crate::engine::{OutputChunk, OutputChunks};
use clawbox_types::{CapturedStream, ContainerOutput, OutputStream};
use futures_util::StreamExt;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// The first bytes of each stream, and counts of the rest.
#[derive(Debug)]
pub(crate) struct Capture {
    limit: usize,
    state: Mutex<State>,
    changed: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct State {
    output: ContainerOutput,
    ended: bool,
}

impl Capture {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            state: Mutex::default(),
            changed: watch::Sender::new(()),
        }
    }

    /// How many bytes of each stream are kept.
    pub(crate) const fn limit(&self) -> usize {
        self.limit
    }

    /// Reads the streams to their end, and no more will come.
    pub(crate) async fn fill(&self, chunks: OutputChunks) {
        self.read(chunks).await;
        self.end(false);
    }

    /// Reads the streams to their end. What does not fit is counted, so that the container never waits for
    /// a reader.
    pub(crate) async fn read(&self, mut chunks: OutputChunks) {
        while let Some(chunk) = chunks.next().await {
            match chunk {
                Ok(chunk) => self.push(&chunk),
                Err(error) => {
                    tracing::warn!(%error, "output stream broke off");
                    return self.end(true);
                }
            }
        }
    }

    /// No more will come. `incomplete` says that there may have been more.
    pub(crate) fn end(&self, incomplete: bool) {
        let mut state = self.lock();
        if !state.ended {
            state.ended = true;
            state.output.incomplete = incomplete;
        }
        drop(state);
        self.changed.send_replace(());
    }

    pub(crate) fn output(&self) -> ContainerOutput {
        self.lock().output.clone()
    }

    /// Bytes that were dropped from stdout and from stderr, and whether more may be missing.
    pub(crate) fn losses(&self) -> (u64, u64, bool) {
        let state = self.lock();
        let output = &state.output;
        (
            output.stdout.dropped,
            output.stderr.dropped,
            output.incomplete,
        )
    }

    fn push(&self, chunk: &OutputChunk) {
        let mut state = self.lock();
        let stream = of(&mut state.output, chunk.stream);
        let room = self.limit.saturating_sub(stream.bytes.len());
        let (kept, dropped) = chunk.bytes.split_at(room.min(chunk.bytes.len()));
        stream.bytes.extend_from_slice(kept);
        stream.dropped += dropped.len() as u64;
        drop(state);
        self.changed.send_replace(());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        // Bytes and counts are whole after any panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn of(output: &mut ContainerOutput, stream: OutputStream) -> &mut CapturedStream {
    match stream {
        OutputStream::Stdout => &mut output.stdout,
        OutputStream::Stderr => &mut output.stderr,
    }
}

/// A reader that follows a container's output from its beginning to its end.
///
/// It reads what is kept, up to the output limit, and cannot slow the container down.
#[derive(Debug)]
pub struct OutputFollower {
    capture: Arc<Capture>,
    changed: watch::Receiver<()>,
    read: [usize; 2],
}

impl OutputFollower {
    pub(crate) fn new(capture: Arc<Capture>) -> Self {
        Self {
            changed: capture.changed.subscribe(),
            capture,
            read: [0, 0],
        }
    }

    /// The next bytes of either stream, or `None` once both have ended and all was read.
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<(OutputStream, Vec<u8>)> {
        loop {
            self.changed.mark_unchanged();
            {
                let mut state = self.capture.lock();
                for (read, stream) in self
                    .read
                    .iter_mut()
                    .zip([OutputStream::Stdout, OutputStream::Stderr])
                {
                    let bytes = &of(&mut state.output, stream).bytes;
                    if let Some(new) = bytes.get(*read..).filter(|new| !new.is_empty()) {
                        *read = bytes.len();
                        return Some((stream, new.to_vec()));
                    }
                }
                if state.ended {
                    return None;
                }
            }
            self.changed.changed().await.ok()?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{EngineError, EngineErrorKind};
    use bytes::Bytes;
    use futures_util::stream;

    fn chunk(stream: OutputStream, bytes: &'static [u8]) -> OutputChunk {
        OutputChunk {
            stream,
            bytes: Bytes::from_static(bytes),
        }
    }

    #[tokio::test]
    async fn each_stream_keeps_its_first_bytes_and_counts_the_rest() {
        let capture = Capture::new(4);
        let chunks = [
            chunk(OutputStream::Stdout, b"abc"),
            chunk(OutputStream::Stderr, b"\xff\0"),
            chunk(OutputStream::Stdout, b"defg"),
            chunk(OutputStream::Stdout, b"h"),
        ];
        capture.fill(stream::iter(chunks.map(Ok)).boxed()).await;
        let output = capture.output();
        assert_eq!(
            (output.stdout.bytes.as_slice(), output.stdout.dropped),
            (&b"abcd"[..], 4)
        );
        assert_eq!(
            (output.stderr.bytes.as_slice(), output.stderr.dropped),
            (&b"\xff\0"[..], 0)
        );
        assert!(!output.incomplete);
    }

    #[tokio::test]
    async fn a_broken_stream_keeps_what_came_and_says_so() {
        let capture = Capture::new(100);
        let broken = EngineError::new(EngineErrorKind::Unavailable, "cut");
        let chunks = [Ok(chunk(OutputStream::Stdout, b"half")), Err(broken)];
        capture.fill(stream::iter(chunks).boxed()).await;
        assert_eq!(capture.output().stdout.bytes, b"half");
        assert_eq!(capture.losses(), (0, 0, true));
    }

    #[tokio::test]
    async fn a_follower_sees_everything_once_and_then_the_end() {
        let capture = Arc::new(Capture::new(100));
        capture.push(&chunk(OutputStream::Stdout, b"early "));
        let mut follower = OutputFollower::new(capture.clone());
        let reader = tokio::spawn(async move {
            let mut seen = (Vec::new(), Vec::new());
            while let Some((stream, bytes)) = follower.next().await {
                match stream {
                    OutputStream::Stdout => seen.0.extend(bytes),
                    OutputStream::Stderr => seen.1.extend(bytes),
                }
            }
            seen
        });
        for _ in 0..3 {
            tokio::task::yield_now().await;
            capture.push(&chunk(OutputStream::Stderr, b"x"));
            capture.push(&chunk(OutputStream::Stdout, b"late"));
        }
        capture.end(false);
        let seen = reader.await.unwrap();
        assert_eq!(
            (seen.0.as_slice(), seen.1.as_slice()),
            (&b"early latelatelate"[..], &b"xxx"[..])
        );
    }
}
