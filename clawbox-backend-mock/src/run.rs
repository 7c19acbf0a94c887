//! A command in a container: its program, its streams, what signals do to it, and its end.

use crate::{
    container::Container,
    kernel::command_is_process_one,
    process::Process,
    program::{Exit, Program},
    streams::Streams,
};
use clawbox_types::OutputStream;
use futures_util::FutureExt;
use std::{
    collections::BTreeMap,
    panic::AssertUnwindSafe,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tokio::{sync::Notify, task::AbortHandle};

const SIGABRT: i32 = 6;
const SIGKILL: i32 = 9;
pub(crate) const SIGTERM: i32 = 15;
/// Child, continue, urgent data, window size: ignored where nothing else is said.
const IGNORED: [i32; 4] = [17, 18, 23, 28];

/// Killed by force.
pub(crate) const KILLED: Exit = Exit::Signal(SIGKILL);

/// What is run.
pub(crate) struct Command {
    pub(crate) argv: Vec<String>,
    pub(crate) working_dir: String,
    pub(crate) environment: BTreeMap<String, String>,
}

/// A command that runs, or has run.
pub(crate) struct Run {
    pub(crate) container: Arc<Container>,
    pub(crate) command: Command,
    pub(crate) streams: Streams,
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    program: Option<AbortHandle>,
    on_term: OnTerm,
    exit: Option<Exit>,
    stdout_closed: bool,
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

impl Run {
    /// Starts a program. Its process is counted already.
    pub(crate) fn start(
        container: Arc<Container>,
        command: Command,
        streams: Streams,
        program: Arc<dyn Program>,
    ) -> Arc<Self> {
        let this = Arc::new(Self {
            container,
            command,
            streams,
            state: Mutex::default(),
            changed: Notify::new(),
        });
        let run = Arc::clone(&this);
        let task = tokio::spawn(async move {
            let process = Process::new(Arc::clone(&run));
            let running = async move { program.run(process).await };
            let exit = AssertUnwindSafe(running).catch_unwind().await;
            run.end(exit.unwrap_or(Exit::Signal(SIGABRT)));
        });
        this.lock().program = Some(task.abort_handle());
        this
    }

    /// Sets the end, once: the program stops. Its own streams end when nobody holds its process any more.
    pub(crate) fn end(&self, exit: Exit) {
        let mut state = self.lock();
        if state.exit.is_some() {
            return;
        }
        state.exit = Some(exit);
        let program = state.program.take();
        drop(state);
        if let Some(program) = program {
            program.abort();
        }
        self.container.held().reap();
        self.changed.notify_waiters();
        self.container.ended(exit);
    }

    /// Waits for the end.
    pub(crate) async fn exit(&self) -> Exit {
        self.until(|state| state.exit).await
    }

    pub(crate) fn signal(&self, signal: i32) {
        match signal {
            SIGKILL => self.end(KILLED),
            SIGTERM => self.terminate(),
            other => drop(self.die_of(other)),
        }
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

    /// A signal with its default effect. The kernel spares process 1 of a container.
    pub(crate) fn die_of(&self, signal: i32) -> bool {
        let dies = !command_is_process_one(&self.container.spec) && !IGNORED.contains(&signal);
        if dies {
            self.end(Exit::Signal(signal));
        }
        dies
    }

    /// The kernel kills it for lack of memory.
    pub(crate) fn oom_kill(&self) {
        if self.lock().exit.is_none() {
            self.container.held().oom_kills += 1;
        }
        self.end(KILLED);
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

    pub(crate) fn close_stdout(&self) {
        self.lock().stdout_closed = true;
        if let Streams::Own(own) = &self.streams {
            own.close_stdout();
        }
    }

    pub(crate) async fn print(&self, stream: OutputStream, bytes: &[u8]) {
        if stream == OutputStream::Stdout && self.lock().stdout_closed {
            return;
        }
        match &self.streams {
            Streams::Container(_) => self.container.print(stream, bytes).await,
            Streams::Own(own) => own.print(stream, bytes).await,
        }
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
