//! Why engines cannot be used, in words.

use super::Place;
use crate::Backend;
use clawbox_containers::{
    ContainerError,
    endpoint::{Endpoint, EndpointError},
    engine::{EngineError, EngineErrorKind},
};
use std::{
    fmt,
    io::{self, ErrorKind},
    sync::Arc,
    time::Duration,
};

/// A place that was looked at in vain.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Tried {
    /// Where.
    pub place: Place,
    /// Why nothing there can be used.
    pub why: Arc<Unusable>,
}

/// Why an engine cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unusable {
    /// The address is none.
    #[error(transparent)]
    Address(EndpointError),
    /// Nothing can be reached there.
    #[error("{}", unreachable(.0))]
    Unreachable(#[source] io::Error),
    /// A file of another kind is there.
    #[error("what is there is not a socket")]
    NoSocket,
    /// Something is there and says nothing.
    #[error("no answer within {0:?}")]
    Silent(Duration),
    /// Something else answers.
    #[error("what answers there is neither docker nor podman")]
    Stranger,
    /// An engine answers that this clawbox cannot speak to.
    #[error("{0} answers there, and this clawbox was built without the feature `{0}`")]
    NotCompiledIn(Backend),
    /// Podman is older than 4.0.
    #[error("podman {0} answers there; 4.0 is the oldest that can be used")]
    TooOld(String),
    /// The engine answers, and then fails.
    #[error("{}", with_causes(.0))]
    Failed(#[source] ContainerError),
}

/// No engine can be used.
#[derive(Debug, Clone, thiserror::Error)]
#[error("no engine can be used: {}", list(tried))]
#[non_exhaustive]
pub struct NoEngine {
    /// Each place that was looked at; none where no real engine is compiled in.
    pub tried: Vec<Tried>,
}

impl fmt::Display for Tried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.why)
    }
}

impl From<NoEngine> for ContainerError {
    fn from(none: NoEngine) -> Self {
        let unsupported = |what: &str, reason: String| Self::Unsupported {
            what: what.to_owned(),
            reason,
        };
        if none.tried.is_empty() {
            let reason = "this clawbox was built without the features `docker` and `podman`";
            return unsupported("choosing a backend", reason.to_owned());
        }
        let endpoints: Vec<String> = none
            .tried
            .iter()
            .filter_map(|tried| tried.place.endpoint().map(Endpoint::to_string))
            .collect();
        if endpoints.is_empty() {
            return unsupported("connecting there", list(&none.tried));
        }
        Self::EngineUnavailable {
            endpoint: endpoints.join(", "),
            source: EngineError::new(EngineErrorKind::Unavailable, none.to_string())
                .with_source(none),
        }
    }
}

fn unreachable(error: &io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => "there is no such socket".to_owned(),
        ErrorKind::ConnectionRefused => "nobody listens there".to_owned(),
        ErrorKind::PermissionDenied => "this user may not open it".to_owned(),
        _ => error.to_string(),
    }
}

fn with_causes(error: &ContainerError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(next) = cause {
        text.push_str(&format!(": {next}"));
        cause = next.source();
    }
    text
}

fn list(tried: &[Tried]) -> String {
    match tried {
        [] => "none is compiled in".to_owned(),
        tried => {
            let lines: Vec<String> = tried.iter().map(ToString::to_string).collect();
            lines.join("; ")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clawbox_containers::endpoint::{Candidate, Origin};

    #[test]
    fn an_address_that_is_none_is_unsupported_and_a_missing_engine_unavailable() {
        let error = |uri: &str| {
            let tried = Tried {
                place: Place {
                    backend: Some(Backend::Docker),
                    candidate: Candidate::parse(uri, Origin::Explicit),
                },
                why: Arc::new(Unusable::Silent(Duration::from_secs(3))),
            };
            ContainerError::from(NoEngine { tried: vec![tried] })
        };
        assert!(matches!(
            error("tcp://h"),
            ContainerError::Unsupported { .. }
        ));
        let error = error("unix:///a");
        assert!(
            matches!(&error, ContainerError::EngineUnavailable { endpoint, .. } if endpoint == "unix:///a"),
            "{error}"
        );
    }
}
