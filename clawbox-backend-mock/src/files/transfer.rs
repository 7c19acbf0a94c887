//! Files as they are put and got: one name after the other, and no link followed.

use super::{Files, Kind, Node, Place, host, path::normal, path::parent};
use crate::errno::Errno;
use std::{
    collections::BTreeSet,
    fs::{self, Permissions},
    io::ErrorKind,
    os::unix::fs::{DirBuilderExt, FileExt, FileTypeExt, MetadataExt, PermissionsExt},
};

/// What has a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) kind: SeenKind,
    /// Its permissions.
    pub(crate) mode: u32,
    pub(crate) size: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SeenKind {
    File,
    Directory,
    Link,
    Pipe,
    Socket,
    Device,
}

impl Files {
    /// What is at a path itself.
    pub(crate) fn seen(&self, path: &str) -> Result<Seen, Errno> {
        let path = normal(path)?;
        if let Place::Bind(_, host) = self.place(&path) {
            let metadata = fs::symlink_metadata(host).map_err(|error| Errno::of(&error))?;
            let kind = match metadata.file_type() {
                it if it.is_file() => SeenKind::File,
                it if it.is_dir() => SeenKind::Directory,
                it if it.is_symlink() => SeenKind::Link,
                it if it.is_fifo() => SeenKind::Pipe,
                it if it.is_socket() => SeenKind::Socket,
                _ => SeenKind::Device,
            };
            return Ok(Seen {
                kind,
                mode: metadata.mode() & 0o7777,
                size: metadata.len(),
            });
        }
        let node = self.find(&path)?;
        let (kind, size) = match &node.kind {
            Kind::Directory => (SeenKind::Directory, 0),
            Kind::File(content) => (SeenKind::File, content.len()),
            Kind::Null | Kind::Zero | Kind::Full => (SeenKind::Device, 0),
        };
        let mode = node.mode;
        Ok(Seen { kind, mode, size })
    }

    /// The names in a directory that may be read.
    pub(crate) fn names(&self, path: &str) -> Result<BTreeSet<String>, Errno> {
        let path = normal(path)?;
        if let Place::Bind(_, host) = self.place(&path) {
            return match host::list(&host, self.user.0) {
                Err(error) if error.kind() == ErrorKind::PermissionDenied => Err(Errno::EACCES),
                Err(error) => Err(Errno::of(&error)),
                Ok(names) => Ok(names.into_iter().collect()),
            };
        }
        if !self.may(&self.find(&path)?, 0o4) {
            return Err(Errno::EACCES);
        }
        let top = format!("{}/", path.trim_end_matches('/'));
        let own = self.own.keys().chain(self.image.keys());
        let all = own.map(String::as_str).chain(self.mounts());
        let below = all.filter_map(|path| path.strip_prefix(&top)?.split('/').next());
        let names =
            below.filter(|name| !name.is_empty() && self.find(&format!("{top}{name}")).is_ok());
        Ok(names.map(str::to_owned).collect())
    }

    /// Some of a file's bytes; none at its end.
    pub(crate) fn read_part(&self, path: &str, from: u64, room: usize) -> Result<Vec<u8>, Errno> {
        let path = normal(path)?;
        if let Place::Bind(_, host) = self.place(&path) {
            let mut bytes = vec![0; room];
            let file = fs::File::open(host);
            let read = file.and_then(|file| file.read_at(&mut bytes, from));
            bytes.truncate(read.map_err(|error| Errno::of(&error))?);
            return Ok(bytes);
        }
        let node = self.find(&path)?;
        match &node.kind {
            _ if !self.may(&node, 0o4) => Err(Errno::EACCES),
            Kind::File(content) => Ok(content.part(from, room)),
            _ => Err(Errno::EINVAL),
        }
    }

    /// Makes a directory where there is nothing of that name.
    pub(crate) fn provide_directory(&mut self, path: &str, mode: u32) -> Result<(), Errno> {
        let path = normal(path)?;
        let made = match self.place(&path) {
            Place::Bind(bind, _) if bind.read_only => Err(Errno::EROFS),
            Place::Bind(_, host) => {
                let made = fs::DirBuilder::new().mode(mode).create(&host);
                made.and_then(|()| host::give(&host))
                    .map_err(|error| Errno::of(&error))
            }
            _ => self.make(&path, Node::directory(mode)),
        };
        match made {
            Err(Errno::EEXIST) => Ok(()),
            made => made,
        }
    }

    /// Gives a file of this container's its permissions and another name in its directory, in place of what has that.
    pub(crate) fn rename(&mut self, from: &str, to: &str, mode: u32) -> Result<(), Errno> {
        let (from, to) = (normal(from)?, normal(to)?);
        if let (Place::Bind(_, from), Place::Bind(_, to)) = (self.place(&from), self.place(&to)) {
            let given = fs::set_permissions(&from, Permissions::from_mode(mode));
            let renamed = given.and_then(|()| fs::rename(&from, &to));
            return renamed.map_err(|error| Errno::of(&error));
        }
        match self.find(&to) {
            Ok(node) if matches!(node.kind, Kind::Directory) => return Err(Errno::EISDIR),
            // As in the kernel where a directory is open to all: only one's own.
            Ok(node)
                if node.owner.0 != self.user.0 && self.find(parent(&to))?.mode & 0o1000 != 0 =>
            {
                return Err(Errno::EPERM);
            }
            Ok(_) if self.own.contains_key(&to) => self.remove(&to)?,
            _ => {}
        }
        let mut node = self.own.remove(&from).ok_or(Errno::ENOENT)?;
        node.mode = mode;
        self.own.insert(to, node);
        Ok(())
    }

    /// Takes a file away that was begun.
    pub(crate) fn discard(&mut self, path: &str) -> Result<(), Errno> {
        let path = normal(path)?;
        match self.place(&path) {
            Place::Bind(_, host) => fs::remove_file(host).map_err(|error| Errno::of(&error)),
            _ => self.remove(&path),
        }
    }
}
