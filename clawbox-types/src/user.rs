//! Who a container's processes run as.

use crate::InvalidValue;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// A numeric user and group, both given, both non-zero, both below 2^31.
///
/// Names are not accepted: they would be looked up in the image, which is not trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UserSpec {
    uid: u32,
    gid: u32,
}

impl UserSpec {
    /// The user id.
    #[must_use]
    pub const fn uid(self) -> u32 {
        self.uid
    }

    /// The group id.
    #[must_use]
    pub const fn gid(self) -> u32 {
        self.gid
    }
}

impl FromStr for UserSpec {
    type Err = InvalidValue;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let number = |part: &str| {
            let digits = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
            part.parse::<u32>()
                .ok()
                .filter(|n| digits && (1..1 << 31).contains(n))
        };
        s.split_once(':')
            .and_then(|(uid, gid)| {
                Some(Self {
                    uid: number(uid)?,
                    gid: number(gid)?,
                })
            })
            .ok_or_else(|| {
                InvalidValue::new(s, "a user is uid:gid, both numbers from 1 to 2147483647")
            })
    }
}

impl fmt::Display for UserSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.uid, self.gid)
    }
}

impl TryFrom<String> for UserSpec {
    type Error = InvalidValue;

    fn try_from(s: String) -> Result<Self, Self::Error> {
        s.parse()
    }
}

impl From<UserSpec> for String {
    fn from(user: UserSpec) -> Self {
        user.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_and_names_and_half_users_are_refused() {
        for (text, uid, gid) in [
            ("1000:1001", 1000, 1001),
            ("1:2147483647", 1, 2_147_483_647),
            ("2147483647:1", 2_147_483_647, 1),
        ] {
            let user: UserSpec = text.parse().unwrap();
            assert_eq!((user.uid(), user.gid()), (uid, gid));
            let json = serde_json::to_string(&user).unwrap();
            assert_eq!(json, format!("{text:?}"));
            assert_eq!(serde_json::from_str::<UserSpec>(&json).unwrap(), user);
        }
        for bad in [
            "",
            "0",
            "root",
            "1000",
            "1000:",
            ":1000",
            "0:0",
            "0:1000",
            "1000:0",
            "4294967296:0",
            "2147483648:1",
            "1:2147483648",
            "1000:1000:1000",
            "+1:1",
            "-1:1",
            " 1:1",
            "agent:agent",
        ] {
            assert!(bad.parse::<UserSpec>().is_err(), "{bad:?}");
        }
    }
}
