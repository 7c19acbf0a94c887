//! A Docker engine for the chores: our own where that is possible, else one that answers.

use std::io;

use anyhow::{Result, bail};

use super::daemon::Daemon;
use crate::consent::Consent;
use crate::http::Endpoint;

/// An engine in use; [`Session::end`] stops it again when it was started for this use.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) endpoint: Endpoint,
    started: bool,
}

impl Session {
    /// An engine for a chore of some length, our own first.
    pub(crate) fn begin(consent: Consent) -> Result<Self> {
        obtain(consent)
    }

    /// The engine that is there already; ours is started only where none answers.
    pub(crate) fn begin_with_any(consent: Consent) -> Result<Self> {
        let private = Daemon::of_workspace()?;
        if !private.answers()
            && let Ok(endpoint) = reachable()
        {
            return Ok(Self {
                endpoint,
                started: false,
            });
        }
        obtain(consent)
    }

    /// Stops what was started, and leaves alone what was there before.
    pub(crate) fn end(self) -> Result<()> {
        if self.started {
            Daemon::of_workspace()?.down()?;
        }
        Ok(())
    }
}

/// An engine that goes on running: the private one, started if need be, else one that answers.
pub(crate) fn ensure(consent: Consent) -> Result<Endpoint> {
    Ok(obtain(consent)?.endpoint)
}

fn obtain(consent: Consent) -> Result<Session> {
    let private = Daemon::of_workspace()?;
    let own = match private.up(consent) {
        Ok(started) => {
            return Ok(Session {
                endpoint: private.endpoint(),
                started,
            });
        }
        Err(error) => error,
    };
    match reachable() {
        Ok(endpoint) => {
            eprintln!("using the engine at {endpoint}; no private one: {own:#}");
            Ok(Session {
                endpoint,
                started: false,
            })
        }
        Err(other) => bail!(
            "no Docker engine;\n  \
             a private one: {own:#};\n  \
             one that is there: {other};\n\
             next: mend either, or name another engine with DOCKER_HOST=unix:///path"
        ),
    }
}

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
