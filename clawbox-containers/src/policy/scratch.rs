//! How a container's writable memory is shared out.

use crate::aspects::{SHARED_MEMORY, Tmpfs, TmpfsOptions};
use clawbox_types::{MemoryLimit, TmpfsMount, TmpfsSize, Violation, Workspace};
use std::collections::BTreeMap;

/// What shadows an image's `VOLUME`, in bytes and inodes.
const VOLUME_BYTES: u64 = 16 << 20;
const VOLUME_INODES: u64 = 4096;
/// The most that `/dev/shm` takes where there is one, in bytes and inodes.
const SHARED_BYTES: u64 = 64 << 20;
const SHARED_INODES: u64 = 1024;
/// The least that a tmpfs of a flexible size may be left with.
const LEAST_BYTES: u64 = 64 << 10;

/// Lays out the operator's tmpfs, `/dev/shm` where memory is `shared`, and one over each of the image's volumes, so that none of those becomes a
/// writable, executable directory on the host. Together they never take more than half of the memory: what
/// is written to them counts against the container, and a full scratch space should be `ENOSPC` and not the
/// kernel's choice of a victim.
pub(super) fn scratch(
    mounts: &[TmpfsMount],
    shared: bool,
    volumes: &[String],
    workspaces: &[Workspace],
    memory: MemoryLimit,
) -> Result<Tmpfs, Vec<Violation>> {
    let mut found = Vec::new();
    let mut sizes: BTreeMap<&str, (TmpfsSize, u64)> = BTreeMap::new();
    for mount in mounts {
        sizes.insert(mount.path(), (mount.size(), mount.max_inodes()));
    }
    if shared {
        let size = TmpfsSize::HalfOfMemoryUpTo(SHARED_BYTES);
        sizes.insert(SHARED_MEMORY, (size, SHARED_INODES));
    }
    for volume in volumes {
        let path = volume.trim_end_matches('/');
        let workspace = workspaces.iter().find(|it| overlap(&it.target, path));
        if let Some(workspace) = workspace {
            // The workspace takes its place.
            if workspace.target != path {
                let accepted = format!(
                    "a volume that is not in the workspace {}, nor around it",
                    workspace.target
                );
                found.push(Violation::new("image.volumes", volume, accepted));
            }
            continue;
        }
        match path.parse::<TmpfsMount>() {
            Ok(mount) if mount.path() == path => {
                sizes
                    .entry(path)
                    .or_insert((TmpfsSize::Exactly(VOLUME_BYTES), VOLUME_INODES));
            }
            Ok(_) => found.push(Violation::new("image.volumes", volume, "a plain path")),
            Err(e) => found.push(e.at("image.volumes")),
        }
    }
    let half = memory.bytes() / 2;
    let fixed = sizes.values().try_fold(0_u64, |sum, (size, _)| match size {
        TmpfsSize::Exactly(bytes) => sum.checked_add(*bytes),
        TmpfsSize::HalfOfMemoryUpTo(_) => Some(sum),
    });
    let flexible = sizes
        .values()
        .filter(|(size, _)| matches!(size, TmpfsSize::HalfOfMemoryUpTo(_)))
        .count() as u64;
    let left = fixed.and_then(|fixed| half.checked_sub(fixed));
    let share = left.map(|left| left.checked_div(flexible).unwrap_or(left));
    if share.is_none_or(|share| flexible > 0 && share < LEAST_BYTES) {
        found.push(Violation::new(
            "security.tmpfs",
            format_args!(
                "{} bytes for {} mounts",
                fixed.unwrap_or(u64::MAX),
                sizes.len()
            ),
            format!("together at most half of the container's memory, {half} bytes"),
        ));
    }
    if !found.is_empty() {
        return Err(found);
    }
    let flags = ["rw", "noexec", "nosuid", "nodev"].map(str::to_owned);
    // What one that is content with less leaves is for those that take more.
    let mut in_turn: Vec<_> = sizes.into_iter().collect();
    in_turn.sort_by_key(|(_, (size, _))| most(*size));
    let (mut left, mut waiting) = (left.unwrap_or(0), flexible);
    Ok(Tmpfs(
        in_turn
            .into_iter()
            .map(|(path, (size, max_inodes))| {
                let size_bytes = match size {
                    TmpfsSize::Exactly(bytes) => bytes,
                    TmpfsSize::HalfOfMemoryUpTo(most) => {
                        let bytes = (left / waiting).min(most) & !0xfff;
                        (left, waiting) = (left - bytes, waiting - 1);
                        bytes
                    }
                };
                let options = TmpfsOptions {
                    size_bytes,
                    max_inodes,
                    mode: 0o1777,
                    flags: flags.clone().into(),
                };
                (path.to_owned(), options)
            })
            .collect(),
    ))
}

/// Whether one of two paths is the other, or in it.
pub(super) fn overlap(one: &str, other: &str) -> bool {
    let within = |path: &str, top: &str| {
        path.strip_prefix(top)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    within(one, other) || within(other, one)
}

const fn most(size: TmpfsSize) -> u64 {
    let (TmpfsSize::Exactly(bytes) | TmpfsSize::HalfOfMemoryUpTo(bytes)) = size;
    bytes
}
