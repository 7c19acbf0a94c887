//! Who a container is: its id, and the token that only it may use.

use crate::InvalidValue;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use uuid::Uuid;

const PREFIX: &str = "clawbox-";

/// A container's id, `clawbox-<uuid v4>`; also its name at the engine.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContainerId(Uuid);

impl ContainerId {
    /// A new random id.
    #[must_use]
    pub fn generate() -> Self {
        Self(Uuid::new_v4())
    }
}

impl fmt::Display for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", self.0.as_hyphenated())
    }
}

impl FromStr for ContainerId {
    type Err = InvalidValue;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let refused = || {
            InvalidValue::new(
                s,
                "an id is `clawbox-` and a lower-case hyphenated version 4 uuid",
            )
        };
        let uuid = s
            .strip_prefix(PREFIX)
            .and_then(|rest| Uuid::try_parse(rest).ok())
            .filter(|uuid| uuid.get_version_num() == 4)
            .ok_or_else(refused)?;
        let id = Self(uuid);
        // The uuid crate also reads braces, urns and capitals; an id has one spelling.
        if id.to_string() == s {
            Ok(id)
        } else {
            Err(refused())
        }
    }
}

impl TryFrom<String> for ContainerId {
    type Error = InvalidValue;

    fn try_from(s: String) -> Result<Self, Self::Error> {
        s.parse()
    }
}

impl From<ContainerId> for String {
    fn from(id: ContainerId) -> Self {
        id.to_string()
    }
}

/// The secret that a container shows to its proxy: 32 random bytes as 64 lower-case hex digits.
///
/// It has no `Display`, no serde form, and its `Debug` prints nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct ProxyToken([u8; 32]);

impl ProxyToken {
    /// A token of these bytes, which must come from a cryptographic random source.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 64 hex digits. Hand them to the container or the proxy, and to nothing that records.
    #[must_use]
    pub fn reveal(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The raw bytes, for a comparison in constant time.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for ProxyToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProxyToken(redacted)")
    }
}

/// An identity made before its container, so that a proxy can be opened first.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ContainerIdentity {
    /// The id that the container will have.
    pub id: ContainerId,
    /// The token that the container will be given.
    pub token: ProxyToken,
}

impl ContainerIdentity {
    /// The identity of `id` and `token`.
    #[must_use]
    pub const fn new(id: ContainerId, token: ProxyToken) -> Self {
        Self { id, token }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generated_id_parses_back() {
        let id = ContainerId::generate();
        assert_eq!(id.to_string().parse(), Ok(id));
    }

    #[test]
    fn an_id_has_one_spelling() {
        let good = "clawbox-9f2c1f0e-6d5b-4c3a-8b7e-0a1b2c3d4e5f";
        assert!(good.parse::<ContainerId>().is_ok());
        for bad in [
            "",
            "clawbox-",
            "9f2c1f0e-6d5b-4c3a-8b7e-0a1b2c3d4e5f",
            "clawbox-9F2C1F0E-6D5B-4C3A-8B7E-0A1B2C3D4E5F",
            "clawbox-9f2c1f0e6d5b4c3a8b7e0a1b2c3d4e5f",
            "clawbox-{9f2c1f0e-6d5b-4c3a-8b7e-0a1b2c3d4e5f}",
            "clawbox-9f2c1f0e-6d5b-1c3a-8b7e-0a1b2c3d4e5f",
            "clawbox-9f2c1f0e-6d5b-4c3a-8b7e-0a1b2c3d4e5f/..",
            "-clawbox",
            "Clawbox-9f2c1f0e-6d5b-4c3a-8b7e-0a1b2c3d4e5f",
        ] {
            assert!(bad.parse::<ContainerId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_token_is_64_hex_digits_and_its_debug_tells_nothing() {
        let mut bytes = [0xab; 32];
        bytes[0] = 0x01;
        let token = ProxyToken::from_bytes(bytes);
        let text = token.reveal();
        assert_eq!(text.len(), 64);
        assert!(text.starts_with("01ab"));
        assert!(!format!("{token:?}").contains("ab"));
    }
}
