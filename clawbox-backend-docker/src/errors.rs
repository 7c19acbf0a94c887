//! From the client's errors to the engine-neutral ones.

use crate::transport::TooLong;
use bollard::errors::Error;
use clawbox_containers::{
    endpoint::Endpoint,
    engine::{EngineError, EngineErrorKind},
};

/// What was asked, where that decides what a status means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    /// Making a container: the only thing it may miss is the image, the only thing in its way the name.
    Create,
    /// Something about one container.
    Container,
    /// Looking for or fetching an image. Whatever Docker answers, the image is not to be had.
    Image,
    /// Something about the engine itself.
    Engine,
}

/// Sorts `error`, which came from asking `call` at `endpoint`.
pub(crate) fn engine_error(error: Error, call: Call, endpoint: &Endpoint) -> EngineError {
    if let Some(too_long) = TooLong::behind(&error) {
        let text = too_long.to_string();
        return EngineError::new(EngineErrorKind::BadAnswer, text).with_source(error);
    }
    let kind = kind(&error, call);
    let message = match (&error, kind) {
        (Error::DockerResponseServerError { message, .. }, _) => message.clone(),
        (Error::DockerStreamError { error }, _) => error.clone(),
        (_, EngineErrorKind::Unavailable) => format!("no answer from {endpoint}: {error}"),
        _ => error.to_string(),
    };
    EngineError::new(kind, message).with_source(error)
}

fn kind(error: &Error, call: Call) -> EngineErrorKind {
    match error {
        Error::DockerResponseServerError {
            status_code,
            message,
        } => status(*status_code, message, call),
        Error::DockerStreamError { .. } if call == Call::Image => EngineErrorKind::ImageNotFound,
        Error::DockerStreamError { .. } | Error::DockerContainerWaitError { .. } => {
            EngineErrorKind::Refused
        }
        Error::SocketNotFoundError(_)
        | Error::RequestTimeoutError
        | Error::IOError { .. }
        | Error::HyperResponseError { .. }
        | Error::HyperLegacyError { .. } => EngineErrorKind::Unavailable,
        _ => EngineErrorKind::BadAnswer,
    }
}

fn status(code: u16, message: &str, call: Call) -> EngineErrorKind {
    match (call, code) {
        (Call::Create, 404) | (Call::Image, _) => EngineErrorKind::ImageNotFound,
        (Call::Create, 409) => EngineErrorKind::AlreadyExists,
        (Call::Container, 404) => EngineErrorKind::NotFound,
        (Call::Container, 409) if message.contains("is not running") => EngineErrorKind::NotRunning,
        // Among them a removal that is in progress: it is not confirmed, so it is asked for again.
        _ => EngineErrorKind::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error as _;

    fn endpoint() -> Endpoint {
        Endpoint::parse("unix:///run/d.sock").unwrap()
    }

    fn check(error: Error, call: Call, expected: EngineErrorKind) {
        let shown = format!("{call:?} {error:?}");
        assert_eq!(
            engine_error(error, call, &endpoint()).kind(),
            expected,
            "{shown}"
        );
    }

    fn answered(status_code: u16, message: &str) -> Error {
        Error::DockerResponseServerError {
            status_code,
            message: message.to_owned(),
        }
    }

    #[test]
    fn a_status_means_what_it_means_to_the_call() {
        use Call::{Container, Create, Engine, Image};
        use EngineErrorKind as Kind;
        for (call, code, message, kind) in [
            (Create, 404, "No such image: sha256:1", Kind::ImageNotFound),
            (
                Create,
                409,
                "Conflict. The container name \"/a\" is already in use by container",
                Kind::AlreadyExists,
            ),
            (Create, 400, "invalid CPU shares", Kind::Refused),
            (Create, 500, "disk full", Kind::Refused),
            (Container, 404, "No such container: a", Kind::NotFound),
            (
                Container,
                409,
                "Cannot kill container: a: Container b is not running",
                Kind::NotRunning,
            ),
            (
                Container,
                409,
                "removal of container a is already in progress",
                Kind::Refused,
            ),
            (
                Container,
                409,
                "cannot start a paused container",
                Kind::Refused,
            ),
            (
                Container,
                400,
                "exec: \"x\": executable file not found in $PATH",
                Kind::Refused,
            ),
            (
                Container,
                500,
                "driver failed to remove root filesystem",
                Kind::Refused,
            ),
            (Image, 404, "pull access denied", Kind::ImageNotFound),
            (
                Image,
                500,
                "dial tcp: lookup registry-1.docker.io",
                Kind::ImageNotFound,
            ),
            (Image, 401, "unauthorized", Kind::ImageNotFound),
            (Engine, 404, "page not found", Kind::Refused),
            (Engine, 400, "client version 1.53 is too new", Kind::Refused),
        ] {
            check(answered(code, message), call, kind);
        }
    }

    #[test]
    fn a_broken_connection_is_unavailable_and_names_the_endpoint() {
        let broken = || Error::IOError {
            err: std::io::Error::other("broken pipe"),
        };
        for call in [Call::Create, Call::Container, Call::Image, Call::Engine] {
            check(broken(), call, EngineErrorKind::Unavailable);
            check(
                Error::RequestTimeoutError,
                call,
                EngineErrorKind::Unavailable,
            );
        }
        let error = engine_error(broken(), Call::Engine, &endpoint());
        assert!(error.to_string().contains("unix:///run/d.sock"), "{error}");
        assert!(error.source().is_some());
    }

    #[test]
    fn what_is_not_understood_is_a_bad_answer() {
        let garbled = Error::JsonDataError {
            message: "invalid type".to_owned(),
            column: 1,
        };
        check(garbled, Call::Container, EngineErrorKind::BadAnswer);
        check(
            Error::APIVersionParseError {},
            Call::Engine,
            EngineErrorKind::BadAnswer,
        );
    }

    #[test]
    fn an_error_inside_a_fetch_is_the_image_not_being_there() {
        let error = Error::DockerStreamError {
            error: "manifest unknown".to_owned(),
        };
        check(error, Call::Image, EngineErrorKind::ImageNotFound);
    }

    #[test]
    fn the_engines_words_are_bounded() {
        let error = engine_error(
            answered(500, &"x".repeat(1 << 20)),
            Call::Create,
            &endpoint(),
        );
        assert!(error.to_string().len() < 4096);
    }
}
