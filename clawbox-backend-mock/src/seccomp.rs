//! A system call filter, as an engine's library would build it from the plan's JSON.

use crate::errno::Errno;
use clawbox_containers::aspects::Seccomp;
use serde::Deserialize;
use std::sync::Arc;

/// The system call filter of a container.
#[derive(Debug, Clone)]
pub struct Filter(Option<Arc<Profile>>);

/// What a filter answers to a system call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The kernel goes on and decides.
    Allowed,
    /// The call returns this error.
    Refused(Errno),
    /// The caller dies of `SIGSYS`.
    Killed,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Profile {
    default_action: String,
    default_errno_ret: Option<i32>,
    #[serde(default)]
    arch_map: Vec<Architecture>,
    #[serde(default)]
    syscalls: Vec<Rule>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Architecture {
    #[serde(default)]
    sub_architectures: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    names: Vec<String>,
    action: String,
    errno_ret: Option<i32>,
    #[serde(default)]
    args: Vec<Condition>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Condition {
    index: usize,
    value: u64,
    #[serde(default)]
    value_two: u64,
    op: String,
}

impl Filter {
    /// The filter that a plan asks for. Anything that is no profile lets everything through.
    pub(crate) fn of(seccomp: &Seccomp) -> Self {
        Self::parse(seccomp).unwrap_or(Self::none())
    }

    pub(crate) const fn none() -> Self {
        Self(None)
    }

    /// Reads a profile, as an engine does when it creates a container.
    pub(crate) fn parse(seccomp: &Seccomp) -> Result<Self, serde_json::Error> {
        match seccomp {
            Seccomp::Profile { json, .. } => Ok(Self(Some(Arc::new(serde_json::from_str(json)?)))),
            Seccomp::Other(_) => Ok(Self(None)),
        }
    }

    /// Whether calls by the doors of relatives of this architecture come as far as the rules.
    #[must_use]
    pub fn knows_relatives(&self) -> bool {
        let architectures = self.0.iter().flat_map(|profile| &profile.arch_map);
        self.0.is_none()
            || architectures
                .flat_map(|it| &it.sub_architectures)
                .next()
                .is_some()
    }

    /// Whether there is one.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        self.0.is_some()
    }

    /// What becomes of a call with these arguments; those that are not given are 0.
    #[must_use]
    pub fn answer(&self, call: &str, args: &[u64]) -> Answer {
        let Some(profile) = &self.0 else {
            return Answer::Allowed;
        };
        let rule = profile.syscalls.iter().find(|rule| {
            rule.names.iter().any(|name| name == call)
                && rule.args.iter().all(|condition| condition.holds(args))
        });
        match rule {
            Some(rule) => action(&rule.action, rule.errno_ret),
            None => action(&profile.default_action, profile.default_errno_ret),
        }
    }
}

impl Condition {
    fn holds(&self, args: &[u64]) -> bool {
        let arg = args.get(self.index).copied().unwrap_or(0);
        match self.op.as_str() {
            "SCMP_CMP_EQ" => arg == self.value,
            "SCMP_CMP_NE" => arg != self.value,
            "SCMP_CMP_LT" => arg < self.value,
            "SCMP_CMP_LE" => arg <= self.value,
            "SCMP_CMP_GT" => arg > self.value,
            "SCMP_CMP_GE" => arg >= self.value,
            "SCMP_CMP_MASKED_EQ" => arg & self.value == self.value_two,
            _ => false,
        }
    }
}

fn action(name: &str, errno: Option<i32>) -> Answer {
    match name {
        "SCMP_ACT_ALLOW" | "SCMP_ACT_LOG" => Answer::Allowed,
        "SCMP_ACT_ERRNO" => Answer::Refused(errno.map_or(Errno::EPERM, Errno::from_number)),
        _ => Answer::Killed,
    }
}
