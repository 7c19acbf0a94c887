//! What may go wrong at the engine, on purpose.

use crate::{
    call::{Call, Op},
    process_one::InitFault,
};
use clawbox_containers::{
    engine::{EngineErrorKind, EngineWarning, Inspection},
    plan::PlanSpec,
};
use clawbox_types::PolicyItem;
use std::{fmt, sync::Arc, time::Duration};

type When = Arc<dyn Fn(&Call) -> bool + Send + Sync>;
type EditInspection = Arc<dyn Fn(&mut Inspection) + Send + Sync>;
type EditPlan = Arc<dyn Fn(&mut PlanSpec) + Send + Sync>;

/// Something that goes wrong: what, at which calls, and how often.
///
/// It happens once, at the first call that it fits, where nothing else is said. Faults that fit the same
/// call happen together, in the order in which they were given to
/// [`MockEngine::fail`](crate::MockEngine::fail).
///
/// ```
/// use clawbox_backend_mock::{Fault, MockEngine, Op};
/// use std::time::Duration;
///
/// let engine = MockEngine::new();
/// engine.fail(Fault::start_failed("exec format error"));
/// engine.fail(Fault::unavailable().on(Op::Wait).times(3));
/// engine.fail(Fault::hung().on(Op::Remove).after(1).always());
/// engine.fail(Fault::unavailable().on(Op::Wait).delayed(Duration::from_secs(5)));
/// ```
#[derive(Clone)]
pub struct Fault {
    effect: Effect,
    on: Option<Op>,
    when: Option<When>,
    delay: Duration,
    skip: u64,
    /// How often it still happens; `None` is without end.
    left: Option<u64>,
}

/// What a fault does.
#[derive(Clone)]
pub(crate) enum Effect {
    /// Nothing but its delay.
    Slow,
    /// The call is not done and answered with this error.
    Refuse(EngineErrorKind, String),
    /// The call is not done and never answered.
    Hang,
    /// The call is done, and its answer lost.
    LoseAnswer,
    /// The call is done, and what it did is never answered.
    HangAfter,
    /// The call is done so much later, whoever still waits for it, and never answered.
    Late(Duration),
    Warn(EngineWarning),
    EditInspection(EditInspection),
    /// The container gets another plan than it should; `told` says whether its inspection shows that.
    Weaken {
        edit: EditPlan,
        told: bool,
    },
    /// The container is gone before the call is done.
    Vanish,
    /// The kernel kills the container before the call is done.
    Oom,
    /// The output breaks off after so many bytes.
    CutOutput(usize),
    /// Each piece of the output is so late.
    SlowOutput(Duration),
    /// Process 1 does this wrong.
    Init(InitFault),
}

impl Fault {
    /// The engine cannot be reached.
    #[must_use]
    pub fn unavailable() -> Self {
        Self::refused(EngineErrorKind::Unavailable, "connection refused")
    }

    /// The engine refuses, with this kind of error and these words.
    #[must_use]
    pub fn refused(kind: EngineErrorKind, words: impl Into<String>) -> Self {
        Self::new(Effect::Refuse(kind, words.into()), None)
    }

    /// The engine never answers, and does not do what it is asked.
    #[must_use]
    pub fn hung() -> Self {
        Self::new(Effect::Hang, None)
    }

    /// The engine does what it is asked and never answers.
    #[must_use]
    pub fn hung_after() -> Self {
        Self::new(Effect::HangAfter, None)
    }

    /// The engine creates the container so much later, though nobody may wait for it any more, and never answers: as
    /// one that was held up, and had the request already.
    #[must_use]
    pub fn created_late(time: Duration) -> Self {
        Self::new(Effect::Late(time), Some(Op::Create))
    }

    /// The engine takes this much longer.
    #[must_use]
    pub fn slow(time: Duration) -> Self {
        Self::new(Effect::Slow, None).delayed(time)
    }

    /// The engine does what it is asked, and the connection breaks before its answer.
    #[must_use]
    pub fn lost_answer() -> Self {
        Self::new(Effect::LoseAnswer, None)
    }

    /// The command cannot be started, for this reason.
    #[must_use]
    pub fn start_failed(words: impl Into<String>) -> Self {
        Self::refused(EngineErrorKind::Refused, words).on(Op::Start)
    }

    /// The disk of the engine's host is full when it creates a container.
    #[must_use]
    pub fn disk_full() -> Self {
        Self::refused(EngineErrorKind::Refused, "no space left on device").on(Op::Create)
    }

    /// Creating a container warns of this, about an item or about nothing known.
    #[must_use]
    pub fn warning(item: Option<PolicyItem>, text: impl Into<String>) -> Self {
        let text = text.into();
        Self::new(Effect::Warn(EngineWarning { item, text }), Some(Op::Create))
    }

    /// An inspection tells something else than what is.
    #[must_use]
    pub fn inspection(edit: impl Fn(&mut Inspection) + Send + Sync + 'static) -> Self {
        Self::new(Effect::EditInspection(Arc::new(edit)), Some(Op::Inspect))
    }

    /// A container gets another plan than it should, and its inspection shows that.
    #[must_use]
    pub fn weakened(edit: impl Fn(&mut PlanSpec) + Send + Sync + 'static) -> Self {
        let edit = Arc::new(edit);
        Self::new(Effect::Weaken { edit, told: true }, Some(Op::Create))
    }

    /// A container gets another plan than it should, and its inspection repeats what was asked for: only
    /// a process inside can tell, `clawbox-init` before the command runs.
    #[must_use]
    pub fn weakened_in_secret(edit: impl Fn(&mut PlanSpec) + Send + Sync + 'static) -> Self {
        let edit = Arc::new(edit);
        Self::new(Effect::Weaken { edit, told: false }, Some(Op::Create))
    }

    /// `clawbox-init` in the container that is started does this wrong.
    #[must_use]
    pub fn process_one(fault: InitFault) -> Self {
        Self::new(Effect::Init(fault), Some(Op::Start))
    }

    /// Somebody else removes the container once its command runs. Where [another call](Self::on) is named, just
    /// before that; under the engine's own init, where no command is told to run, one must be.
    #[must_use]
    pub fn vanished() -> Self {
        Self::new(Effect::Vanish, Some(Op::Run))
    }

    /// The kernel kills the command for lack of memory once it runs. Where [another call](Self::on) is named,
    /// just before that, as with [`vanished`](Self::vanished).
    #[must_use]
    pub fn out_of_memory() -> Self {
        Self::new(Effect::Oom, Some(Op::Run))
    }

    /// The output breaks off after so many bytes of both streams together.
    #[must_use]
    pub fn output_cut(bytes: usize) -> Self {
        Self::new(Effect::CutOutput(bytes), Some(Op::Attach))
    }

    /// Each piece of the output, 16 KiB at most, takes so long to come.
    #[must_use]
    pub fn output_slow(time: Duration) -> Self {
        Self::new(Effect::SlowOutput(time), Some(Op::Attach))
    }

    /// Only at this kind of call. What is about one kind of call, such as a warning, does nothing at others.
    #[must_use]
    pub fn on(mut self, op: Op) -> Self {
        self.on = Some(op);
        self
    }

    /// Only at calls for which this is true.
    #[must_use]
    pub fn when(mut self, when: impl Fn(&Call) -> bool + Send + Sync + 'static) -> Self {
        self.when = Some(Arc::new(when));
        self
    }

    /// Only so long after the call came. What happens to a command that runs happens so long after its start.
    #[must_use]
    pub fn delayed(mut self, time: Duration) -> Self {
        self.delay = time;
        self
    }

    /// Not at the first so many calls that it fits.
    #[must_use]
    pub fn after(mut self, calls: u64) -> Self {
        self.skip = calls;
        self
    }

    /// So many times.
    #[must_use]
    pub fn times(mut self, times: u64) -> Self {
        self.left = Some(times);
        self
    }

    /// Every time.
    #[must_use]
    pub fn always(mut self) -> Self {
        self.left = None;
        self
    }

    fn new(effect: Effect, on: Option<Op>) -> Self {
        Self {
            effect,
            on,
            when: None,
            delay: Duration::ZERO,
            skip: 0,
            left: Some(1),
        }
    }

    /// Whether it happens at this call, which is counted.
    fn strikes(&mut self, call: &Call) -> bool {
        let fits = self.on.is_none_or(|op| op == call.op())
            && self.when.as_ref().is_none_or(|when| when(call));
        if !fits || self.left == Some(0) {
            return false;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return false;
        }
        self.left = self.left.map(|left| left - 1);
        true
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fault")
            .field("on", &self.on)
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}

/// The faults that are still to happen.
#[derive(Debug, Default)]
pub(crate) struct Faults(Vec<Fault>);

impl Faults {
    pub(crate) fn add(&mut self, fault: Fault) {
        self.0.push(fault);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// What happens at this call, in order, each after its delay.
    pub(crate) fn strike(&mut self, call: &Call) -> Vec<(Duration, Effect)> {
        let mut struck = Vec::new();
        for fault in &mut self.0 {
            if fault.strikes(call) {
                struck.push((fault.delay, fault.effect.clone()));
            }
        }
        self.0.retain(|fault| fault.left != Some(0));
        struck
    }
}
