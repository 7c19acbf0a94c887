//! Paths as text.

use crate::errno::Errno;

/// See limits.h(0p).
const NAME_MAX: usize = 255;
const PATH_MAX: usize = 4096;

/// What is left of `path` below `top`, if it is there.
pub(super) fn within<'a>(top: &str, path: &'a str) -> Option<&'a str> {
    path.strip_prefix(top.trim_end_matches('/'))
        .filter(|rest| rest.is_empty() || rest.starts_with('/'))
}

pub(super) fn parent(path: &str) -> &str {
    match path.rfind('/') {
        Some(0) | None => "/",
        Some(at) => &path[..at],
    }
}

/// The path without `.`, `..` and repeated slashes; it is absolute by now.
pub(super) fn normal(path: &str) -> Result<String, Errno> {
    if path.len() >= PATH_MAX || path.split('/').any(|part| part.len() > NAME_MAX) {
        return Err(Errno::ENAMETOOLONG);
    }
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    Ok(format!("/{}", parts.join("/")))
}
