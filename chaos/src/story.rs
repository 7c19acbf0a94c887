//! What came of one container, as its manager's process tells it, and whether that was right.

use clawbox::ContainerStatus;
use serde::{Deserialize, Serialize};
use std::time::{SystemTime, UNIX_EPOCH};

/// How much later than its limit a container may have ended: process 1 waits half a second for a manager, and the host
/// is busy.
pub(crate) const LATE: u64 = 2_000;
/// How long a spawn whose caller went away may be held, where the engine answers.
const LINGERING: u64 = 10_000;

/// Of the wall clock, which all processes of a run share; in milliseconds.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    u64::try_from(since.unwrap_or_default().as_millis()).unwrap_or(u64::MAX)
}

/// A line of what a manager's process tells.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Line {
    /// A container is over.
    Story(Story),
    /// What an orderly end has left in the process.
    Left(Left),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Story {
    pub(crate) id: String,
    pub(crate) asked: Asked,
    pub(crate) done: Done,
    pub(crate) begun: u64,
    pub(crate) ended: u64,
    pub(crate) outcome: Outcome,
}

/// What the command was to do.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) enum Asked {
    Exit(i32),
    /// So many bytes, and an exit with 0.
    Print(u64),
    /// To sleep beyond this limit, in milliseconds.
    Overstay(u64),
    /// To sleep until somebody ends it.
    Stay,
}

/// What was done to it meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Done {
    Nothing,
    /// The spawn's future, after so many milliseconds.
    Dropped(u64),
    /// By its manager.
    Killed,
    /// By somebody else, as by `rm -f`.
    Removed,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Outcome {
    /// Its caller went away, and its manager held it for so long after that, in milliseconds.
    Dropped {
        lingered: u64,
    },
    Refused(String),
    Ended {
        status: ContainerStatus,
        exit_code: Option<i32>,
        /// From its start to its end, in milliseconds.
        ran: Option<u64>,
        printed: u64,
        incomplete: bool,
    },
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Left {
    /// Records of containers.
    pub(crate) records: Vec<String>,
    pub(crate) tokens: usize,
    /// Places that could not be taken again.
    pub(crate) slots: usize,
}

/// What the engine was put through, from when until when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Trouble {
    pub(crate) kind: Kind,
    pub(crate) from: u64,
    pub(crate) to: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Killed or ended in order, and started again.
    Down,
    Stopped,
    /// Its disk was full.
    Full,
}

/// What was not as it has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Wrong {
    Container,
    Status,
    Deadline,
}

impl Story {
    /// What was wrong with it, given what the engine went through.
    pub(crate) fn judge(&self, troubles: &[Trouble]) -> Option<Wrong> {
        let mut met = troubles
            .iter()
            .filter(|t| t.from <= self.ended && self.begun <= t.to);
        let down = met.clone().any(|t| t.kind == Kind::Down);
        let well = met.next().is_none();
        match &self.outcome {
            Outcome::Dropped { lingered } => {
                let held = *lingered > LINGERING && well;
                held.then_some(Wrong::Container)
            }
            // Only an engine in trouble is a reason.
            Outcome::Refused(_) => well.then_some(Wrong::Status),
            Outcome::Ended {
                status,
                exit_code,
                ran,
                printed,
                incomplete,
            } => {
                let end = (*status, *exit_code);
                if !self.may_end(end, down) {
                    return Some(Wrong::Status);
                }
                if *incomplete && well {
                    return Some(Wrong::Status);
                }
                let whole = end == (ContainerStatus::Completed, Some(0)) && !incomplete;
                if let (Asked::Print(bytes), true) = (self.asked, whole)
                    && bytes != *printed
                {
                    return Some(Wrong::Status);
                }
                match (self.asked, ran) {
                    (Asked::Overstay(limit), Some(ran)) if *ran > limit + LATE => {
                        Some(Wrong::Deadline)
                    }
                    _ => None,
                }
            }
        }
    }

    /// How such a container ends. Where somebody removes it, the engine says of it that it was killed, or that there is
    /// none; an engine that goes down may take its containers along.
    fn may_end(&self, end: (ContainerStatus, Option<i32>), engine_down: bool) -> bool {
        use ContainerStatus::{Completed, Failed, Killed, Lost, TimedOut};
        let by_others = matches!(end, (Failed, Some(137)) | (Lost, None));
        // Docker's word for an end that it was not there to see.
        let missed = end == (Failed, Some(255));
        // A Docker that starts again asks those to end that still run.
        let asked_to = end == (Failed, Some(143));
        let own = match (self.asked, self.done) {
            (Asked::Stay, Done::Removed) => by_others,
            (Asked::Stay, _) => end.0 == Killed,
            (Asked::Overstay(_), _) => end.0 == TimedOut,
            (Asked::Exit(0) | Asked::Print(_), _) => end == (Completed, Some(0)),
            (Asked::Exit(code), _) => end == (Failed, Some(code)),
        };
        own || (engine_down && (by_others || missed || asked_to))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ContainerStatus::{Completed, Failed, Killed, Lost, TimedOut};

    fn story(asked: Asked, done: Done, status: ContainerStatus, exit_code: Option<i32>) -> Story {
        Story {
            id: "clawbox-1".to_owned(),
            asked,
            done,
            begun: 1_000,
            ended: 5_000,
            outcome: Outcome::Ended {
                status,
                exit_code,
                ran: Some(3_000),
                printed: 10,
                incomplete: false,
            },
        }
    }

    fn trouble(kind: Kind, from: u64, to: u64) -> [Trouble; 1] {
        [Trouble { kind, from, to }]
    }

    #[test]
    fn each_command_has_its_own_end() {
        for (asked, done, status, code) in [
            (Asked::Exit(0), Done::Nothing, Completed, Some(0)),
            (Asked::Exit(3), Done::Nothing, Failed, Some(3)),
            (Asked::Print(10), Done::Nothing, Completed, Some(0)),
            (Asked::Overstay(2_000), Done::Nothing, TimedOut, Some(143)),
            (Asked::Stay, Done::Killed, Killed, Some(143)),
            (Asked::Stay, Done::Removed, Lost, None),
            (Asked::Stay, Done::Removed, Failed, Some(137)),
        ] {
            let right = story(asked, done, status, code);
            assert_eq!(right.judge(&[]), None, "{right:?}");
            for other in [Completed, Failed, TimedOut, Killed, Lost] {
                let wrong = story(asked, done, other, Some(9));
                let same = other == status && matches!(other, TimedOut | Killed);
                let expected = (!same).then_some(Wrong::Status);
                assert_eq!(wrong.judge(&[]), expected, "{wrong:?}");
            }
        }
        let short = story(Asked::Print(11), Done::Nothing, Completed, Some(0));
        assert_eq!(short.judge(&[]), Some(Wrong::Status));
    }

    #[test]
    fn only_an_engine_that_was_down_meanwhile_excuses_an_end_by_force() {
        let fallen = story(Asked::Exit(0), Done::Nothing, Failed, Some(137));
        let killed = |from, to| trouble(Kind::Down, from, to);
        assert_eq!(fallen.judge(&killed(4_000, 9_000)), None);
        let missed = story(Asked::Stay, Done::Removed, Failed, Some(255));
        assert_eq!(missed.judge(&killed(4_000, 9_000)), None);
        assert_eq!(missed.judge(&[]), Some(Wrong::Status));
        let asked_to = story(Asked::Stay, Done::Removed, Failed, Some(143));
        assert_eq!(asked_to.judge(&killed(4_000, 9_000)), None);
        assert_eq!(asked_to.judge(&[]), Some(Wrong::Status));
        assert_eq!(fallen.judge(&killed(0, 999)), Some(Wrong::Status));
        assert_eq!(fallen.judge(&killed(5_001, 9_000)), Some(Wrong::Status));
        for kind in [Kind::Stopped, Kind::Full] {
            let other = trouble(kind, 4_000, 9_000);
            assert_eq!(fallen.judge(&other), Some(Wrong::Status));
        }
        let claimed = story(Asked::Stay, Done::Killed, Completed, Some(0));
        assert_eq!(claimed.judge(&killed(0, 9_000)), Some(Wrong::Status));
    }

    #[test]
    fn a_refusal_needs_a_reason_and_a_limit_holds_in_any_trouble() {
        let mut refused = story(Asked::Exit(0), Done::Nothing, Lost, None);
        refused.outcome = Outcome::Refused("no".to_owned());
        assert_eq!(refused.judge(&[]), Some(Wrong::Status));
        let stopped = trouble(Kind::Stopped, 0, 9_000);
        assert_eq!(refused.judge(&stopped), None);
        let late = story(Asked::Overstay(999), Done::Nothing, TimedOut, Some(137));
        assert_eq!(late.judge(&stopped), Some(Wrong::Deadline));
        let mut held = refused;
        held.outcome = Outcome::Dropped { lingered: 10_001 };
        assert_eq!(held.judge(&[]), Some(Wrong::Container));
        assert_eq!(held.judge(&stopped), None);
    }
}
