//! Process 1 of our own in every container: how the manager reaches it, and what the two say.
//!
//! `clawbox-init` is bound into the container and started in the command's place, under the whole policy. It connects
//! back over a link, tells what the [kernel](crate::kernel) gives, and runs the command only when it is told to. The
//! command's arguments, its environment and the token travel over that link, so the engine's records hold none of
//! them. Afterwards it runs further commands, and ends the container at its deadline even where no manager lives.

mod exec;
mod link;
mod place;
mod session;
mod streams;
mod terminal;
#[cfg(test)]
mod tests;

pub(crate) use exec::{NotRun, code_and_signal, execute};
pub use link::{Frame, InitLink, LinkReader, LinkWriter, Pipe};
pub(crate) use place::{Place, Places, Reception, forget_places};
pub(crate) use session::{Errand, Gone, Interview, ProcessOne, RunEvent};

use crate::{
    ManagerConfig,
    error::{ContainerError, ContainerResult},
    owner::{Lease, OwnerId},
};
use clawbox_types::ContainerId;
use std::{fmt, path::PathBuf, sync::Arc};

/// Where process 1 finds itself and its manager, in every container.
pub const CONTAINER_INIT_DIR: &str = "/.clawbox";
/// Process 1's program, in every container.
pub const CONTAINER_INIT: &str = "/.clawbox/init";
/// The program's argument for a command that does nothing until it is killed.
pub const CONTAINER_INIT_WAIT: &str = "wait";
/// The program's argument for a command that puts files there, or gets them.
pub const CONTAINER_INIT_TRANSFER: &str = "transfer";
/// The socket that process 1 connects to.
pub const CONTAINER_INIT_SOCKET: &str = "/.clawbox/control.sock";

/// Gives the manager's end of the link to a container's process 1, once.
pub type LinkOf = Arc<dyn Fn(&ContainerId) -> Option<InitLink> + Send + Sync>;

/// What is missing where it cannot be had.
pub(crate) const PROCESS_ONE: &str = "clawbox-init as process 1";
pub(crate) const NO_PROGRAM: &str = "this build holds no program for it, as the feature `init` is off, or the target is \
                                     not 64-bit Linux on x86 or ARM";
pub(crate) const NO_STATE_DIR: &str = "there is no state directory for its socket";
pub(crate) const MAKING_PLACE: &str = "making the place of process 1";

/// What this process has ready for process 1 of its containers.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Readiness {
    /// The program's size.
    pub program_bytes: usize,
    /// Where it is put, each time anew.
    pub state_dir: PathBuf,
    /// Programs may not be executed there, which some engines keep to in a container.
    pub is_noexec: bool,
}

impl Readiness {
    /// Puts the program where a manager of this configuration would, and takes it away again.
    ///
    /// # Errors
    ///
    /// [`ContainerError::Unsupported`] where there is no program or no state directory, and [`ContainerError::Io`]
    /// where that cannot be used.
    pub fn try_out(config: &ManagerConfig) -> ContainerResult<Self> {
        let unsupported = |reason: &str| ContainerError::Unsupported {
            what: PROCESS_ONE.to_owned(),
            reason: reason.to_owned(),
        };
        let program = clawbox_init::PROGRAM.ok_or_else(|| unsupported(NO_PROGRAM))?;
        let state_dir = config.state_dir.clone();
        let state_dir = state_dir.ok_or_else(|| unsupported(NO_STATE_DIR))?;
        let owner = OwnerId::generate();
        let _lease = Lease::take(&state_dir, owner, "", None)?;
        let dir = state_dir.join(owner.to_string());
        let places = Places::make(dir.clone(), program).map_err(|source| ContainerError::Io {
            what: MAKING_PLACE,
            path: dir,
            source,
        })?;
        Ok(Self {
            program_bytes: program.len(),
            is_noexec: places.is_noexec(),
            state_dir,
        })
    }
}

/// How the manager and process 1 of an engine's containers reach each other.
#[derive(Clone)]
pub enum Carrier {
    /// By a unix socket in a directory that is bound into the container: the engine shares this host's files and
    /// kernel.
    Socket,
    /// By an engine in this process, which gives the manager's end of the link to each container that was started.
    Memory(LinkOf),
    /// Not at all, and why: the engine is on another machine.
    None(&'static str),
}

impl fmt::Debug for Carrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Socket => f.write_str("Socket"),
            Self::Memory(_) => f.write_str("Memory"),
            Self::None(why) => write!(f, "None({why:?})"),
        }
    }
}
