//! Environment variables: what a key and a value may be. Which keys are reserved is policy, not grammar.

use crate::{InvalidValue, Violation};
use std::{collections::BTreeMap, fmt, str::FromStr};

/// The longest key, in bytes.
pub const MAX_ENV_KEY_BYTES: usize = 256;
/// The longest value, in bytes. The kernel takes 128 KiB for `KEY=value` and its final NUL.
pub const MAX_ENV_VALUE_BYTES: usize = 64 * 1024;
/// The most variables of one request.
pub const MAX_ENV_ENTRIES: usize = 512;

/// The name of an environment variable in the portable grammar of POSIX (XBD 8.1), lower case included:
/// `[A-Za-z_][A-Za-z0-9_]*`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EnvKey(String);

impl EnvKey {
    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for EnvKey {
    type Err = InvalidValue;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let letter = |b: u8| b.is_ascii_alphabetic() || b == b'_';
        let starts = s.bytes().next().is_some_and(letter);
        if starts
            && s.len() <= MAX_ENV_KEY_BYTES
            && s.bytes().all(|b| letter(b) || b.is_ascii_digit())
        {
            Ok(Self(s.to_owned()))
        } else {
            Err(InvalidValue::new(
                s,
                "a key is letters, digits and _, not starting with a digit, at most 256 bytes",
            ))
        }
    }
}

impl fmt::Display for EnvKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The value of an environment variable: no NUL, at most 64 KiB.
///
/// Values are often secrets, so `Debug` tells only the length.
#[derive(Clone, PartialEq, Eq)]
pub struct EnvValue(String);

impl EnvValue {
    /// The value.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for EnvValue {
    type Err = InvalidValue;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        if s.len() <= MAX_ENV_VALUE_BYTES && !s.contains('\0') {
            Ok(Self(s.to_owned()))
        } else {
            Err(InvalidValue::new(
                format_args!("a value of {} bytes", s.len()),
                "at most 65536 bytes without NUL",
            ))
        }
    }
}

impl fmt::Debug for EnvValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EnvValue({} bytes)", self.0.len())
    }
}

/// Everything that is impossible in an environment, at `env`.
pub(crate) fn env_violations(env: &BTreeMap<String, String>, found: &mut Vec<Violation>) {
    if env.len() > MAX_ENV_ENTRIES {
        found.push(Violation::new(
            "env",
            format_args!("{} variables", env.len()),
            format!("at most {MAX_ENV_ENTRIES}"),
        ));
        return;
    }
    for (key, value) in env {
        match key.parse::<EnvKey>() {
            Err(e) => found.push(e.at("env")),
            Ok(key) => {
                let value = value.parse::<EnvValue>();
                found.extend(value.err().map(|e| e.at(format!("env.{key}"))));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys() {
        let longest = "A".repeat(256);
        for good in ["A", "_", "PATH", "http_proxy", "a1", &longest] {
            let key: EnvKey = good.parse().unwrap();
            assert_eq!((key.as_str(), key.to_string().as_str()), (good, good));
        }
        let long = "A".repeat(257);
        for bad in ["", " ", "A=B", "1A", "A\0", "A\n", "A-B", "É", "A B", &long] {
            assert!(bad.parse::<EnvKey>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_refused_value_is_not_repeated() {
        let error = "secret\0".parse::<EnvValue>().unwrap_err().to_string();
        assert!(!error.contains("secret"), "{error}");
        assert!("x".repeat(65_536).parse::<EnvValue>().is_ok());
        assert!("x".repeat(65_537).parse::<EnvValue>().is_err());
    }

    #[test]
    fn debug_hides_the_value() {
        let value: EnvValue = "secret".parse().unwrap();
        assert_eq!(format!("{value:?}"), "EnvValue(6 bytes)");
        assert_eq!(value.as_str(), "secret");
    }
}
