//! A container's output as it comes: bounded, byte-exact, readable at any time by any number of readers.

use crate::{
    clock::Clock,
    engine::{EngineError, EngineErrorKind, EngineResult, OutputChunk, OutputChunks},
    log::Order,
};
use clawbox_types::{CapturedStream, ContainerOutput, OutputStream};
use futures_util::StreamExt;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// The first bytes of each stream, and counts of the rest.
#[derive(Debug)]
pub(crate) struct Capture {
    limit: usize,
    clock: Clock,
    state: Mutex<State>,
    changed: watch::Sender<()>,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) output: ContainerOutput,
    pub(crate) order: Order,
    pub(crate) ended: bool,
}

impl Capture {
    pub(crate) fn new(limit: usize, clock: Clock) -> Self {
        Self {
            limit,
            clock,
            state: Mutex::default(),
            changed: watch::Sender::new(()),
        }
    }

    /// How many bytes of each stream are kept.
    pub(crate) const fn limit(&self) -> usize {
        self.limit
    }

    /// Reads the streams to their end. What does not fit is counted, so that the container never waits for
    /// a reader.
    pub(crate) async fn read(&self, mut chunks: OutputChunks) -> EngineResult<()> {
        while let Some(chunk) = chunks.next().await {
            self.push(&chunk?);
        }
        Ok(())
    }

    /// Reads streams to their end that begin anew, and takes what comes after all that was read before. That must be as
    /// it was, or nobody could tell what is new.
    pub(crate) async fn resume(&self, mut chunks: OutputChunks) -> EngineResult<()> {
        let (known, mut at) = (self.read_so_far(), [0, 0]);
        while let Some(chunk) = chunks.next().await {
            let OutputChunk { stream, bytes } = chunk?;
            let place = usize::from(stream == OutputStream::Stderr);
            let old = usize::try_from(known[place] - at[place]).unwrap_or(usize::MAX);
            let mut bytes = bytes;
            let repeated = bytes.split_to(old.min(bytes.len()));
            if !self.holds(stream, at[place], &repeated) {
                let text = "its log does not begin with what was read before";
                return Err(EngineError::new(EngineErrorKind::BadAnswer, text));
            }
            at[place] += repeated.len() as u64;
            self.push(&OutputChunk { stream, bytes });
        }
        Ok(())
    }

    /// How many bytes of each stream were read.
    fn read_so_far(&self) -> [u64; 2] {
        let state = self.lock();
        let output = &state.output;
        [&output.stdout, &output.stderr].map(|it| it.bytes.len() as u64 + it.dropped)
    }

    /// Whether these are the bytes at this place of a stream, as far as they are kept.
    fn holds(&self, stream: OutputStream, at: u64, bytes: &[u8]) -> bool {
        let mut state = self.lock();
        let kept = &of(&mut state.output, stream).bytes;
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        let kept = kept.get(at..).unwrap_or_default();
        kept.iter().zip(bytes).all(|(kept, byte)| kept == byte)
    }

    /// Something may be missing already, whatever comes.
    pub(crate) fn miss(&self) {
        let mut state = self.lock();
        if !state.ended {
            state.output.incomplete = true;
        }
    }

    /// No more will come. `incomplete` says that there may have been more.
    pub(crate) fn end(&self, incomplete: bool) {
        let mut state = self.lock();
        if !state.ended {
            state.ended = true;
            state.output.incomplete |= incomplete;
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

    /// Hears of every change from here on.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    pub(crate) fn push(&self, chunk: &OutputChunk) {
        let mut state = self.lock();
        let stream = of(&mut state.output, chunk.stream);
        let room = self.limit.saturating_sub(stream.bytes.len());
        let (kept, dropped) = chunk.bytes.split_at(room.min(chunk.bytes.len()));
        stream.bytes.extend_from_slice(kept);
        stream.dropped += dropped.len() as u64;
        state.order.note(chunk.stream, self.clock.now(), kept.len());
        drop(state);
        self.changed.send_replace(());
    }

    pub(crate) fn lock(&self) -> std::sync::MutexGuard<'_, State> {
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
            changed: capture.changes(),
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
        let capture = Capture::new(4, Clock::Wall);
        let chunks = [
            chunk(OutputStream::Stdout, b"abc"),
            chunk(OutputStream::Stderr, b"\xff\0"),
            chunk(OutputStream::Stdout, b"defg"),
            chunk(OutputStream::Stdout, b"h"),
        ];
        let read = capture.read(stream::iter(chunks.map(Ok)).boxed()).await;
        read.unwrap();
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
        let capture = Capture::new(100, Clock::Wall);
        let broken = EngineError::new(EngineErrorKind::Unavailable, "cut");
        let chunks = [Ok(chunk(OutputStream::Stdout, b"half")), Err(broken)];
        let read = capture.read(stream::iter(chunks).boxed()).await;
        assert_eq!(read.unwrap_err().kind(), EngineErrorKind::Unavailable);
        capture.end(true);
        assert_eq!(capture.output().stdout.bytes, b"half");
        assert_eq!(capture.losses(), (0, 0, true));
    }

    #[tokio::test]
    async fn streams_that_begin_anew_go_on_where_they_were() {
        let capture = Capture::new(5, Clock::Wall);
        capture.push(&chunk(OutputStream::Stdout, b"before"));
        capture.push(&chunk(OutputStream::Stderr, b"e"));
        let anew = [
            chunk(OutputStream::Stdout, b"bef"),
            chunk(OutputStream::Stderr, b"e2"),
            chunk(OutputStream::Stdout, b"ore, after"),
            chunk(OutputStream::Stderr, b"3"),
        ];
        let resumed = capture.resume(stream::iter(anew.map(Ok)).boxed()).await;
        resumed.unwrap();
        let output = capture.output();
        assert_eq!(
            (&output.stdout.bytes[..], output.stdout.dropped),
            (&b"befor"[..], 8)
        );
        assert_eq!(
            (&output.stderr.bytes[..], output.stderr.dropped),
            (&b"e23"[..], 0)
        );
        // The oldest is gone.
        let cut = [chunk(OutputStream::Stdout, b"re, after, more")];
        let resumed = capture.resume(stream::iter(cut.map(Ok)).boxed()).await;
        assert_eq!(resumed.unwrap_err().kind(), EngineErrorKind::BadAnswer);
        assert_eq!(capture.output(), output);
    }

    #[tokio::test]
    async fn a_follower_sees_everything_once_and_then_the_end() {
        let capture = Arc::new(Capture::new(100, Clock::Wall));
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
