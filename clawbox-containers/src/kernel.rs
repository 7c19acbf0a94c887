//! Gate 2: what the kernel really gives, as process 1 sees it from inside, before the command runs.
//!
//! An engine's inspect repeats what was asked; on some hosts it does so where nothing is enforced. So the kernel is
//! asked as well: [`looks`] says what process 1 must look at, [`judge`] compares what it saw with the plan. Both are
//! pure. Process 1 knows nothing of the policy, and nothing of a container's own programs has run yet.

mod calls;
mod cgroup;
mod limits;
mod look;
mod mounts;
mod names;
mod spaces;
mod status;
#[cfg(test)]
mod tests;
mod workspaces;

pub use calls::{RefusedCall, RefusedSocket, refused_calls, refused_sockets};
pub use look::{Answer, Answers, Look};
pub use spaces::OwnNamespaces;
pub(crate) use workspaces::{ExpectedWorkspace, workspaces};

use crate::{plan::PlanSpec, verify::combine};
use clawbox_types::{EnforcementReport, PolicyItem};
use std::fmt::Display;

/// What the kernel gives of one policy item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Given {
    /// What the plan says.
    Planned(String),
    /// Something else.
    Other(String),
    /// It could not be seen, and why.
    Unseen(String),
}

impl Given {
    /// What the plan says, or else.
    fn of<T: PartialEq + Display>(planned: &T, seen: Result<T, String>) -> Self {
        match seen {
            Ok(seen) if seen == *planned => Self::Planned(seen.to_string()),
            Ok(seen) => Self::Other(seen.to_string()),
            Err(why) => Self::Unseen(why),
        }
    }
}

/// What process 1 of a container of this plan must look at.
#[must_use]
pub fn looks(spec: &PlanSpec) -> Vec<Look> {
    let mut looks = Vec::new();
    looks.extend(status::LOOKS.map(Look::read));
    looks.extend(limits::LOOKS.map(Look::read));
    looks.extend(cgroup::LOOKS.map(Look::read));
    looks.extend(names::LOOKS.map(Look::read));
    looks.push(Look::read(mounts::MOUNTS));
    let paths = mounts::kernel_paths(spec).chain(spec.tmpfs.0.keys());
    looks.extend(paths.map(|path| Look::Stat(path.clone())));
    looks.extend(spaces::looks());
    looks.extend(calls::looks());
    looks.extend(workspaces::looks(spec));
    looks
}

/// Joins what the kernel gives to what the engine said of a container. An item that both can see holds where both
/// agree with the plan.
#[must_use]
pub fn judge(
    spec: &PlanSpec,
    answers: &Answers,
    own: &OwnNamespaces,
    report: EnforcementReport,
) -> EnforcementReport {
    combine(report, given(spec, answers, own))
}

/// What the kernel gives of each item that it can be asked of. An engine's own records, the image and its log are the
/// engine's to tell.
fn given(spec: &PlanSpec, answers: &Answers, own: &OwnNamespaces) -> Vec<(PolicyItem, Given)> {
    vec![
        (PolicyItem::User, status::user(spec, answers)),
        (PolicyItem::ReadOnlyRoot, mounts::root(spec, answers)),
        (PolicyItem::Capabilities, status::capabilities(answers)),
        (
            PolicyItem::NoNewPrivileges,
            status::no_new_privileges(spec, answers),
        ),
        (PolicyItem::Seccomp, calls::seccomp(spec, answers)),
        (PolicyItem::Network, spaces::network(answers, own)),
        (PolicyItem::Pids, cgroup::pids(spec, answers)),
        (PolicyItem::Memory, cgroup::memory(spec, answers)),
        (PolicyItem::Swap, cgroup::swap(spec, answers)),
        (PolicyItem::Cpu, cgroup::cpu(spec, answers)),
        (PolicyItem::CpuShares, cgroup::shares(spec, answers)),
        (PolicyItem::Tmpfs, mounts::tmpfs(spec, answers)),
        (PolicyItem::Mounts, mounts::binds(spec, answers)),
        (PolicyItem::Ipc, spaces::ipc(spec, answers, own)),
        (
            PolicyItem::Namespaces,
            spaces::namespaces(spec, answers, own),
        ),
        (PolicyItem::Ulimits, limits::ulimits(spec, answers)),
        (PolicyItem::OomScore, limits::oom_score(spec, answers)),
        (
            PolicyItem::KernelPaths,
            mounts::kernel_paths_given(spec, answers),
        ),
        (PolicyItem::Devices, spaces::devices(answers)),
        (PolicyItem::Environment, spaces::environment(answers)),
        (PolicyItem::Init, spaces::init(answers)),
        (PolicyItem::Identity, names::identity(spec, answers)),
    ]
}
