//! Where Podman is.

use clawbox_containers::endpoint::{Candidate, Candidates, EndpointError, Origin};

/// Where the unit `podman.socket` of the system listens.
const ROOTS: &str = "unix:///run/podman/podman.sock";
/// Names another: `unix:///path`, or what only Podman's own client can reach (podman(1), `--url`).
const VARIABLE: &str = "CONTAINER_HOST";

/// Where Podman may be, as far as this process is told.
#[derive(Debug, Default)]
pub(crate) struct Surroundings {
    container_host: Option<String>,
    runtime_dir: Option<String>,
    /// This process's.
    uid: u32,
}

impl Surroundings {
    pub(crate) fn look() -> Self {
        let read = |name| std::env::var_os(name).map(|text| text.to_string_lossy().into_owned());
        Self {
            container_host: read(VARIABLE),
            runtime_dir: read("XDG_RUNTIME_DIR"),
            uid: rustix::process::getuid().as_raw(),
        }
    }

    /// What was asked for; else `CONTAINER_HOST`; else where this user's own service listens and, after that, where
    /// root's does. An empty text is as good as none.
    pub(crate) fn candidates(&self, explicit: Option<&str>) -> Result<Candidates, EndpointError> {
        let given = |text: &&str| !text.is_empty();
        if let Some(uri) = explicit.filter(given) {
            return Candidate::parse(uri, Origin::Explicit).map(Candidates::only);
        }
        if let Some(uri) = self.container_host.as_deref().filter(given) {
            return Candidate::parse(uri, Origin::Variable(VARIABLE)).map(Candidates::only);
        }
        let roots = Candidate::parse(ROOTS, Origin::System)?;
        let dir = match self.runtime_dir.as_deref().filter(given) {
            Some(dir) => dir.to_owned(),
            // Root has no service of its own beside the system's.
            None if self.uid == 0 => return Ok(Candidates::only(roots)),
            // Where a login would have put it: cron and sudo set no variable.
            None => format!("/run/user/{}", self.uid),
        };
        let uri = format!("unix://{dir}/podman/podman.sock");
        Ok(Candidates::only(Candidate::parse(&uri, Origin::User)?).then(roots))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(host: Option<&str>, runtime_dir: Option<&str>, uid: u32) -> Surroundings {
        Surroundings {
            container_host: host.map(str::to_owned),
            runtime_dir: runtime_dir.map(str::to_owned),
            uid,
        }
    }

    fn check(surroundings: &Surroundings, explicit: Option<&str>, expected: &[&str]) {
        let found = surroundings.candidates(explicit).unwrap();
        let found: Vec<_> = found
            .iter()
            .map(|candidate| format!("{} {}", candidate.endpoint, candidate.origin))
            .collect();
        assert_eq!(found, expected, "{surroundings:?} {explicit:?}");
    }

    #[test]
    fn the_explicit_address_wins_over_the_environment_and_that_over_the_defaults() {
        let variable = ["unix:///a from CONTAINER_HOST"];
        let set = of(Some("unix:///a"), Some("/run/user/7"), 7);
        check(&set, None, &variable);
        check(&set, Some(""), &variable);
        check(&set, Some("unix:///b"), &["unix:///b as asked for"]);
        let remote = of(Some("ssh://h/run/podman.sock"), None, 7);
        check(&remote, Some("unix:///b"), &["unix:///b as asked for"]);
    }

    #[test]
    fn the_users_own_service_comes_before_roots() {
        let roots = "unix:///run/podman/podman.sock root's";
        let own = "unix:///run/user/7/podman/podman.sock this user's";
        for (runtime_dir, uid, expected) in [
            (Some("/run/user/7"), 7, &[own, roots][..]),
            (Some(""), 7, &[own, roots]),
            (None, 7, &[own, roots]),
            // As sudo may leave it.
            (Some("/run/user/7"), 0, &[own, roots]),
            (None, 0, &[roots]),
            (Some(""), 0, &[roots]),
        ] {
            check(&of(None, runtime_dir, uid), None, expected);
            check(&of(Some(""), runtime_dir, uid), None, expected);
        }
    }

    #[test]
    fn an_address_that_somebody_set_is_never_passed_over() {
        for surroundings in [
            of(Some("ssh://user@host/run/podman.sock"), None, 7),
            of(Some("tcp://127.0.0.1:8080"), None, 7),
            of(None, Some("relative"), 7),
            of(None, Some(&"/x".repeat(60)), 7),
        ] {
            assert!(surroundings.candidates(None).is_err(), "{surroundings:?}");
        }
        assert!(of(None, None, 0).candidates(Some("ssh://h")).is_err());
    }
}
