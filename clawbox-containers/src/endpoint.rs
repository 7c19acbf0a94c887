//! Where an engine is: a unix socket of this host's.

use std::{
    fmt, fs,
    os::unix::fs::FileTypeExt,
    path::{Path, PathBuf},
    str::FromStr,
};

/// What an address of a unix socket holds, in bytes, without its final NUL: unix(7).
const MAX_PATH_BYTES: usize = 107;

/// Why an address cannot be an engine's. None of these depends on whether anything answers there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// TCP without authentication: whoever reaches the port has the engine's power over its host.
    #[error(
        "endpoint {uri} is unauthenticated tcp, which hands the engine to whoever reaches it; expected \
         unix:///path (for another host, forward its engine's socket: ssh -L /path:/its/path HOST)"
    )]
    Unauthenticated {
        /// What was given.
        uri: String,
    },
    /// Something other than a unix socket.
    #[error("endpoint {uri} is not supported, expected unix:///path")]
    Scheme {
        /// What was given.
        uri: String,
    },
    /// The socket's path cannot be one.
    #[error(
        "endpoint {uri} has no usable path, expected unix:// and an absolute path of at most 107 bytes"
    )]
    Path {
        /// What was given.
        uri: String,
    },
}

/// A unix socket on which an engine's API is to be found. Its text is `unix://` and an absolute path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    path: PathBuf,
}

impl Endpoint {
    /// Reads `unix:///path`.
    ///
    /// # Errors
    ///
    /// [`EndpointError`] where that is no address of a unix socket. Plain TCP is refused.
    pub fn parse(text: &str) -> Result<Self, EndpointError> {
        let uri = shown(text);
        match text.split_once("://") {
            Some(("unix", path)) => {
                let usable = path.len() <= MAX_PATH_BYTES
                    && path.starts_with('/')
                    && path.len() > 1
                    && !path.contains('\0');
                if usable {
                    Ok(Self { path: path.into() })
                } else {
                    Err(EndpointError::Path { uri })
                }
            }
            Some(("tcp" | "http", _)) => Err(EndpointError::Unauthenticated { uri }),
            _ => Err(EndpointError::Scheme { uri }),
        }
    }

    /// The socket's absolute path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether something other than a socket is there. The kernel's answer to who connects is the same as where
    /// nobody listens.
    #[must_use]
    pub fn is_no_socket(&self) -> bool {
        fs::metadata(&self.path).is_ok_and(|there| !there.file_type().is_socket())
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unix://{}", self.path.display())
    }
}

/// Who says that an engine may be at an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Origin {
    /// The caller named it.
    Explicit,
    /// This environment variable names it.
    Variable(&'static str),
    /// It is where the engine listens that this user runs.
    User,
    /// It is where the engine listens that root runs.
    System,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Explicit => f.write_str("as asked for"),
            Self::Variable(name) => write!(f, "from {name}"),
            Self::User => f.write_str("this user's"),
            Self::System => f.write_str("root's"),
        }
    }
}

/// An endpoint to try, and who says so.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Candidate {
    /// Where.
    pub endpoint: Endpoint,
    /// Who says so.
    pub origin: Origin,
}

impl Candidate {
    /// Reads the address that `origin` names.
    ///
    /// # Errors
    ///
    /// Those of [`Endpoint::parse`].
    pub fn parse(text: &str, origin: Origin) -> Result<Self, EndpointError> {
        Endpoint::parse(text).map(|endpoint| Self { endpoint, origin })
    }
}

/// The endpoints to try, in this order; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidates {
    first: Candidate,
    others: Vec<Candidate>,
}

impl Candidates {
    /// The one there is.
    #[must_use]
    pub const fn only(first: Candidate) -> Self {
        let others = Vec::new();
        Self { first, others }
    }

    /// One more, after the others.
    #[must_use]
    pub fn then(mut self, next: Candidate) -> Self {
        self.others.push(next);
        self
    }

    /// All of them, in their order.
    pub fn iter(&self) -> impl Iterator<Item = &Candidate> {
        std::iter::once(&self.first).chain(&self.others)
    }

    /// The first at which `exists` finds something; where it finds nothing the first of all, as errors should name
    /// the one that is preferred.
    #[must_use]
    pub fn choose(&self, exists: impl Fn(&Path) -> bool) -> &Candidate {
        self.iter()
            .find(|candidate| exists(candidate.endpoint.path()))
            .unwrap_or(&self.first)
    }
}

/// An address as a message may show it: of a bounded length and without a password.
fn shown(uri: &str) -> String {
    let shown = match (uri.split_once("://"), uri.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://…@{host}"),
        _ => uri.to_owned(),
    };
    shown.chars().take(160).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(uri: &str, expected: Result<&str, &str>) {
        let parsed = Endpoint::parse(uri);
        let outcome = match &parsed {
            Ok(endpoint) => Ok(endpoint.to_string()),
            Err(EndpointError::Unauthenticated { .. }) => Err("unauthenticated"),
            Err(EndpointError::Scheme { .. }) => Err("scheme"),
            Err(EndpointError::Path { .. }) => Err("path"),
        };
        assert_eq!(outcome, expected.map(str::to_owned), "{uri}");
    }

    #[test]
    fn a_unix_socket_is_read_and_written_alike() {
        let longest = format!("unix:///{}", "a".repeat(106));
        for uri in ["unix:///a", "unix:///run/user/1000/x.sock", &longest] {
            check(uri, Ok(uri));
        }
    }

    #[test]
    fn what_is_no_unix_socket_is_refused_by_kind() {
        let long = format!("unix:///{}", "a".repeat(107));
        for (uri, kind) in [
            ("", "scheme"),
            ("tcp://127.0.0.1:2375", "unauthenticated"),
            ("http://127.0.0.1:2375", "unauthenticated"),
            ("https://127.0.0.1:2376", "scheme"),
            ("ssh://user@host", "scheme"),
            ("npipe:////./pipe/docker_engine", "scheme"),
            ("UNIX:///a", "scheme"),
            ("/run/engine.sock", "scheme"),
            ("unix:/run/engine.sock", "scheme"),
            ("unix://", "path"),
            ("unix:///", "path"),
            ("unix://relative", "path"),
            ("unix:///a\0b", "path"),
            (&long, "path"),
        ] {
            check(uri, Err(kind));
        }
    }

    #[test]
    fn a_message_shows_no_password_and_has_a_bound() {
        let error = Endpoint::parse("tcp://user:hunter2@host").unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
        assert!(error.to_string().contains("tcp://…@host"), "{error}");
        let error = Endpoint::parse(&"x".repeat(100_000)).unwrap_err();
        assert!(error.to_string().len() < 1000);
    }

    #[test]
    fn the_first_that_is_there_is_taken_and_without_any_the_first() {
        let [a, b, c] = ["unix:///a", "unix:///b", "unix:///c"]
            .map(|uri| Candidate::parse(uri, Origin::System).unwrap());
        let candidates = Candidates::only(a).then(b).then(c);
        let taken = |there: &[&str]| {
            let taken = candidates.choose(|path| there.contains(&path.to_str().unwrap()));
            taken.endpoint.to_string()
        };
        assert_eq!(taken(&["/b", "/c"]), "unix:///b");
        assert_eq!(taken(&["/c", "/a"]), "unix:///a");
        assert_eq!(taken(&[]), "unix:///a");
    }
}
