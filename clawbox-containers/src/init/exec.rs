//! A further command in a running container, with its output collected.

use super::{
    link::{Stream, Streams},
    session::{Errand, ProcessOne, RunEvent},
};
use bytes::BytesMut;
use clawbox_init::protocol::{End, Step};
use clawbox_types::{CapturedStream, ContainerOutput, ExecReport};
use std::{io, sync::Arc, time::Duration};

/// Why a command did not run to its end.
#[derive(Debug)]
pub(crate) enum NotRun {
    /// It could not be started.
    Failed { step: Step, errno: i32 },
    /// The link to process 1 broke, or the container ended.
    Broken(io::Error),
}

impl From<io::Error> for NotRun {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}

/// Runs a command and collects its output, `limit` bytes of each stream. Standard input is at its end at once.
/// Dropping the future kills the command.
pub(crate) async fn run_collected(
    process_one: &Arc<ProcessOne>,
    errand: &Errand,
    deadline: Option<Duration>,
    limit: usize,
) -> Result<ExecReport, NotRun> {
    let (pipes, Streams { stdout, stderr }) = process_one.streams()?;
    let (_kill_on_drop, mut events) = process_one.run(errand, deadline, pipes)?;
    match events.recv().await {
        Some(RunEvent::Started) => {}
        Some(RunEvent::Failed { step, errno }) => return Err(NotRun::Failed { step, errno }),
        Some(RunEvent::Ended { .. }) | None => return Err(gone()),
    }
    let mut stdout = Collector::new(stdout, limit);
    let mut stderr = Collector::new(stderr, limit);
    let ended = {
        let reading = async { tokio::join!(stdout.read(), stderr.read()) };
        let mut reading = std::pin::pin!(reading);
        tokio::select! {
            ended = events.recv() => ended,
            _ = &mut reading => events.recv().await,
        }
    };
    let Some(RunEvent::Ended {
        end, by_deadline, ..
    }) = ended
    else {
        return Err(gone());
    };
    // All that it wrote is there by now. Somebody else in the container may hold the pipe open for ever.
    let output = ContainerOutput::new(stdout.rest()?, stderr.rest()?);
    let (exit_code, signal) = code_and_signal(end);
    let mut report = ExecReport::new(exit_code, output);
    report.signal = signal;
    report.timed_out = by_deadline;
    Ok(report)
}

/// As a shell tells it: a signal is the code 128 + n too.
pub(crate) fn code_and_signal(end: End) -> (i32, Option<i32>) {
    match end {
        End::Code(code) => (code.into(), None),
        End::Signal(signal) => (i32::from(signal) + 128, Some(signal.into())),
    }
}

fn gone() -> NotRun {
    NotRun::Broken(io::ErrorKind::UnexpectedEof.into())
}

/// The first bytes of a stream.
struct Collector {
    stream: Stream,
    limit: usize,
    kept: CapturedStream,
    buffer: BytesMut,
}

impl Collector {
    fn new(stream: Stream, limit: usize) -> Self {
        Self {
            stream,
            limit,
            kept: CapturedStream::default(),
            buffer: BytesMut::new(),
        }
    }

    /// Reads to the stream's end.
    async fn read(&mut self) -> io::Result<()> {
        while self.stream.read(&mut self.buffer).await? > 0 {
            self.keep();
        }
        Ok(())
    }

    /// What there is without waiting.
    fn rest(mut self) -> io::Result<CapturedStream> {
        while self.stream.read_now(&mut self.buffer)? > 0 {
            self.keep();
        }
        Ok(self.kept)
    }

    fn keep(&mut self) {
        let room = self.limit.saturating_sub(self.kept.bytes.len());
        let (kept, dropped) = self.buffer.split_at(room.min(self.buffer.len()));
        self.kept.bytes.extend_from_slice(kept);
        self.kept.dropped += dropped.len() as u64;
        self.buffer.clear();
    }
}
