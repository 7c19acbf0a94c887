//! The host's files, where the plan binds a directory of its.
//!
//! This process's own user is the container's, as with a rootless engine; where that is root, users are the same
//! inside and outside, and what is made belongs to the one who has the directory.

use super::{Data, Open};
use std::{
    fs::{self, OpenOptions},
    io::{self, Write},
    os::unix::fs::{MetadataExt, lchown},
    path::Path,
};

/// Writes all of it.
pub(super) fn write(path: &Path, data: Data<'_>, how: Open) -> io::Result<()> {
    let mut options = OpenOptions::new();
    match how {
        Open::Truncate => options.write(true).create(true).truncate(true),
        Open::Append => options.append(true).create(true),
        Open::New => options.write(true).create_new(true),
    };
    let is_new = fs::symlink_metadata(path).is_err();
    let mut file = options.open(path)?;
    if is_new {
        give(path)?;
    }
    match data {
        Data::Bytes(bytes) => file.write_all(bytes),
        Data::Zeros(count) => {
            let len = file.metadata()?.len();
            file.set_len(len + count)
        }
    }
}

/// Gives what was just made to the owner of the directory that it is in.
pub(crate) fn give(path: &Path) -> io::Result<()> {
    let above = path.parent().map(fs::metadata).transpose()?;
    match above.filter(|_| rustix::process::geteuid().is_root()) {
        Some(above) => lchown(path, Some(above.uid()), Some(above.gid())),
        None => Ok(()),
    }
}

/// The owner of a file as `user` of a container sees it, and its `st_dev` and `st_ino`.
pub(super) fn identity(path: &Path, user: u32) -> io::Result<(u32, [u64; 2])> {
    let metadata = fs::symlink_metadata(path)?;
    let me = rustix::process::geteuid();
    let is_mine = !me.is_root() && metadata.uid() == me.as_raw();
    let owner = if is_mine { user } else { metadata.uid() };
    Ok((owner, [metadata.dev(), metadata.ino()]))
}

/// The names in a directory, where that user may read it.
pub(super) fn list(path: &Path, user: u32) -> io::Result<Vec<String>> {
    let (owner, _) = identity(path, user)?;
    let mode = fs::metadata(path)?.mode();
    let bits = if owner == user { mode >> 6 } else { mode };
    if user != 0 && bits & 0o4 == 0 {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    let names =
        fs::read_dir(path)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    names.collect()
}
