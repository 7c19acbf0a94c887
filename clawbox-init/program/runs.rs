//! The commands that are under way.

use crate::protocol::{MAIN_RUN, RUNS};
use crate::sys::{self, Errno, Fd, Moment, Pid, SIGKILL, Whom};

/// A command that is under way.
pub(crate) struct Run {
    pub(crate) number: u32,
    /// Its first process, the leader of its process group.
    pub(crate) pid: Pid,
    /// Where it is told what became of it, as long as that is open.
    pub(crate) outcome: Option<Fd>,
    pub(crate) deadline: Option<Moment>,
    /// Whether it has been killed because of its deadline.
    pub(crate) expired: bool,
}

impl Run {
    /// Sends a signal to its process group.
    pub(crate) fn signal(&self, signal: u32) -> sys::Result<()> {
        match sys::kill(Whom::Group(self.pid), signal) {
            // Its process has not come so far as to lead a group. It is there: nobody has reaped it.
            Err(Errno::ESRCH) => sys::kill(Whom::Process(self.pid), signal),
            sent => sent,
        }
    }

    /// Kills its process group.
    pub(crate) fn kill(&self) {
        // A group that is gone, or a process that this user may not signal any more: nothing else can be done here.
        let _ = self.signal(SIGKILL);
    }
}

/// A place in the table.
pub(crate) type Place = usize;

pub(crate) struct Runs([Option<Run>; RUNS]);

impl Runs {
    pub(crate) const fn new() -> Self {
        Self([const { None }; RUNS])
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Place, &Run)> {
        let places = self.0.iter().enumerate();
        places.filter_map(|(place, run)| Some((place, run.as_ref()?)))
    }

    /// Where there is still room.
    pub(crate) fn free(&self) -> Option<Place> {
        self.0.iter().position(Option::is_none)
    }

    pub(crate) fn put(&mut self, place: Place, run: Run) {
        self.0[place] = Some(run);
    }

    pub(crate) fn take(&mut self, place: Place) -> Option<Run> {
        self.0.get_mut(place)?.take()
    }

    pub(crate) fn get_mut(&mut self, place: Place) -> Option<&mut Run> {
        self.0.get_mut(place)?.as_mut()
    }

    pub(crate) fn by_number(&self, number: u32) -> Option<&Run> {
        self.iter()
            .map(|(_, run)| run)
            .find(|run| run.number == number)
    }

    pub(crate) fn main(&self) -> Option<&Run> {
        self.by_number(MAIN_RUN)
    }

    pub(crate) fn place_of(&self, pid: Pid) -> Option<Place> {
        let mut places = self.iter();
        places.find_map(|(place, run)| (run.pid == pid).then_some(place))
    }

    /// The deadline that comes first.
    pub(crate) fn nearest_deadline(&self) -> Option<Moment> {
        let waiting = self.iter().filter(|(_, run)| !run.expired);
        waiting.filter_map(|(_, run)| run.deadline).min()
    }

    /// A command whose deadline has come and that is still to be killed.
    pub(crate) fn overdue(&mut self, now: Moment) -> Option<&mut Run> {
        self.0
            .iter_mut()
            .flatten()
            .find(|run| !run.expired && run.deadline.is_some_and(|deadline| deadline <= now))
    }
}
