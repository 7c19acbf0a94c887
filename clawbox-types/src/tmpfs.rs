//! Writable scratch space in memory.

use crate::InvalidValue;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

const MIB: u64 = 1 << 20;

/// How large a tmpfs may grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TmpfsSize {
    /// Exactly this many bytes; refused where it does not fit in half of the container's memory.
    Exactly(u64),
    /// Half of the container's memory, and never more than this many bytes.
    HalfOfMemoryUpTo(u64),
}

/// A tmpfs, always mounted `rw,noexec,nosuid,nodev`.
///
/// It parses from `path:options`, where the options are `rw`, `noexec`, `nosuid`, `nodev` (all of them in
/// force whether written or not), `size=N[k|m|g]` in bytes, KiB, MiB or GiB, and `nr_inodes=N[k|m]`
/// in units, thousands of 1024 or 1024². Without a size it has half of the container's memory, at most
/// 256 MiB; without a count of inodes, 16384.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TmpfsMount {
    path: String,
    size: TmpfsSize,
    max_inodes: u64,
}

impl TmpfsMount {
    /// Where it is mounted: an absolute, normal path.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// How large it may grow.
    #[must_use]
    pub const fn size(&self) -> TmpfsSize {
        self.size
    }

    /// How many files and directories it may hold.
    #[must_use]
    pub const fn max_inodes(&self) -> u64 {
        self.max_inodes
    }
}

/// Places where a tmpfs would hide or open what the policy relies on.
const FORBIDDEN: [&str; 4] = ["/proc", "/sys", "/dev", "/run/clawbox"];

impl FromStr for TmpfsMount {
    type Err = InvalidValue;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let refused = |why: &str| InvalidValue::new(s, why);
        let (path, options) = s.split_once(':').unwrap_or((s, ""));
        if !is_normal_path(path) {
            return Err(refused(
                "a tmpfs is /path[:option,…] with an absolute path of plain characters, no . or ..",
            ));
        }
        let inside =
            |top: &str| path == top || path.strip_prefix(top).is_some_and(|r| r.starts_with('/'));
        if FORBIDDEN.iter().any(|top| inside(top)) || path == "/run" {
            return Err(refused(
                "a tmpfs may not stand at /run, or at or below /proc, /sys, /dev, /run/clawbox",
            ));
        }
        let mut mount = Self {
            path: path.to_owned(),
            size: TmpfsSize::HalfOfMemoryUpTo(256 * MIB),
            max_inodes: 16 * 1024,
        };
        for option in options.split(',').filter(|_| !options.is_empty()) {
            match option.split_once('=') {
                None if ["rw", "noexec", "nosuid", "nodev"].contains(&option) => {}
                Some(("size", n)) => {
                    mount.size = TmpfsSize::Exactly(
                        scaled(n)
                            .filter(|n| (64 * 1024..=1 << 44).contains(n))
                            .ok_or_else(|| refused("size= takes 64k to 16384g"))?,
                    );
                }
                Some(("nr_inodes", n)) => {
                    mount.max_inodes = scaled(n)
                        .filter(|n| (16..=1 << 24).contains(n))
                        .ok_or_else(|| refused("nr_inodes= takes 16 to 16m"))?;
                }
                _ => {
                    return Err(refused(
                        "tmpfs options are rw, noexec, nosuid, nodev, size=N[k|m|g], nr_inodes=N[k|m]",
                    ));
                }
            }
        }
        Ok(mount)
    }
}

/// Absolute, not the root, without empty, `.` or `..` parts, of characters that no engine's option syntax splits.
pub(crate) fn is_normal_path(path: &str) -> bool {
    path.len() <= 255
        && path.strip_prefix('/').is_some_and(|rest| {
            rest.split('/').all(|part| {
                !["", ".", ".."].contains(&part)
                    && part
                        .bytes()
                        .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
            })
        })
}

fn scaled(text: &str) -> Option<u64> {
    let (digits, shift) = match text.as_bytes().last()? {
        b'k' => (&text[..text.len() - 1], 10),
        b'm' => (&text[..text.len() - 1], 20),
        b'g' => (&text[..text.len() - 1], 30),
        _ => (text, 0),
    };
    digits
        .bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| digits.parse::<u64>().ok()?.checked_mul(1 << shift))?
}

impl fmt::Display for TmpfsMount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:rw,noexec,nosuid,nodev", self.path)?;
        if let TmpfsSize::Exactly(bytes) = self.size {
            write!(f, ",size={bytes}")?;
        }
        write!(f, ",nr_inodes={}", self.max_inodes)
    }
}

impl TryFrom<String> for TmpfsMount {
    type Error = InvalidValue;

    fn try_from(s: String) -> Result<Self, Self::Error> {
        s.parse()
    }
}

impl From<TmpfsMount> for String {
    fn from(mount: TmpfsMount) -> Self {
        mount.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_written_is_what_is_meant() {
        use TmpfsSize::{Exactly, HalfOfMemoryUpTo};
        let half = HalfOfMemoryUpTo(268_435_456);
        for (text, path, size, max_inodes) in [
            ("/scratch", "/scratch", half, 16_384),
            ("/a/b:rw,noexec,nosuid,nodev", "/a/b", half, 16_384),
            ("/tmp:size=65536", "/tmp", Exactly(65_536), 16_384),
            ("/tmp:size=64k", "/tmp", Exactly(65_536), 16_384),
            (
                "/tmp:rw,size=256m,nr_inodes=4k",
                "/tmp",
                Exactly(268_435_456),
                4096,
            ),
            ("/tmp:size=3g", "/tmp", Exactly(3_221_225_472), 16_384),
            (
                "/tmp:size=16384g",
                "/tmp",
                Exactly(17_592_186_044_416),
                16_384,
            ),
            ("/tmp:nr_inodes=16", "/tmp", half, 16),
            ("/tmp:nr_inodes=16m", "/tmp", half, 16_777_216),
        ] {
            let mount: TmpfsMount = text.parse().unwrap();
            let found = (mount.path(), mount.size(), mount.max_inodes());
            assert_eq!(found, (path, size, max_inodes), "{text}");
            let json = serde_json::to_string(&mount).unwrap();
            assert_eq!(serde_json::from_str::<TmpfsMount>(&json).unwrap(), mount);
        }
    }

    #[test]
    fn what_would_weaken_or_hide_something_is_refused() {
        for bad in [
            "",
            "tmp",
            "/",
            "//",
            "/tmp/",
            "/tmp/..",
            "/a/./b",
            "/tmp:exec",
            "/tmp:suid",
            "/tmp:dev",
            "/tmp:rw,exec",
            "/tmp:size=1t",
            "/tmp:size=",
            "/tmp:size=0",
            "/tmp:size=65535",
            "/tmp:size=16385g",
            "/tmp:size=17592186044417",
            "/tmp:size=-1",
            "/tmp:size=+1m",
            "/tmp:size=m",
            "/tmp:nr_inodes=15",
            "/tmp:nr_inodes=16777217",
            "/tmp:rw,",
            "/tmp:mode=777",
            "/proc",
            "/proc/x",
            "/sys",
            "/dev/shm",
            "/run",
            "/run/clawbox",
            "/run/clawbox/x",
            "/t,mp",
            "/t mp",
            "/t\nmp",
            "/tmp:size=18446744073709551615g",
        ] {
            assert!(bad.parse::<TmpfsMount>().is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn what_parses_prints_to_what_parses_the_same(text in "/[a-z./]{0,12}(:[a-z_,=0-9]{0,24})?") {
            if let Ok(mount) = text.parse::<TmpfsMount>() {
                prop_assert_eq!(mount.to_string().parse::<TmpfsMount>().unwrap(), mount);
            }
        }
    }
}
