//! The one loop: it waits, and sees to what has happened.

use core::ffi::CStr;
use core::fmt;
use core::hint::black_box;

use crate::answer::{self, answer};
use crate::link::{Frame, Link, Lost, Passed};
use crate::memory::{ANSWER, INCOMING, OUTGOING};
use crate::protocol::{Command, End, FromInit, MAIN_RUN, Malformed, RUNS, Step, ToInit, VERSION};
use crate::runs::{Place, Run, Runs};
use crate::say::give_up;
use crate::start::{self, Failure, Outcome};
use crate::sys::{
    self, Errno, Fd, Moment, Pid, Polled, SIGCHLD, SIGCONT, SIGHUP, SIGINT, SIGKILL, SIGQUIT,
    SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH, Status, Timer, Whom,
};

/// How long the command may be in coming, in nanoseconds. A number in memory, so that a test can have a program that
/// is less patient.
static PATIENCE: u64 = 60_000_000_000;

/// The signals that are seen to. All but the first are the command's.
const SIGNALS: [u32; 9] = [
    SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGCONT, SIGWINCH,
];

/// The exit code of what a deadline or the manager has killed.
const KILLED: u8 = 128 + SIGKILL as u8;

/// What is waited for beside the commands: the signals, the timer and the link.
const ALWAYS: usize = 3;

/// Why nothing could be begun.
pub(crate) struct Unable<'a> {
    what: &'static str,
    path: Option<&'a CStr>,
    errno: Errno,
}

impl fmt::Display for Unable<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, path, errno } = self;
        write!(out, "{what}")?;
        if let Some(path) = path {
            for chunk in path.to_bytes().utf8_chunks() {
                write!(out, "{}", chunk.valid())?;
            }
        }
        write!(out, ": errno {}", errno.number())
    }
}

pub(crate) struct Supervisor {
    /// The container's process 1, so that all other processes are the command's.
    alone: bool,
    link: Option<Link>,
    signals: Fd,
    timer: Timer,
    /// Until when the container's own command must have come, as long as it has not.
    patience: Option<Moment>,
    runs: Runs,
    incoming: &'static mut [u8],
    answer: &'static mut [u8],
}

impl Supervisor {
    /// Makes this process what it has to be, and connects it with the manager.
    pub(crate) fn new(socket: &CStr) -> Result<Self, Unable<'_>> {
        let unable = |what| {
            move |errno| Unable {
                what,
                path: None,
                errno,
            }
        };
        let begun = Moment::now();
        sys::open_standard_streams().map_err(unable("open /dev/null"))?;
        sys::close_on_exec_from_three().map_err(unable("keep descriptors from programs"))?;
        let signals = sys::take_signals(&SIGNALS).map_err(unable("take the signals"))?;
        sys::default_signals().map_err(unable("reset the signals"))?;
        let timer = Timer::new().map_err(unable("make a timer"))?;
        let (Some(incoming), Some(outgoing), Some(answer)) =
            (INCOMING.take(), OUTGOING.take(), ANSWER.take())
        else {
            return Err(unable("take the memory")(Errno::EINVAL));
        };
        let link = Link::connect(socket, outgoing).map_err(|errno| Unable {
            what: "connect to ",
            path: Some(socket),
            errno,
        })?;
        Ok(Self {
            alone: sys::process_id() == 1,
            link: Some(link),
            signals,
            timer,
            patience: Some(begun.after_nanoseconds(*black_box(&PATIENCE))),
            runs: Runs::new(),
            incoming,
            answer,
        })
    }

    pub(crate) fn run(mut self) -> ! {
        self.send(&FromInit::Hello {
            version: VERSION,
            pid: sys::process_id(),
        });
        let mut polled = [Polled::NOTHING; ALWAYS + RUNS];
        let mut places: [Place; RUNS] = [0; RUNS];
        loop {
            let starting = self.wait(&mut polled, &mut places);
            let [signals, timer, link, outcomes @ ..] = &polled;
            for (outcome, place) in outcomes.iter().zip(places).take(starting) {
                if outcome.is_ready() {
                    self.look_at_outcome(place);
                }
            }
            if signals.is_ready() {
                self.take_signals();
            }
            if timer.is_ready() {
                self.look_at_clock();
            }
            if link.is_ready() {
                self.receive();
            }
        }
    }

    /// Waits for anything to happen. Gives how many commands are waited for to start.
    fn wait(&mut self, polled: &mut [Polled; ALWAYS + RUNS], places: &mut [Place; RUNS]) -> usize {
        let nearest = self
            .patience
            .into_iter()
            .chain(self.runs.nearest_deadline());
        if let Err(errno) = self.timer.set(nearest.min()) {
            // Without a timer no deadline is held.
            self.end_all();
            give_up(format_args!("set the timer: errno {}", errno.number()));
        }
        let [signals, timer, link, outcomes @ ..] = polled;
        *signals = Polled::readable(&self.signals);
        *timer = Polled::readable(&self.timer.descriptor);
        *link = match &self.link {
            Some(link) => Polled::readable(&link.socket),
            None => Polled::NOTHING,
        };
        let mut starting = 0;
        for (place, run) in self.runs.iter() {
            if let Some(outcome) = &run.outcome {
                outcomes[starting] = Polled::readable(outcome);
                places[starting] = place;
                starting += 1;
            }
        }
        let all = &mut polled[..ALWAYS + starting];
        if sys::poll(all, None).is_err() {
            // Interrupted, which no signal does here, or short of memory: nothing is known to be ready, and all is
            // looked at anew.
            for one in all {
                one.forget();
            }
        }
        starting
    }

    /// Sends a message. A manager that cannot be reached is one that is gone.
    fn send(&mut self, message: &FromInit<'_>) {
        if let Some(link) = &mut self.link
            && let Err(lost) = link.send(message)
        {
            self.lose(lost);
        }
    }

    /// Goes on without a manager. Before the command has come there is nothing to go on with.
    fn lose(&mut self, lost: Lost) {
        if self.patience.is_some() {
            give_up(format_args!("{lost}"));
        }
        self.link = None;
    }

    fn receive(&mut self) {
        let Some(link) = &mut self.link else {
            return;
        };
        match link.receive(self.incoming) {
            Ok(None) => {}
            Ok(Some(frame)) => {
                let buffer = core::mem::take(&mut self.incoming);
                let payload = &mut buffer[..frame.length];
                let obeyed = self.obey(frame, payload);
                // A command's environment is nobody else's.
                payload.fill(0);
                sys::give_back(payload);
                self.incoming = buffer;
                if let Err(lost) = obeyed {
                    self.lose(lost);
                }
            }
            Err(lost) => self.lose(lost),
        }
    }

    fn obey(&mut self, frame: Frame, payload: &[u8]) -> Result<(), Lost> {
        let Frame { kind, pipes, .. } = frame;
        let message = ToInit::decode(kind, payload)?;
        let streams = pipes.iter().flatten().count();
        if streams > 0 && !matches!(message, ToInit::Run { .. }) {
            return Err(Malformed::Value.into());
        }
        match message {
            ToInit::Ask(questions) => {
                let Some(link) = &mut self.link else {
                    return Ok(());
                };
                for question in questions.iter() {
                    link.put(&answer(question, self.answer))?;
                }
                link.flush()?;
                sys::give_back(self.answer);
                Ok(())
            }
            ToInit::Run { run, command } => {
                let first = self.patience.is_some();
                let own = run == MAIN_RUN;
                if own != first || self.runs.by_number(run).is_some() {
                    return Err(Lost::OutOfOrder);
                }
                if !own && streams != pipes.len() {
                    return Err(Malformed::Value.into());
                }
                self.start(run, &command, pipes);
                Ok(())
            }
            ToInit::Signal { run, signal } => {
                match self.runs.by_number(run) {
                    Some(run) => match run.signal(signal) {
                        // Its processes are gone, or are not this user's any more.
                        Err(Errno::EINVAL) => Err(Malformed::Value.into()),
                        _ => Ok(()),
                    },
                    // It may have ended while this was on its way: the end that was told is the answer.
                    None => Ok(()),
                }
            }
            ToInit::End => {
                self.end_all();
                sys::exit(KILLED)
            }
        }
    }

    fn start(&mut self, number: u32, command: &Command<'_>, pipes: Passed) {
        let received = Moment::now();
        let Some(place) = self.runs.free() else {
            return self.tell_failed(
                number,
                Failure {
                    step: Step::Place,
                    errno: Errno::EAGAIN,
                },
            );
        };
        if number == MAIN_RUN {
            self.patience = None;
            // From here on there are others, who must not look into this process. Not before: what there is to tell
            // of `/proc/self` would then be root's alone to read.
            if let Err(errno) = sys::hide() {
                let step = Step::Fork;
                return self.tell_failed(number, Failure { step, errno });
            }
        }
        match start::start(command, pipes) {
            Ok(starting) => {
                let deadline = (command.deadline_ms != 0)
                    .then(|| received.after_milliseconds(command.deadline_ms));
                self.runs.put(
                    place,
                    Run {
                        number,
                        pid: starting.pid,
                        outcome: Some(starting.outcome),
                        deadline,
                        expired: false,
                    },
                );
            }
            Err(failure) => self.tell_failed(number, failure),
        }
    }

    /// Tells that a command's program could not be run, which for the container's own is its end.
    fn tell_failed(&mut self, run: u32, Failure { step, errno }: Failure) {
        self.send(&FromInit::Failed {
            run,
            step,
            errno: errno.number(),
        });
        if run == MAIN_RUN {
            self.end_all();
            sys::exit(Failure { step, errno }.exit_code());
        }
    }

    /// Looks what became of a process on its way to its program.
    fn look_at_outcome(&mut self, place: Place) {
        let Some(run) = self.runs.get_mut(place) else {
            return;
        };
        let number = run.number;
        match run.outcome.as_ref().and_then(start::outcome) {
            None => {}
            Some(Outcome::Started) => {
                run.outcome = None;
                self.send(&FromInit::Started { run: number });
            }
            Some(Outcome::Failed(failure)) => {
                // It has nothing more to do. Should another process hold it back from its end, this does not.
                run.kill();
                self.runs.take(place);
                self.tell_failed(number, failure);
            }
        }
    }

    fn take_signals(&mut self) {
        let mut children = false;
        while let Some(signal) = sys::next_signal(&self.signals) {
            if signal == SIGCHLD {
                children = true;
            } else if let Some(main) = self.runs.main() {
                // A command that cannot be signalled any more is about to be reaped.
                let _ = main.signal(signal);
            } else if matches!(signal, SIGHUP | SIGINT | SIGQUIT | SIGTERM) {
                give_up(format_args!("signal {signal} came before a command"));
            }
        }
        if children {
            self.reap();
        }
    }

    /// Sees to every child that is at its end, also those that were left behind by others.
    fn reap(&mut self) {
        while let Some((pid, status)) = sys::reap() {
            self.reaped(pid, status);
        }
    }

    fn reaped(&mut self, pid: Pid, status: Status) {
        let Some(place) = self.runs.place_of(pid) else {
            return;
        };
        // What it told before its end comes first.
        self.look_at_outcome(place);
        let Some(run) = self.runs.take(place) else {
            return;
        };
        let (end, code) = match status {
            Status::Code(code) => (End::Code(code), code),
            Status::Signal(signal) => (End::Signal(signal), 128 + signal),
        };
        let killed = end == End::Signal(SIGKILL as u8);
        self.tell_ended(run.number, end, run.expired && killed);
        if run.number == MAIN_RUN {
            self.end_all();
            sys::exit(code);
        }
    }

    fn tell_ended(&mut self, run: u32, end: End, by_deadline: bool) {
        if self.link.is_some() {
            // Of a further command nobody asks it, and it is waited for.
            let oom_kills = (run == MAIN_RUN)
                .then(|| answer::oom_kills(self.answer))
                .flatten();
            self.send(&FromInit::Ended {
                run,
                end,
                by_deadline,
                oom_kills,
            });
        }
    }

    fn look_at_clock(&mut self) {
        self.timer.acknowledge();
        let now = Moment::now();
        if self.patience.is_some_and(|patience| patience <= now) {
            give_up(format_args!("no command came"));
        }
        // What has ended before was not the deadline's doing.
        self.reap();
        while let Some(run) = self.runs.overdue(now) {
            run.expired = true;
            if run.number == MAIN_RUN {
                self.end_all();
                self.tell_ended(MAIN_RUN, End::Signal(SIGKILL as u8), true);
                sys::exit(KILLED);
            }
            run.kill();
        }
    }

    /// Kills every process but this one. The kernel does the same when process 1 ends, but only then.
    fn end_all(&mut self) {
        if self.alone {
            // Where there is no other process, that is well.
            let _ = sys::kill(Whom::All, SIGKILL);
        } else {
            for (_, run) in self.runs.iter() {
                run.kill();
            }
        }
    }
}
