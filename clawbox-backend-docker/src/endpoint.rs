//! Where Docker is.

use clawbox_containers::endpoint::{Candidate, Candidates, EndpointError, Origin};

/// Where Docker's package puts its socket.
const DEFAULT: &str = "unix:///var/run/docker.sock";
/// Names another.
const VARIABLE: &str = "DOCKER_HOST";

/// Where Docker may be, as far as this process is told.
#[derive(Debug, Default)]
pub(crate) struct Surroundings {
    docker_host: Option<String>,
    runtime_dir: Option<String>,
}

impl Surroundings {
    pub(crate) fn look() -> Self {
        let read = |name| std::env::var_os(name).map(|text| text.to_string_lossy().into_owned());
        Self {
            docker_host: read(VARIABLE),
            runtime_dir: read("XDG_RUNTIME_DIR"),
        }
    }

    /// What was asked for; else `DOCKER_HOST`; else Docker's own default and, after that, where the Docker listens
    /// that this user runs. An empty text is as good as none, as it is to Docker's own client.
    pub(crate) fn candidates(&self, explicit: Option<&str>) -> Result<Candidates, EndpointError> {
        let given = |text: &&str| !text.is_empty();
        if let Some(uri) = explicit.filter(given) {
            return Candidate::parse(uri, Origin::Explicit).map(Candidates::only);
        }
        if let Some(uri) = self.docker_host.as_deref().filter(given) {
            return Candidate::parse(uri, Origin::Variable(VARIABLE)).map(Candidates::only);
        }
        let roots = Candidates::only(Candidate::parse(DEFAULT, Origin::System)?);
        let Some(dir) = self.runtime_dir.as_deref().filter(given) else {
            return Ok(roots);
        };
        let uri = format!("unix://{dir}/docker.sock");
        Ok(roots.then(Candidate::parse(&uri, Origin::User)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(explicit: Option<&str>, docker_host: Option<&str>, expected: &[&str]) {
        let surroundings = Surroundings {
            docker_host: docker_host.map(str::to_owned),
            runtime_dir: Some("/run/user/7".to_owned()),
        };
        let found = surroundings.candidates(explicit).unwrap();
        let found: Vec<_> = found
            .iter()
            .map(|candidate| format!("{} {}", candidate.endpoint, candidate.origin))
            .collect();
        assert_eq!(found, expected, "{explicit:?} {docker_host:?}");
    }

    #[test]
    fn the_explicit_address_wins_over_the_environment_and_that_over_the_defaults() {
        let defaults = [
            "unix:///var/run/docker.sock root's",
            "unix:///run/user/7/docker.sock this user's",
        ];
        let asked = ["unix:///b as asked for"];
        let variable = ["unix:///a from DOCKER_HOST"];
        check(None, None, &defaults);
        check(None, Some(""), &defaults);
        check(None, Some("unix:///a"), &variable);
        check(Some("unix:///b"), Some("unix:///a"), &asked);
        check(Some("unix:///b"), Some("tcp://h:1"), &asked);
        check(Some(""), Some("unix:///a"), &variable);
    }

    #[test]
    fn an_address_that_somebody_set_is_never_passed_over() {
        let mut surroundings = Surroundings {
            docker_host: Some("tcp://h:1".to_owned()),
            runtime_dir: None,
        };
        assert!(surroundings.candidates(None).is_err());
        assert!(surroundings.candidates(Some("ssh://h")).is_err());
        surroundings.docker_host = None;
        assert_eq!(surroundings.candidates(None).unwrap().iter().count(), 1);
    }
}
