//! What people write for sizes, fractions of a CPU, durations and variables.

use clawbox::types::{CpuQuota, MemoryLimit, OutputLimit, PidsLimit, Timeout, Workspace};
use std::{fs, path::PathBuf};

type Parsed<T> = Result<T, String>;

const MIB: u64 = 1 << 20;
const SIZE: &str = "a size is a whole number with b, k, m, g or t (or KiB, MiB, GiB, TiB), each 1024 times \
                    the one before, such as 64m or 1g";

/// Memory: a size of whole MiB.
pub(crate) fn memory(text: &str) -> Parsed<MemoryLimit> {
    let bytes = size(text)?;
    let whole = Some(bytes / MIB).filter(|mib| mib * MIB == bytes);
    whole
        .and_then(|mib| MemoryLimit::new(mib).ok())
        .ok_or_else(|| "memory is 6m to 16t, in whole MiB".to_owned())
}

/// How many bytes of each output stream are kept.
pub(crate) fn output(text: &str) -> Parsed<OutputLimit> {
    OutputLimit::new(size(text)?).map_err(|_| "each stream keeps at most 1g".to_owned())
}

/// How many processes may live at once.
pub(crate) fn pids(text: &str) -> Parsed<PidsLimit> {
    digits(text)
        .and_then(|number| PidsLimit::new(number).ok())
        .ok_or_else(|| "2 to 4194304 processes".to_owned())
}

/// CPUs, to a thousandth.
pub(crate) fn cpus(text: &str) -> Parsed<CpuQuota> {
    let refused = || "CPUs are 0.01 to 1024 in steps of 0.001, such as 0.5 or 2".to_owned();
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let thousandths = || {
        let part = format!("{:0<3}", part.trim_end_matches('0'));
        let part = digits(&part).filter(|_| part.len() == 3)?;
        digits(whole)?.checked_mul(1000)?.checked_add(part)
    };
    let thousandths = thousandths()
        .filter(|_| digits(part).is_some())
        .ok_or_else(refused)?;
    CpuQuota::new(thousandths).map_err(|_| refused())
}

/// A directory that is there, by its canonical path.
pub(crate) fn workspace(text: &str) -> Parsed<Workspace> {
    let (dir, read_only) = match text.strip_suffix(":ro") {
        Some(dir) => (dir, true),
        None => (text, false),
    };
    let found = fs::canonicalize(dir).map_err(|error| format!("{dir}: {error}"))?;
    let workspace = Workspace::new(found);
    Ok(match read_only {
        true => workspace.read_only(),
        false => workspace,
    })
}

/// What goes into a container: `SRC:DST`, the host's and the container's path.
pub(crate) fn put(text: &str) -> Parsed<Moved> {
    let (host, inside) = text.rsplit_once(':').unwrap_or((text, ""));
    moved(
        host,
        inside,
        "SRC:DST, such as data.csv:/tmp/data.csv; DST is an absolute path",
    )
}

/// What comes out of one: `SRC:DST`, the container's and the host's path.
pub(crate) fn get(text: &str) -> Parsed<Moved> {
    let (inside, host) = text.split_once(':').unwrap_or((text, ""));
    moved(
        host,
        inside,
        "SRC:DST, such as /tmp/out:results; SRC is an absolute path",
    )
}

/// Two ends of a transfer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Moved {
    pub(crate) host: PathBuf,
    pub(crate) inside: String,
}

fn moved(host: &str, inside: &str, accepted: &str) -> Parsed<Moved> {
    if host.is_empty() || !inside.starts_with('/') {
        return Err(accepted.to_owned());
    }
    let (host, inside) = (host.into(), inside.to_owned());
    Ok(Moved { host, inside })
}

/// A duration of whole milliseconds.
pub(crate) fn timeout(text: &str) -> Parsed<Timeout> {
    let refused =
        |why: &str| format!("{why}; a duration is 100ms to 30days, such as 500ms, 2s or 1h 30m");
    let duration = humantime::parse_duration(text).map_err(|e| refused(&e.to_string()))?;
    if duration.subsec_nanos() % 1_000_000 != 0 {
        return Err(refused("not whole milliseconds"));
    }
    u64::try_from(duration.as_millis())
        .ok()
        .and_then(|ms| Timeout::new(ms).ok())
        .ok_or_else(|| refused("out of range"))
}

/// `KEY=VALUE`. The grammar of keys is the policy's matter.
pub(crate) fn variable(text: &str) -> Parsed<(String, String)> {
    text.split_once('=')
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .ok_or_else(|| "a variable is KEY=VALUE".to_owned())
}

fn size(text: &str) -> Parsed<u64> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let shift = match unit.to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kib" => 10,
        "m" | "mib" => 20,
        "g" | "gib" => 30,
        "t" | "tib" => 40,
        // They mean 1000 to some and 1024 to others.
        "kb" | "mb" | "gb" | "tb" => return Err(format!("{unit} is ambiguous; {SIZE}")),
        _ => return Err(SIZE.to_owned()),
    };
    digits(number)
        .and_then(|n| n.checked_mul(1 << shift))
        .ok_or_else(|| SIZE.to_owned())
}

/// A number in digits only: no sign, no space.
fn digits(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes() {
        for (text, bytes) in [
            ("0", 0),
            ("17", 17),
            ("17b", 17),
            ("1k", 1024),
            ("64m", 64 * MIB),
            ("512MiB", 512 * MIB),
            ("1g", 1024 * MIB),
            ("1GIB", 1024 * MIB),
            ("2t", 2 << 40),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for bad in [
            "",
            "m",
            "-1",
            "+1",
            " 1",
            "1 m",
            "1.5g",
            "1x",
            "1mb",
            "0x10",
            "١",
            "99999999999999999999",
            "18446744073709551615k",
        ] {
            assert!(size(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn memory_is_whole_mib_in_range() {
        assert_eq!(memory("65536k").map(MemoryLimit::get), Ok(64));
        for bad in ["5m", "6m1", "6291457", "1k", "17t", "0"] {
            assert!(memory(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_ends_of_the_ranges_are_those_that_the_messages_name() {
        assert_eq!(memory("6m").map(MemoryLimit::get), Ok(MemoryLimit::MIN));
        assert_eq!(memory("16t").map(MemoryLimit::get), Ok(MemoryLimit::MAX));
        assert_eq!(output("1g").map(OutputLimit::get), Ok(OutputLimit::MAX));
        assert!(output("1073741825").is_err());
        assert_eq!(pids("2").map(PidsLimit::get), Ok(PidsLimit::MIN));
        assert_eq!(pids("4194304").map(PidsLimit::get), Ok(PidsLimit::MAX));
        assert_eq!(cpus("0.01").map(CpuQuota::get), Ok(CpuQuota::MIN));
        assert_eq!(cpus("1024").map(CpuQuota::get), Ok(CpuQuota::MAX));
        assert_eq!(timeout("100ms").map(Timeout::get), Ok(Timeout::MIN));
        assert_eq!(timeout("30days").map(Timeout::get), Ok(Timeout::MAX));
    }

    #[test]
    fn cpus_are_exact_to_a_thousandth() {
        for (text, millis) in [
            ("0.5", 500),
            ("2", 2000),
            ("1.001", 1001),
            ("0.010", 10),
            ("0.5000", 500),
            ("1024", 1_024_000),
        ] {
            assert_eq!(cpus(text).map(CpuQuota::get), Ok(millis), "{text}");
        }
        for bad in [
            "",
            ".",
            ".5",
            "1.",
            "0",
            "0.009",
            "0.0005",
            "1.0001",
            "1024.001",
            "-1",
            "1e3",
            "0.5.5",
            "half",
            "18446744073709551615",
        ] {
            assert!(cpus(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn durations_are_whole_milliseconds_in_range() {
        for (text, ms) in [
            ("100ms", 100),
            ("2s", 2000),
            ("1h 30m", 5_400_000),
            ("30days", 2_592_000_000),
        ] {
            assert_eq!(timeout(text).map(Timeout::get), Ok(ms), "{text}");
        }
        for bad in ["", "2", "99ms", "1500us", "31days", "0s", "-1s", "soon"] {
            assert!(timeout(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_variable_is_split_at_its_first_equals_sign() {
        assert_eq!(variable("A=b=c"), Ok(("A".to_owned(), "b=c".to_owned())));
        assert_eq!(variable("A="), Ok(("A".to_owned(), String::new())));
        assert!(variable("A").is_err());
    }

    mod fuzz {
        use super::super::*;
        use proptest::prelude::*;

        /// A number that may be too large for anything, and a unit that may be none.
        fn amount() -> impl Strategy<Value = (u128, String)> {
            let number = prop_oneof![
                0..5000_u128,
                any::<u64>().prop_map(u128::from),
                (0..70_u32, 0..2_u128).prop_map(|(bits, off)| (1_u128 << bits) - 1 + off),
            ];
            let units = "|b|k|m|g|t|K|M|KiB|mib|GiB|TIB|kb|e9|e|\\.5m| m|m |p";
            (number, units.prop_map(String::from))
        }

        fn bytes(number: u128, unit: &str) -> Option<u128> {
            let scale = match unit.to_ascii_lowercase().trim_end_matches("ib") {
                "" | "b" => 1,
                "k" => 1 << 10,
                "m" => 1 << 20,
                "g" => 1 << 30,
                "t" => 1_u128 << 40,
                _ => return None,
            };
            Some(number * scale)
        }

        proptest! {
            #[test]
            fn a_size_is_what_it_says_or_refused((number, unit) in amount()) {
                let text = format!("{number}{unit}");
                let known = bytes(number, &unit);
                let whole = known.filter(|n| n % (1 << 20) == 0).map(|n| n >> 20);
                let whole = whole.filter(|n| (6..=16 << 20).contains(n));
                prop_assert_eq!(memory(&text).ok().map(|limit| u128::from(limit.get())), whole, "{}", &text);
                let kept = known.filter(|n| *n <= 1 << 30);
                prop_assert_eq!(output(&text).ok().map(|limit| u128::from(limit.get())), kept, "{}", &text);
            }

            #[test]
            fn cpus_are_what_they_say_or_refused(whole in 0..3000_u64, digits in "[0-9]{1,5}", odd in "|-|\\+|e3| ") {
                let text = format!("{odd}{whole}.{digits}");
                let padded = format!("{digits:0<5}");
                let part: u64 = padded.parse().expect("digits");
                let fits = odd.is_empty() && part.is_multiple_of(100);
                let thousandths = Some(whole * 1000 + part / 100).filter(|n| fits && (10..=1_024_000).contains(n));
                prop_assert_eq!(cpus(&text).ok().map(|quota| u64::from(quota.get())), thousandths, "{}", &text);
            }

            #[test]
            fn any_text_is_a_value_or_an_error(text in "\\PC{0,20}|[0-9]{0,25}[a-zA-Z. :=-]{0,6}[0-9a-z]{0,6}") {
                for error in [memory(&text).err(), output(&text).err(), cpus(&text).err()].into_iter().flatten() {
                    prop_assert!(!error.is_empty());
                }
                if let Ok(limit) = pids(&text) {
                    prop_assert_eq!(text.parse::<u32>(), Ok(limit.get()));
                }
                if let Ok(limit) = timeout(&text) {
                    prop_assert!((100..=30 * 86_400_000).contains(&limit.get()));
                }
                if let Ok((key, value)) = variable(&text) {
                    prop_assert_eq!(format!("{key}={value}"), text);
                    prop_assert!(!key.contains('='));
                }
            }
        }
    }
}
