//! Why an engine does not answer, and what would mend it.

use crate::cli::say::causes;
use clawbox::ContainerError;
use serde::Serialize;
use std::{
    io::{self, ErrorKind},
    os::unix::net::UnixStream,
};

/// Why an engine does not answer.
#[derive(Debug, Serialize)]
pub(super) struct Problem {
    pub(super) endpoint: Option<String>,
    pub(super) message: String,
    pub(super) caused_by: Vec<String>,
    /// What would mend it.
    pub(super) mend: Vec<String>,
}

impl Problem {
    /// Looks closer at an engine that gave this error.
    pub(super) fn of(error: &ContainerError) -> Self {
        let endpoint = match error {
            ContainerError::EngineUnavailable { endpoint, .. }
            | ContainerError::EngineTimeout { endpoint, .. } => Some(endpoint.clone()),
            _ => None,
        };
        let mend = match (&endpoint, error) {
            (Some(endpoint), ContainerError::EngineTimeout { .. }) => {
                vec![format!("it hangs; restart the engine at {endpoint}")]
            }
            (Some(endpoint), _) => match endpoint.strip_prefix("unix://") {
                Some(path) => socket(path),
                None => vec!["check that the engine listens there".to_owned()],
            },
            (None, _) => Vec::new(),
        };
        Self {
            endpoint,
            message: error.to_string(),
            caused_by: causes(error),
            mend,
        }
    }
}

/// Asks the system itself what is wrong with the socket, as every client library words it differently.
fn socket(path: &str) -> Vec<String> {
    match UnixStream::connect(path) {
        Ok(_) => vec![format!(
            "something listens at {path}, but it is not the engine: --host URI names another"
        )],
        Err(error) => refused(path, &error),
    }
}

fn refused(path: &str, error: &io::Error) -> Vec<String> {
    match error.kind() {
        ErrorKind::NotFound => vec![
            "start Docker: systemctl start docker".to_owned(),
            "or install it: apt-get install docker.io".to_owned(),
            "or name its socket: --host unix:///PATH, or DOCKER_HOST".to_owned(),
        ],
        ErrorKind::PermissionDenied => vec![
            format!("this user may not open {path}: join its group (usermod -aG docker USER, then log in again)"),
            "whoever may open it has the power of root on this host; a rootless engine does not give that away".to_owned(),
        ],
        ErrorKind::ConnectionRefused => vec![format!(
            "nothing listens at {path} any more: systemctl restart docker"
        )],
        _ => vec![format!("{path} is not a socket of an engine's: {error}")],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    #[test]
    fn each_state_of_a_socket_has_its_own_way_out() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.sock");
        let path = path.to_str().unwrap();
        let mend = || socket(path).join("\n");

        assert!(mend().contains("start docker"), "{}", mend());
        let listener = UnixListener::bind(path).unwrap();
        assert!(mend().contains("not the engine"), "{}", mend());
        drop(listener);
        assert!(mend().contains("restart docker"), "{}", mend());
        let denied = refused(path, &ErrorKind::PermissionDenied.into()).join("\n");
        assert!(denied.contains("group"), "{denied}");
    }
}
