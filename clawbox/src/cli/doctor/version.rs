//! Versions as engines, runtimes and kernels tell them, with whatever a distribution puts behind.

use std::{cmp::Ordering, str::FromStr};

/// Numbers, and where it is one, how far on the way to them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Version {
    numbers: Vec<u64>,
    /// Which kind of an early one, and its own numbers.
    early: Option<(usize, Vec<u64>)>,
}

/// What precedes a release, in that order.
const EARLY: [&str; 4] = ["dev", "alpha", "beta", "rc"];

/// A text without a version in it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoVersion;

impl FromStr for Version {
    type Err = NoVersion;

    /// Reads `1.1.5+ds1-1+deb12u2`, `1.0.0~rc93+ds1`, `v2.1.0-beta.0`, `5.10.0-28-amd64`: what follows the numbers counts
    /// only where it says that this is an early one.
    fn from_str(text: &str) -> Result<Self, NoVersion> {
        let text = text.trim();
        let (numbers, rest) = numbers(text.strip_prefix('v').unwrap_or(text));
        if numbers.is_empty() {
            return Err(NoVersion);
        }
        let rest = rest.strip_prefix(['-', '~', '.']).unwrap_or(rest);
        let early = EARLY.iter().enumerate().find_map(|(rank, kind)| {
            let behind = rest.strip_prefix(kind)?;
            let behind = behind.strip_prefix(['.', '-']).unwrap_or(behind);
            let (numbers, behind) = self::numbers(behind);
            // Not a word that only begins like one.
            let whole = !behind.starts_with(|c: char| c.is_ascii_alphabetic());
            whole.then_some((rank, numbers))
        });
        Ok(Self { numbers, early })
    }
}

/// The numbers with dots between them that a text begins with, and what follows.
fn numbers(text: &str) -> (Vec<u64>, &str) {
    let mut found = Vec::new();
    let mut rest = text;
    loop {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let Ok(number) = rest[..digits].parse() else {
            return (found, rest);
        };
        found.push(number);
        rest = &rest[digits..];
        match rest.strip_prefix('.') {
            Some(more) if more.starts_with(|c: char| c.is_ascii_digit()) => rest = more,
            _ => return (found, rest),
        }
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Self) -> Ordering {
        compare(&self.numbers, &other.numbers).then_with(|| match (&self.early, &other.early) {
            (None, None) => Ordering::Equal,
            (None, Some(_)) => Ordering::Greater,
            (Some(_), None) => Ordering::Less,
            (Some((a, mine)), Some((b, others))) => a.cmp(b).then_with(|| compare(mine, others)),
        })
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Numbers that are not written are zero.
fn compare(a: &[u64], b: &[u64]) -> Ordering {
    let longest = a.len().max(b.len());
    let at = |numbers: &[u64], index: usize| numbers.get(index).copied().unwrap_or(0);
    let differing = (0..longest).map(|index| at(a, index).cmp(&at(b, index)));
    differing.fold(Ordering::Equal, Ordering::then)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        text.parse().unwrap_or_else(|NoVersion| panic!("{text}"))
    }

    #[test]
    fn each_is_before_the_next() {
        for pair in [
            "0.5",
            "1.0.0~rc6+dfsg1",
            "1.0.0-rc93",
            "1.0.0~rc95+ds1-2",
            "1.0",
            "1.0.1",
            "1.1.5+ds1-1+deb12u1",
            "1.1.12",
            "1.2.0-rc.1",
            "1.2.0-rc.3",
            "v1.2.0",
            "1.10",
            "2.1.0-beta.0",
            "2.1.0",
            "5.0.0-dev",
            "5.0.0-rc1",
            "5.0.0",
            "5.10.0-28-amd64",
            "5.10.101",
            "6.1.0-18-amd64",
            "20.10.24+dfsg1",
        ]
        .windows(2)
        {
            assert!(version(pair[0]) < version(pair[1]), "{pair:?}");
        }
    }

    #[test]
    fn what_a_distribution_puts_behind_counts_for_nothing() {
        for same in [
            "1.4.13~ds1",
            "1.4.13+ds1-1~deb11u4",
            "1.4.13-0ubuntu1",
            "1.4.13.0",
            "v1.4.13",
            " 1.4.13\n",
            "1.4.13-ce",
            "1.4.13-rcx",
        ] {
            assert_eq!(
                version(same).cmp(&version("1.4.13")),
                Ordering::Equal,
                "{same}"
            );
        }
    }

    #[test]
    fn what_has_no_number_is_no_version() {
        for none in ["", "unknown", "v", "-1", "99999999999999999999999.1", "rc1"] {
            assert_eq!(none.parse::<Version>(), Err(NoVersion), "{none}");
        }
    }
}
