//! The one way out: a unix socket, and the directory that holds it and nothing else.

use crate::error::{ContainerError, ContainerResult};
use clawbox_types::InvalidValue;
use std::{
    fs,
    os::unix::fs::{FileTypeExt, PermissionsExt},
    path::{Component, Path, PathBuf},
};

/// Where the socket's directory is in every container.
pub const CONTAINER_SOCKET_DIR: &str = "/run/clawbox";
/// Where the proxy's socket is in every container.
pub const CONTAINER_SOCKET: &str = "/run/clawbox/proxy.sock";

const SOCKET_NAME: &str = "proxy.sock";

/// Whether `path` could name a proxy's socket, from its text alone.
pub(crate) fn check_proxy_path(path: &Path) -> Result<(), InvalidValue> {
    let normal = path
        .components()
        .all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    let text = path
        .to_str()
        .filter(|text| !text.chars().any(char::is_control));
    let deep = path.components().count() > 2;
    if path.is_absolute()
        && normal
        && deep
        && text.is_some()
        && path.file_name().is_some_and(|n| n == SOCKET_NAME)
    {
        Ok(())
    } else {
        Err(InvalidValue::new(
            path.display(),
            "the socket's absolute path, DIRECTORY/proxy.sock, in a directory of its own",
        ))
    }
}

/// The canonical directory of the socket at `path`, to be bound into the container.
///
/// # Errors
///
/// [`ContainerError::Io`] where there is no such directory; [`ContainerError::PolicyDenied`] where it does
/// not hold a socket `proxy.sock`, holds anything else, which the container would see as well, or lets the
/// container not in.
pub(crate) fn proxy_dir(path: &Path) -> ContainerResult<PathBuf> {
    let denied = |accepted: &str| ContainerError::PolicyDenied {
        violations: vec![InvalidValue::new(path.display(), accepted).at("proxy_socket")],
    };
    let parent = path
        .parent()
        .ok_or_else(|| denied("a path with a directory"))?;
    let io = |what| {
        move |source| ContainerError::Io {
            what,
            path: path.to_owned(),
            source,
        }
    };
    let dir = parent
        .canonicalize()
        .map_err(io("resolving the proxy socket's directory"))?;
    let socket = dir.join(SOCKET_NAME);
    let metadata = fs::symlink_metadata(&socket).map_err(io("looking at the proxy socket"))?;
    if !metadata.file_type().is_socket() {
        return Err(denied(
            "a listening unix socket, not a link or another file",
        ));
    }
    let entries = fs::read_dir(&dir).map_err(io("reading the proxy socket's directory"))?;
    if entries.take(2).count() != 1 {
        return Err(denied(
            "a directory that holds nothing but proxy.sock: the container sees all of it",
        ));
    }
    let open = |path: &Path, bits| {
        let mode = fs::metadata(path).map(|m| m.permissions().mode());
        mode.map(|mode| mode & bits == bits)
            .map_err(io("looking at permissions"))
    };
    if !open(&dir, 0o001)? || !open(&socket, 0o006)? {
        return Err(denied(
            "a directory of mode 0711 and a socket of mode 0666, below a directory of mode 0700: the \
             container's user is another one",
        ));
    }
    Ok(dir)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::{fs::symlink, net::UnixListener};

    struct Place {
        dir: PathBuf,
        socket: PathBuf,
        _keep: (tempfile::TempDir, UnixListener),
    }

    fn place() -> Place {
        let top = tempfile::tempdir().unwrap();
        let dir = top.path().canonicalize().unwrap().join("c1");
        fs::create_dir(&dir).unwrap();
        let socket = dir.join(SOCKET_NAME);
        let listener = UnixListener::bind(&socket).unwrap();
        mode(&dir, 0o711);
        mode(&socket, 0o666);
        Place {
            dir,
            socket,
            _keep: (top, listener),
        }
    }

    fn mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn check_refused(change: impl FnOnce(&Place), says: &str) {
        let place = place();
        change(&place);
        let error = proxy_dir(&place.socket).unwrap_err().to_string();
        assert!(error.contains(says), "{error} says {says}");
    }

    #[test]
    fn a_socket_alone_in_an_open_directory_is_taken_by_its_canonical_directory() {
        let place = place();
        assert_eq!(proxy_dir(&place.socket).unwrap(), place.dir);
        let link = place.dir.parent().unwrap().join("link");
        symlink(&place.dir, &link).unwrap();
        assert_eq!(proxy_dir(&link.join(SOCKET_NAME)).unwrap(), place.dir);
    }

    #[test]
    fn anything_else_is_refused() {
        check_refused(
            |p| drop(fs::write(p.dir.join("other"), "")),
            "nothing but proxy.sock",
        );
        check_refused(|p| mode(&p.dir, 0o700), "0711");
        check_refused(|p| mode(&p.socket, 0o660), "0666");
        check_refused(
            |p| fs::remove_file(&p.socket).unwrap(),
            "looking at the proxy socket",
        );
        let file = |p: &Place| {
            fs::remove_file(&p.socket).unwrap();
            fs::write(&p.socket, "").unwrap();
        };
        check_refused(file, "a listening unix socket");
        let link = |p: &Place| {
            let real = p.dir.parent().unwrap().join("real.sock");
            fs::rename(&p.socket, &real).unwrap();
            symlink(&real, &p.socket).unwrap();
        };
        check_refused(link, "not a link");
    }
}
