//! Which engines there are, and which of them to take.

mod unusable;
mod who;

pub use unusable::{NoEngine, Tried, Unusable};

use crate::{Backend, ConnectOptions, connect};
use clawbox_containers::{
    ContainerBackend, ContainerResult, EngineTimeouts, ManagerConfig,
    endpoint::{Candidate, Endpoint, EndpointError, Origin},
};
use clawbox_types::EngineInfo;
use std::{fmt, sync::Arc, time::Duration};
use who::Who;

/// How long each question to an engine may take: one that is slower than that is no use to whoever waits.
const BOUND: Duration = Duration::from_secs(3);
/// The oldest Podman whose API is spoken here.
const OLDEST_PODMAN: u32 = 4;

/// Where an engine may be.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Place {
    /// Whose place it is; `None` where somebody named it without saying whose.
    pub backend: Option<Backend>,
    /// Where, and who says so; or why that is no address.
    pub candidate: Result<Candidate, EndpointError>,
}

/// An engine that answers.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Found {
    /// Which backend speaks to it.
    pub backend: Backend,
    /// Where it is, and who says so.
    pub candidate: Candidate,
    /// What it says of itself and its host.
    pub info: EngineInfo,
    /// What was looked at before, and is not usable.
    pub passed_over: Vec<Tried>,
}

/// Takes the best engine that answers: a rootless one before one that runs as root, Podman before Docker. Never the
/// mock. Where `endpoint` names a place, whichever engine is there.
///
/// # Errors
///
/// [`NoEngine`] with each place and why nothing there can be used. It turns into a
/// [`ContainerError`](clawbox_containers::ContainerError) by `?`.
///
/// # Examples
///
/// ```no_run
/// use clawbox::{ConnectOptions, find};
///
/// # async fn example() -> clawbox::ContainerResult<()> {
/// let found = find(None).await?;
/// println!("{} {} at {}", found.backend, found.info.version, found.candidate.endpoint);
/// let backend = found.connect(&ConnectOptions::new())?;
/// # Ok(())
/// # }
/// ```
pub async fn find(endpoint: Option<&str>) -> Result<Found, NoEngine> {
    let mut tried = Vec::new();
    let mut with_root = None;
    for place in places(endpoint) {
        match place.look().await {
            Ok(found) if found.info.rootless => {
                return Ok(Found {
                    passed_over: tried,
                    ..found
                });
            }
            Ok(found) => with_root = with_root.or(Some(found)),
            Err(why) => tried.push(Tried {
                place,
                why: Arc::new(why),
            }),
        }
    }
    match with_root {
        Some(found) => Ok(Found {
            passed_over: tried,
            ..found
        }),
        None => Err(NoEngine { tried }),
    }
}

/// Where engines may be, the one to be preferred first; or only `endpoint`, where that is given.
#[must_use]
pub fn places(endpoint: Option<&str>) -> Vec<Place> {
    let backends = Backend::COMPILED.iter().copied();
    match endpoint.filter(|uri| !uri.is_empty()) {
        Some(uri) => vec![Place {
            backend: None,
            candidate: Candidate::parse(uri, Origin::Explicit),
        }],
        None => ordered(
            backends
                .flat_map(|backend| places_of(backend, None))
                .collect(),
        ),
    }
}

/// Where the engine of that name may be; or only `endpoint`, where that is given. The mock is nowhere.
#[must_use]
pub fn places_of(backend: Backend, endpoint: Option<&str>) -> Vec<Place> {
    let place = |candidate| Place {
        backend: Some(backend),
        candidate,
    };
    match backend.candidates(endpoint) {
        None => Vec::new(),
        Some(Err(error)) => vec![place(Err(error))],
        Some(Ok(candidates)) => candidates.iter().cloned().map(Ok).map(place).collect(),
    }
}

/// What somebody set comes first, then the user's own engines, as they should be the rootless ones, then root's.
/// Within that the backends keep their order, and no socket is asked twice.
fn ordered(mut places: Vec<Place>) -> Vec<Place> {
    let rank = |place: &Place| match &place.candidate {
        Ok(candidate) => match candidate.origin {
            Origin::User => 1,
            Origin::System => 2,
            _ => 0,
        },
        Err(_) => 0,
    };
    places.sort_by_key(rank);
    let mut seen = Vec::new();
    places.retain(|place| match &place.candidate {
        Ok(candidate) if seen.contains(&candidate.endpoint) => false,
        Ok(candidate) => {
            seen.push(candidate.endpoint.clone());
            true
        }
        Err(_) => true,
    });
    places
}

impl Place {
    /// Its socket, where it has one.
    #[must_use]
    pub fn endpoint(&self) -> Option<&Endpoint> {
        self.candidate.as_ref().ok().map(|found| &found.endpoint)
    }

    /// Asks whoever is there who it is, and if that is an engine, what it can do. Takes six seconds at most.
    ///
    /// # Errors
    ///
    /// [`Unusable`] where that is no engine that can be used.
    pub async fn look(&self) -> Result<Found, Unusable> {
        let candidate = self.candidate.clone().map_err(Unusable::Address)?;
        let who = tokio::time::timeout(BOUND, who::ask(&candidate.endpoint))
            .await
            .map_err(|_| Unusable::Silent(BOUND))?
            .map_err(|error| match candidate.endpoint.is_no_socket() {
                true => Unusable::NoSocket,
                false => Unusable::Unreachable(error),
            })?;
        let backend = match who {
            Who::Docker => Backend::Docker,
            Who::Podman(version) => match is_too_old(&version) {
                true => return Err(Unusable::TooOld(version)),
                false => Backend::Podman,
            },
            Who::Other => return Err(Unusable::Stranger),
        };
        if !Backend::COMPILED.contains(&backend) {
            return Err(Unusable::NotCompiledIn(backend));
        }
        let info = describe(backend, &candidate.endpoint)
            .await
            .map_err(Unusable::Failed)?;
        Ok(Found {
            backend,
            candidate,
            info,
            passed_over: Vec::new(),
        })
    }
}

async fn describe(backend: Backend, endpoint: &Endpoint) -> ContainerResult<EngineInfo> {
    let mut manager = ManagerConfig::default();
    manager.timeouts = EngineTimeouts::all(BOUND);
    let options = ConnectOptions::new()
        .with_endpoint(endpoint.to_string())
        .with_manager(manager);
    connect(backend, &options)?.info().await
}

/// A version that cannot be read is no reason to refuse it: what it cannot do, its answers show.
fn is_too_old(version: &str) -> bool {
    let major = version.split('.').next().and_then(|n| n.parse().ok());
    major.is_some_and(|major: u32| major < OLDEST_PODMAN)
}

impl Found {
    /// Makes a backend on this engine; the endpoint in `options` gives way to its own.
    ///
    /// # Errors
    ///
    /// Those of [`connect`].
    pub fn connect(&self, options: &ConnectOptions) -> ContainerResult<Arc<dyn ContainerBackend>> {
        let endpoint = self.candidate.endpoint.to_string();
        connect(self.backend, &options.clone().with_endpoint(endpoint))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.backend {
            Some(backend) => backend.fmt(f)?,
            None => f.write_str("engine")?,
        }
        match &self.candidate {
            Ok(Candidate {
                endpoint,
                origin: Origin::Explicit,
                ..
            }) => write!(f, " at {endpoint}"),
            Ok(Candidate {
                endpoint, origin, ..
            }) => write!(f, " at {endpoint} ({origin})"),
            // The address is in the reason.
            Err(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(backend: Backend, uri: &str, origin: Origin) -> Place {
        Place {
            backend: Some(backend),
            candidate: Candidate::parse(uri, origin),
        }
    }

    #[test]
    fn what_is_set_comes_first_then_the_users_own_and_no_socket_twice() {
        use Backend::{Docker, Podman};
        let ordered = ordered(vec![
            place(Podman, "unix:///p/user", Origin::User),
            place(Podman, "unix:///p/root", Origin::System),
            place(Docker, "unix:///d/root", Origin::System),
            place(Docker, "unix:///d/user", Origin::User),
            place(Docker, "unix:///d/set", Origin::Variable("DOCKER_HOST")),
            place(Docker, "unix:///p/user", Origin::System),
            place(Docker, "tcp://h", Origin::Variable("DOCKER_HOST")),
        ]);
        let shown: Vec<String> = ordered
            .iter()
            .map(|place| match place.endpoint() {
                Some(endpoint) => endpoint.path().display().to_string(),
                None => "refused".to_owned(),
            })
            .collect();
        assert_eq!(
            shown,
            [
                "/d/set", "refused", "/p/user", "/d/user", "/p/root", "/d/root"
            ]
        );
    }

    #[test]
    fn nobody_gets_the_mock_without_asking_for_it() {
        for place in places(None) {
            assert_ne!(place.backend, Some(Backend::Mock));
        }
        assert_eq!(places_of(Backend::Mock, None), []);
    }

    #[test]
    fn a_podman_before_the_fourth_is_too_old() {
        for (version, too_old) in [
            ("3.4.4", true),
            ("1.40.0", true),
            ("4.0.0", false),
            ("4.3.1", false),
            ("5.4.2", false),
            ("10.0.0-dev", false),
            ("dev", false),
        ] {
            assert_eq!(is_too_old(version), too_old, "{version}");
        }
    }
}
