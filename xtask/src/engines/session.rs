//! An engine in use by a chore: our own where that is possible; for Docker, else one that answers.

use anyhow::{Result, bail};

use super::release::Release;
use super::{Kind, Service, docker};
use crate::consent::Consent;
use crate::http::Endpoint;

/// An engine in use; [`Session::end`] stops it again when it was started for this use.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) kind: Kind,
    pub(crate) release: Release,
    pub(crate) endpoint: Endpoint,
    started: bool,
}

impl Session {
    /// An engine for a chore of some length, our own first.
    pub(crate) fn begin(kind: Kind, consent: Consent) -> Result<Self> {
        Self::begin_of(kind, Release::Host, consent)
    }

    /// The same of a release, which has no other engine that would do.
    pub(crate) fn begin_of(kind: Kind, release: Release, consent: Consent) -> Result<Self> {
        Self::begin_as(Service::of_release(kind, release)?, consent)
    }

    /// One that has a disk of its own, if it is this call that starts it.
    pub(crate) fn begin_on_small_disk(kind: Kind, consent: Consent) -> Result<Self> {
        Self::begin_as(Service::of_workspace(kind)?.with_small_disk(), consent)
    }

    fn begin_as(private: Service, consent: Consent) -> Result<Self> {
        let (kind, release) = (private.kind, private.release);
        match (private.up(consent), kind) {
            (Ok(started), _) => Ok(Self {
                kind,
                release,
                endpoint: private.endpoint(),
                started,
            }),
            (Err(own), Kind::Docker) if release == Release::Host => {
                Self::docker_that_is_there(&own)
            }
            (Err(own), _) => Err(own),
        }
    }

    fn docker_that_is_there(own: &anyhow::Error) -> Result<Self> {
        match docker::reachable() {
            Ok(endpoint) => {
                eprintln!("using the engine at {endpoint}; no private one: {own:#}");
                Ok(Self::with(Kind::Docker, Release::Host, endpoint))
            }
            Err(other) => bail!(
                "no Docker engine;\n  \
                 a private one: {own:#};\n  \
                 one that is there: {other};\n\
                 next: mend either, or name another engine with DOCKER_HOST=unix:///path"
            ),
        }
    }

    /// The Docker that is there already; ours is started only where none answers.
    pub(crate) fn begin_with_any_docker(consent: Consent) -> Result<Self> {
        let private = Service::of_workspace(Kind::Docker)?;
        if !private.answers()
            && let Ok(endpoint) = docker::reachable()
        {
            return Ok(Self::with(Kind::Docker, Release::Host, endpoint));
        }
        Self::begin(Kind::Docker, consent)
    }

    /// Those of our own that run, which are left running.
    pub(crate) fn running() -> Result<Vec<Self>> {
        let mut found = Vec::new();
        for private in Service::all()? {
            if private.answers() {
                let Service { kind, release, .. } = private;
                found.push(Self::with(kind, release, private.endpoint()));
            }
        }
        Ok(found)
    }

    /// An engine that this use has not started.
    fn with(kind: Kind, release: Release, endpoint: Endpoint) -> Self {
        Self {
            kind,
            release,
            endpoint,
            started: false,
        }
    }

    /// Stops what was started, and leaves alone what was there before.
    pub(crate) fn end(self) -> Result<()> {
        if self.started {
            Service::of_release(self.kind, self.release)?.down()?;
        }
        Ok(())
    }
}
