//! The standard input of a container's command, until somebody takes it.

use super::Shared;
use crate::{
    engine::ContainerEngine,
    error::{ContainerError, ContainerResult},
    exec::ExecStdin,
};
use clawbox_types::{ContainerId, ContainerStatus};
use std::{
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// A record's part of it.
#[derive(Default)]
pub(crate) struct Stdin(Mutex<Held>);

#[derive(Default)]
enum Held {
    /// It was not asked for.
    #[default]
    None,
    /// Nobody has taken it yet.
    Here(ExecStdin),
    /// Somebody has it, or the container has ended.
    Taken,
}

impl Stdin {
    pub(crate) fn put(&self, stdin: ExecStdin) {
        *self.lock() = Held::Here(stdin);
    }

    /// Nobody needs it any more.
    pub(crate) fn shut(&self) {
        let mut held = self.lock();
        if let Held::Here(_) = *held {
            *held = Held::Taken;
        }
    }

    fn take(&self) -> Result<ExecStdin, &'static str> {
        let mut held = self.lock();
        match std::mem::replace(&mut *held, Held::Taken) {
            Held::Here(stdin) => Ok(stdin),
            Held::Taken => Err("it was taken before"),
            Held::None => {
                *held = Held::None;
                Err("the container was spawned without one")
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        // It is whole after any panic.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Stdin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stdin").finish_non_exhaustive()
    }
}

impl<E: ContainerEngine> Shared<E> {
    pub(super) fn take_stdin(&self, id: &ContainerId) -> ContainerResult<ExecStdin> {
        let record = self.registry.find(id)?;
        let status = record.info().status;
        if status != ContainerStatus::Running {
            return Err(ContainerError::InvalidState {
                id: id.clone(),
                expected: "running",
                actual: status,
            });
        }
        let taken = match record.recovered {
            true => Err("it went with the manager that spawned the container"),
            false => record.stdin.take(),
        };
        taken.map_err(|reason| ContainerError::Unsupported {
            what: "writing to the standard input".to_owned(),
            reason: reason.to_owned(),
        })
    }
}
