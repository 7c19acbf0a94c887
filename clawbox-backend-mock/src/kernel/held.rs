//! What the kernel keeps of a container: its files, its memory and its processes.

use super::user;
use crate::{
    errno::Errno,
    files::{Files, Tree},
};
use clawbox_containers::{aspects::Init, plan::PlanSpec};
use std::sync::Arc;

pub(crate) struct Held {
    plan: Arc<PlanSpec>,
    pub(crate) files: Files,
    allocated: u64,
    /// Commands and their children.
    processes: u64,
    pub(crate) oom_kills: u64,
}

impl Held {
    pub(crate) fn new(plan: Arc<PlanSpec>, image: Arc<Tree>) -> Self {
        Self {
            files: Files::new(Arc::clone(&plan), user(&plan), image),
            plan,
            allocated: 0,
            processes: 0,
            oom_kills: 0,
        }
    }

    pub(crate) fn allocate(&mut self, bytes: u64) {
        self.allocated = self.allocated.saturating_add(bytes);
    }

    /// Whether files and allocations together are more than the plan allows.
    pub(crate) fn is_out_of_memory(&self) -> bool {
        self.allocated.saturating_add(self.files.memory()) > self.plan.memory
    }

    /// One more process, where as many live as the plan allows, process 1 among them.
    pub(crate) fn fork(&mut self) -> Result<(), Errno> {
        let first = match self.plan.init {
            Init::Clawbox | Init::Engine => 1,
            Init::None => 0,
        };
        if self.processes + first >= self.plan.pids {
            return Err(Errno::EAGAIN);
        }
        self.processes += 1;
        Ok(())
    }

    pub(crate) fn reap(&mut self) {
        self.processes = self.processes.saturating_sub(1);
    }
}
