//! Which engine answers at a socket. Podman answers Docker's questions too, and leaves out what matters here: what
//! it does not enforce.

use clawbox_containers::endpoint::Endpoint;
use std::io;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
};

const QUESTION: &[u8] = b"GET /_ping HTTP/1.1\r\nHost: engine\r\nConnection: close\r\n\r\n";
/// More than any engine's headers.
const MAX_HEAD_BYTES: u64 = 16 * 1024;

/// Who answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Who {
    Docker,
    /// With the version of its own API, which is Podman's version.
    Podman(String),
    Other,
}

/// Asks whoever listens there.
pub(super) async fn ask(endpoint: &Endpoint) -> io::Result<Who> {
    let mut stream = UnixStream::connect(endpoint.path()).await?;
    stream.write_all(QUESTION).await?;
    let mut answer = Vec::new();
    let mut rest = stream.take(MAX_HEAD_BYTES);
    while !answer.windows(4).any(|end| end == b"\r\n\r\n") {
        if rest.read_buf(&mut answer).await? == 0 {
            break;
        }
    }
    Ok(read(&String::from_utf8_lossy(&answer)))
}

fn read(answer: &str) -> Who {
    let head = answer.split("\r\n\r\n").next().unwrap_or_default();
    let header = |wanted: &str| {
        let mut headers = head.lines().filter_map(|line| line.split_once(':'));
        let found = headers.find(|(name, _)| name.trim().eq_ignore_ascii_case(wanted));
        found.map(|(_, value)| value.trim())
    };
    if !head.starts_with("HTTP/1.") {
        Who::Other
    } else if let Some(version) = header("Libpod-API-Version") {
        Who::Podman(version.chars().take(40).collect())
    } else if header("Api-Version").is_some() {
        Who::Docker
    } else {
        Who::Other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(answer: &str, expected: Who) {
        assert_eq!(read(answer), expected, "{answer}");
    }

    #[test]
    fn an_engine_is_known_by_the_headers_of_its_answer() {
        // As podman 4.3.1 and docker 20.10.24 answer.
        let podman = "HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nLibpod-Api-Version: 4.3.1\r\n\
                      Server: Libpod/4.3.1 (linux)\r\n\r\nOK";
        let docker = "HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nDocker-Experimental: false\r\n\
                      Server: Docker/20.10.24+dfsg1 (linux)\r\n\r\nOK";
        check(podman, Who::Podman("4.3.1".to_owned()));
        check(docker, Who::Docker);
        for other in [
            "",
            "SSH-2.0-OpenSSH_9.2\r\n",
            "HTTP/1.1 404 Not Found\r\nServer: nginx\r\n\r\n",
            // A body can say anything.
            "HTTP/1.1 200 OK\r\n\r\nLibpod-Api-Version: 4.3.1\r\nApi-Version: 1.41",
            "Api-Version: 1.41\r\n\r\n",
        ] {
            check(other, Who::Other);
        }
    }
}
