//! Where Docker is.

use std::{
    fmt,
    path::{Path, PathBuf},
};

/// Where Docker's package puts its socket.
const DEFAULT: &str = "unix:///var/run/docker.sock";
/// What an address of a unix socket holds, in bytes, without its final NUL: unix(7).
const MAX_PATH_BYTES: usize = 107;

/// Why an address cannot be used for Docker. None of these depends on whether anything answers there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// TCP without authentication: whoever reaches the port is root on the engine's host.
    #[error(
        "endpoint {uri} is unauthenticated tcp, which is root for whoever reaches it; expected unix:///path \
         (for another host, forward its socket: ssh -L /path:/var/run/docker.sock HOST)"
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

/// A unix socket on which Docker's API is to be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    path: PathBuf,
}

impl Endpoint {
    /// What was asked for, else `DOCKER_HOST`, else Docker's own default. An empty text is as good as none,
    /// as it is to Docker's own client.
    pub(crate) fn choose(
        explicit: Option<&str>,
        docker_host: Option<&str>,
    ) -> Result<Self, EndpointError> {
        let given = |text: &&str| !text.is_empty();
        let uri = explicit.filter(given).or(docker_host.filter(given));
        Self::parse(uri.unwrap_or(DEFAULT))
    }

    fn parse(text: &str) -> Result<Self, EndpointError> {
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

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unix://{}", self.path.display())
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

    fn check(explicit: Option<&str>, docker_host: Option<&str>, expected: Result<&str, &str>) {
        let chosen = Endpoint::choose(explicit, docker_host);
        let outcome = match &chosen {
            Ok(endpoint) => Ok(endpoint.to_string()),
            Err(EndpointError::Unauthenticated { .. }) => Err("unauthenticated"),
            Err(EndpointError::Scheme { .. }) => Err("scheme"),
            Err(EndpointError::Path { .. }) => Err("path"),
        };
        assert_eq!(
            outcome,
            expected.map(str::to_owned),
            "{explicit:?} {docker_host:?}"
        );
    }

    #[test]
    fn the_explicit_address_wins_over_the_environment_and_that_over_the_default() {
        check(None, None, Ok("unix:///var/run/docker.sock"));
        check(None, Some(""), Ok("unix:///var/run/docker.sock"));
        check(None, Some("unix:///a"), Ok("unix:///a"));
        check(Some("unix:///b"), Some("unix:///a"), Ok("unix:///b"));
        check(Some("unix:///b"), Some("tcp://h:1"), Ok("unix:///b"));
        check(Some(""), Some("unix:///a"), Ok("unix:///a"));
    }

    #[test]
    fn what_is_no_unix_socket_is_refused_by_kind() {
        let long = format!("unix:///{}", "a".repeat(107));
        for (uri, kind) in [
            ("tcp://127.0.0.1:2375", "unauthenticated"),
            ("http://127.0.0.1:2375", "unauthenticated"),
            ("https://127.0.0.1:2376", "scheme"),
            ("ssh://user@host", "scheme"),
            ("npipe:////./pipe/docker_engine", "scheme"),
            ("UNIX:///a", "scheme"),
            ("/var/run/docker.sock", "scheme"),
            ("unix:/var/run/docker.sock", "scheme"),
            ("unix://", "path"),
            ("unix:///", "path"),
            ("unix://relative", "path"),
            ("unix:///a\0b", "path"),
            (&long, "path"),
        ] {
            check(Some(uri), None, Err(kind));
            check(None, Some(uri), Err(kind));
        }
        check(
            Some(&long[..long.len() - 1]),
            None,
            Ok(&long[..long.len() - 1]),
        );
    }

    #[test]
    fn a_message_shows_no_password_and_has_a_bound() {
        let error = Endpoint::parse("tcp://user:hunter2@host").unwrap_err();
        assert!(!error.to_string().contains("hunter2"), "{error}");
        assert!(error.to_string().contains("tcp://…@host"), "{error}");
        let error = Endpoint::parse(&"x".repeat(100_000)).unwrap_err();
        assert!(error.to_string().len() < 1000);
    }
}
