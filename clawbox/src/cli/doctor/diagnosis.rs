//! Why there is no engine at a place, and what would mend it.

use clawbox::{
    Backend, ContainerError,
    containers::endpoint::Origin,
    discovery::{Found, Place, Unusable},
};
use serde::Serialize;
use std::io::{self, ErrorKind};

/// Why no engine can be used at a place.
#[derive(Debug, Serialize)]
pub(super) struct Problem {
    pub(super) endpoint: Option<String>,
    pub(super) message: String,
    pub(super) caused_by: Vec<String>,
    /// What would mend it.
    pub(super) mend: Vec<String>,
}

impl Problem {
    /// There is none that can be used.
    pub(super) fn of(place: &Place, why: &Unusable) -> Self {
        Self {
            endpoint: place.endpoint().map(ToString::to_string),
            message: why.to_string(),
            caused_by: match why {
                Unusable::Unreachable(error) => vec![error.to_string()],
                _ => Vec::new(),
            },
            mend: mend(place, why),
        }
    }

    /// There is one, but not the one that was asked for.
    pub(super) fn another(asked: Backend, found: &Found) -> Self {
        let (other, endpoint) = (found.backend, found.candidate.endpoint.to_string());
        Self {
            message: format!("{other} answers there, not {asked}"),
            caused_by: Vec::new(),
            mend: vec![format!("--backend {other} --host {endpoint}")],
            endpoint: Some(endpoint),
        }
    }

    /// One without a place failed.
    pub(super) fn failed(error: &ContainerError) -> Self {
        Self {
            endpoint: None,
            message: error.to_string(),
            caused_by: crate::cli::say::causes(error),
            mend: Vec::new(),
        }
    }
}

fn mend(place: &Place, why: &Unusable) -> Vec<String> {
    let endpoint = place.endpoint().map(ToString::to_string);
    let endpoint = endpoint.unwrap_or_default();
    match why {
        Unusable::Address(_) => vec![another_host(place.backend)],
        Unusable::Unreachable(error) => unreachable(place, &endpoint, error),
        Unusable::NoSocket => vec![format!(
            "a file is in the place of {endpoint}; {}",
            another_host(place.backend)
        )],
        Unusable::Silent(_) => vec![format!("it hangs; restart the engine at {endpoint}")],
        Unusable::Stranger => vec![format!(
            "something listens at {endpoint}, but it is not the engine: --host URI names another"
        )],
        Unusable::NotCompiledIn(backend) => {
            vec![format!("build clawbox with the feature `{backend}`")]
        }
        Unusable::TooOld(_) => vec![
            "install Podman 4.0 or newer: Debian 12, Ubuntu 24.04, Fedora 36 and later have it"
                .to_owned(),
        ],
        Unusable::Failed(_) => vec![format!(
            "it answers, and then fails: see its log, or restart the engine at {endpoint}"
        )],
        // What is not known has no mend.
        _ => Vec::new(),
    }
}

fn another_host(backend: Option<Backend>) -> String {
    let variable = match backend {
        Some(Backend::Docker) => ", or DOCKER_HOST",
        Some(Backend::Podman) => ", or CONTAINER_HOST",
        _ => "",
    };
    format!("name its socket: --host unix:///PATH{variable}")
}

fn unreachable(place: &Place, endpoint: &str, error: &io::Error) -> Vec<String> {
    let origin = place
        .candidate
        .as_ref()
        .map_or(Origin::Explicit, |c| c.origin);
    match error.kind() {
        ErrorKind::NotFound => missing(place.backend, origin, endpoint),
        ErrorKind::ConnectionRefused => vec![format!(
            "nobody listens at {endpoint} any more: {}",
            restart(place.backend, origin, endpoint)
        )],
        ErrorKind::PermissionDenied => denied(place.backend, origin, endpoint),
        _ => vec![format!(
            "{endpoint} is not a socket of an engine's; {}",
            another_host(place.backend)
        )],
    }
}

fn missing(backend: Option<Backend>, origin: Origin, endpoint: &str) -> Vec<String> {
    let there = format!("podman system service --time=0 {endpoint}");
    let mut ways = match (backend, origin) {
        (Some(Backend::Podman), Origin::User) => vec![
            "start Podman: systemctl --user enable --now podman.socket".to_owned(),
            format!("or, without systemd: {there}"),
        ],
        (Some(Backend::Podman), Origin::System) => vec![
            "start Podman, as root: systemctl enable --now podman.socket".to_owned(),
            "better one of an ordinary user's own: systemctl --user enable --now podman.socket"
                .to_owned(),
        ],
        (Some(Backend::Docker), Origin::User) => vec![
            "set up a Docker of this user's own: dockerd-rootless-setuptool.sh install".to_owned(),
        ],
        (Some(Backend::Docker), _) => vec!["start Docker: systemctl start docker".to_owned()],
        _ => vec![format!("start Podman there: {there}")],
    };
    match (backend, origin) {
        (Some(Backend::Podman), _) => {
            ways.push("or install it: apt-get install podman uidmap".to_owned());
        }
        (Some(Backend::Docker), _) => {
            ways.push("or install it: apt-get install docker.io".to_owned());
        }
        _ => {}
    }
    ways.push(format!("or {}", another_host(backend)));
    ways
}

fn restart(backend: Option<Backend>, origin: Origin, endpoint: &str) -> String {
    match (backend, origin) {
        (Some(Backend::Podman), Origin::User) => {
            "systemctl --user restart podman.socket".to_owned()
        }
        (Some(Backend::Podman), Origin::System) => {
            "systemctl restart podman.socket, as root".to_owned()
        }
        (Some(Backend::Docker), Origin::User) => "systemctl --user restart docker".to_owned(),
        (Some(Backend::Docker), _) => "systemctl restart docker".to_owned(),
        _ => format!("podman system service --time=0 {endpoint}"),
    }
}

fn denied(backend: Option<Backend>, origin: Origin, endpoint: &str) -> Vec<String> {
    match (backend, origin) {
        (Some(Backend::Docker), Origin::System) => vec![
            format!(
                "join its group, for {endpoint}: usermod -aG docker USER, as root, then log in again"
            ),
            "whoever may open it has the power of root on this host; a rootless engine does not give that away"
                .to_owned(),
        ],
        (Some(Backend::Podman), Origin::System) => vec![
            "it is root's; this user's own needs no right to it: systemctl --user enable --now podman.socket"
                .to_owned(),
        ],
        _ => vec![format!(
            "run clawbox as the user that runs the engine at {endpoint}, or have an engine of this user's own"
        )],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clawbox::{containers::endpoint::Candidate, discovery::places_of};
    use std::os::unix::net::UnixListener;

    fn place(backend: Backend, uri: &str, origin: Origin) -> Place {
        let mut place = places_of(backend, Some(uri)).remove(0);
        place.candidate = Candidate::parse(uri, origin);
        place
    }

    /// What is said of what is really there.
    fn check(place: &Place, message: &str, way: &str) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let why = runtime.block_on(place.look()).unwrap_err();
        let problem = Problem::of(place, &why);
        assert_eq!(problem.message, message, "{place}");
        let ways = problem.mend.join("\n");
        assert!(ways.contains(way), "{place}: {ways}");
    }

    const ORIGINS: [Origin; 3] = [Origin::User, Origin::System, Origin::Explicit];

    #[test]
    fn each_state_of_a_socket_has_its_own_way_out() {
        use Backend::{Docker, Podman};
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.sock");
        let uri = format!("unix://{}", path.display());
        let all = |backend, message: &str, ways: [&str; 3]| {
            for (origin, way) in ORIGINS.into_iter().zip(ways) {
                check(&place(backend, &uri, origin), message, way);
            }
        };

        let missing = "there is no such socket";
        let there = format!("podman system service --time=0 {uri}");
        let users = "systemctl --user enable --now podman.socket";
        let roots = "as root: systemctl enable --now podman.socket";
        all(Podman, missing, [users, roots, &there]);
        all(Podman, missing, [&there, "install", "CONTAINER_HOST"]);
        let start = "start Docker: systemctl start docker";
        all(Docker, missing, ["setuptool", start, start]);

        let _listener = UnixListener::bind(&path).unwrap();
        drop(_listener);
        let dead = "nobody listens there";
        let users = "systemctl --user restart podman.socket";
        let roots = "systemctl restart podman.socket, as root";
        all(Podman, dead, [users, roots, &there]);
        let root = "systemctl restart docker";
        all(Docker, dead, ["--user restart docker", root, root]);

        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "").unwrap();
        // It refuses connections, too.
        let way = "name its socket";
        all(Podman, "what is there is not a socket", [way, way, way]);
    }

    #[test]
    fn a_socket_that_may_not_be_opened_is_told_by_whose_it_is() {
        let error = io::Error::from(ErrorKind::PermissionDenied);
        let why = Unusable::Unreachable(error);
        for (backend, origin, way) in [
            (Backend::Docker, Origin::System, "usermod -aG docker"),
            (Backend::Podman, Origin::System, "systemctl --user enable"),
            (Backend::Podman, Origin::Explicit, "as the user that runs"),
        ] {
            let problem = Problem::of(&place(backend, "unix:///a", origin), &why);
            assert_eq!(problem.message, "this user may not open it");
            let ways = problem.mend.join("\n");
            assert!(ways.contains(way), "{ways}");
        }
    }

    #[test]
    fn an_address_that_is_none_is_told_by_what_named_it() {
        for (backend, way) in [
            (Backend::Docker, "DOCKER_HOST"),
            (Backend::Podman, "CONTAINER_HOST"),
        ] {
            let place = place(backend, "tcp://h:1", Origin::Explicit);
            let why = Unusable::Address(place.candidate.clone().unwrap_err());
            let problem = Problem::of(&place, &why);
            assert!(problem.message.contains("tcp://h:1"), "{problem:?}");
            assert!(problem.mend.join("\n").contains(way), "{problem:?}");
        }
    }
}
