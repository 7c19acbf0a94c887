//! What a container can be, and what can happen to it: the one place where its state moves.

use clawbox_types::ContainerStatus;

/// Where a container is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Registered; its command has not run.
    Creating,
    /// Its command runs.
    Running,
    /// It has ended, and the engine may still have it.
    Ended(ContainerStatus),
    /// It has ended, and the engine has confirmed that nothing of it is left.
    Gone(ContainerStatus),
}

/// What happens to a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// Both gates are passed and the command runs. Said by process 1, or by the engine's start where that is all.
    Runs,
    /// It ended, as this. Said by process 1 or the engine; `Failed` also by a spawn that did not come off, and `Lost`
    /// where its task was torn down.
    Ends(ContainerStatus),
    /// The engine has confirmed its removal.
    Goes,
}

impl State {
    /// The state after an event. `None`: that cannot happen here, or changes nothing.
    pub(crate) const fn after(self, event: Event) -> Option<Self> {
        use ContainerStatus::{Completed, Failed, Killed, Lost, TimedOut};
        match (self, event) {
            (Self::Creating, Event::Runs) => Some(Self::Running),
            // A command that never ran has no end of its own.
            (Self::Creating, Event::Ends(end @ (Failed | Lost))) => Some(Self::Ended(end)),
            (Self::Running, Event::Ends(end @ (Completed | Failed | TimedOut | Killed | Lost))) => {
                Some(Self::Ended(end))
            }
            (Self::Ended(end), Event::Goes) => Some(Self::Gone(end)),
            _ => None,
        }
    }

    /// What a caller is told.
    pub(crate) const fn status(self) -> ContainerStatus {
        match self {
            Self::Creating => ContainerStatus::Creating,
            Self::Running => ContainerStatus::Running,
            Self::Ended(end) | Self::Gone(end) => end,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ContainerStatus::*;

    const ENDS: [ContainerStatus; 5] = [Completed, Failed, TimedOut, Killed, Lost];

    fn states() -> Vec<State> {
        let ended = ENDS.map(State::Ended).into_iter();
        let gone = ENDS.map(State::Gone);
        ended
            .chain(gone)
            .chain([State::Creating, State::Running])
            .collect()
    }

    fn events() -> Vec<Event> {
        let ends = ENDS.into_iter().chain([Creating, Running]);
        let ends = ends.map(Event::Ends);
        ends.chain([Event::Runs, Event::Goes]).collect()
    }

    #[test]
    fn these_moves_there_are_and_no_others() {
        let mut moves = vec![(State::Creating, Event::Runs, State::Running)];
        for end in ENDS {
            moves.push((State::Running, Event::Ends(end), State::Ended(end)));
            moves.push((State::Ended(end), Event::Goes, State::Gone(end)));
        }
        for end in [Failed, Lost] {
            moves.push((State::Creating, Event::Ends(end), State::Ended(end)));
        }
        for state in states() {
            for event in events() {
                let expected = moves.iter().find(|(s, e, _)| (*s, *e) == (state, event));
                let expected = expected.map(|(_, _, after)| *after);
                assert_eq!(state.after(event), expected, "{state:?}, {event:?}");
            }
        }
    }

    #[test]
    fn an_end_is_told_as_it_was_for_good() {
        for state in states().into_iter().filter(|s| s.status().is_terminal()) {
            for event in events() {
                let after = state.after(event).unwrap_or(state);
                assert_eq!(after.status(), state.status(), "{state:?}, {event:?}");
            }
        }
    }
}
