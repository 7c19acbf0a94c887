//! Running test programs as the rootless engine's user, who is also the only one to use such an engine.

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use super::service::{Service, is_root};
use super::{podman, user};
use crate::workspace;

/// What a test program is left of root's environment; some of it cargo sets anew for each.
const KEPT: [&str; 7] = [
    "CI",
    "LANG",
    "TERM",
    "CLAWBOX_*",
    "RUST_*",
    "CARGO_MANIFEST_*",
    "CARGO_PKG_*",
];

/// With the workspace taken out of a folder that the user cannot enter, in a private mount namespace: `$1` is
/// that folder, `$2` the workspace, the rest is the command.
const OPENED: &str = r#"set -e
umask 022
here=$PWD
cd "$2"
mount -t tmpfs -o mode=0755 clawbox "$1"
mkdir -p "$2"
mount --no-canonicalize --rbind . "$2"
cd "$here"
shift 2
exec "$@""#;

/// The start of the command line that runs a program as the engine's user; nothing where that is who we are.
///
/// Programs keep their paths, and what cargo tells them.
pub(crate) fn as_user(service: &Service) -> Result<Vec<String>> {
    if !is_root() {
        return Ok(Vec::new());
    }
    let user = user::find()?.context("the rootless engine has no user")?;
    let root = workspace::root()?;
    let mut line = Vec::new();
    if let Some(closed) = first_closed(&root, mode)? {
        line.extend(["unshare", "--mount", "--propagation", "slave"].map(str::to_owned));
        line.extend(["sh", "-c", OPENED, "sh"].map(str::to_owned));
        line.extend([&closed, &root].map(|folder| folder.display().to_string()));
    }
    line.extend(user.become_it());
    line.push("env".to_owned());
    for name in env::vars_os().filter_map(|(name, _)| name.into_string().ok()) {
        if !is_kept(&name) {
            line.extend(["-u".to_owned(), name]);
        }
    }
    line.extend(podman::environment(service));
    Ok(line)
}

/// The same as a setting for cargo.
pub(crate) fn as_setting(line: &[String]) -> String {
    // A string of TOML is quoted as Rust's are.
    format!("target.'cfg(unix)'.runner={line:?}")
}

fn is_kept(name: &str) -> bool {
    KEPT.iter().any(|kept| match kept.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == *kept,
    })
}

/// The first folder above this one that is not everybody's to enter.
fn first_closed(folder: &Path, mode: impl Fn(&Path) -> Result<u32>) -> Result<Option<PathBuf>> {
    let mut above: Vec<&Path> = folder.ancestors().collect();
    above.reverse();
    for part in above {
        if mode(part)? & 0o001 != 0 {
            continue;
        }
        if part == folder {
            let folder = folder.display();
            bail!("the rootless engine's user cannot enter {folder}: run `chmod o+x {folder}`");
        }
        return Ok(Some(part.to_owned()));
    }
    Ok(None)
}

fn mode(folder: &Path) -> Result<u32> {
    let about = fs::metadata(folder).with_context(|| format!("look at {}", folder.display()))?;
    Ok(about.permissions().mode())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_tests_are_told_is_kept() {
        for name in ["CI", "CLAWBOX_REQUIRE", "RUST_LOG", "CARGO_PKG_NAME"] {
            assert!(is_kept(name), "{name}");
        }
        for name in [
            "HOME",
            "CARGO_HOME",
            "CIRCLE",
            "XDG_RUNTIME_DIR",
            "MY_RUST_X",
        ] {
            assert!(!is_kept(name), "{name}");
        }
    }

    #[test]
    fn the_outermost_closed_folder_is_found() {
        let closed = |closed: &[&str]| {
            let mode = |folder: &Path| match closed.iter().any(|path| Path::new(path) == folder) {
                true => Ok(0o040_770),
                false => Ok(0o040_751),
            };
            first_closed(Path::new("/a/b/c"), mode)
        };
        assert_eq!(closed(&[]).unwrap(), None);
        assert_eq!(closed(&["/a/b"]).unwrap(), Some("/a/b".into()));
        assert_eq!(
            closed(&["/a/b", "/a", "/a/b/c"]).unwrap(),
            Some("/a".into())
        );
        let error = closed(&["/a/b/c"]).unwrap_err().to_string();
        assert!(error.contains("chmod o+x /a/b/c"), "{error}");
    }

    #[test]
    fn a_setting_for_cargo_is_toml() {
        let line = ["a b", "c\n\"d\""].map(str::to_owned);
        let expected = "target.'cfg(unix)'.runner=[\"a b\", \"c\\n\\\"d\\\"\"]";
        assert_eq!(as_setting(&line), expected);
    }
}
