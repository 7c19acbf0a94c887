//! Scratch space, and what is mounted from the host.

use clawbox_containers::{
    aspects::{Binds, Tmpfs},
    decode::{self, mount_otherwise, said, tmpfs_options},
    engine::EngineResult,
};
use podman_api::models::InspectMount;
use std::collections::{BTreeSet, HashMap};

/// From `{"/tmp": "rw,noexec,size=64m,…,rprivate"}`. How it spreads to other namespaces, and that nothing is copied
/// into it, are Podman's own words and no flags of the mount.
pub(super) fn scratch(mounts: HashMap<String, String>) -> EngineResult<Tmpfs> {
    let parsed = mounts.into_iter().map(|(path, options)| {
        let mut options = tmpfs_options(&path, &options)?;
        for word in ["private", "rprivate", "notmpcopyup"] {
            options.flags.remove(word);
        }
        Ok((path, options))
    });
    Ok(Tmpfs(parsed.collect::<EngineResult<_>>()?))
}

/// Everything under `Mounts`, with what is unexpected about it in the text of its target, and what was asked
/// for in other ways.
pub(super) fn binds(
    mounts: Vec<InspectMount>,
    other_ways: BTreeSet<String>,
) -> EngineResult<Binds> {
    let mut binds = BTreeSet::new();
    for mount in mounts {
        let kind = said("Mounts.Type", mount.type_)?;
        let source = mount.source.unwrap_or_default();
        let mut target = said("Mounts.Destination", mount.destination)?;
        let options = mount.options.unwrap_or_default();
        if kind == "bind" && !options.iter().any(|option| option == "bind") {
            target.push_str(" with what is mounted below");
        }
        match mount.propagation.as_deref().unwrap_or_default() {
            "private" | "rprivate" => {}
            other => target.push_str(&format!(" with propagation {other:.20}")),
        }
        let read_only = !said("Mounts.RW", mount.rw)?;
        let mut bind = decode::mount(&kind, source, target, read_only);
        bind.noexec = options.iter().any(|option| option == "noexec");
        binds.insert(bind);
    }
    binds.extend(other_ways.into_iter().map(mount_otherwise));
    Ok(Binds(binds))
}
