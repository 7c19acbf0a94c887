//! The system call filters that a container runs under.
//!
//! A filter is written down as data: groups of system calls, each with the reason why it is
//! allowed, refused, or answered with an errno of its own. This module reads the data, refuses
//! data that contradicts itself, and compiles it to the JSON that engines take.
//!
//! What holds for every profile:
//!
//! - The default is refusal, with `EPERM`. Being forgotten means being refused.
//! - Only the native architecture's calls are let through: a call of a 32-bit program on a 64-bit
//!   kernel ends that program. The native one is named all the same, because runc answers `ENOSYS`
//!   for calls newer than all it knows, and so sends programs to an older way, only on
//!   architectures that are named.
//! - Rules for the same call never overlap. What an engine's filter library makes of overlapping
//!   rules depends on the library, so no answer may depend on that.
//! - Arguments are compared on their low 32 bits only, which is what the kernel reads of them:
//!   bits above neither hide a refused value nor spoil an allowed one.
//!
//! A profile besides the strict one is written as its differences from that, call by call.
//!
//! The files are made for 64-bit x86 and ARM; a name that an architecture lacks is skipped by the
//! engine.

mod data;
#[cfg(test)]
mod tests;

use std::{fmt, str::FromStr, sync::LazyLock};

use clawbox_types::InvalidValue;
use serde::{Deserialize, Serialize};

use self::data::{Action, Data, DataError, Rule};

const STRICT: &str = include_str!("seccomp/strict.json");
const COMPAT: &str = include_str!("seccomp/compat.json");
const NO_MEMFD: &str = include_str!("seccomp/no_memfd.json");

/// In the order of their names' type.
static PROFILES: LazyLock<[SeccompProfile; 3]> = LazyLock::new(|| {
    let profiles = [
        SeccompProfile::parse(STRICT),
        SeccompProfile::over_strict(COMPAT),
        SeccompProfile::over_strict(NO_MEMFD),
    ];
    profiles.map(|profile| profile.expect("embedded profiles are sound, which the tests check"))
});

/// The profiles that an operator can choose from.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum SeccompProfileName {
    /// What agents need, and nothing besides.
    #[default]
    Strict,
    /// Strict, but with shared memory: System V segments and semaphores, and a `/dev/shm` of at most 64 MiB, which is
    /// scratch space like any other. For PostgreSQL, Chromium, Python's `multiprocessing`.
    Compat,
    /// Strict, but without `memfd_create`: nothing can be executed but what the image has.
    NoMemfd,
}

impl SeccompProfileName {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Strict, Self::Compat, Self::NoMemfd];

    /// The name in configurations and reports.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Strict => "strict",
            Self::Compat => "compat",
            Self::NoMemfd => "no_memfd",
        }
    }

    /// Whether it comes with a `/dev/shm`.
    #[must_use]
    pub const fn has_shared_memory(self) -> bool {
        matches!(self, Self::Compat)
    }
}

impl fmt::Display for SeccompProfileName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for SeccompProfileName {
    type Err = InvalidValue;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let mut names = Self::ALL.into_iter();
        names.find(|name| name.as_str() == s).ok_or_else(|| {
            let names = Self::ALL.map(Self::as_str).join(", ");
            InvalidValue::new(s, format!("a seccomp profile is one of {names}"))
        })
    }
}

/// A default-deny system call filter, ready for an engine.
///
/// # Examples
///
/// ```
/// use clawbox_containers::seccomp::SeccompProfile;
///
/// let profile = SeccompProfile::strict();
/// assert_eq!(profile.name(), "strict");
/// assert!(profile.to_oci_json().contains(r#""defaultAction":"SCMP_ACT_ERRNO""#));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeccompProfile {
    name: String,
    oci_json: String,
}

impl SeccompProfile {
    /// The profile of every container that is not given another one.
    ///
    /// Shells, interpreters, compilers, version control and servers on loopback work under it.
    /// Refused are, among others: `io_uring`, `ptrace` and every other reach into a process,
    /// `bpf`, `perf_event_open`, `userfaultfd`, keyrings, mounts, namespaces, file handles, System V
    /// and POSIX message queues, and every kind of socket but unix, TCP, UDP and routing netlink.
    #[must_use]
    pub fn strict() -> &'static Self {
        Self::named(SeccompProfileName::Strict)
    }

    /// The profile of this name.
    #[must_use]
    pub fn named(name: SeccompProfileName) -> &'static Self {
        let [strict, compat, no_memfd] = &*PROFILES;
        match name {
            SeccompProfileName::Strict => strict,
            SeccompProfileName::Compat => compat,
            SeccompProfileName::NoMemfd => no_memfd,
        }
    }

    /// All profiles, the strict one first.
    pub fn all() -> impl Iterator<Item = &'static Self> {
        PROFILES.iter()
    }

    /// The profile's name, as it is shown to operators.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The profile as compact JSON in the form that Docker takes inline and Podman reads from a
    /// file: the OCI runtime's `linux.seccomp`, but with an `archMap`, of which the engine picks
    /// its own architecture.
    ///
    /// The same profile always gives the same bytes.
    #[must_use]
    pub fn to_oci_json(&self) -> String {
        self.oci_json.clone()
    }

    fn parse(text: &str) -> Result<Self, DataError> {
        Self::compile(serde_json::from_str(text)?)
    }

    fn over_strict(differences: &str) -> Result<Self, DataError> {
        let strict: Data = serde_json::from_str(STRICT)?;
        Self::compile(strict.with(serde_json::from_str(differences)?)?)
    }

    fn compile(data: Data) -> Result<Self, DataError> {
        let rules = data.rules()?;
        let oci_json = serde_json::to_string(&OciProfile::new(&rules))?;
        Ok(Self {
            name: data.name,
            oci_json,
        })
    }
}

/// Allowed by the engine's filter library.
const ACT_ALLOW: &str = "SCMP_ACT_ALLOW";
/// An errno; `EPERM` where no other is given.
const ACT_ERRNO: &str = "SCMP_ACT_ERRNO";
/// Compares `argument & value` with `valueTwo`.
const CMP_MASKED_EQ: &str = "SCMP_CMP_MASKED_EQ";

/// The architectures that the profiles are made for. On another one an engine adds its own.
const ARCHITECTURES: [&str; 2] = ["SCMP_ARCH_X86_64", "SCMP_ARCH_AARCH64"];

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OciProfile<'a> {
    default_action: &'static str,
    arch_map: [OciArch; 2],
    syscalls: Vec<OciSyscall<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OciArch {
    architecture: &'static str,
    /// The 32-bit relatives: none.
    sub_architectures: [&'static str; 0],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OciSyscall<'a> {
    names: &'a [String],
    action: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    errno_ret: Option<u32>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    args: Vec<OciArg>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OciArg {
    index: u8,
    value: u32,
    value_two: u32,
    op: &'static str,
}

impl<'a> OciProfile<'a> {
    /// Leaves out what is refused: it is the default, and some engines reject a rule that repeats
    /// the default.
    fn new(rules: &[Rule<'a>]) -> Self {
        let syscalls = rules
            .iter()
            .filter_map(|rule| {
                let (action, errno_ret) = match rule.action {
                    Action::Allow => (ACT_ALLOW, None),
                    Action::Errno(errno) => (ACT_ERRNO, Some(errno.number())),
                    Action::Refuse => return None,
                };
                let args = rule
                    .args
                    .iter()
                    .map(|bits| OciArg {
                        index: bits.arg,
                        value: bits.mask,
                        value_two: bits.value,
                        op: CMP_MASKED_EQ,
                    })
                    .collect();
                Some(OciSyscall {
                    names: rule.names,
                    action,
                    errno_ret,
                    args,
                })
            })
            .collect();
        let arch_map = ARCHITECTURES.map(|architecture| OciArch {
            architecture,
            sub_architectures: [],
        });
        Self {
            default_action: ACT_ERRNO,
            arch_map,
            syscalls,
        }
    }
}
