//! A container's files, in memory, as its plan allows them to be seen and changed.
//!
//! The image's files are shared and never change; what a container writes is its own. Nothing is written
//! to the host, except through a bind that the plan makes writable.

mod host;
mod kernel;
mod look;
mod node;
mod path;
mod transfer;

pub(crate) use host::give;
pub(crate) use kernel::KernelPath;
pub(crate) use node::{Content, Kind, Node, Tree};
pub(crate) use transfer::{Seen, SeenKind};

use crate::errno::Errno;
use clawbox_containers::{
    aspects::{Bind, TmpfsOptions},
    plan::PlanSpec,
};
use kernel::kernel_node;
use path::{normal, parent, within};
use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

/// What a tmpfs is accounted in, in bytes.
const PAGE: u64 = 4096;

/// The files that a container's processes see.
#[derive(Debug)]
pub(crate) struct Files {
    spec: Arc<PlanSpec>,
    user: (u32, u32),
    image: Arc<Tree>,
    own: Tree,
    used: BTreeMap<String, Used>,
}

/// What of a tmpfs is used.
#[derive(Debug, Default, Clone, Copy)]
struct Used {
    pages: u64,
    inodes: u64,
}

/// Which file system a path is on.
enum Place<'a> {
    Root,
    Tmpfs(&'a str, &'a TmpfsOptions),
    Bind(&'a Bind, PathBuf),
    Kernel,
}

/// What is to be written.
#[derive(Clone, Copy)]
pub(crate) enum Data<'a> {
    Bytes(&'a [u8]),
    /// So many zero bytes, which are kept as a number.
    Zeros(u64),
}

/// How a file is opened for writing.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Open {
    Truncate,
    Append,
    New,
}

impl Files {
    pub(crate) fn new(spec: Arc<PlanSpec>, user: (u32, u32), image: Arc<Tree>) -> Self {
        Self {
            spec,
            user,
            image,
            own: Tree::new(),
            used: BTreeMap::new(),
        }
    }

    /// Bytes of memory that files take.
    pub(crate) fn memory(&self) -> u64 {
        self.used.values().map(|used| used.pages * PAGE).sum()
    }

    pub(crate) fn read(&self, path: &str, at_most: u64) -> Result<Vec<u8>, Errno> {
        let path = normal(path)?;
        if let Place::Bind(_, host) = self.place(&path) {
            let mut bytes = std::fs::read(host).map_err(|error| Errno::of(&error))?;
            bytes.truncate(usize::try_from(at_most).unwrap_or(usize::MAX));
            return Ok(bytes);
        }
        let node = self.find(&path)?;
        if !self.may(&node, 0o4) {
            return Err(Errno::EACCES);
        }
        match &node.kind {
            Kind::Directory => Err(Errno::EISDIR),
            Kind::File(content) => Ok(content.read(at_most)),
            Kind::Null => Ok(Vec::new()),
            Kind::Zero | Kind::Full => Ok(Content::zeros(at_most).read(at_most)),
        }
    }

    /// Writes, and returns how many bytes went in before it was refused.
    pub(crate) fn write(
        &mut self,
        path: &str,
        data: Data<'_>,
        how: Open,
    ) -> (u64, Result<(), Errno>) {
        match self.open(path, how) {
            Ok(Target::Nowhere) => (data.len(), Ok(())),
            Ok(Target::Host(path)) => match host::write(&path, data, how) {
                Ok(()) => (data.len(), Ok(())),
                Err(error) => (0, Err(Errno::of(&error))),
            },
            Ok(Target::Own(path)) => self.extend(&path, data),
            Err(errno) => (0, Err(errno)),
        }
    }

    pub(crate) fn make_directory(&mut self, path: &str) -> Result<(), Errno> {
        let path = normal(path)?;
        self.make(&path, Node::directory(0o755))
    }

    pub(crate) fn remove(&mut self, path: &str) -> Result<(), Errno> {
        let path = normal(path)?;
        let node = self.find(&path)?;
        self.writable(&path)?;
        if matches!(node.kind, Kind::Directory) {
            return Err(Errno::EISDIR);
        }
        if !self.may(&self.find(parent(&path))?, 0o3) {
            return Err(Errno::EACCES);
        }
        // What is the image's cannot be taken from the shared tree, and no caller needs that.
        let gone = self.own.remove(&path).ok_or(Errno::EPERM)?;
        if let Some(mount) = self.tmpfs_of(&path) {
            let used = self.used.entry(mount).or_default();
            used.pages -= gone.pages();
            used.inodes -= 1;
        }
        Ok(())
    }

    /// Makes an own file executable.
    pub(crate) fn make_executable(&mut self, path: &str) -> Result<(), Errno> {
        let path = normal(path)?;
        self.find(&path)?;
        self.writable(&path)?;
        let node = self.own.get_mut(&path).ok_or(Errno::EPERM)?;
        node.mode |= 0o111;
        Ok(())
    }

    /// Whether the file may be executed where it is.
    pub(crate) fn executable(&self, path: &str) -> Result<(), Errno> {
        let path = normal(path)?;
        let node = self.find(&path)?;
        let noexec = match self.place(&path) {
            Place::Tmpfs(_, options) => options.flags.contains("noexec"),
            Place::Kernel => true,
            Place::Root | Place::Bind(..) => false,
        };
        if noexec || !matches!(node.kind, Kind::File(_)) || !self.may(&node, 0o1) {
            return Err(Errno::EACCES);
        }
        Ok(())
    }

    /// The path on the host behind one inside, where a bind leads there.
    pub(crate) fn host_path(&self, path: &str) -> Result<Option<PathBuf>, Errno> {
        let path = normal(path)?;
        match self.place(&path) {
            Place::Bind(_, host) => Ok(Some(host)),
            _ => self.find(&path).map(|_| None),
        }
    }

    fn open(&mut self, path: &str, how: Open) -> Result<Target, Errno> {
        let path = normal(path)?;
        if let Place::Bind(bind, host) = self.place(&path) {
            return if bind.read_only {
                Err(Errno::EROFS)
            } else {
                Ok(Target::Host(host))
            };
        }
        match self.find(&path) {
            Ok(_) if how == Open::New => return Err(Errno::EEXIST),
            Ok(node) => {
                match node.kind {
                    Kind::Directory => return Err(Errno::EISDIR),
                    Kind::Null | Kind::Zero => return Ok(Target::Nowhere),
                    Kind::Full => return Err(Errno::ENOSPC),
                    Kind::File(_) => {}
                }
                self.writable(&path)?;
                if !self.may(&node, 0o2) {
                    return Err(Errno::EACCES);
                }
                self.own.entry(path.clone()).or_insert(node);
                if how == Open::Truncate {
                    self.truncate(&path);
                }
            }
            Err(Errno::ENOENT) => self.make(&path, Node::file(0o644, Content::default()))?,
            Err(errno) => return Err(errno),
        }
        Ok(Target::Own(path))
    }

    /// Makes an own file or directory where there is none.
    fn make(&mut self, path: &str, mut node: Node) -> Result<(), Errno> {
        let above = self.find(parent(path))?;
        if !matches!(above.kind, Kind::Directory) {
            return Err(Errno::ENOTDIR);
        }
        if self.find(path).is_ok() {
            return Err(Errno::EEXIST);
        }
        self.writable(path)?;
        if !self.may(&above, 0o3) {
            return Err(Errno::EACCES);
        }
        if let Place::Tmpfs(mount, options) = self.place(path) {
            let (mount, most) = (mount.to_owned(), options.max_inodes);
            let used = self.used.entry(mount).or_default();
            // The mount's own top directory is one of them.
            if used.inodes + 1 >= most {
                return Err(Errno::ENOSPC);
            }
            used.inodes += 1;
        }
        node.owner = self.user;
        self.own.insert(path.to_owned(), node);
        Ok(())
    }

    fn truncate(&mut self, path: &str) {
        let mount = self.tmpfs_of(path);
        if let Some(node) = self.own.get_mut(path) {
            if let Some(used) = mount.and_then(|mount| self.used.get_mut(&mount)) {
                used.pages -= node.pages();
            }
            node.kind = Kind::File(Content::default());
        }
    }

    /// Adds to an own file what the size of a file and the size of its file system allow.
    fn extend(&mut self, path: &str, data: Data<'_>) -> (u64, Result<(), Errno>) {
        let largest = self
            .spec
            .ulimits
            .0
            .get("fsize")
            .map_or(u64::MAX, |l| l.soft);
        let room = match self.place(path) {
            Place::Tmpfs(mount, options) => {
                let used = self.used.get(mount).copied().unwrap_or_default();
                Some((
                    mount.to_owned(),
                    (options.size_bytes / PAGE).saturating_sub(used.pages),
                ))
            }
            _ => None,
        };
        let Some(Node {
            kind: Kind::File(content),
            ..
        }) = self.own.get_mut(path)
        else {
            return (0, Err(Errno::EIO));
        };
        let before = content.pages();
        let fits = room
            .as_ref()
            .map_or(u64::MAX, |(_, free)| (before + free).saturating_mul(PAGE));
        let wanted = data.len();
        let count = wanted.min(largest.min(fits).saturating_sub(content.len()));
        content.push(data.first(count));
        let grown = content.pages() - before;
        let end = match content.len() {
            _ if count == wanted => Ok(()),
            len if len >= largest => Err(Errno::EFBIG),
            _ => Err(Errno::ENOSPC),
        };
        if let Some((mount, _)) = room {
            self.used.entry(mount).or_default().pages += grown;
        }
        (count, end)
    }

    fn find(&self, path: &str) -> Result<Node, Errno> {
        let found = match self.place(path) {
            Place::Bind(_, host) if host.exists() => Some(Node::directory(0o711)),
            Place::Bind(..) => None,
            Place::Tmpfs(mount, options) if mount == path => Some(Node::directory(options.mode)),
            Place::Tmpfs(..) => self.own.get(path).cloned(),
            Place::Kernel => self
                .own
                .get(path)
                .cloned()
                .or_else(|| kernel_node(&self.spec, path)),
            Place::Root => self.own.get(path).or_else(|| self.image.get(path)).cloned(),
        };
        if let Some(node) = found {
            return Ok(node);
        }
        // An engine makes the directories that it mounts on.
        let on_the_way = self.mounts().any(|mount| within(path, mount).is_some());
        if on_the_way {
            return Ok(Node::directory(0o755));
        }
        if path != "/" && !matches!(self.find(parent(path))?.kind, Kind::Directory) {
            return Err(Errno::ENOTDIR);
        }
        Err(Errno::ENOENT)
    }

    /// Whether the file system at `path` takes writes at all.
    fn writable(&self, path: &str) -> Result<(), Errno> {
        let read_only = match self.place(path) {
            Place::Root => self.spec.read_only_root,
            Place::Tmpfs(_, options) => !options.flags.contains("rw"),
            Place::Bind(bind, _) => bind.read_only,
            Place::Kernel => kernel::read_only(&self.spec, path),
        };
        if read_only { Err(Errno::EROFS) } else { Ok(()) }
    }

    /// Whether the container's user has all of these permissions (4 read, 2 write, 1 execute).
    fn may(&self, node: &Node, wanted: u32) -> bool {
        let (uid, gid) = self.user;
        let bits = match node.owner {
            _ if uid == 0 => 0o7,
            (owner, _) if owner == uid => node.mode >> 6,
            (_, group) if group == gid => node.mode >> 3,
            _ => node.mode,
        };
        bits & wanted == wanted
    }

    /// The mount that `path` is on: the one whose path is the longest.
    fn place(&self, path: &str) -> Place<'_> {
        let tmpfs = self.spec.tmpfs.0.iter().filter_map(|(mount, options)| {
            within(mount, path).map(|_| (mount.len(), Place::Tmpfs(mount, options)))
        });
        let binds = self.spec.mounts.0.iter().filter_map(|bind| {
            let rest = within(&bind.target, path)?;
            let host = match rest.trim_start_matches('/') {
                "" => bind.source.clone(),
                rest => bind.source.join(rest),
            };
            Some((bind.target.len(), Place::Bind(bind, host)))
        });
        let kernel = kernel::MOUNTS
            .iter()
            .filter_map(|mount| within(mount, path).map(|_| (mount.len(), Place::Kernel)));
        let longest = tmpfs.chain(binds).chain(kernel).max_by_key(|(len, _)| *len);
        longest.map_or(Place::Root, |(_, place)| place)
    }

    fn mounts(&self) -> impl Iterator<Item = &str> {
        let tmpfs = self.spec.tmpfs.0.keys().map(String::as_str);
        let binds = self.spec.mounts.0.iter().map(|bind| bind.target.as_str());
        tmpfs.chain(binds).chain(kernel::MOUNTS)
    }

    fn tmpfs_of(&self, path: &str) -> Option<String> {
        match self.place(path) {
            Place::Tmpfs(mount, _) => Some(mount.to_owned()),
            _ => None,
        }
    }
}

/// Where bytes go.
enum Target {
    Own(String),
    Host(PathBuf),
    Nowhere,
}

impl<'a> Data<'a> {
    fn len(self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Zeros(count) => count,
        }
    }

    fn first(self, count: u64) -> Self {
        match self {
            Self::Bytes(bytes) => Self::Bytes(&bytes[..bytes.len().min(count as usize)]),
            Self::Zeros(zeros) => Self::Zeros(zeros.min(count)),
        }
    }
}
