//! Directories of the host's that a container works in.

use crate::{InvalidValue, Violation, tmpfs::is_normal_path};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Where a workspace is in the container, unless the request says otherwise.
pub const DEFAULT_WORKSPACE: &str = "/workspace";
/// How many workspaces a container may have.
pub const MAX_WORKSPACES: usize = 8;

/// A directory of the host's in the container, for reading and writing unless it is [`read_only`](Self::read_only).
///
/// The operator says below which directories it may be. What can be written must belong, on the host, to the user
/// that the container runs as.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Workspace {
    /// The directory on the host: its canonical path, with no symbolic link in any part of it.
    pub source: PathBuf,
    /// Where it is in the container: [`DEFAULT_WORKSPACE`] by default.
    #[serde(default = "default_target")]
    pub target: String,
    /// Whether the container cannot change it.
    #[serde(default)]
    pub read_only: bool,
}

/// Places in the container where a workspace would hide what the policy relies on, or where engines put files of
/// their own.
const RESERVED: [&str; 6] = ["/proc", "/sys", "/dev", "/run", "/etc", "/.clawbox"];

impl Workspace {
    /// `source` at [`DEFAULT_WORKSPACE`], to be read and written.
    pub fn new(source: impl Into<PathBuf>) -> Self {
        Self {
            source: source.into(),
            target: default_target(),
            read_only: false,
        }
    }

    /// Sets where it is in the container.
    #[must_use]
    pub fn with_target(mut self, target: impl Into<String>) -> Self {
        self.target = target.into();
        self
    }

    /// Keeps the container from changing it.
    #[must_use]
    pub const fn read_only(mut self) -> Self {
        self.read_only = true;
        self
    }

    fn check(&self) -> Result<(), InvalidValue> {
        check_host_directory(&self.source)?;
        let reserved = RESERVED.iter().any(|top| is_within(&self.target, top));
        if is_normal_path(&self.target) && !reserved {
            return Ok(());
        }
        Err(InvalidValue::new(
            &self.target,
            format!(
                "an absolute path of plain characters without . or .., not at or below {}",
                RESERVED.join(", ")
            ),
        ))
    }
}

/// Checks the form of a directory's path on the host: absolute, not `/`, as a canonical path is written.
///
/// # Errors
///
/// [`InvalidValue`] saying what is accepted.
pub fn check_host_directory(path: &Path) -> Result<(), InvalidValue> {
    let good = path.to_str().is_some_and(|text| {
        text.len() <= 4096
            && !text.chars().any(char::is_control)
            && text.strip_prefix('/').is_some_and(|rest| {
                let mut parts = rest.split('/');
                parts.all(|part| !["", ".", ".."].contains(&part))
            })
    });
    if good {
        return Ok(());
    }
    Err(InvalidValue::new(
        path.display(),
        "a directory's canonical path: absolute, not /, without ., .., //, a / at its end or control characters",
    ))
}

/// All that is wrong with them, one by one and together.
pub(crate) fn violations(workspaces: &[Workspace], found: &mut Vec<Violation>) {
    let field = "workspaces";
    if workspaces.len() > MAX_WORKSPACES {
        found.push(Violation::new(
            field,
            format_args!("{} workspaces", workspaces.len()),
            format!("at most {MAX_WORKSPACES}"),
        ));
    }
    for (number, workspace) in workspaces.iter().enumerate() {
        found.extend(workspace.check().err().map(|e| e.at(field)));
        let target = &workspace.target;
        let others = workspaces.iter().take(number);
        if others
            .map(|other| &other.target)
            .any(|other| is_within(target, other) || is_within(other, target))
        {
            found.push(Violation::new(
                field,
                target,
                "targets of which none is in another",
            ));
        }
    }
}

/// Whether `path` is `top` or below it, by their text.
fn is_within(path: &str, top: &str) -> bool {
    path.strip_prefix(top)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn default_target() -> String {
    DEFAULT_WORKSPACE.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(workspaces: &[Workspace]) -> usize {
        let mut found = Vec::new();
        violations(workspaces, &mut found);
        found.len()
    }

    #[test]
    fn only_canonical_sources_have_the_right_form() {
        for source in [
            "/srv",
            "/srv/a b",
            "/srv/a:b,c",
            "/srv/.git",
            "/srv/...",
            "/é",
        ] {
            assert_eq!(check(&[Workspace::new(source)]), 0, "{source:?}");
        }
        for source in [
            "",
            "/",
            "//",
            "srv",
            "./srv",
            "/srv/",
            "/srv/.",
            "/srv//a",
            "/srv/../etc",
            "/srv/..",
            "/srv/a\nb",
            "/srv/\0",
        ] {
            assert_eq!(check(&[Workspace::new(source)]), 1, "{source:?}");
        }
        let long = format!("/{}", "a/".repeat(2048));
        assert_eq!(check(&[Workspace::new(long)]), 1);
        use std::os::unix::ffi::OsStrExt;
        let no_text = std::ffi::OsStr::from_bytes(b"/srv/\xff");
        assert_eq!(check(&[Workspace::new(no_text)]), 1);
    }

    #[test]
    fn a_target_hides_nothing_that_counts() {
        let at = |target: &str| Workspace::new("/srv").with_target(target);
        for target in [
            "/workspace",
            "/home/agent/x",
            "/etcetera",
            "/running",
            "/bin",
        ] {
            assert_eq!(check(&[at(target)]), 0, "{target:?}");
        }
        for target in [
            "",
            "/",
            "w",
            "/w/",
            "/w/..",
            "/w,x",
            "/w x",
            "/proc",
            "/proc/x",
            "/sys",
            "/dev/shm",
            "/run",
            "/run/clawbox/x",
            "/etc",
            "/etc/x",
            "/.clawbox",
            "/.clawbox/init",
        ] {
            assert_eq!(check(&[at(target)]), 1, "{target:?}");
        }
    }

    #[test]
    fn no_workspace_is_in_another() {
        let at = |target: &str| Workspace::new("/srv").with_target(target);
        assert_eq!(check(&[at("/a"), at("/b"), at("/ab")]), 0);
        for other in ["/a", "/a/b", "/a/b/c"] {
            assert_eq!(check(&[at("/a/b"), at(other)]), 1, "{other}");
        }
        let many: Vec<_> = (0..=MAX_WORKSPACES).map(|n| at(&format!("/{n}"))).collect();
        assert_eq!(check(&many[1..]), 0);
        assert_eq!(check(&many), 1);
    }
}
