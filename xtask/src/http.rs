//! One HTTP request over a unix socket: all that the chores ask of an engine's API.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

/// Where an engine listens: a unix socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Endpoint {
    socket: PathBuf,
}

/// An answer: its status and its whole body.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) body: Vec<u8>,
}

impl Endpoint {
    pub(crate) fn new(socket: impl Into<PathBuf>) -> Self {
        Self {
            socket: socket.into(),
        }
    }

    /// Reads `unix:///path`, the only kind of address the chores use.
    pub(crate) fn parse(uri: &str) -> Result<Self> {
        match uri.strip_prefix("unix://") {
            Some(path) if path.starts_with('/') => Ok(Self::new(path)),
            _ => bail!("{uri:?} is not an engine address that can be used: give unix:///path"),
        }
    }

    /// Asks the engine whether it is there.
    pub(crate) fn ping(&self) -> io::Result<()> {
        match self.send("GET", "/_ping", &[], Duration::from_secs(5))? {
            Response { status: 200, .. } => Ok(()),
            Response { status, .. } => {
                Err(io::Error::other(format!("answered {status} to a ping")))
            }
        }
    }

    /// The version the engine gives, or `unknown`.
    pub(crate) fn version(&self) -> Result<String> {
        let answer = self.request("GET", "/version", &[])?.json()?;
        Ok(answer["Version"].as_str().unwrap_or("unknown").to_owned())
    }

    pub(crate) fn request(&self, method: &str, path: &str, body: &[u8]) -> Result<Response> {
        self.send(method, path, body, Duration::from_secs(120))
            .with_context(|| format!("{method} {path} on {self}"))
    }

    /// Posts a file, which may be larger than memory.
    pub(crate) fn upload(&self, path: &str, file: File) -> Result<Response> {
        let size = file.metadata().context("look at what is uploaded")?.len();
        self.stream("POST", path, (file, size), Duration::from_secs(600))
            .with_context(|| format!("POST {path} on {self}"))
    }

    fn send(&self, method: &str, path: &str, body: &[u8], limit: Duration) -> io::Result<Response> {
        self.stream(method, path, (body, body.len() as u64), limit)
    }

    fn stream(
        &self,
        method: &str,
        path: &str,
        (mut body, size): (impl io::Read, u64),
        limit: Duration,
    ) -> io::Result<Response> {
        let mut stream = UnixStream::connect(&self.socket)?;
        stream.set_read_timeout(Some(limit))?;
        stream.set_write_timeout(Some(limit))?;
        // HTTP/1.0: the answer is never chunked and ends with the connection.
        let head = format!(
            "{method} {path} HTTP/1.0\r\nHost: engine\r\n\
             Content-Type: application/x-tar\r\nContent-Length: {size}\r\n\r\n"
        );
        stream.write_all(head.as_bytes())?;
        io::copy(&mut body, &mut stream)?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer)?;
        Response::parse(&answer)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unix://{}", self.socket.display())
    }
}

impl Response {
    fn parse(answer: &[u8]) -> io::Result<Self> {
        let bad = || io::Error::new(io::ErrorKind::InvalidData, "not an HTTP answer");
        let end = answer
            .windows(4)
            .position(|four| four == b"\r\n\r\n")
            .ok_or_else(bad)?;
        let head = std::str::from_utf8(&answer[..end]).map_err(|_| bad())?;
        let mut first = head.lines().next().unwrap_or_default().split(' ');
        let status = match (first.next(), first.next()) {
            (Some(version), Some(status)) if version.starts_with("HTTP/") => status.parse(),
            _ => return Err(bad()),
        };
        Ok(Self {
            status: status.map_err(|_| bad())?,
            body: answer[end + 4..].to_vec(),
        })
    }

    /// The body as JSON; an error status becomes the error the engine wrote.
    pub(crate) fn json(&self) -> Result<Value> {
        if !(200..300).contains(&self.status) {
            let text = String::from_utf8_lossy(&self.body);
            bail!("the engine answered {}: {}", self.status, text.trim());
        }
        serde_json::from_slice(&self.body).context("the engine's answer is not JSON")
    }
}

/// Encodes a value for a URL's query.
pub(crate) fn query_value(text: &str) -> String {
    text.bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                char::from(byte).to_string()
            }
            _ => format!("%{byte:02X}"),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_split_into_status_and_body() {
        let answer = Response::parse(b"HTTP/1.0 200 OK\r\nA: b\r\n\r\none\r\n\r\ntwo").unwrap();
        assert_eq!(answer.status, 200);
        assert_eq!(answer.body, b"one\r\n\r\ntwo");
    }

    #[test]
    fn what_is_not_an_answer_is_refused() {
        let answers: [&[u8]; 5] = [
            b"",
            b"HTTP/1.0 200 OK\r\n",
            b"SSH-2.0-x\r\n\r\n",
            b"HTTP/1.0 ok 200\r\n\r\n",
            b"HTTP/1.0 \xff\r\n\r\n",
        ];
        for answer in answers {
            assert!(Response::parse(answer).is_err(), "{answer:?}");
        }
    }

    #[test]
    fn only_absolute_unix_addresses_are_engines() {
        assert!(Endpoint::parse("unix:///run/docker.sock").is_ok());
        for uri in [
            "tcp://127.0.0.1:2375",
            "unix://docker.sock",
            "/run/docker.sock",
            "",
        ] {
            assert!(Endpoint::parse(uri).is_err(), "{uri}");
        }
    }

    #[test]
    fn query_values_are_encoded() {
        assert_eq!(query_value("ENV A=/b c"), "ENV%20A%3D%2Fb%20c");
    }
}
