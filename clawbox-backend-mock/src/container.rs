//! A container: its plan, its state, the readers of its output and what runs in it.

use crate::{
    image::MockImage,
    kernel::{self, Held},
    program::{Exit, Program},
    run::{Command, KILLED, Run, SIGTERM},
    streams::Streams,
};
use bytes::Bytes;
use clawbox_containers::{
    Clock,
    engine::{
        EngineError, EngineErrorKind, EnginePhase, EngineResult, EngineState, OutputChunk,
        OutputChunks, Signal,
    },
    init::InitLink,
    plan::PlanSpec,
};
use clawbox_types::OutputStream;
use futures_util::{StreamExt, stream};
use std::{
    collections::VecDeque,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};
use tokio::{
    sync::{Notify, mpsc},
    task::AbortHandle,
};

/// How many bytes of output travel in one piece, as a pipe would hand them on.
const CHUNK: usize = 16 * 1024;
/// How many pieces may be on their way before a program that prints has to wait.
const CHUNKS: usize = 4;

/// What `clawbox-init` exits with where it ran no command, and that is none of the command's doing.
pub(crate) const REFUSED: Exit = Exit::Code(125);

/// One container at the engine.
pub(crate) struct Container {
    /// Its place in the order of creation.
    pub(crate) number: u64,
    pub(crate) image: MockImage,
    /// What its processes run under.
    pub(crate) spec: Arc<PlanSpec>,
    /// What whoever inspects it is told.
    pub(crate) told: Arc<PlanSpec>,
    clock: Clock,
    held: Mutex<Held>,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    phase: Phase,
    started_at: Option<time::OffsetDateTime>,
    finished_at: Option<time::OffsetDateTime>,
    readers: Vec<mpsc::Sender<OutputChunk>>,
    /// The engine's own copy of the output: the newest of it.
    log: VecDeque<OutputChunk>,
    log_bytes: u64,
    /// The commands, the container's own first. They hold the container, not the other way round.
    runs: Vec<Weak<Run>>,
    /// `clawbox-init`, where that is process 1.
    init: Option<AbortHandle>,
    /// The manager's end of the link to that.
    link: Option<InitLink>,
    removed: bool,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Phase {
    #[default]
    Created,
    Running,
    Exited(i32),
}

impl Container {
    pub(crate) fn new(
        number: u64,
        image: MockImage,
        spec: Arc<PlanSpec>,
        told: Arc<PlanSpec>,
        clock: Clock,
    ) -> Self {
        let held = Held::new(Arc::clone(&spec), Arc::clone(&image.files));
        Self {
            number,
            image,
            spec,
            told,
            clock,
            held: Mutex::new(held),
            state: Mutex::default(),
            changed: Notify::new(),
        }
    }

    pub(crate) fn phase(&self) -> EnginePhase {
        match self.lock().phase {
            Phase::Created => EnginePhase::Created,
            Phase::Running => EnginePhase::Running,
            Phase::Exited(_) => EnginePhase::Exited,
        }
    }

    pub(crate) fn state(&self) -> EngineState {
        let phase = self.phase();
        let oom_killed = self.held().oom_kills > 0;
        let state = self.lock();
        EngineState {
            phase,
            exit_code: match state.phase {
                Phase::Exited(code) => Some(code),
                _ => None,
            },
            oom_killed,
            started_at: state.started_at,
            finished_at: state.finished_at,
        }
    }

    /// A new reader of what is printed from here on.
    pub(crate) fn attach(&self) -> OutputChunks {
        let (sender, mut receiver) = mpsc::channel(CHUNKS);
        let mut state = self.lock();
        // After the end there is nothing to come, and without its sender the stream is over.
        if !matches!(state.phase, Phase::Exited(_)) {
            state.readers.push(sender);
        }
        drop(state);
        stream::poll_fn(move |context| receiver.poll_recv(context))
            .map(Ok)
            .boxed()
    }

    /// What its log holds, and what is printed from here on.
    pub(crate) fn logs(&self) -> OutputChunks {
        let (sender, mut receiver) = mpsc::channel(CHUNKS);
        let mut state = self.lock();
        let so_far: Vec<OutputChunk> = state.log.iter().cloned().collect();
        if !matches!(state.phase, Phase::Exited(_)) {
            state.readers.push(sender);
        }
        drop(state);
        stream::iter(so_far)
            .chain(stream::poll_fn(move |context| receiver.poll_recv(context)))
            .map(Ok)
            .boxed()
    }

    /// Starts the command that the plan names.
    pub(crate) fn start(self: &Arc<Self>, program: Arc<dyn Program>) -> EngineResult<()> {
        self.begin()?;
        let environment = self.spec.environment.0.iter();
        let command = Command {
            argv: self.spec.command.argv.clone(),
            working_dir: self.spec.command.working_dir.clone(),
            environment: environment
                .filter_map(|(key, value)| Some((key.clone(), value.as_ref()?.as_str().to_owned())))
                .collect(),
        };
        if let Err(errno) = self.held().fork() {
            let words = format!("the first process: {errno}");
            return Err(EngineError::new(EngineErrorKind::Refused, words));
        }
        self.run(command, Streams::Container(None), program);
        Ok(())
    }

    /// Starts `clawbox-init`, which `spawn` does, and keeps the manager's end of the link to it.
    pub(crate) fn start_init(
        &self,
        link: InitLink,
        spawn: impl FnOnce() -> AbortHandle,
    ) -> EngineResult<()> {
        self.begin()?;
        let mut state = self.lock();
        state.link = Some(link);
        state.init = Some(spawn());
        Ok(())
    }

    fn begin(&self) -> EngineResult<()> {
        let mut state = self.lock();
        if state.phase != Phase::Created {
            return Err(EngineError::new(
                EngineErrorKind::Refused,
                "the container was started before",
            ));
        }
        state.phase = Phase::Running;
        state.started_at = Some(self.clock.now());
        Ok(())
    }

    /// The manager's end of the link to `clawbox-init`, once.
    pub(crate) fn take_link(&self) -> Option<InitLink> {
        self.lock().link.take()
    }

    /// Runs a command, whose process is counted already.
    pub(crate) fn run(
        self: &Arc<Self>,
        command: Command,
        streams: Streams,
        program: Arc<dyn Program>,
    ) -> Arc<Run> {
        let run = Run::start(Arc::clone(self), command, streams, program);
        let mut state = self.lock();
        // The first stays the first.
        let gone = |(place, run): (usize, &Weak<Run>)| place > 0 && run.strong_count() == 0;
        match state.runs.iter().enumerate().position(gone) {
            Some(place) => state.runs[place] = Arc::downgrade(&run),
            None => state.runs.push(Arc::downgrade(&run)),
        }
        run
    }

    /// A command has ended. Without `clawbox-init` that is the container's end.
    pub(crate) fn ended(&self, exit: Exit) {
        if !kernel::starts_clawbox_init(&self.spec) {
            self.end(exit);
        }
    }

    /// Waits for the end. `None`: it was removed, so that there is nothing to ask any more.
    pub(crate) async fn wait(&self) -> Option<i32> {
        self.until(|state| match state.phase {
            Phase::Exited(code) => Some(Some(code)),
            _ if state.removed => Some(None),
            _ => None,
        })
        .await
    }

    /// Sends a signal to process 1; `false` where nothing runs.
    pub(crate) fn signal(&self, signal: Signal) -> bool {
        if self.lock().phase != Phase::Running {
            return false;
        }
        match (signal, self.main()) {
            (Signal::Kill, _) => self.end(KILLED),
            (Signal::Term, Some(main)) => main.signal(SIGTERM),
            // Before the command has come, `clawbox-init` ends of it.
            (Signal::Term, None) => self.end(REFUSED),
        }
        true
    }

    /// The container's own command, once that runs.
    fn main(&self) -> Option<Arc<Run>> {
        self.lock().runs.first()?.upgrade()
    }

    /// The kernel takes the container's own command, or else process 1, for lack of memory.
    pub(crate) fn oom_kill(&self) {
        match self.main() {
            Some(main) => main.oom_kill(),
            None => {
                if self.lock().phase == Phase::Running {
                    self.held().oom_kills += 1;
                }
                self.end(KILLED);
            }
        }
    }

    /// Hands output to whoever is attached, waiting for slow readers and for nobody else.
    pub(crate) async fn print(&self, stream: OutputStream, bytes: &[u8]) {
        for piece in bytes.chunks(CHUNK) {
            let bytes = Bytes::copy_from_slice(piece);
            let readers = {
                let mut state = self.lock();
                let bytes = bytes.clone();
                state.keep(OutputChunk { stream, bytes }, self.spec.log.max_bytes);
                state.readers.clone()
            };
            for reader in readers {
                let bytes = bytes.clone();
                // A reader that went away misses it.
                drop(reader.send(OutputChunk { stream, bytes }).await);
            }
        }
    }

    /// Sets the end, once: all that runs is killed, the output ends, those who wait are told.
    pub(crate) fn end(&self, exit: Exit) {
        let mut state = self.lock();
        if state.phase != Phase::Running {
            return;
        }
        state.phase = Phase::Exited(exit.code());
        state.finished_at = Some(self.clock.now());
        let runs = state.stop();
        drop(state);
        kill(&runs);
        self.changed.notify_waiters();
    }

    /// Takes it from the engine, running or not.
    pub(crate) fn remove(&self) {
        let mut state = self.lock();
        state.removed = true;
        let runs = state.stop();
        drop(state);
        kill(&runs);
        self.changed.notify_waiters();
    }

    pub(crate) fn held(&self) -> MutexGuard<'_, Held> {
        // Plain values, whole after any panic.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn until<T>(&self, ready: impl Fn(&State) -> Option<T>) -> T {
        loop {
            let mut changed = pin!(self.changed.notified());
            // From here on no change is missed.
            changed.as_mut().enable();
            if let Some(value) = ready(&self.lock()) {
                return value;
            }
            changed.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Plain values, whole after any panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Puts something into the log, and takes out the oldest where that is full.
    fn keep(&mut self, chunk: OutputChunk, most: u64) {
        self.log_bytes += chunk.bytes.len() as u64;
        self.log.push_back(chunk);
        while self.log_bytes > most
            && let Some(oldest) = self.log.pop_front()
        {
            self.log_bytes -= oldest.bytes.len() as u64;
        }
    }

    /// Ends what hangs on a running container, but for its commands, which are to be killed without this lock.
    fn stop(&mut self) -> Vec<Weak<Run>> {
        self.readers = Vec::new();
        self.link = None;
        if let Some(init) = self.init.take() {
            init.abort();
        }
        std::mem::take(&mut self.runs)
    }
}

fn kill(runs: &[Weak<Run>]) {
    for run in runs.iter().filter_map(Weak::upgrade) {
        run.end(KILLED);
    }
}
