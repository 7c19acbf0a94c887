//! A Docker that is not ours.

use std::io;

use anyhow::{Result, bail};

use crate::http::Endpoint;

/// The engine that `DOCKER_HOST` names, or else the host's.
pub(crate) fn reachable() -> Result<Endpoint> {
    if let Ok(uri) = std::env::var("DOCKER_HOST") {
        let endpoint = Endpoint::parse(&uri)?;
        return match endpoint.ping() {
            Ok(()) => Ok(endpoint),
            Err(error) => bail!("{endpoint} (DOCKER_HOST): {error}"),
        };
    }
    let rootless = std::env::var("XDG_RUNTIME_DIR").map(|folder| format!("{folder}/docker.sock"));
    let mut failures = Vec::new();
    for socket in ["/var/run/docker.sock".to_owned()]
        .into_iter()
        .chain(rootless)
    {
        let endpoint = Endpoint::new(&socket);
        match endpoint.ping() {
            Ok(()) => return Ok(endpoint),
            Err(error) => failures.push(why_not(&socket, &error)),
        }
    }
    bail!("{}", failures.join("; "))
}

fn why_not(socket: &str, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => format!("no {socket}"),
        io::ErrorKind::PermissionDenied => {
            format!("{socket} may not be opened (join its group, or run as root)")
        }
        io::ErrorKind::ConnectionRefused => format!("nobody listens at {socket}"),
        _ => format!("{socket}: {error}"),
    }
}
