//! Debian packages of another release, unpacked in a folder: nothing is installed, and the host's apt is told nothing.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::packages;
use crate::workspace::run;

/// Debian's own keys, of this release and the next.
const KEYS: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Downloads the packages and what they depend on, and unpacks all below `root`.
///
/// apt's own state stands in `folder` meanwhile.
pub(super) fn unpack(codename: &str, packages: &[&str], folder: &Path, root: &Path) -> Result<()> {
    let apt = Apt::new(codename, folder)?;
    run(&mut apt.get(&["update"]))?;
    run(apt
        .get(&[
            "install",
            "-y",
            "--download-only",
            "--no-install-recommends",
        ])
        .args(packages))?;
    fs::create_dir(root).with_context(|| format!("create {}", root.display()))?;
    for package in in_order(archives(&apt.archives())?) {
        run(Command::new("dpkg-deb")
            .arg("--extract")
            .args([&package, root]))?;
    }
    fs::remove_dir_all(&apt.folder).with_context(|| format!("remove {}", apt.folder.display()))
}

/// An apt with lists, cache and sources of its own, and nothing installed.
struct Apt {
    folder: PathBuf,
    settings: Vec<String>,
}

impl Apt {
    fn new(codename: &str, folder: &Path) -> Result<Self> {
        let folder = folder.join("apt");
        let path = |name: &str| folder.join(name).display().to_string();
        for name in ["lists/partial", "archives/partial"] {
            fs::create_dir_all(path(name)).with_context(|| format!("create {}", path(name)))?;
        }
        let keys = match Path::new(KEYS).exists() {
            true => format!("[signed-by={KEYS}] "),
            // Then those that the host's apt trusts.
            false => String::new(),
        };
        let source = format!("deb {keys}{} {codename} main\n", mirror()?);
        for (name, text) in [("sources.list", source.as_str()), ("status", "")] {
            fs::write(path(name), text).with_context(|| format!("write {}", path(name)))?;
        }
        let settings = [
            ("Dir::Etc::sourcelist", path("sources.list")),
            ("Dir::Etc::sourceparts", "/dev/null".to_owned()),
            ("Dir::Etc::preferences", "/dev/null".to_owned()),
            ("Dir::Etc::preferencesparts", "/dev/null".to_owned()),
            ("Dir::State", path("")),
            ("Dir::State::lists", path("lists")),
            ("Dir::State::status", path("status")),
            ("Dir::Cache", path("")),
            ("Dir::Cache::archives", path("archives")),
            ("Acquire::Languages", "none".to_owned()),
            // The folder may be root's alone.
            ("APT::Sandbox::User", "root".to_owned()),
        ];
        let settings = settings.map(|(key, value)| format!("-o{key}={value}"));
        Ok(Self {
            folder,
            settings: settings.into(),
        })
    }

    fn get(&self, args: &[&str]) -> Command {
        let mut apt = Command::new("apt-get");
        apt.arg("-qq").args(&self.settings).args(args);
        apt.env("PATH", packages::search_path());
        apt
    }

    fn archives(&self) -> PathBuf {
        self.folder.join("archives")
    }
}

/// Where the host itself takes Debian's packages from.
fn mirror() -> Result<String> {
    let output = Command::new("apt-get")
        .args(["indextargets", "--format", "$(REPO_URI)"])
        .args(["Created-By: Packages", "Origin: Debian", "Label: Debian"])
        .env("PATH", packages::search_path())
        .output()
        .context("start apt-get")?;
    match String::from_utf8_lossy(&output.stdout).lines().next() {
        Some(uri) => Ok(uri.to_owned()),
        None => bail!("apt knows no mirror of Debian's: run `apt-get update`, on Debian"),
    }
}

fn archives(folder: &Path) -> Result<Vec<PathBuf>> {
    let read = || format!("read {}", folder.display());
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).with_context(read)? {
        let path = entry.with_context(read)?.path();
        if path.extension().is_some_and(|extension| extension == "deb") {
            found.push(path);
        }
    }
    Ok(found)
}

/// The package with the root's own folders and links first.
fn in_order(mut packages: Vec<PathBuf>) -> Vec<PathBuf> {
    let is_base = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("base-files_")
    };
    packages.sort_by_key(|path| (!is_base(path), path.clone()));
    packages
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_links_of_the_root_come_first() {
        let names = [
            "/a/apt_1.deb",
            "/a/base-files_2.deb",
            "/a/base-filesystem_3.deb",
        ];
        let order = in_order(names.map(PathBuf::from).into());
        assert_eq!(order, [names[1], names[0], names[2]].map(PathBuf::from));
    }
}
