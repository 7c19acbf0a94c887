//! Process 1 of a container: `clawbox-init`, with a link in memory and a kernel made of its container's plan.

mod answers;
mod misbehaviour;

pub use misbehaviour::InitFault;

use crate::{
    call::Call,
    container::{Container, REFUSED},
    engine::MockEngine,
    errno::Errno,
    fault::Effect,
    process::Process,
    program::{Exit, Program},
    run::{Command, KILLED, Run},
    seccomp::Filter,
    streams::Streams,
    transfer::transfer,
};
use answers::Eyes;
use clawbox_containers::{
    engine::{EngineError, EngineErrorKind, EnginePhase, EngineResult},
    init::{
        CONTAINER_INIT, CONTAINER_INIT_DIR, CONTAINER_INIT_SOCKET, CONTAINER_INIT_TRANSFER,
        CONTAINER_INIT_WAIT, Frame, InitLink, LinkReader, LinkWriter, Pipe,
    },
};
use clawbox_init::protocol::{End, FromInit, MAIN_RUN, Questions, RUNS, Step, Strings, ToInit};
use futures_util::{
    StreamExt,
    future::{BoxFuture, pending},
    stream::FuturesUnordered,
};
use misbehaviour::Misbehaviour;
use std::{
    collections::HashMap,
    sync::{Arc, Weak},
    time::Duration,
};
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// How long the command may be in coming.
const PATIENCE: Duration = Duration::from_secs(60);

/// Starts it in a container whose plan names it.
pub(crate) fn start(
    engine: &MockEngine,
    container: &Arc<Container>,
    faults: Vec<InitFault>,
) -> EngineResult<()> {
    let mut binds = container.spec.mounts.0.iter();
    if !binds.any(|bind| bind.target == CONTAINER_INIT_DIR) {
        let program = &container.spec.command.argv[0];
        return Err(EngineError::new(
            EngineErrorKind::Refused,
            format!("exec {program}: no such file or directory"),
        ));
    }
    let (managers, own) = InitLink::pair();
    let (reader, writer) = own.split();
    let this = ProcessOne {
        engine: engine.clone(),
        container: Arc::clone(container),
        misbehaviour: Misbehaviour(faults),
        reader,
        writer: Some(writer),
        patience: Some(Instant::now() + PATIENCE),
        runs: HashMap::new(),
        ends: FuturesUnordered::new(),
    };
    container.start_init(managers, || tokio::spawn(this.live()).abort_handle())
}

struct ProcessOne {
    engine: MockEngine,
    container: Arc<Container>,
    misbehaviour: Misbehaviour,
    reader: LinkReader,
    /// `None`: the link is lost.
    writer: Option<LinkWriter>,
    /// Until when the container's own command must have come, as long as it has not.
    patience: Option<Instant>,
    runs: HashMap<u32, Weak<Run>>,
    /// The ends of what runs.
    ends: FuturesUnordered<BoxFuture<'static, Ended>>,
}

struct Ended {
    run: u32,
    exit: Exit,
    by_deadline: bool,
}

/// Why a link is not used any more.
struct Lost;

enum Event {
    Ended(Ended),
    Told(Frame),
    Lost,
    /// No command came.
    Bored,
}

impl ProcessOne {
    async fn live(mut self) {
        let argv = &self.container.spec.command.argv;
        if argv.get(1..) != Some(&[CONTAINER_INIT_SOCKET.to_owned()]) {
            return self.container.end(REFUSED);
        }
        if let Err(Lost) = self.greet().await {
            return self.container.end(REFUSED);
        }
        loop {
            let bored = async {
                match self.patience {
                    Some(patience) => sleep_until(patience).await,
                    None => pending().await,
                }
            };
            let linked = self.writer.is_some();
            let event = tokio::select! {
                biased;
                Some(ended) = self.ends.next() => Event::Ended(ended),
                frame = self.reader.next(), if linked => match frame {
                    Ok(Some(frame)) => Event::Told(frame),
                    Ok(None) | Err(_) => Event::Lost,
                },
                () = bored => Event::Bored,
            };
            match event {
                Event::Ended(ended) => self.tell_end(ended).await,
                // Boxed, as it is rare and large.
                Event::Told(frame) => match Box::pin(self.obey(frame)).await {
                    Ok(()) => {}
                    Err(Lost) => self.lose(),
                },
                Event::Lost => self.lose(),
                Event::Bored => self.container.end(REFUSED),
            }
            if self.container.phase() != EnginePhase::Running {
                return;
            }
        }
    }

    async fn greet(&mut self) -> Result<(), Lost> {
        self.misbehaviour.before_hello().await?;
        let (version, pid) = self.misbehaviour.hello(&self.container);
        self.say(FromInit::Hello { version, pid }).await;
        self.misbehaviour.after_hello()
    }

    async fn say(&mut self, message: FromInit<'_>) {
        if let Some(writer) = &mut self.writer
            && writer.say(message).await.is_err()
        {
            self.lose();
        }
    }

    /// Goes on without a manager. Before the command has come there is nothing to go on with.
    fn lose(&mut self) {
        self.writer = None;
        if self.patience.is_some() {
            self.container.end(REFUSED);
        }
    }

    async fn obey(&mut self, frame: Frame) -> Result<(), Lost> {
        let Frame {
            kind,
            payload,
            pipes,
        } = frame;
        let message = ToInit::decode(kind, &payload).map_err(|_| Lost)?;
        match message {
            ToInit::Run { run, command } => {
                let own = run == MAIN_RUN;
                let out_of_order = own != self.patience.is_some() || self.is_under_way(run);
                if out_of_order || (!own && pipes.is_empty()) {
                    return Err(Lost);
                }
                let deadline =
                    (command.deadline_ms != 0).then(|| Duration::from_millis(command.deadline_ms));
                let directory = command.directory.to_string_lossy().into_owned();
                let command = Command {
                    argv: words(command.argv),
                    working_dir: directory,
                    environment: words(command.env)
                        .iter()
                        .filter_map(|entry| entry.split_once('='))
                        .map(|(key, value)| (key.to_owned(), value.to_owned()))
                        .collect(),
                };
                self.run(run, command, deadline, pipes).await;
                Ok(())
            }
            _ if !pipes.is_empty() => Err(Lost),
            ToInit::Ask(questions) => self.answer(questions).await,
            ToInit::Signal { run, signal } => {
                if let Some(run) = self.runs.get(&run).and_then(Weak::upgrade) {
                    run.signal(i32::try_from(signal).map_err(|_| Lost)?);
                }
                Ok(())
            }
            ToInit::End => {
                self.container.end(KILLED);
                Ok(())
            }
        }
    }

    async fn answer(&mut self, questions: Questions<'_>) -> Result<(), Lost> {
        let (plan, number) = (
            self.misbehaviour.plan(&self.container),
            self.container.number,
        );
        let filter = self
            .engine
            .filter(&plan.seccomp)
            .unwrap_or_else(|_| Filter::none());
        let image = Arc::clone(&self.container.image.files);
        let eyes = Eyes::new(plan, filter, number, image);
        for question in questions.iter() {
            match eyes.look(question) {
                Ok(seen) => {
                    let (result, bytes) = self.misbehaviour.answer(question, seen).await;
                    let bytes = &bytes;
                    self.say(FromInit::Answer { result, bytes }).await;
                }
                Err(signal) => {
                    self.container.end(Exit::Signal(signal));
                    return Ok(());
                }
            }
        }
        for _ in 0..self.misbehaviour.answers_too_many() {
            let bytes = &[];
            self.say(FromInit::Answer { result: 0, bytes }).await;
        }
        Ok(())
    }

    fn is_under_way(&self, run: u32) -> bool {
        self.runs.contains_key(&run)
    }

    async fn run(
        &mut self,
        number: u32,
        command: Command,
        deadline: Option<Duration>,
        pipes: Vec<Pipe>,
    ) {
        let received = Instant::now();
        let own = number == MAIN_RUN;
        if own {
            self.patience = None;
        }
        let call = Call::Run {
            name: self.container.spec.identity.name.clone(),
            argv: command.argv.clone(),
        };
        let mut meanwhile = Vec::new();
        let mut answers = true;
        for (delay, effect) in self.engine.enter(&call) {
            if let Effect::Vanish | Effect::Oom = effect {
                meanwhile.push((delay, effect));
                continue;
            }
            sleep(delay).await;
            match effect {
                Effect::Refuse(..) => {
                    return self.tell_failed(number, Step::Fork, Errno::EAGAIN).await;
                }
                Effect::Hang => pending::<()>().await,
                Effect::HangAfter => answers = false,
                Effect::LoseAnswer => self.writer = None,
                _ => {}
            }
        }
        let streams = if own {
            Streams::of_container(pipes)
        } else {
            Streams::of(pipes)
        };
        let Some(streams) = streams else {
            return self.tell_failed(number, Step::Pipes, Errno::EINVAL).await;
        };
        let program = match self.admit(&command) {
            Ok(program) => program,
            Err((step, errno)) => return self.tell_failed(number, step, errno).await,
        };
        let run = self.container.run(command, streams, program);
        self.runs.insert(number, Arc::downgrade(&run));
        if answers {
            self.say(FromInit::Started { run: number }).await;
        }
        if self.misbehaviour.cuts_after_go() {
            self.writer = None;
        }
        self.ends
            .push(Box::pin(see_through(run, number, deadline, received)));
        for (delay, effect) in meanwhile {
            self.engine.strike_later(&self.container, delay, effect);
        }
    }

    /// The program of a command that may run: there is room for it, its directory is there, and so is it.
    fn admit(&self, command: &Command) -> Result<Arc<dyn Program>, (Step, Errno)> {
        if self.runs.len() >= RUNS {
            return Err((Step::Place, Errno::EAGAIN));
        }
        let mut held = self.container.held();
        held.files
            .enter(&command.working_dir)
            .map_err(|errno| (Step::Directory, errno))?;
        let own = match command.argv.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            [CONTAINER_INIT, CONTAINER_INIT_WAIT] => {
                Some(Arc::new(|_: Process| pending::<()>()) as Arc<dyn Program>)
            }
            [CONTAINER_INIT, CONTAINER_INIT_TRANSFER] => Some(Arc::new(transfer) as _),
            _ => None,
        };
        let program = own.or_else(|| self.container.image.program(&command.argv));
        let program = program.ok_or_else(|| (Step::Program, held.files.why_not(&command.argv)))?;
        held.fork().map_err(|errno| (Step::Fork, errno))?;
        Ok(program)
    }

    /// Tells that a command's program could not be run, which for the container's own is its end.
    async fn tell_failed(&mut self, run: u32, step: Step, errno: Errno) {
        self.say(FromInit::Failed {
            run,
            step,
            errno: errno.number().unsigned_abs(),
        })
        .await;
        if run == MAIN_RUN {
            self.container.end(match (step, errno) {
                (Step::Program, Errno::ENOENT | Errno::ENOTDIR) => Exit::Code(127),
                (Step::Program, _) => Exit::Code(126),
                _ => REFUSED,
            });
        }
    }

    async fn tell_end(&mut self, ended: Ended) {
        let Ended {
            run,
            exit,
            by_deadline,
        } = ended;
        self.runs.remove(&run);
        let end = match exit {
            Exit::Code(code) => End::Code(code),
            Exit::Signal(signal) => End::Signal(u8::try_from(signal).unwrap_or(u8::MAX)),
        };
        let oom_kills = (run == MAIN_RUN).then(|| self.container.held().oom_kills);
        self.say(FromInit::Ended {
            run,
            end,
            by_deadline: by_deadline && exit == KILLED,
            oom_kills,
        })
        .await;
        if run == MAIN_RUN {
            self.container.end(exit);
        }
    }
}

/// Waits for the end of a command, which comes at its deadline at the latest.
async fn see_through(
    run: Arc<Run>,
    number: u32,
    deadline: Option<Duration>,
    received: Instant,
) -> Ended {
    let ended = |exit, by_deadline| Ended {
        run: number,
        exit,
        by_deadline,
    };
    let Some(deadline) = deadline else {
        return ended(run.exit().await, false);
    };
    match timeout(deadline.saturating_sub(received.elapsed()), run.exit()).await {
        Ok(exit) => ended(exit, false),
        Err(_) => {
            run.end(KILLED);
            ended(run.exit().await, true)
        }
    }
}

fn words(strings: Strings<'_>) -> Vec<String> {
    let strings = strings.iter();
    strings
        .map(|word| word.to_string_lossy().into_owned())
        .collect()
}
