//! A container: its plan, its state, the readers of its output and the program in it.

use crate::{
    image::MockImage,
    process::Process,
    program::{Exit, Program},
};
use bytes::Bytes;
use clawbox_containers::{
    Clock,
    aspects::Init,
    engine::{
        EngineError, EngineErrorKind, EnginePhase, EngineResult, EngineState, OutputChunk,
        OutputChunks, Signal,
    },
    plan::PlanSpec,
};
use clawbox_types::OutputStream;
use futures_util::{FutureExt, StreamExt, stream};
use std::{
    panic::AssertUnwindSafe,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::{
    sync::{Notify, mpsc},
    task::AbortHandle,
};

/// How many bytes of output travel in one piece, as a pipe would hand them on.
const CHUNK: usize = 16 * 1024;
/// How many pieces may be on their way before a program that prints has to wait.
const CHUNKS: usize = 4;

const SIGABRT: i32 = 6;
const SIGKILL: i32 = 9;
const SIGTERM: i32 = 15;
/// Child, continue, urgent data, window size: ignored where nothing else is said.
const IGNORED: [i32; 4] = [17, 18, 23, 28];

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
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    phase: Phase,
    oom_killed: bool,
    started_at: Option<time::OffsetDateTime>,
    finished_at: Option<time::OffsetDateTime>,
    readers: Vec<mpsc::Sender<OutputChunk>>,
    program: Option<AbortHandle>,
    on_term: OnTerm,
    removed: bool,
}

#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Phase {
    #[default]
    Created,
    Running,
    Exited(i32),
}

/// What `SIGTERM` does to the program.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum OnTerm {
    #[default]
    Ends,
    Ignored,
    Awaited,
    Came,
}

impl Container {
    pub(crate) fn new(
        number: u64,
        image: MockImage,
        spec: Arc<PlanSpec>,
        told: Arc<PlanSpec>,
        clock: Clock,
    ) -> Self {
        Self {
            number,
            image,
            spec,
            told,
            clock,
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
        let state = self.lock();
        EngineState {
            phase,
            exit_code: match state.phase {
                Phase::Exited(code) => Some(code),
                _ => None,
            },
            oom_killed: state.oom_killed,
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

    pub(crate) fn start(self: &Arc<Self>, program: Arc<dyn Program>) -> EngineResult<()> {
        let mut state = self.lock();
        if state.phase != Phase::Created {
            return Err(EngineError::new(
                EngineErrorKind::Refused,
                "the container was started before",
            ));
        }
        state.phase = Phase::Running;
        state.started_at = Some(self.clock.now());
        let this = Arc::clone(self);
        let task = tokio::spawn(async move {
            let process = Process::new(Arc::clone(&this));
            let run = async move { program.run(process).await };
            let exit = AssertUnwindSafe(run).catch_unwind().await;
            this.end(exit.unwrap_or(Exit::Signal(SIGABRT)));
        });
        state.program = Some(task.abort_handle());
        Ok(())
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
        match signal {
            Signal::Kill => self.end(Exit::Signal(SIGKILL)),
            Signal::Term => self.terminate(),
        }
        true
    }

    fn terminate(&self) {
        let mut state = self.lock();
        match state.on_term {
            OnTerm::Awaited => state.on_term = OnTerm::Came,
            OnTerm::Ignored | OnTerm::Came => {}
            OnTerm::Ends => {
                drop(state);
                self.die_of(SIGTERM);
            }
        }
        self.changed.notify_waiters();
    }

    /// A signal with its default effect on the command. The kernel spares process 1 of a container, which
    /// the command is where the engine's init is not.
    pub(crate) fn die_of(&self, signal: i32) -> bool {
        let dies = self.spec.init == Init::Engine && !IGNORED.contains(&signal);
        if dies {
            self.end(Exit::Signal(signal));
        }
        dies
    }

    pub(crate) fn oom_kill(&self) {
        let mut state = self.lock();
        if state.phase == Phase::Running {
            state.oom_killed = true;
        }
        drop(state);
        self.end(Exit::Signal(SIGKILL));
    }

    pub(crate) fn ignore_term(&self) {
        self.lock().on_term = OnTerm::Ignored;
    }

    pub(crate) fn await_term(&self) {
        let mut state = self.lock();
        if state.on_term != OnTerm::Came {
            state.on_term = OnTerm::Awaited;
        }
    }

    pub(crate) async fn term_came(&self) {
        self.until(|state| (state.on_term == OnTerm::Came).then_some(()))
            .await;
    }

    /// Hands output to whoever is attached, waiting for slow readers and for nobody else.
    pub(crate) async fn print(&self, stream: OutputStream, bytes: &[u8]) {
        for piece in bytes.chunks(CHUNK) {
            let readers = self.lock().readers.clone();
            let bytes = Bytes::copy_from_slice(piece);
            for reader in readers {
                let bytes = bytes.clone();
                // A reader that went away misses it.
                drop(reader.send(OutputChunk { stream, bytes }).await);
            }
        }
    }

    /// Sets the end, once: the program stops, the output ends, those who wait are told.
    pub(crate) fn end(&self, exit: Exit) {
        let mut state = self.lock();
        if state.phase != Phase::Running {
            return;
        }
        state.phase = Phase::Exited(exit.code());
        state.finished_at = Some(self.clock.now());
        state.stop();
        drop(state);
        self.changed.notify_waiters();
    }

    /// Takes it from the engine, running or not.
    pub(crate) fn remove(&self) {
        let mut state = self.lock();
        state.removed = true;
        state.stop();
        drop(state);
        self.changed.notify_waiters();
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
    fn stop(&mut self) {
        self.readers = Vec::new();
        if let Some(program) = self.program.take() {
            program.abort();
        }
    }
}
