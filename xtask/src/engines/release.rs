//! Whose packages an engine is made of: the host's, or those of another Debian release in a folder of the workspace.
//!
//! Such a release is no container and no installation: its packages are unpacked, no script of theirs is run, and the
//! folder is the root of what is started in it. The host's folders that an engine and clawbox share keep their paths.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;

use super::service::{Service, is_root};
use super::{Kind, download, leftovers, packages};
use crate::consent::Consent;
use crate::say::say;
use crate::workspace;

/// Where an engine's programs come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Release {
    /// The host's own packages.
    Host,
    /// Debian 13.
    Trixie,
}

/// What the engines of a release are made of, and what starts them.
const PACKAGES: [&str; 14] = [
    "base-files",
    "catatonit",
    "conmon",
    "containerd",
    "coreutils",
    "crun",
    "dash",
    "docker.io",
    "fuse-overlayfs",
    "mount",
    "podman",
    "runc",
    "uidmap",
    "util-linux",
];

/// The kernel's folders, and those where sockets and what is bound into containers stand.
const SHARED: [&str; 4] = ["/dev", "/proc", "/run", "/sys"];

/// Who is who and what is where, for programs that look it up.
const NAMES: [&str; 5] = [
    "/etc/group",
    "/etc/hosts",
    "/etc/passwd",
    "/etc/subgid",
    "/etc/subuid",
];

/// Makes `$1` the root, with the host's folders and files that follow in it up to `--`, then becomes the command.
const ENTER: &str = r#"set -e
root=$1
shift
mount --bind "$root" "$root"
# What is bound below may have the root in it, which is not to be in itself.
mount --make-unbindable "$root"
while [ "$1" != -- ]; do
    if [ -d "$1" ]; then
        mkdir -p "$root$1"
    else
        touch "$root$1"
    fi
    mount --rbind "$1" "$root$1"
    shift
done
shift
mkdir -p "$root/host"
cd "$root"
pivot_root . host
cd /
umount -l /host
mount --make-slave /
exec "$@""#;

impl Release {
    pub(crate) const ALL: [Self; 2] = [Self::Host, Self::Trixie];

    /// An engine's name, which tells it from the same engine of another release.
    pub(crate) fn name_of(self, kind: Kind) -> String {
        match self.codename() {
            None => kind.name().to_owned(),
            Some(codename) => format!("{}-{codename}", kind.name()),
        }
    }

    /// Debian's name of it; none for what is installed.
    pub(super) fn codename(self) -> Option<&'static str> {
        match self {
            Self::Host => None,
            Self::Trixie => Some("trixie"),
        }
    }

    /// The release's folder, of which the host needs none.
    fn folder(self) -> Result<Option<PathBuf>> {
        let root = workspace::root()?;
        let folder = |name| root.join("target/engines").join(name);
        Ok(self.codename().map(folder))
    }

    /// Sees to it that the release's programs are there.
    pub(super) fn ensure(self, consent: Consent) -> Result<()> {
        let (Some(codename), Some(folder)) = (self.codename(), self.folder()?) else {
            return Ok(());
        };
        if root_of(&folder).exists() {
            return Ok(());
        }
        if !is_root() {
            bail!("the engines of {codename} need root: run this as root");
        }
        let what = format!(
            "download Debian {codename}'s engines and unpack them in {} (130 MB, then 500 MB)",
            folder.display()
        );
        if !consent.allows(&format!("{what}?")) {
            bail!("give --yes to {what}");
        }
        // What an interrupted run left is not to be gone on with.
        leftovers::remove_tree(&folder)?;
        say!(
            "unpacking the engines of {codename} in {}",
            folder.display()
        );
        let root = root_of(&folder);
        let unfinished = folder.join("unfinished");
        download::unpack(codename, &PACKAGES, &folder, &unfinished)
            .and_then(|()| {
                fs::rename(&unfinished, &root)
                    .with_context(|| format!("rename to {}", root.display()))
            })
            .inspect_err(|_| {
                if let Err(error) = leftovers::remove_tree(&folder) {
                    eprintln!("warning: {error:#}");
                }
            })
    }

    /// A command in a private mount namespace and a session of its own, with the release's root, where `folders`
    /// are as on the host. The caller adds a program of the release's and its arguments.
    pub(super) fn command(self, folders: &[&Path]) -> Result<Command> {
        let mut command = Command::new("setsid");
        command
            // `slave`: mounts the host makes later are seen, ours never get out.
            .args(["unshare", "--mount", "--propagation", "slave"])
            .env("PATH", packages::search_path());
        if let Some(folder) = self.folder()? {
            command
                .args(["sh", "-c", ENTER, "sh"])
                .arg(root_of(&folder));
            command.args(shared(folders, env::temp_dir())).arg("--");
        }
        Ok(command)
    }

    /// Whether it is there, whole or not, and no engine has it for its root.
    pub(super) fn is_left(self) -> Result<bool> {
        if !self.folder()?.is_some_and(|folder| folder.exists()) {
            return Ok(false);
        }
        for kind in Kind::ALL {
            if Service::of_release(kind, self)?.is_there() {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Removes what was unpacked.
    pub(super) fn remove(self) -> Result<()> {
        match self.folder()? {
            Some(folder) => leftovers::remove_tree(&folder),
            None => Ok(()),
        }
    }
}

fn root_of(folder: &Path) -> PathBuf {
    folder.join("root")
}

/// What is as on the host, each but once.
fn shared(folders: &[&Path], temporary: PathBuf) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = SHARED.map(PathBuf::from).into();
    for path in [temporary]
        .into_iter()
        .chain(folders.iter().map(PathBuf::from))
    {
        if !paths.iter().any(|known| path.starts_with(known)) {
            paths.push(path);
        }
    }
    let names = NAMES.map(PathBuf::from);
    paths.extend(names.into_iter().filter(|path| path.exists()));
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_in_a_shared_one_is_not_shared_again() {
        let shared = |folders: &[&str]| {
            let folders: Vec<&Path> = folders.iter().map(Path::new).collect();
            shared(&folders, "/tmp".into())
        };
        let shown = |folders: &[&str]| {
            let paths = shared(folders);
            let paths = paths.iter().filter(|path| !path.starts_with("/etc"));
            let paths: Vec<String> = paths.map(|path| path.display().to_string()).collect();
            paths.join(" ")
        };
        assert_eq!(shown(&["/run/e"]), "/dev /proc /run /sys /tmp");
        assert_eq!(shown(&["/w", "/w/e"]), "/dev /proc /run /sys /tmp /w");
        assert_eq!(shown(&["/tmpo"]), "/dev /proc /run /sys /tmp /tmpo");
    }
}
