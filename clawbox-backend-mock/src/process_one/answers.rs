//! What `clawbox-init` sees of a container under its plan.

use crate::{
    capability,
    errno::Errno,
    files::{Files, Tree},
    kernel::{self, text},
    seccomp::{self, Filter},
};
use clawbox_containers::{
    kernel::{RefusedCall, refused_calls},
    plan::PlanSpec,
};
use clawbox_init::protocol::Question;
use std::{ffi::CStr, sync::Arc};

const SIGSYS: i32 = 31;

/// Its own descriptors: the standard streams, the signals, the timer and the link. A listing shows its own as well.
const DESCRIPTORS: [&str; 6] = [
    "/dev/null",
    "pipe:[1]",
    "pipe:[2]",
    "anon_inode:[signalfd]",
    "anon_inode:[timerfd]",
    "socket:[3]",
];

/// What the kernel says to the calls that a filter lets through: [`refused_calls`] are wrong on purpose.
const KERNEL: [(&str, Errno); 18] = [
    ("keyctl", Errno::EOPNOTSUPP),
    ("add_key", Errno::EFAULT),
    ("io_uring_setup", Errno::EFAULT),
    ("userfaultfd", Errno::EINVAL),
    ("ptrace", Errno::ESRCH),
    ("process_vm_readv", Errno::EINVAL),
    ("perf_event_open", Errno::EFAULT),
    ("unshare", Errno::EINVAL),
    ("setns", Errno::EBADF),
    ("open_tree", Errno::EINVAL),
    ("name_to_handle_at", Errno::EINVAL),
    ("pidfd_getfd", Errno::EBADF),
    ("ioctl", Errno::EBADF),
    ("clone3", Errno::EINVAL),
    ("prlimit64", Errno::ESRCH),
    ("sched_setscheduler", Errno::EINVAL),
    ("shmget", Errno::EINVAL),
    ("memfd_create", Errno::EFAULT),
];

/// An answer: what the system call gave, and what was read.
pub(super) type Seen = (i64, Vec<u8>);

/// The eyes of process 1.
pub(super) struct Eyes {
    plan: Arc<PlanSpec>,
    /// The container's number, which its namespaces have.
    container: u64,
    files: Files,
    filter: Filter,
}

impl Eyes {
    pub(super) fn new(
        plan: Arc<PlanSpec>,
        filter: Filter,
        container: u64,
        image: Arc<Tree>,
    ) -> Self {
        Self {
            files: Files::new(Arc::clone(&plan), kernel::user(&plan), image),
            filter,
            plan,
            container,
        }
    }

    /// The answer, or the signal that it dies of.
    pub(super) fn look(&self, question: Question<'_>) -> Result<Seen, i32> {
        let seen = match question {
            Question::Read(path) => self.read(&path.to_string_lossy()),
            Question::List(path) => self.list(path),
            Question::Link(path) => self.link(path),
            Question::Stat(path) => self
                .files
                .mode(&path.to_string_lossy())
                .map(|mode| (mode.into(), Vec::new())),
            Question::Identity(path) => self.identity(&path.to_string_lossy()),
            Question::Call { number, arguments } => return self.call(number, arguments),
            Question::Socket {
                family,
                kind,
                protocol,
            } => return self.socket([family, kind, protocol].map(u64::from)),
        };
        Ok(seen.unwrap_or_else(failed))
    }

    fn read(&self, path: &str) -> Result<Seen, Errno> {
        match text::of_first_process(&self.plan, path) {
            Some(text) => Ok(read(text.into_bytes())),
            None => self.files.read(path, u64::from(u16::MAX)).map(read),
        }
    }

    fn list(&self, path: &CStr) -> Result<Seen, Errno> {
        let names: Vec<String> = match path.to_bytes() {
            b"/dev" => kernel::devices(&self.plan)
                .into_iter()
                .map(str::to_owned)
                .collect(),
            b"/proc/self/fd" => (0..=DESCRIPTORS.len()).map(|fd| fd.to_string()).collect(),
            _ => self.files.list(&path.to_string_lossy())?,
        };
        Ok(read(
            names
                .iter()
                .flat_map(|name| [name.as_bytes(), b"\0"].concat())
                .collect(),
        ))
    }

    fn identity(&self, path: &str) -> Result<Seen, Errno> {
        let (owner, identity) = self.files.identity(path)?;
        Ok((owner.into(), identity.map(u64::to_le_bytes).concat()))
    }

    fn link(&self, path: &CStr) -> Result<Seen, Errno> {
        let path = path.to_string_lossy();
        let target = if let Some(kind) = path.strip_prefix("/proc/self/ns/") {
            kernel::namespace(&self.plan, self.container, kind)
        } else {
            path.strip_prefix("/proc/self/fd/")
                .and_then(|number| number.parse::<usize>().ok())
                .and_then(|number| DESCRIPTORS.get(number))
                .map(|&target| target.to_owned())
        };
        target
            .map(|target| read(target.into_bytes()))
            .ok_or(Errno::ENOENT)
    }

    fn call(&self, number: u64, arguments: [u64; 6]) -> Result<Seen, i32> {
        let tried = |call: &&RefusedCall| call.number() == number;
        let Some(RefusedCall { name, .. }) = refused_calls().iter().find(tried) else {
            return Ok(failed(Errno::ENOSYS));
        };
        let said = KERNEL.iter().find(|(call, _)| call == name);
        let said = said.map_or(Errno::ENOSYS, |(_, errno)| *errno);
        Ok(failed(self.past_filter(name, &arguments)?.unwrap_or(said)))
    }

    fn socket(&self, arguments: [u64; 3]) -> Result<Seen, i32> {
        const RAW: u64 = 3;
        const PACKET: u64 = 17;
        let [family, kind, _] = arguments;
        let wants_capability = family == PACKET || (family == 2 && kind == RAW);
        let has = capability::effective(&self.plan, kernel::user(&self.plan).0)
            & capability::mask("NET_RAW")
            != 0;
        let refused = self.past_filter("socket", &arguments)?;
        let said = refused.or((wants_capability && !has).then_some(Errno::EPERM));
        Ok(said.map_or((0, Vec::new()), failed))
    }

    /// What the filter refuses the call with, if it does.
    fn past_filter(&self, call: &str, arguments: &[u64]) -> Result<Option<Errno>, i32> {
        match self.filter.answer(call, arguments) {
            seccomp::Answer::Allowed => Ok(None),
            seccomp::Answer::Refused(errno) => Ok(Some(errno)),
            seccomp::Answer::Killed => Err(SIGSYS),
        }
    }
}

fn read(bytes: Vec<u8>) -> Seen {
    (i64::try_from(bytes.len()).unwrap_or(i64::MAX), bytes)
}

pub(super) fn failed(errno: Errno) -> Seen {
    (-i64::from(errno.number()), Vec::new())
}
