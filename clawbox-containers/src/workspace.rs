//! A workspace's directory on the host: found without following links, and held open until the container has shown
//! that it is the one that it got.

use crate::{
    error::{ContainerError, ContainerResult},
    kernel::ExpectedWorkspace,
};
use clawbox_types::{InvalidValue, Workspace};
use rustix::{
    fs::{CWD, Mode, OFlags, fstat, openat},
    io::Errno,
    process::geteuid,
};
use std::{
    os::fd::OwnedFd,
    path::{Component, Path, PathBuf},
};

/// The kernel's own: neither these nor anything in them.
const KERNEL: [&str; 3] = ["/proc", "/sys", "/dev"];
/// Everybody's.
const SHARED: [&str; 4] = ["/home", "/tmp", "/var/tmp", "/run/user"];
/// Where engines listen, besides where this one does.
const SOCKETS: [&str; 6] = [
    "/run/docker.sock",
    "/var/run/docker.sock",
    "/run/podman/podman.sock",
    "/run/containerd/containerd.sock",
    "/run/crio/crio.sock",
    "/run/buildkit/buildkitd.sock",
];
/// Directories of secrets, wherever they are.
const SECRETS: [&str; 2] = [".ssh", ".gnupg"];

/// A directory that may be bound.
#[derive(Debug)]
pub(crate) struct OpenWorkspace {
    /// As long as it is open, no other directory can have its number.
    _directory: OwnedFd,
    expected: ExpectedWorkspace,
    owner: u32,
}

impl OpenWorkspace {
    /// What the container must see.
    pub(crate) const fn expected(&self) -> &ExpectedWorkspace {
        &self.expected
    }

    /// The user of the host's to whom it belongs, where the container may write to it and that is not root: who the
    /// container's user then is.
    pub(crate) fn writer(&self) -> Option<u32> {
        (!self.expected.read_only && self.owner != 0).then_some(self.owner)
    }
}

/// What no workspace may be, nor hold.
#[derive(Debug, Clone, Default)]
pub(crate) struct Forbidden {
    /// Neither these nor anything around them.
    held: Vec<PathBuf>,
    /// Neither these nor anything in them or around them.
    ours: Vec<PathBuf>,
}

impl Forbidden {
    /// On this host, with the engine's endpoint and the manager's own directory.
    pub(crate) fn on_this_host(endpoint: &str, state_dir: Option<&Path>) -> Self {
        let socket = endpoint.strip_prefix("unix://").map(PathBuf::from);
        let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        let mut paths = home_directories();
        paths.extend(SHARED.iter().chain(&SOCKETS).map(PathBuf::from));
        paths.extend(socket.into_iter().chain(runtime));
        // A source is canonical, and what is compared with it has to be.
        let canonical = |paths: &[PathBuf]| -> Vec<PathBuf> {
            let found = paths.iter().filter_map(|path| path.canonicalize().ok());
            found.chain(paths.iter().cloned()).collect()
        };
        // Some users' home is said to be /.
        paths.retain(|path| path.components().count() > 1);
        let ours: Vec<PathBuf> = state_dir.map(PathBuf::from).into_iter().collect();
        Self {
            held: canonical(&paths),
            ours: canonical(&ours),
        }
    }

    fn check(&self, source: &Path) -> Result<(), InvalidValue> {
        let refused = |accepted: String| Err(InvalidValue::new(source.display(), accepted));
        if let Some(kernel) = KERNEL.iter().find(|top| source.starts_with(top)) {
            return refused(format!("a directory that is not in {kernel}"));
        }
        let mut around = self.held.iter().chain(&self.ours);
        if let Some(held) = around.find(|held| held.starts_with(source)) {
            return refused(format!(
                "a directory of its own, which neither is nor holds {}",
                held.display()
            ));
        }
        if let Some(ours) = self.ours.iter().find(|ours| source.starts_with(ours)) {
            return refused(format!("a directory that is not in {}", ours.display()));
        }
        let secret = |part: Component<'_>| SECRETS.iter().any(|name| part.as_os_str() == *name);
        if source.components().any(secret) {
            return refused(format!(
                "a directory that is not in {}",
                SECRETS.join(" or ")
            ));
        }
        Ok(())
    }
}

/// Everybody's in the table of users, and this user's own.
fn home_directories() -> Vec<PathBuf> {
    let table = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let homes = table.lines().filter_map(|line| line.split(':').nth(5));
    let own = std::env::var_os("HOME").map(PathBuf::from);
    homes.map(PathBuf::from).chain(own).collect()
}

/// Opens the directories of `workspaces`.
///
/// # Errors
///
/// [`ContainerError::PolicyDenied`] with each that is not there, not a directory, behind a symbolic link, somebody
/// else's, or `forbidden`.
pub(crate) fn open_all(
    workspaces: &[Workspace],
    forbidden: &Forbidden,
) -> ContainerResult<Vec<OpenWorkspace>> {
    let mut violations = Vec::new();
    let mut opened = Vec::new();
    for workspace in workspaces {
        let checked = forbidden.check(&workspace.source);
        match checked.and_then(|()| open(workspace)) {
            Ok(workspace) => opened.push(workspace),
            Err(invalid) => violations.push(invalid.at("workspaces")),
        }
    }
    if violations.is_empty() {
        Ok(opened)
    } else {
        Err(ContainerError::PolicyDenied { violations })
    }
}

fn open(workspace: &Workspace) -> Result<OpenWorkspace, InvalidValue> {
    let source = &workspace.source;
    let refused = |accepted: &str| InvalidValue::new(source.display(), accepted);
    let unseen = |error: Errno| match error {
        Errno::NOENT => refused("a directory that exists"),
        Errno::NOTDIR | Errno::LOOP => {
            refused("a directory by its canonical path, with no symbolic link in any part of it")
        }
        error => refused(&format!("a directory that this user can open: {error}")),
    };
    let directory = open_without_links(source).map_err(unseen)?;
    let stat = fstat(&directory).map_err(unseen)?;
    let me = geteuid();
    if !me.is_root() && stat.st_uid != me.as_raw() {
        return Err(refused(&format!(
            "a directory of one's own; this one is user {}'s",
            stat.st_uid
        )));
    }
    Ok(OpenWorkspace {
        _directory: directory,
        owner: stat.st_uid,
        expected: ExpectedWorkspace {
            target: workspace.target.clone(),
            identity: [stat.st_dev, stat.st_ino],
            read_only: workspace.read_only,
        },
    })
}

/// Part by part: no kernel that is in use lacks what this takes.
fn open_without_links(path: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut directory = openat(CWD, "/", flags, Mode::empty())?;
    for part in path.components() {
        if let Component::Normal(name) = part {
            directory = openat(&directory, name, flags, Mode::empty())?;
        }
    }
    Ok(directory)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        fs,
        os::unix::fs::{MetadataExt, symlink},
    };

    fn opened(source: &Path) -> Result<OpenWorkspace, String> {
        open(&Workspace::new(source)).map_err(|refused| refused.to_string())
    }

    #[test]
    fn a_directory_is_opened_and_known_by_its_number() {
        let top = tempfile::tempdir().unwrap();
        let dir = top.path().canonicalize().unwrap();
        let opened = opened(&dir).unwrap();
        let metadata = fs::metadata(&dir).unwrap();
        assert_eq!(opened.expected.identity, [metadata.dev(), metadata.ino()]);
        assert_eq!(opened.owner, metadata.uid());
        let read_only = open(&Workspace::new(&dir).read_only()).unwrap();
        assert_eq!(read_only.writer(), None);
    }

    #[test]
    fn no_link_is_followed_and_nothing_is_made() {
        let top = tempfile::tempdir().unwrap();
        let top = top.path().canonicalize().unwrap();
        fs::create_dir_all(top.join("real/inner")).unwrap();
        symlink("real", top.join("link")).unwrap();
        symlink("inner", top.join("real/last")).unwrap();
        fs::write(top.join("file"), "").unwrap();
        assert!(opened(&top.join("real/inner")).is_ok());
        for (path, says) in [
            ("link", "symbolic link"),
            ("link/inner", "symbolic link"),
            ("real/last", "symbolic link"),
            ("file", "symbolic link"),
            ("none", "exists"),
            ("none/such", "exists"),
        ] {
            let error = opened(&top.join(path)).unwrap_err();
            assert!(error.contains(says), "{path}: {error}");
        }
        assert!(!top.join("none").exists());
    }

    #[test]
    fn what_belongs_to_others_or_holds_secrets_is_refused() {
        let state = Path::new("/var/lib/state");
        let forbidden = Forbidden::on_this_host("unix:///srv/engine/socket", Some(state));
        for bad in [
            "/proc",
            "/proc/self",
            "/sys/fs",
            "/dev/shm",
            "/tmp",
            "/var/tmp",
            "/var",
            "/run",
            "/run/user",
            "/run/podman",
            "/root",
            "/home/x/.ssh",
            "/srv/a/.gnupg/b",
            "/srv",
            "/srv/engine",
            "/var/lib/state",
            "/var/lib",
            "/var/lib/state/x",
        ] {
            assert!(forbidden.check(Path::new(bad)).is_err(), "{bad}");
        }
        for good in [
            "/srv/a",
            "/tmp/x",
            "/root/x",
            "/srv/engine-2",
            "/procs",
            "/home/x/ssh",
        ] {
            assert!(forbidden.check(Path::new(good)).is_ok(), "{good}");
        }
    }
}
