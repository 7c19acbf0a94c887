//! Keys, sizes, paths, users, ids, limits: what is made good is taken, what is damaged is refused or still good.

use crate::mutate::{damage, damaged};
use clawbox_types::{
    ContainerId, CpuQuota, CpuShares, EnvKey, EnvValue, InvalidValue, MAX_ARG_BYTES,
    MAX_ARGV_BYTES, MemoryLimit, OutputLimit, PidsLimit, Timeout, TmpfsMount, TmpfsSize, UserSpec,
    check_argv, check_working_dir,
};
use proptest::{collection::vec, option, prelude::*, sample::select};
use std::path::{Component, Path};

/// In bytes, with so many digits that no integer holds them, and with each unit.
fn amount() -> impl Strategy<Value = (u128, &'static str)> {
    let number = prop_oneof![
        0..5000_u128,
        any::<u64>().prop_map(u128::from),
        (0..70_u32, 0..3_u128).prop_map(|(bits, off)| (1_u128 << bits).saturating_sub(1) + off),
    ];
    (
        number,
        select(&["", "k", "m", "g", "t", "K", "kb", "e9", ".5m", " m"][..]),
    )
}

fn bytes((number, unit): (u128, &str)) -> Option<u128> {
    let scale = match unit {
        "" => 1,
        "k" => 1 << 10,
        "m" => 1 << 20,
        "g" => 1 << 30,
        _ => return None,
    };
    Some(number * scale)
}

fn plain_parts(path: &str) -> Vec<&str> {
    let parts = Path::new(path).components().filter_map(|part| match part {
        Component::Normal(name) => name.to_str(),
        _ => None,
    });
    parts.collect()
}

fn limit<T>(value: u64, least: u64, most: u64) -> Result<(), TestCaseError>
where
    T: TryFrom<u64, Error = InvalidValue> + Into<u64>,
{
    let taken = T::try_from(value).ok().map(Into::into);
    let expected = (least..=most).contains(&value).then_some(value);
    prop_assert_eq!(taken, expected, "{}", std::any::type_name::<T>());
    Ok(())
}

proptest! {
    #[test]
    fn a_key_of_the_grammar_is_taken_and_a_foreign_character_anywhere_refuses_it(
        key in "[A-Za-z_][A-Za-z0-9_]{0,20}", foreign in "[^A-Za-z0-9_]", at in any::<prop::sample::Index>(), damage in damage()
    ) {
        prop_assert!(key.parse::<EnvKey>().is_ok());
        let mut with = key.clone();
        with.insert_str(at.index(key.len() + 1), &foreign);
        prop_assert!(with.parse::<EnvKey>().is_err(), "{with:?}");
        let text = damaged(&key, &damage);
        if let Ok(key) = text.parse::<EnvKey>() {
            prop_assert_eq!(key.as_str(), &text);
            prop_assert!(text.len() <= 256 && text.chars().all(|c| c == '_' || c.is_ascii_alphanumeric()), "{text}");
            prop_assert!(!text.starts_with(|c: char| c.is_ascii_digit()) && !text.is_empty(), "{text}");
        }
    }

    #[test]
    fn a_value_is_anything_without_nul_and_is_never_told(value in "\\PC{0,20}", nul in any::<bool>()) {
        let value = format!("secret{value}{}", if nul { "\0" } else { "" });
        match value.parse::<EnvValue>() {
            Ok(taken) => {
                prop_assert!(!nul && taken.as_str() == value);
                let told = format!("{taken:?}");
                prop_assert!(!told.contains("secret"));
            }
            Err(error) => {
                let told = format!("{error:?} {error}");
                prop_assert!(nul && !told.contains("secret"));
            }
        }
    }

    #[test]
    fn a_size_is_what_it_says_or_refused(size in amount(), inodes in amount(), path in "/[a-z]{1,6}(/[a-z.]{1,4}[a-z])?") {
        let forbidden = ["proc", "sys", "dev", "run"].contains(&plain_parts(&path)[0]);
        let text = format!("{path}:size={}{},nr_inodes={}{}", size.0, size.1, inodes.0, inodes.1);
        let size = bytes(size).filter(|n| (1 << 16..=1 << 44).contains(n));
        let inodes = bytes(inodes).filter(|n| (16..=1 << 24).contains(n));
        match (text.parse::<TmpfsMount>(), size, inodes) {
            (Ok(mount), Some(size), Some(inodes)) => {
                let TmpfsSize::Exactly(found) = mount.size() else {
                    return Err(TestCaseError::fail(text));
                };
                prop_assert_eq!((u128::from(found), u128::from(mount.max_inodes())), (size, inodes), "{}", &text);
            }
            (Ok(_), ..) => return Err(TestCaseError::fail(format!("{text} was taken"))),
            (Err(_), Some(_), Some(_)) => prop_assert!(forbidden || path.contains(".."), "{text} was refused"),
            (Err(_), ..) => {}
        }
    }

    #[test]
    fn a_damaged_tmpfs_is_refused_or_harmless(
        path in select(&["/tmp", "/var/tmp", "/run/user", "/run/clawbox", "/proc/x", "/sys", "/dev/shm", "/processes"][..]),
        options in vec(select(&["rw", "noexec", "nosuid", "nodev", "size=64m", "nr_inodes=4k", "exec", "suid", "dev", "ro"][..]), 0..5),
        damage in damage(),
    ) {
        let text = damaged(&format!("{path}:{}", options.join(",")), &damage);
        if let Ok(mount) = text.parse::<TmpfsMount>() {
            let parts = plain_parts(mount.path());
            prop_assert_eq!(format!("/{}", parts.join("/")), mount.path(), "{}", &text);
            prop_assert!(!parts.is_empty() && !["proc", "sys", "dev"].contains(&parts[0]), "{text}");
            prop_assert!(parts != ["run"] && !parts.starts_with(&["run", "clawbox"]), "{text}");
            prop_assert!(!mount.path().contains([',', ':', '=', '\0', '\n', ' ', '\\']), "{text}");
            prop_assert!(mount.max_inodes() >= 16, "{text}");
            let words: Vec<&str> = text.split_once(':').map_or("", |(_, options)| options).split(',').collect();
            prop_assert!(!words.iter().any(|word| ["exec", "suid", "dev", "ro"].contains(word)), "{text}");
            prop_assert!(mount.to_string().parse::<TmpfsMount>().as_ref() == Ok(&mount), "{text}");
        }
    }

    #[test]
    fn a_working_directory_leads_nowhere_else(
        parts in vec(select(&["work", "a b", ".", "..", "", "proc", "sys", "dev", "self", "fd", "7", "\u{430}", "..."][..]), 0..6),
        absolute in prop::bool::weighted(0.9), damage in damage(),
    ) {
        let text = damaged(&format!("{}{}", if absolute { "/" } else { "" }, parts.join("/")), &damage);
        let good = check_working_dir(&text).is_ok();
        let path = Path::new(&text);
        let up = path.components().any(|part| part == Component::ParentDir);
        let kernels = ["proc", "sys", "dev"].iter().any(|top| path.starts_with(Path::new("/").join(top)));
        let control = text.chars().any(char::is_control);
        prop_assert_eq!(good, path.is_absolute() && !up && !kernels && !control && text.len() <= 4096, "{:?}", &text);
    }

    #[test]
    fn an_argument_vector_fits_the_kernel(
        words in vec(prop_oneof![8 => "\\PC{0,12}", 1 => Just("a\0b".to_owned())], 0..6),
        long in option::weighted(0.02, prop_oneof![Just(MAX_ARG_BYTES), Just(MAX_ARG_BYTES + 1), Just(600_000), Just(2 << 20)]),
        times in 1..12_usize,
    ) {
        let mut argv = words;
        argv.extend(long.into_iter().flat_map(|length| vec!["x".repeat(length); times]));
        let good = argv.first().is_some_and(|program| !program.is_empty())
            && argv.iter().all(|word| !word.contains('\0') && word.len() < 128 * 1024)
            && argv.iter().map(|word| word.len() + 1).sum::<usize>() <= MAX_ARGV_BYTES;
        prop_assert_eq!(check_argv(&argv).is_ok(), good);
    }

    #[test]
    fn a_user_is_two_numbers_and_never_roots(uid in any::<u64>(), gid in 0..4_u64, damage in damage()) {
        let uid = uid >> (uid % 64);
        let good = (1..1 << 31).contains(&uid) && gid > 0;
        let text = format!("{uid}:{gid}");
        prop_assert_eq!(text.parse::<UserSpec>().is_ok(), good, "{}", &text);
        let text = damaged(&text, &damage);
        if let Ok(user) = text.parse::<UserSpec>() {
            let numbers: Vec<u64> = text.split(':').map(|n| n.parse().unwrap_or(0)).collect();
            prop_assert_eq!(numbers, [u64::from(user.uid()), u64::from(user.gid())], "{}", &text);
            prop_assert!(user.uid() != 0 && user.gid() != 0);
        }
    }

    #[test]
    fn an_id_has_one_spelling(bytes in any::<[u8; 16]>(), damage in damage()) {
        let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
        let variant = ['8', '9', 'a', 'b'][usize::from(bytes[8] & 3)];
        let text = format!("clawbox-{}-{}-4{}-{variant}{}-{}", &hex[..8], &hex[8..12], &hex[13..16], &hex[17..20], &hex[20..]);
        let id: ContainerId = text.parse().map_err(|e| TestCaseError::fail(format!("{e}")))?;
        prop_assert_eq!(id.to_string(), text.as_str());
        let text = damaged(&text, &damage);
        if let Ok(id) = text.parse::<ContainerId>() {
            prop_assert_eq!(id.to_string(), text.as_str());
            prop_assert!(text.len() == 44 && text.bytes().all(|b| b"clawbox-0123456789abcdef".contains(&b)), "{text}");
        }
    }

    #[test]
    fn a_limit_is_taken_as_it_is_or_not_at_all(value in any::<u64>(), shift in 0..64_u32) {
        let value = value >> shift;
        limit::<MemoryLimit>(value, 6, 16 << 20)?;
        limit::<CpuShares>(value, 2, 1 << 18)?;
        limit::<CpuQuota>(value, 10, 1_024_000)?;
        limit::<PidsLimit>(value, 2, 1 << 22)?;
        limit::<Timeout>(value, 100, 30 * 86_400_000)?;
        limit::<OutputLimit>(value, 0, 1 << 30)?;
    }
}
