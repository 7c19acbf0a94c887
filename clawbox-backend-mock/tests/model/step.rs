//! What may happen: calls of the manager's, faults of the engine's, time, and callers that go away.

use clawbox_backend_mock::{Fault, Op};
use clawbox_containers::engine::EngineErrorKind;
use proptest::{prelude::*, sample::select};
use std::time::Duration;

/// What a run starts with.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setup {
    /// How many containers there may be.
    pub(crate) places: usize,
    /// What is process 1.
    pub(crate) init: Init,
    /// What is done in the end.
    pub(crate) ending: Ending,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Each container is killed.
    Kills,
    /// The manager is shut down.
    Shutdown,
    /// The last handle is dropped.
    Drop,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Init {
    Clawbox,
    /// `clawbox-init`, which loses its manager as soon as the command runs.
    Cut,
    Engine,
}

/// An index into what there is, which wraps around.
pub(crate) type Pick = usize;

#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    /// With the identity of an earlier one where that is given.
    Spawn {
        program: Program,
        limit: u64,
        again: Option<Pick>,
    },
    Kill(Pick),
    Wait(Pick),
    Exec(Pick),
    Evict(Pick),
    Cleanup,
    Reap,
    Info,
    /// The caller of this call goes away.
    Drop(Pick),
    /// Somebody else removes a container.
    Vanish(Pick),
    OutOfMemory(Pick),
    Fail(Trouble),
    Recover,
    /// Every task has this many turns.
    Turns(usize),
    Time(Duration),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    Ok,
    Three,
    /// Ends with 0 after 20 seconds.
    Short,
    Sleeper,
    /// As the sleeper, and ignores `SIGTERM`.
    Deaf,
    /// Ends with 0 at `SIGTERM`.
    Polite,
}

impl Program {
    pub(crate) const ALL: [Self; 6] = [
        Self::Ok,
        Self::Three,
        Self::Short,
        Self::Sleeper,
        Self::Deaf,
        Self::Polite,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Three => "three",
            Self::Short => "short",
            Self::Sleeper => "sleeper",
            Self::Deaf => "deaf",
            Self::Polite => "polite",
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Trouble {
    pub(crate) kind: Kind,
    pub(crate) on: Op,
    /// `None`: without end.
    pub(crate) times: Option<u64>,
    pub(crate) delay: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Unavailable,
    Refused,
    Hung,
    HungAfter,
    LostAnswer,
    Slow,
    Vanished,
    /// A container is created when nobody waits for it any more.
    CreatedLate,
}

impl Trouble {
    pub(crate) fn fault(self) -> Fault {
        let fault = match self.kind {
            Kind::Unavailable => Fault::unavailable(),
            Kind::Refused => Fault::refused(EngineErrorKind::Refused, "no"),
            Kind::Hung => Fault::hung(),
            Kind::HungAfter => Fault::hung_after(),
            Kind::LostAnswer => Fault::lost_answer(),
            Kind::Slow => Fault::slow(self.delay),
            Kind::Vanished => Fault::vanished(),
            Kind::CreatedLate => return Fault::created_late(self.delay),
        };
        let fault = fault.on(self.on).delayed(self.delay);
        match self.times {
            Some(times) => fault.times(times),
            None => fault.always(),
        }
    }
}

pub(crate) fn setups() -> impl Strategy<Value = Setup> {
    let init = prop_oneof![
        3 => Just(Init::Clawbox),
        1 => Just(Init::Cut),
        1 => Just(Init::Engine),
    ];
    let ending = select(vec![Ending::Kills, Ending::Shutdown, Ending::Drop]);
    (1_usize..4, init, ending).prop_map(|(places, init, ending)| Setup {
        places,
        init,
        ending,
    })
}

pub(crate) fn steps() -> impl Strategy<Value = Step> {
    let pick = || 0_usize..4;
    let spawn = (
        select(Program::ALL.as_slice()),
        select(vec![21_u64, 30, 3600]),
        prop_oneof![3 => Just(None), 1 => pick().prop_map(Some)],
    );
    let spawn = spawn.prop_map(|(program, limit, again)| Step::Spawn {
        program,
        limit,
        again,
    });
    prop_oneof![
        6 => spawn,
        3 => pick().prop_map(Step::Kill),
        2 => pick().prop_map(Step::Wait),
        1 => pick().prop_map(Step::Exec),
        1 => pick().prop_map(Step::Evict),
        3 => Just(Step::Cleanup),
        1 => Just(Step::Reap),
        1 => Just(Step::Info),
        4 => pick().prop_map(Step::Drop),
        1 => pick().prop_map(Step::Vanish),
        1 => pick().prop_map(Step::OutOfMemory),
        5 => troubles().prop_map(Step::Fail),
        2 => Just(Step::Recover),
        6 => (1_usize..12).prop_map(Step::Turns),
        8 => times().prop_map(Step::Time),
    ]
}

fn times() -> impl Strategy<Value = Duration> {
    prop_oneof![
        select(vec![1_u64, 5, 20, 100, 600]).prop_map(Duration::from_millis),
        select(vec![1_u64, 3, 6, 11, 25, 62, 130, 700]).prop_map(Duration::from_secs),
    ]
}

fn troubles() -> impl Strategy<Value = Trouble> {
    let kinds = vec![
        Kind::Unavailable,
        Kind::Refused,
        Kind::Hung,
        Kind::HungAfter,
        Kind::LostAnswer,
        Kind::Slow,
        Kind::Vanished,
        Kind::CreatedLate,
    ];
    let ops = vec![
        Op::Probe,
        Op::EnsureImage,
        Op::Create,
        Op::Inspect,
        Op::Attach,
        Op::Start,
        Op::Run,
        Op::Wait,
        Op::Kill,
        Op::Remove,
        Op::List,
    ];
    let times = prop_oneof![3 => (1_u64..4).prop_map(Some), 1 => Just(None)];
    let delay = select(vec![0_u64, 0, 5, 1000, 20_000]).prop_map(Duration::from_millis);
    (select(kinds), select(ops), times, delay).prop_map(|(kind, on, times, delay)| {
        // A process 1 that hangs keeps no deadline, and is none of the manager's doing.
        let (kind, delay) = match (on, kind) {
            (Op::Run, Kind::Hung | Kind::Slow) => (Kind::Refused, Duration::ZERO),
            (Op::Run, kind) => (kind, Duration::ZERO),
            // Before it is given up, and after.
            (_, Kind::CreatedLate) => (Kind::CreatedLate, Duration::from_secs(40) + 4 * delay),
            (_, kind) => (kind, delay),
        };
        Trouble {
            kind,
            on,
            times,
            delay,
        }
    })
}
