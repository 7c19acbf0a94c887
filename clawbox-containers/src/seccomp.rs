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
//! The files are made for 64-bit x86 and ARM; a name that an architecture lacks is skipped by the
//! engine.

mod data;
#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use serde::Serialize;

use self::data::{Action, Data, DataError, Rule};

static STRICT: LazyLock<SeccompProfile> = LazyLock::new(|| {
    SeccompProfile::parse(include_str!("seccomp/strict.json"))
        .expect("the embedded profile is sound, which the tests check")
});

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
        &STRICT
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
        let data: Data = serde_json::from_str(text)?;
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
