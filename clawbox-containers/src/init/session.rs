//! The talk with process 1 of one container: it is greeted, asked what the kernel gives, and told what to run.

use super::{
    link::{Frame, InitLink, LinkReader, LinkWriter, Pipe},
    streams::{Carries, Input, Streams},
};
use crate::{
    engine::Signal,
    kernel::{Answer, Answers, Look},
};
use clawbox_init::protocol::{
    Command, End, FromInit, MAIN_RUN, Questions, Step, Strings, ToInit, VERSION, put_text,
};
use clawbox_types::EnvValue;
use std::{
    collections::{BTreeMap, HashMap},
    ffi::CString,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::mpsc;

/// A command for process 1 to run.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Errand {
    pub(crate) argv: Vec<String>,
    pub(crate) directory: String,
    pub(crate) environment: BTreeMap<String, EnvValue>,
}

/// What process 1 tells of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RunEvent {
    Started,
    Failed {
        step: Step,
        errno: i32,
    },
    Ended {
        end: End,
        by_deadline: bool,
        oom_kills: Option<u64>,
    },
}

/// Process 1 before the command runs.
#[derive(Debug)]
pub(crate) struct Interview {
    reader: LinkReader,
    writer: LinkWriter,
}

impl Interview {
    /// Greets process 1, which must speak our version and be process 1.
    pub(crate) async fn begin(link: InitLink) -> io::Result<Self> {
        let (mut reader, writer) = link.split();
        let frame = reader.next().await?.ok_or_else(gone)?;
        match FromInit::decode(frame.kind, &frame.payload) {
            Ok(FromInit::Hello { version, pid: 1 }) if version == VERSION => {
                Ok(Self { reader, writer })
            }
            Ok(FromInit::Hello { version, pid }) => Err(invalid(format!(
                "it is process {pid} and speaks version {version}; expected process 1 and version {VERSION}"
            ))),
            other => Err(unexpected(&other)),
        }
    }

    /// Asks what the kernel gives.
    pub(crate) async fn ask(&mut self, looks: &[Look]) -> io::Result<Answers> {
        let mut encoded = Vec::new();
        for look in looks {
            look.encode(&mut encoded)?;
        }
        let count = u32::try_from(looks.len()).map_err(io::Error::other)?;
        let questions = Questions::new(count, &encoded)
            .map_err(|malformed| invalid(format!("questions: {malformed:?}")))?;
        let frame = Frame::to_init(&ToInit::Ask(questions), Vec::new())?;
        self.writer.send(frame).await?;
        let mut answers = Answers::default();
        for look in looks {
            let frame = self.reader.next().await?.ok_or_else(gone)?;
            match FromInit::decode(frame.kind, &frame.payload) {
                Ok(FromInit::Answer { result, bytes }) => answers.insert(
                    look.clone(),
                    Answer {
                        result,
                        bytes: bytes.to_vec(),
                    },
                ),
                other => return Err(unexpected(&other)),
            }
        }
        Ok(answers)
    }

    /// Has the container's command run, with a standard input of its own where that is wanted. Nothing more is asked
    /// after that.
    pub(crate) async fn go(
        self,
        errand: &Errand,
        deadline: Duration,
        with_stdin: bool,
    ) -> io::Result<Gone> {
        let (pipe, stdin) = match with_stdin {
            true => Some(self.writer.carries().input()?).unzip(),
            false => (None, None),
        };
        let (outgoing, frames) = mpsc::channel(OUTGOING);
        let this = Arc::new(ProcessOne {
            carries: self.writer.carries(),
            outgoing,
            runs: Mutex::new(Runs {
                next: MAIN_RUN,
                waiting: HashMap::new(),
                closed: false,
            }),
        });
        let (run, events) = this.run(errand, Some(deadline), pipe.into_iter().collect())?;
        run.keep();
        tokio::spawn(write(self.writer, frames));
        tokio::spawn(Arc::clone(&this).read(self.reader));
        Ok(Gone {
            process_one: this,
            told: events,
            stdin,
        })
    }
}

/// What there is once the container's command was sent.
#[derive(Debug)]
pub(crate) struct Gone {
    pub(crate) process_one: Arc<ProcessOne>,
    pub(crate) told: mpsc::Receiver<RunEvent>,
    /// Where the command reads from, where it has something to read.
    pub(crate) stdin: Option<Input>,
}

/// Process 1 once the command runs.
#[derive(Debug)]
pub(crate) struct ProcessOne {
    /// What kind of streams its link carries.
    carries: Carries,
    /// Frames on their way, in order.
    outgoing: mpsc::Sender<Frame>,
    runs: Mutex<Runs>,
}

#[derive(Debug)]
struct Runs {
    next: u32,
    /// Who hears of each run that is under way.
    waiting: HashMap<u32, mpsc::Sender<RunEvent>>,
    closed: bool,
}

/// How many frames may be on their way to process 1. It takes them as they come.
const OUTGOING: usize = 1024;

/// A run is told of twice at most: that it has started, and that it has ended.
const EVENTS: usize = 2;

impl ProcessOne {
    /// The streams of a command: process 1's ends, and ours.
    pub(crate) fn streams(&self) -> io::Result<(Vec<Pipe>, Streams)> {
        self.carries.streams()
    }

    /// Whether its link carries the system's descriptors.
    pub(crate) fn carries_descriptors(&self) -> bool {
        self.carries == Carries::Descriptors
    }

    /// Runs a command: on the container's own streams, with one pipe to read from if need be, or on three pipes. Gives what kills it where it is dropped,
    /// and where its events come, which ends early where the link does. Nobody waits here: a caller that holds its
    /// future and does not poll it holds up nobody else.
    pub(crate) fn run(
        self: &Arc<Self>,
        errand: &Errand,
        deadline: Option<Duration>,
        pipes: Vec<Pipe>,
    ) -> io::Result<(KillOnDrop, mpsc::Receiver<RunEvent>)> {
        let argv = Encoded::new(errand.argv.iter().map(|word| c_string(word)))?;
        let env = errand
            .environment
            .iter()
            .map(|(key, value)| c_string(&format!("{key}={}", value.as_str())));
        let env = Encoded::new(env)?;
        let directory = c_string(&errand.directory)?;
        // Rounded up: 0 would be no deadline at all.
        let deadline_ms = deadline.map_or(0, |limit| {
            u64::try_from(limit.as_millis())
                .unwrap_or(u64::MAX)
                .saturating_add(1)
        });
        let command = Command {
            deadline_ms,
            directory: &directory,
            argv: argv.strings()?,
            env: env.strings()?,
        };
        let (run, events) = self.reserve()?;
        let guard = KillOnDrop(Some((Arc::clone(self), run)));
        let frame = Frame::to_init(&ToInit::Run { run, command }, pipes);
        if let Err(error) = frame.and_then(|frame| self.send(frame)) {
            self.lock().waiting.remove(&run);
            return Err(error);
        }
        Ok((guard, events))
    }

    /// Sends a signal to a run's process group, after everything that was sent before.
    pub(crate) fn signal(&self, run: u32, signal: u32) -> io::Result<()> {
        self.send(Frame::to_init(&ToInit::Signal { run, signal }, Vec::new())?)
    }

    /// Sends a signal to the container's own command. `false`: process 1 does not hear of it.
    pub(crate) fn signal_command(&self, signal: Signal) -> bool {
        self.is_under_way(MAIN_RUN) && self.signal(MAIN_RUN, signal.number()).is_ok()
    }

    fn send(&self, frame: Frame) -> io::Result<()> {
        self.outgoing.try_send(frame).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => io::Error::new(
                io::ErrorKind::WouldBlock,
                format!("process 1 has not taken the last {OUTGOING} frames"),
            ),
            mpsc::error::TrySendError::Closed(_) => gone(),
        })
    }

    fn is_under_way(&self, run: u32) -> bool {
        self.lock().waiting.contains_key(&run)
    }

    #[cfg(test)]
    pub(super) fn under_way(&self) -> usize {
        self.lock().waiting.len()
    }

    #[cfg(test)]
    pub(super) fn is_closed(&self) -> bool {
        self.lock().closed
    }

    fn reserve(&self) -> io::Result<(u32, mpsc::Receiver<RunEvent>)> {
        let mut runs = self.lock();
        if runs.closed {
            return Err(gone());
        }
        let run = runs.next;
        runs.next = run.checked_add(1).ok_or(io::ErrorKind::QuotaExceeded)?;
        let (tell, events) = mpsc::channel(EVENTS);
        runs.waiting.insert(run, tell);
        Ok((run, events))
    }

    /// Hands out what process 1 says, until the link ends. What it says is believed about its own children and
    /// about nothing else.
    async fn read(self: Arc<Self>, mut reader: LinkReader) {
        loop {
            let told = match reader.next().await {
                Ok(Some(frame)) => FromInit::decode(frame.kind, &frame.payload)
                    .map_err(|malformed| invalid(format!("{malformed:?}")))
                    .and_then(|message| self.hear(message)),
                Ok(None) => break,
                Err(error) => Err(error),
            };
            if let Err(error) = told {
                tracing::warn!(%error, "process 1 is not listened to any more");
                break;
            }
        }
        let mut runs = self.lock();
        runs.closed = true;
        runs.waiting.clear();
    }

    fn hear(&self, message: FromInit<'_>) -> io::Result<()> {
        let (run, event) = match message {
            FromInit::Started { run } => (run, RunEvent::Started),
            FromInit::Failed { run, step, errno } => {
                let errno = i32::try_from(errno).map_err(|_| invalid("an errno out of range"))?;
                (run, RunEvent::Failed { step, errno })
            }
            FromInit::Ended {
                run,
                end,
                by_deadline,
                oom_kills,
            } => (
                run,
                RunEvent::Ended {
                    end,
                    by_deadline,
                    oom_kills,
                },
            ),
            FromInit::Hello { .. } | FromInit::Answer { .. } => {
                return Err(invalid("an answer that nobody asked for"));
            }
        };
        let mut runs = self.lock();
        let last = event != RunEvent::Started;
        let waiting = if last {
            runs.waiting.remove(&run)
        } else {
            runs.waiting.get(&run).cloned()
        };
        drop(runs);
        let waiting = waiting.ok_or_else(|| invalid(format!("run {run} is not under way")))?;
        match waiting.try_send(event) {
            // Nobody there to hear it is no matter.
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => Ok(()),
            Err(mpsc::error::TrySendError::Full(_)) => {
                Err(invalid(format!("run {run} was told of more than twice")))
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Runs> {
        // A map of senders is whole after any panic.
        self.runs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sends frames, each of them whole, whatever becomes of those whose they are.
async fn write(mut writer: LinkWriter, mut frames: mpsc::Receiver<Frame>) {
    while let Some(frame) = frames.recv().await {
        if let Err(error) = writer.send(frame).await {
            tracing::debug!(%error, "process 1 is not talked to any more");
            return;
        }
    }
}

/// `SIGKILL`.
const KILL: u32 = 9;

/// Kills a command that nobody waits for any more. One that has ended is not there to be killed.
#[derive(Debug)]
pub(crate) struct KillOnDrop(Option<(Arc<ProcessOne>, u32)>);

impl KillOnDrop {
    /// Lets it live.
    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for KillOnDrop {
    fn drop(&mut self) {
        let Some((process_one, run)) = self.0.take() else {
            return;
        };
        if process_one.is_under_way(run)
            && let Err(error) = process_one.signal(run, KILL)
        {
            tracing::debug!(%error, run, "command not killed");
        }
    }
}

/// Strings in the protocol's encoding.
struct Encoded {
    count: u32,
    bytes: Vec<u8>,
}

impl Encoded {
    fn new(strings: impl Iterator<Item = io::Result<CString>>) -> io::Result<Self> {
        let mut this = Self {
            count: 0,
            bytes: Vec::new(),
        };
        for string in strings {
            this.count += 1;
            put_text(&mut this.bytes, &string?);
        }
        Ok(this)
    }

    fn strings(&self) -> io::Result<Strings<'_>> {
        Strings::new(self.count, &self.bytes)
            .map_err(|malformed| invalid(format!("strings: {malformed:?}")))
    }
}

fn c_string(text: &str) -> io::Result<CString> {
    CString::new(text).map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))
}

fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "process 1 is gone")
}

fn invalid(why: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.into())
}

fn unexpected<T: std::fmt::Debug>(message: &T) -> io::Error {
    // A message may be as long as a frame.
    let text: String = format!("{message:?}").chars().take(120).collect();
    invalid(format!("process 1 said {text}"))
}
