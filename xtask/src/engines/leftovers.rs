//! Taking away what a daemon leaves, and nothing that belongs to somebody else.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::processes::wait_until;

/// Notes which of the paths are not there now.
pub(super) fn remember(list: &Path, paths: &[PathBuf]) -> Result<()> {
    let absent: Vec<String> = paths
        .iter()
        .filter(|path| !path.exists())
        .map(|path| path.display().to_string())
        .collect();
    fs::write(list, absent.join("\n")).with_context(|| format!("write {}", list.display()))
}

/// Removes the noted files and folders; a folder that somebody uses by now is not empty, and stays.
pub(super) fn remove_remembered(list: &Path) {
    for path in fs::read_to_string(list).unwrap_or_default().lines().rev() {
        let _ = fs::remove_dir(path).or_else(|_| fs::remove_file(path));
    }
}

pub(super) fn remove_file(file: &Path) -> Result<()> {
    absent_is_fine(fs::remove_file(file)).with_context(|| format!("remove {}", file.display()))
}

/// Removes a folder and all in it, unless something is mounted there: that would be emptied too.
pub(crate) fn remove_tree(folder: &Path) -> Result<()> {
    let mounts = fs::read_to_string("/proc/self/mountinfo").context("read the mounts")?;
    if let Some(mount) = mounted_below(&mounts, folder) {
        bail!("{mount} is a mount: run `umount {mount}`, then this again");
    }
    absent_is_fine(fs::remove_dir_all(folder))
        .with_context(|| format!("remove {}", folder.display()))
}

/// Removes a control group, and those in it, from every hierarchy.
pub(super) fn remove_cgroups(name: &str) -> Result<()> {
    for group in cgroups(name) {
        // A process that was killed just now leaves its group a little later.
        let removed = wait_until(Duration::from_secs(5), || Ok(remove_groups(&group).is_ok()))?;
        if !removed {
            remove_groups(&group).with_context(|| format!("remove {}", group.display()))?;
        }
    }
    Ok(())
}

/// Where a control group of this name is, or would be.
pub(super) fn cgroups(name: &str) -> impl Iterator<Item = PathBuf> {
    hierarchies().map(move |hierarchy| hierarchy.join(name))
}

fn hierarchies() -> impl Iterator<Item = PathBuf> {
    let top = Path::new("/sys/fs/cgroup");
    let below = fs::read_dir(top).into_iter().flatten().flatten();
    below.map(|entry| entry.path()).chain([top.to_owned()])
}

/// The files of a control group are the kernel's: only the folders are removed, inner ones first.
fn remove_groups(group: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(group) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            remove_groups(&entry.path())?;
        }
    }
    absent_is_fine(fs::remove_dir(group))
}

fn absent_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// The first mount point at or below the folder.
pub(super) fn mounted_below(mountinfo: &str, folder: &Path) -> Option<String> {
    mountinfo
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .map(|point| point.replace("\\040", " "))
        .find(|point| PathBuf::from(point).starts_with(folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
22 27 0:21 / /proc rw - proc proc rw
30 27 0:30 / /w/a\\040b/target/data/x rw - tmpfs x rw
31 27 0:30 / /w/cd rw - tmpfs x rw
";

    #[test]
    fn mounts_are_found_at_and_below_a_folder_only() {
        let check = |folder: &str, expected: Option<&str>| {
            let found = mounted_below(MOUNTS, Path::new(folder));
            assert_eq!(found.as_deref(), expected, "{folder}");
        };
        check("/w/a b", Some("/w/a b/target/data/x"));
        check("/w/cd", Some("/w/cd"));
        check("/w/c", None);
        check("/w/cd/e", None);
    }
}
