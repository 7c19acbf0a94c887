//! Scratch space, and what is mounted from the host.

use super::{bad, said};
use bollard::models::{Mount, MountPoint};
use clawbox_containers::{
    aspects::{Bind, Binds, Tmpfs, TmpfsOptions},
    engine::EngineResult,
};
use std::collections::{BTreeSet, HashMap};

/// From `{"/tmp": "rw,noexec,size=64m,…"}`. An option that is no size, count or mode is a flag, whatever it says.
pub(super) fn tmpfs(mounts: HashMap<String, String>) -> EngineResult<Tmpfs> {
    let parsed = mounts.into_iter().map(|(path, options)| {
        let options = tmpfs_options(&options)
            .ok_or_else(|| bad(format!("the options of the tmpfs at {path:.100}")))?;
        Ok((path, options))
    });
    Ok(Tmpfs(parsed.collect::<EngineResult<_>>()?))
}

/// What is not said is 0, which for the kernel is "without limit" and which is never planned.
fn tmpfs_options(text: &str) -> Option<TmpfsOptions> {
    let mut options = TmpfsOptions {
        size_bytes: 0,
        max_inodes: 0,
        mode: 0,
        flags: BTreeSet::new(),
    };
    for option in text.split(',').filter(|option| !option.is_empty()) {
        match option.split_once('=') {
            Some(("size", n)) => options.size_bytes = scaled(n)?,
            Some(("nr_inodes", n)) => options.max_inodes = scaled(n)?,
            Some(("mode", octal)) => options.mode = u32::from_str_radix(octal, 8).ok()?,
            _ => {
                options.flags.insert(option.to_owned());
            }
        }
    }
    Some(options)
}

/// A number with the kernel's suffixes, tmpfs(5).
fn scaled(text: &str) -> Option<u64> {
    let (digits, shift) = match text.as_bytes().last()?.to_ascii_lowercase() {
        b'k' => (text.get(..text.len() - 1)?, 10),
        b'm' => (text.get(..text.len() - 1)?, 20),
        b'g' => (text.get(..text.len() - 1)?, 30),
        _ => (text, 0),
    };
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}

/// Everything under `Mounts`, with what is unexpected about it in the text of its target, and what was asked
/// for in other ways.
pub(super) fn binds(
    points: Vec<MountPoint>,
    asked: &[Mount],
    other_ways: Vec<String>,
) -> EngineResult<Binds> {
    let mut binds = BTreeSet::new();
    for point in points {
        let kind = said("Mounts.Type", point.typ)?;
        let source = point.source.unwrap_or_default();
        let mut target = said("Mounts.Destination", point.destination)?;
        // Only a mount that was asked for as not recursive leaves out what is mounted below its source.
        let alone = asked.iter().any(|mount| {
            let options = mount.bind_options.as_ref();
            mount.target.as_ref() == Some(&target)
                && options.and_then(|options| options.non_recursive) == Some(true)
        });
        if kind == "bind" && !alone {
            target.push_str(" with what is mounted below");
        }
        match point.propagation.as_deref().unwrap_or_default() {
            "" | "private" | "rprivate" => {}
            other => target.push_str(&format!(" with propagation {other:.20}")),
        }
        binds.insert(Bind {
            source: if kind == "bind" {
                source.into()
            } else {
                format!("{kind:.20}:{source}").into()
            },
            target,
            read_only: !said("Mounts.RW", point.rw)?,
        });
    }
    binds.extend(other_ways.into_iter().map(|way| Bind {
        source: way.into(),
        target: String::new(),
        read_only: false,
    }));
    Ok(Binds(binds))
}
