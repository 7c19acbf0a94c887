//! Scratch space, and what is mounted from the host.

use bollard::models::{Mount, MountPoint};
use clawbox_containers::{
    aspects::{Binds, Tmpfs},
    decode::{self, mount_otherwise, said, tmpfs_options},
    engine::EngineResult,
};
use std::collections::{BTreeSet, HashMap};

/// From `{"/tmp": "rw,noexec,size=64m,…"}`.
pub(super) fn tmpfs(mounts: HashMap<String, String>) -> EngineResult<Tmpfs> {
    let parsed = mounts.into_iter().map(|(path, options)| {
        let options = tmpfs_options(&path, &options)?;
        Ok((path, options))
    });
    Ok(Tmpfs(parsed.collect::<EngineResult<_>>()?))
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
        let read_only = !said("Mounts.RW", point.rw)?;
        binds.insert(decode::mount(&kind, source, target, read_only));
    }
    binds.extend(other_ways.into_iter().map(mount_otherwise));
    Ok(Binds(binds))
}
