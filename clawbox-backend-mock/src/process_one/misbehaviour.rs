//! What process 1 may do wrong.

use super::{
    Lost,
    answers::{Seen, failed},
};
use crate::{container::Container, errno::Errno, kernel::first_pid};
use clawbox_containers::plan::PlanSpec;
use clawbox_init::protocol::{Question, VERSION};
use futures_util::future::pending;
use std::{sync::Arc, time::Duration};
use tokio::time::sleep;

/// What `clawbox-init` does wrong in a container: [`Fault::process_one`](crate::Fault::process_one).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InitFault {
    /// It never says a word.
    Silent,
    /// It ends before it says a word, with code 125.
    Dies,
    /// It ends after its first word.
    DiesAfterHello,
    /// It speaks this version of the protocol.
    Version(u32),
    /// It is this process, and not process 1.
    Pid(u32),
    /// It answers its first question so late.
    Late(Duration),
    /// It cannot look at this path: the kernel refuses with this error.
    Blind {
        /// The path.
        path: String,
        /// The error.
        errno: Errno,
    },
    /// It answers with what nobody can read.
    Garbage,
    /// It answers so often more than it was asked.
    Talkative(usize),
    /// It answers as if the container were as its engine says, whatever it is: an init that lies.
    Echo,
    /// It loses its manager as soon as the command runs.
    CutAfterGo,
}

/// Everything that one process 1 does wrong.
pub(super) struct Misbehaviour(pub(super) Vec<InitFault>);

impl Misbehaviour {
    fn does(&self, fault: &InitFault) -> bool {
        self.0.contains(fault)
    }

    pub(super) async fn before_hello(&self) -> Result<(), Lost> {
        if self.does(&InitFault::Silent) {
            pending::<()>().await;
        }
        if self.does(&InitFault::Dies) {
            return Err(Lost);
        }
        Ok(())
    }

    /// The version that it says it speaks, and the process that it says it is.
    pub(super) fn hello(&self, container: &Container) -> (u32, u32) {
        let (mut version, mut pid) = (VERSION, first_pid(&self.plan(container)));
        for fault in &self.0 {
            match fault {
                InitFault::Version(other) => version = *other,
                InitFault::Pid(other) => pid = *other,
                _ => {}
            }
        }
        (version, pid)
    }

    pub(super) fn after_hello(&self) -> Result<(), Lost> {
        if self.does(&InitFault::DiesAfterHello) {
            return Err(Lost);
        }
        Ok(())
    }

    /// The plan that it answers by.
    pub(super) fn plan(&self, container: &Container) -> Arc<PlanSpec> {
        Arc::clone(if self.does(&InitFault::Echo) {
            &container.told
        } else {
            &container.spec
        })
    }

    /// Makes of an answer what is told.
    pub(super) async fn answer(&mut self, question: Question<'_>, mut seen: Seen) -> Seen {
        let asked = match question {
            Question::Read(path)
            | Question::List(path)
            | Question::Link(path)
            | Question::Stat(path)
            | Question::Identity(path) => path.to_bytes(),
            Question::Call { .. } | Question::Socket { .. } => b"",
        };
        for fault in &mut self.0 {
            match fault {
                InitFault::Late(time) => sleep(std::mem::take(time)).await,
                InitFault::Blind { path, errno } if path.as_bytes() == asked => {
                    seen = failed(*errno);
                }
                InitFault::Garbage => seen = (i64::MAX, vec![0xFF; 3]),
                _ => {}
            }
        }
        seen
    }

    pub(super) fn answers_too_many(&self) -> usize {
        let more = self.0.iter().map(|fault| match fault {
            InitFault::Talkative(more) => *more,
            _ => 0,
        });
        more.sum()
    }

    pub(super) fn cuts_after_go(&self) -> bool {
        self.does(&InitFault::CutAfterGo)
    }
}
