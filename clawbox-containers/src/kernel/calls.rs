//! System calls that the filter refuses, tried for real. Where nothing refuses them they do nothing: an argument is
//! wrong, so that the kernel's own answer is another one than the filter's.

use super::{Answers, Given, Look, status::field};
use crate::{
    aspects::Seccomp,
    plan::PlanSpec,
    seccomp::SeccompProfileName::{self, Compat, NoMemfd},
};

/// A system call that a profile must refuse, and others may not.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct RefusedCall {
    /// Its name.
    pub name: &'static str,
    /// Its number on 64-bit x86 and on 64-bit ARM.
    numbers: [u64; 2],
    /// With which arguments.
    pub arguments: [u64; 6],
    /// The filter's answer where it refuses the call: an errno.
    pub errno: i64,
    /// Which profiles refuse it.
    by: By,
}

/// Which profiles refuse a call. The kernel's own errno is what all others must let through.
#[derive(Debug, PartialEq, Eq, Hash)]
enum By {
    All,
    Only(SeccompProfileName, i64),
    AllBut(SeccompProfileName, i64),
}

/// A socket that must not be had.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct RefusedSocket {
    /// What people call it.
    pub name: &'static str,
    /// The address family.
    pub family: u32,
    /// The type.
    pub kind: u32,
    /// The protocol.
    pub protocol: u32,
    /// The filter's answer: an errno.
    pub errno: i64,
}

impl RefusedCall {
    /// Its number on this architecture. A container runs on its manager's.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.numbers[if cfg!(target_arch = "aarch64") { 1 } else { 0 }]
    }

    /// The errno that it gives under the plan's profile.
    pub(super) fn errno_under(&self, seccomp: &Seccomp) -> i64 {
        let is = |profile: SeccompProfileName| matches!(seccomp, Seccomp::Profile { name, .. } if name == profile.as_str());
        match self.by {
            By::Only(profile, kernels) if !is(profile) => kernels,
            By::AllBut(profile, kernels) if is(profile) => kernels,
            By::All | By::Only(..) | By::AllBut(..) => self.errno,
        }
    }
}

const EPERM: i64 = 1;
const EFAULT: i64 = 14;
const EINVAL: i64 = 22;
const ENOSYS: i64 = 38;
const EPROTONOSUPPORT: i64 = 93;
const EAFNOSUPPORT: i64 = 97;

/// No such process, descriptor or flags.
const NONE: u64 = u64::MAX;

/// Another process than the caller, and none that there can be.
const OTHERS: u64 = 0x7fff_ffff;

const fn refused(name: &'static str, numbers: [u64; 2], arguments: [u64; 6]) -> RefusedCall {
    RefusedCall {
        name,
        numbers,
        arguments,
        errno: EPERM,
        by: By::All,
    }
}

/// What the kernel would say instead is beside each.
static CALLS: [RefusedCall; 18] = [
    // EOPNOTSUPP
    refused("keyctl", [250, 219], [NONE, 0, 0, 0, 0, 0]),
    // EFAULT
    refused("add_key", [248, 217], [0; 6]),
    // EFAULT
    refused("io_uring_setup", [425, 425], [1, 0, 0, 0, 0, 0]),
    // EINVAL
    refused("userfaultfd", [323, 282], [NONE, 0, 0, 0, 0, 0]),
    // ESRCH
    refused("ptrace", [101, 117], [3, NONE, 0, 0, 0, 0]),
    // EINVAL
    refused("process_vm_readv", [310, 270], [NONE, 0, 0, 0, 0, 1]),
    // EFAULT, or EACCES
    refused("perf_event_open", [298, 241], [0; 6]),
    // EINVAL
    refused("unshare", [272, 97], [1 << 31, 0, 0, 0, 0, 0]),
    // EBADF
    refused("setns", [308, 268], [NONE, 0, 0, 0, 0, 0]),
    // EINVAL
    refused("open_tree", [428, 428], [NONE, 0, 0xffff_0000, 0, 0, 0]),
    // EINVAL
    refused("name_to_handle_at", [303, 264], [NONE, 0, 0, 0, NONE, 0]),
    // EBADF
    refused("pidfd_getfd", [438, 438], [NONE, 0, 0, 0, 0, 0]),
    // EBADF: TIOCSTI types into whoever's terminal it is.
    refused("ioctl", [16, 29], [NONE, 0x5412, 0, 0, 0, 0]),
    // EINVAL
    RefusedCall {
        name: "clone3",
        numbers: [435, 435],
        arguments: [0; 6],
        errno: ENOSYS,
        by: By::All,
    },
    // ESRCH: the limits of another process.
    refused("prlimit64", [302, 261], [OTHERS, 0, 0, 0, 0, 0]),
    // EINVAL: SCHED_FIFO.
    refused("sched_setscheduler", [144, 119], [OTHERS, 1, 0, 0, 0, 0]),
    // A segment of no size.
    RefusedCall {
        by: By::AllBut(Compat, EINVAL),
        ..refused("shmget", [29, 194], [0; 6])
    },
    // A name at 0.
    RefusedCall {
        errno: ENOSYS,
        by: By::Only(NoMemfd, EFAULT),
        ..refused("memfd_create", [319, 279], [0; 6])
    },
];

static SOCKETS: [RefusedSocket; 4] = [
    RefusedSocket {
        name: "vsock",
        family: 40,
        kind: 1,
        protocol: 0,
        errno: EAFNOSUPPORT,
    },
    RefusedSocket {
        name: "alg",
        family: 38,
        kind: 5,
        protocol: 0,
        errno: EAFNOSUPPORT,
    },
    RefusedSocket {
        name: "generic netlink",
        family: 16,
        kind: 3,
        protocol: 16,
        errno: EPROTONOSUPPORT,
    },
    RefusedSocket {
        name: "sctp",
        family: 2,
        kind: 1,
        protocol: 132,
        errno: EPERM,
    },
];

/// The calls that are tried.
#[must_use]
pub fn refused_calls() -> &'static [RefusedCall] {
    &CALLS
}

/// The sockets that are tried.
#[must_use]
pub fn refused_sockets() -> &'static [RefusedSocket] {
    &SOCKETS
}

pub(super) fn looks() -> impl Iterator<Item = Look> {
    let calls = CALLS.iter().map(Look::Call);
    calls.chain(SOCKETS.iter().map(Look::Socket))
}

/// A filter is in force (mode 2, on every thread there is), and it is the planned one by what it answers.
pub(super) fn seccomp(spec: &PlanSpec, answers: &Answers) -> Given {
    let mode = match field(answers, "Seccomp") {
        Ok("2") => "filter",
        Ok(mode) => return Given::Other(format!("mode {mode}")),
        Err(why) => return Given::Unseen(why),
    };
    let tried = CALLS
        .iter()
        .map(|call| {
            let errno = call.errno_under(&spec.seccomp);
            (Look::Call(call), call.name, errno)
        })
        .chain(
            SOCKETS
                .iter()
                .map(|it| (Look::Socket(it), it.name, it.errno)),
        );
    let mut count = 0;
    for (look, name, errno) in tried {
        match answers.get(&look).map(|answer| answer.result) {
            Ok(result) if result == -errno => count += 1,
            Ok(result) => {
                return Given::Other(format!(
                    "{mode}, but {name} gives {result} and not -{errno}"
                ));
            }
            Err(why) => return Given::Unseen(why),
        }
    }
    Given::Planned(format!(
        "{mode}, which answers the {count} calls tried as planned"
    ))
}
