//! What a container printed in the order in which it came, with the time.

use crate::capture::{Capture, State};
use clawbox_types::{LogEntry, OutputStream};
use futures_util::{StreamExt, stream, stream::BoxStream};
use std::{sync::Arc, time::Duration};
use time::OffsetDateTime;
use tokio::sync::watch;

/// A container's log, see [`ContainerBackend::logs`](crate::ContainerBackend::logs).
pub type Logs = BoxStream<'static, LogEntry>;

/// What one stream prints within this time is one piece.
const APART: Duration = Duration::from_millis(10);

/// How many pieces are told apart, so that a command that prints byte by byte does not fill the memory. What comes after
/// them is told stream by stream, with the time of the first of it.
const PIECES: usize = 16 * 1024;

/// How much is told at once.
const ENTRY: usize = 64 * 1024;

/// In which order the bytes of both streams came, and when.
#[derive(Debug, Default)]
pub(crate) struct Order {
    pieces: Vec<Piece>,
    /// When the first came that is told apart no more.
    beyond: Option<OffsetDateTime>,
}

#[derive(Debug)]
struct Piece {
    stream: OutputStream,
    at: OffsetDateTime,
    length: usize,
}

impl Order {
    /// More is kept of a stream.
    pub(crate) fn note(&mut self, stream: OutputStream, at: OffsetDateTime, length: usize) {
        let is_more = |last: &&mut Piece| last.stream == stream && at - last.at < APART;
        if length == 0 {
            return;
        }
        if self.beyond.is_some() {
            // Its stream tells.
        } else if let Some(last) = self.pieces.last_mut().filter(is_more) {
            last.length += length;
        } else if self.pieces.len() < PIECES {
            self.pieces.push(Piece { stream, at, length });
        } else {
            self.beyond = Some(at);
        }
    }
}

/// Reads a log from its beginning.
pub(crate) struct LogReader {
    capture: Arc<Capture>,
    changed: watch::Receiver<()>,
    follow: bool,
    /// Which piece is read, and how much of it was.
    piece: usize,
    taken: usize,
    /// How much of each stream was read.
    read: [usize; 2],
    told_dropped: bool,
    told_incomplete: bool,
}

impl LogReader {
    pub(crate) fn of(capture: Arc<Capture>, follow: bool) -> Logs {
        let this = Self {
            changed: capture.changes(),
            capture,
            follow,
            piece: 0,
            taken: 0,
            read: [0, 0],
            told_dropped: false,
            told_incomplete: false,
        };
        let entries = stream::unfold(this, |mut this| async { Some((this.next().await?, this)) });
        entries.boxed()
    }

    async fn next(&mut self) -> Option<LogEntry> {
        loop {
            self.changed.mark_unchanged();
            {
                let capture = Arc::clone(&self.capture);
                let state = capture.lock();
                if let Some(entry) = self.printed(&state) {
                    return Some(entry);
                }
                if state.ended || !self.follow {
                    return self.last_words(&state);
                }
            }
            self.changed.changed().await.ok()?;
        }
    }

    /// The next of what is kept.
    fn printed(&mut self, state: &State) -> Option<LogEntry> {
        let (pieces, output) = (&state.order.pieces, &state.output);
        // The last piece may still grow.
        while self.piece + 1 < pieces.len() && self.taken == pieces.get(self.piece)?.length {
            self.piece += 1;
            self.taken = 0;
        }
        let streams = [
            (OutputStream::Stdout, &output.stdout.bytes),
            (OutputStream::Stderr, &output.stderr.bytes),
        ];
        let piece = pieces.get(self.piece)?;
        let in_order = piece.length - self.taken;
        for ((stream, bytes), read) in streams.into_iter().zip(&mut self.read) {
            let (at, length) = match state.order.beyond {
                _ if in_order > 0 && stream == piece.stream => (piece.at, in_order),
                Some(at) if in_order == 0 => (at, bytes.len() - *read),
                _ => continue,
            };
            if length > 0 {
                let end = *read + length.min(ENTRY);
                let bytes = bytes.get(*read..end)?.to_vec();
                self.taken += if in_order > 0 { bytes.len() } else { 0 };
                *read = end;
                return Some(LogEntry::Printed { stream, at, bytes });
            }
        }
        None
    }

    /// What there is to say when all that is kept was told.
    fn last_words(&mut self, state: &State) -> Option<LogEntry> {
        let output = &state.output;
        let (stdout, stderr) = (output.stdout.dropped, output.stderr.dropped);
        if !self.told_dropped && (stdout, stderr) != (0, 0) {
            self.told_dropped = true;
            return Some(LogEntry::Dropped { stdout, stderr });
        }
        if !self.told_incomplete && output.incomplete {
            self.told_incomplete = true;
            return Some(LogEntry::Incomplete);
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Clock, engine::OutputChunk};
    use OutputStream::{Stderr, Stdout};
    use bytes::Bytes;
    use tokio::time::sleep;

    const START: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    fn capture(limit: usize) -> Arc<Capture> {
        Arc::new(Capture::new(limit, Clock::starting_at(START)))
    }

    fn push(capture: &Capture, stream: OutputStream, bytes: &str) {
        let bytes = Bytes::copy_from_slice(bytes.as_bytes());
        capture.push(&OutputChunk { stream, bytes });
    }

    fn printed(stream: OutputStream, millis: u64, text: &str) -> LogEntry {
        LogEntry::Printed {
            stream,
            at: START + Duration::from_millis(millis),
            bytes: text.into(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_came_is_told_in_its_order_with_its_time_and_then_what_is_missing() {
        let capture = capture(6);
        let followed = LogReader::of(Arc::clone(&capture), true);
        push(&capture, Stdout, "a");
        push(&capture, Stderr, "b");
        push(&capture, Stdout, "c");
        sleep(Duration::from_millis(9)).await;
        push(&capture, Stdout, "d");
        sleep(Duration::from_millis(1)).await;
        push(&capture, Stdout, "e");
        let so_far = vec![
            printed(Stdout, 0, "a"),
            printed(Stderr, 0, "b"),
            printed(Stdout, 0, "cd"),
            printed(Stdout, 10, "e"),
        ];
        let now = LogReader::of(Arc::clone(&capture), false);
        assert_eq!(now.collect::<Vec<_>>().await, so_far);
        push(&capture, Stdout, "fghij");
        capture.end(true);
        let mut all = so_far;
        all.pop();
        let (stdout, stderr) = (3, 0);
        all.extend([
            printed(Stdout, 10, "efg"),
            LogEntry::Dropped { stdout, stderr },
            LogEntry::Incomplete,
        ]);
        assert_eq!(followed.collect::<Vec<_>>().await, all);
    }

    #[tokio::test(start_paused = true)]
    async fn a_piece_that_grows_is_told_as_it_grows() {
        let capture = capture(100);
        let mut followed = LogReader::of(Arc::clone(&capture), true);
        for text in ["a", "b", "c"] {
            push(&capture, Stderr, text);
            assert_eq!(followed.next().await, Some(printed(Stderr, 0, text)));
        }
        capture.end(false);
        assert_eq!(followed.next().await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn of_ever_so_many_pieces_every_byte_is_told() {
        let capture = capture(PIECES * 2);
        let each = PIECES / 2 + 100;
        for _ in 0..each {
            push(&capture, Stdout, "o");
            push(&capture, Stderr, "e");
        }
        capture.end(false);
        assert_eq!(capture.lock().order.pieces.len(), PIECES);
        let mut seen = [0, 0];
        let mut entries = 0;
        let mut log = LogReader::of(capture, true);
        while let Some(LogEntry::Printed { stream, bytes, .. }) = log.next().await {
            seen[usize::from(stream == Stderr)] += bytes.len();
            entries += 1;
        }
        assert_eq!((seen, entries), ([each, each], PIECES + 2));
    }
}
