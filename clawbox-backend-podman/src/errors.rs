//! From libpod's answers that are errors to the engine-neutral ones.

use clawbox_containers::engine::EngineErrorKind;

/// What was asked, where that decides what a status means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    /// Making a container: the only thing it may miss is the image, the only thing in its way the name.
    Create,
    /// Something about one container.
    Container,
    /// Looking for or fetching an image. Whatever Podman answers, the image is not to be had.
    Image,
    /// Something about the engine itself.
    Engine,
}

/// What an answer with the status `code` and this text means. Which status libpod gives has changed: a taken name is
/// 500, a missing image is 500 in 4.x and 404 in 5.x, what is not running is 500 in 4.x and 409 in 5.x. The ends of its
/// texts are those of its own kinds of error (`libpod/define/errors.go`), which have not.
pub(crate) fn kind(code: u16, message: &str, call: Call) -> EngineErrorKind {
    let says = |text: &str| message.contains(text);
    match call {
        Call::Image => EngineErrorKind::ImageNotFound,
        Call::Create if says("image not known") => EngineErrorKind::ImageNotFound,
        Call::Create if code == 409 || says("name is already in use") => {
            EngineErrorKind::AlreadyExists
        }
        Call::Container if code == 404 || says("no such container") => EngineErrorKind::NotFound,
        Call::Container if says("container state improper") => EngineErrorKind::NotRunning,
        _ => EngineErrorKind::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Texts as Podman 4.3.1 and 5.4.2 gave them.
    #[test]
    fn a_text_means_the_same_whatever_the_status() {
        use Call::{Container, Create, Engine, Image};
        use EngineErrorKind as Kind;
        for (call, codes, message, expected) in [
            (
                Create,
                [500, 404],
                "no such image: localhost/none:1: image not known",
                Kind::ImageNotFound,
            ),
            (
                Create,
                [500, 409],
                "creating container storage: the container name \"c\" is already in use by 1233a5. You have to remove \
                 that container to be able to reuse that name: that name is already in use",
                Kind::AlreadyExists,
            ),
            (
                Create,
                [500, 500],
                "opening seccomp profile failed: open /no/such: no such file or directory",
                Kind::Refused,
            ),
            (
                Container,
                [500, 409],
                "can only kill running containers. 1233a5 is in state exited: container state improper",
                Kind::NotRunning,
            ),
            (
                Container,
                [404, 404],
                "no container with ID or name \"c\" found: no such container",
                Kind::NotFound,
            ),
            (
                Container,
                [500, 500],
                "crun: executable file `/no/such` not found in $PATH: No such file or directory: OCI runtime attempted \
                 to invoke a command that was not found",
                Kind::Refused,
            ),
            (Engine, [404, 500], "page not found", Kind::Refused),
            (
                Image,
                [404, 500],
                "localhost/none:1: image not known",
                Kind::ImageNotFound,
            ),
        ] {
            for code in codes {
                assert_eq!(
                    kind(code, message, call),
                    expected,
                    "{call:?} {code} {message}"
                );
            }
        }
    }
}
