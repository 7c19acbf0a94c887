//! The calls, with the models of `podman-api` 0.11 and not through its client. That reads an answer of any length into
//! memory, and has other faults:
//!
//! - *create*: its builder sends `no_new_privilages`, which libpod does not know, and nothing else of it can be used to
//!   send the right word. The container would run without no-new-privileges, in silence.
//! - *inspect*: it has libpod measure the container's files, each time.
//! - *wait*: it drops the exit code.
//! - *attach*: see [`frames`](crate::frames).
//! - *logs*: its decoder is the one of *attach*.
//! - *remove*: libpod answers 200 with an error inside, which it drops.
//! - *ping*: of somebody else's answer it only tells that a header is missing, and not who answers.

#[cfg(test)]
mod tests;

use crate::errors::{Call, kind};
use bytes::Bytes;
use clawbox_containers::{
    decode::bad,
    endpoint::Endpoint,
    engine::{EngineError, EngineErrorKind, EngineResult},
};
use futures_util::{StreamExt, TryStreamExt};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::{
    Request, Response, StatusCode,
    body::Incoming,
    client::conn::http1,
    header::{CONNECTION, CONTENT_TYPE, HOST, HeaderMap, UPGRADE},
    upgrade::Upgraded,
};
use hyper_util::rt::TokioIo;
use podman_api::models::{
    ContainerInspectResponseLibpod, Info, InspectImageResponseLibpod, LibpodImagesPullReport,
    ListContainer,
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{collections::BTreeMap, error::Error, fmt::Write as _, io};
use tokio::{io::AsyncRead, net::UnixStream};
use tokio_util::{
    codec::{FramedRead, LinesCodec, LinesCodecError},
    io::StreamReader,
};

/// The oldest version of the API that has all that is asked for. Every later one speaks it.
const API: &str = "/v4.0.0/libpod";
/// The most of an answer that is read.
const MAX_BODY_BYTES: usize = 1 << 20;
/// Of a list, which has one or two kilobytes for each container.
const MAX_LIST_BYTES: usize = 64 << 20;
/// Of what is told while an image is fetched.
const MAX_PULL_BYTES: usize = 16 << 20;
/// How often libpod is to look whether a container has ended. It would be a quarter of a second.
const POLL: &str = "20ms";

/// What libpod says of a container that it has created.
#[derive(Debug, Deserialize)]
pub(crate) struct Created {
    #[serde(rename = "Warnings")]
    pub(crate) warnings: Option<Vec<String>>,
}

/// What became of one container that was to be removed.
#[derive(Debug, Deserialize)]
pub(crate) struct Removed {
    #[serde(rename = "Err")]
    pub(crate) error: Option<String>,
}

/// An answer that is an error.
#[derive(Debug, Deserialize)]
struct Refusal {
    message: Option<String>,
}

/// Calls of a Podman service, each over a connection of its own.
#[derive(Debug, Clone)]
pub(crate) struct Direct<'a>(pub(crate) &'a Endpoint);

impl Direct<'_> {
    pub(crate) async fn info(&self) -> EngineResult<Info> {
        let request = Request::get(format!("{API}/info")).body(Full::default());
        self.json(request, Call::Engine).await
    }

    /// `None` where Podman does not hold it.
    pub(crate) async fn image(
        &self,
        name: &str,
    ) -> EngineResult<Option<InspectImageResponseLibpod>> {
        let request = Request::get(format!("{API}/images/{name}/json")).body(Full::default());
        let answer = self.send(request).await?;
        match answer.status() {
            StatusCode::NOT_FOUND => Ok(None),
            code if code.is_success() => self.read(answer, MAX_BODY_BYTES).await.map(Some),
            // Any other refusal is about the service and not about the image.
            _ => Err(self.refusal(answer, Call::Engine).await),
        }
    }

    /// Fetches an image, and tells each step.
    pub(crate) async fn pull(
        &self,
        name: &str,
        mut step: impl FnMut(LibpodImagesPullReport) -> EngineResult<()>,
    ) -> EngineResult<()> {
        let path = format!("{API}/images/pull?reference={}", escaped(name));
        let request = Request::post(path).body(Full::default());
        let answer = self.succeeds(request, Call::Image).await?;
        let body = Limited::new(answer.into_body(), MAX_PULL_BYTES);
        let pieces = body.into_data_stream();
        let reader = StreamReader::new(TryStreamExt::map_err(pieces, io::Error::other));
        let mut lines = FramedRead::new(reader, LinesCodec::new_with_max_length(MAX_BODY_BYTES));
        while let Some(line) = lines.next().await {
            let line = line.map_err(|error| self.unread(error))?;
            step(parsed(line.as_bytes())?)?;
        }
        Ok(())
    }

    /// All containers with these labels, whatever has become of them.
    pub(crate) async fn list(
        &self,
        labels: &BTreeMap<String, String>,
    ) -> EngineResult<Vec<ListContainer>> {
        let labels = labels.iter().map(|(key, value)| format!("{key}={value}"));
        let filters = serde_json::json!({ "label": labels.collect::<Vec<_>>() }).to_string();
        let path = format!(
            "{API}/containers/json?all=true&filters={}",
            escaped(&filters)
        );
        let request = Request::get(path).body(Full::default());
        let answer = self.succeeds(request, Call::Engine).await?;
        self.read(answer, MAX_LIST_BYTES).await
    }

    pub(crate) async fn start(&self, id: &str) -> EngineResult<()> {
        let request = Request::post(format!("{API}/containers/{id}/start")).body(Full::default());
        self.succeeds(request, Call::Container).await.map(drop)
    }

    /// Sends a signal, by its name.
    pub(crate) async fn kill(&self, id: &str, signal: &str) -> EngineResult<()> {
        let path = format!("{API}/containers/{id}/kill?signal={signal}");
        let request = Request::post(path).body(Full::default());
        self.succeeds(request, Call::Container).await.map(drop)
    }

    pub(crate) async fn create(&self, spec: &impl Serialize) -> EngineResult<Created> {
        let body = serde_json::to_vec(spec).map_err(|e| bad(e.to_string()))?;
        let request = Request::post(format!("{API}/containers/create"))
            .header(CONTENT_TYPE, "application/json")
            .body(Full::from(body));
        self.json(request, Call::Create).await
    }

    pub(crate) async fn inspect(&self, id: &str) -> EngineResult<ContainerInspectResponseLibpod> {
        let path = format!("{API}/containers/{id}/json");
        self.json(Request::get(path).body(Full::default()), Call::Container)
            .await
    }

    /// The exit code.
    pub(crate) async fn wait(&self, id: &str) -> EngineResult<i32> {
        let path = format!("{API}/containers/{id}/wait?condition=stopped&interval={POLL}");
        self.json(Request::post(path).body(Full::default()), Call::Container)
            .await
    }

    /// All of the container's output, in the frames of an attached stream; `None` where that is more than `most` bytes.
    /// Not by `tail`, which loses what is before the last write of a line (4.3.1).
    pub(crate) async fn logs(&self, id: &str, most: usize) -> EngineResult<Option<Bytes>> {
        let path = format!("{API}/containers/{id}/logs?stdout=true&stderr=true");
        let request = Request::get(path).body(Full::default());
        let answer = self.succeeds(request, Call::Container).await?;
        self.within(answer, most).await
    }

    /// The container's output so far, in the frames of an attached stream, and what comes while it runs.
    pub(crate) async fn follow_logs(
        &self,
        id: &str,
    ) -> EngineResult<impl AsyncRead + Send + Unpin + use<>> {
        let path = format!("{API}/containers/{id}/logs?stdout=true&stderr=true&follow=true");
        let request = Request::get(path).body(Full::default());
        let answer = self.succeeds(request, Call::Container).await?;
        let pieces = answer.into_body().into_data_stream();
        Ok(StreamReader::new(TryStreamExt::map_err(
            pieces,
            io::Error::other,
        )))
    }

    pub(crate) async fn remove(&self, id: &str) -> EngineResult<Vec<Removed>> {
        let path = format!("{API}/containers/{id}?force=true&v=true&timeout=0");
        self.json(Request::delete(path).body(Full::default()), Call::Container)
            .await
    }

    /// Prepares the container, where that has not been done, and connects to its output.
    pub(crate) async fn attach(&self, id: &str) -> EngineResult<TokioIo<Upgraded>> {
        let path = format!("{API}/containers/{id}/attach?stream=true&stdout=true&stderr=true");
        let request = Request::post(path)
            .header(CONNECTION, "Upgrade")
            .header(UPGRADE, "tcp")
            .body(Full::default());
        let answer = self.send(request).await?;
        match answer.status() {
            StatusCode::SWITCHING_PROTOCOLS => {}
            // The body would be the output itself, and end with the container.
            code if code.is_success() => {
                let code = code.as_u16();
                let text = format!("podman answered {code} where its stream begins with 101");
                return Err(bad(text));
            }
            _ => return Err(self.refusal(answer, Call::Container).await),
        }
        let upgraded = hyper::upgrade::on(answer).await;
        Ok(TokioIo::new(upgraded.map_err(|e| self.broken(e))?))
    }

    /// The headers of the service's greeting. The path has no version, so that services of all versions answer.
    pub(crate) async fn greet(&self) -> EngineResult<HeaderMap> {
        let answer = self
            .send(Request::get("/_ping").body(Full::default()))
            .await?;
        Ok(answer.headers().clone())
    }

    async fn json<T: DeserializeOwned>(
        &self,
        request: hyper::http::Result<Request<Full<Bytes>>>,
        call: Call,
    ) -> EngineResult<T> {
        let answer = self.succeeds(request, call).await?;
        self.read(answer, MAX_BODY_BYTES).await
    }

    async fn read<T: DeserializeOwned>(
        &self,
        answer: Response<Incoming>,
        most: usize,
    ) -> EngineResult<T> {
        let body = self.within(answer, most).await?;
        parsed(&body.ok_or_else(|| too_long(most))?)
    }

    /// An answer of success.
    async fn succeeds(
        &self,
        request: hyper::http::Result<Request<Full<Bytes>>>,
        call: Call,
    ) -> EngineResult<Response<Incoming>> {
        let answer = self.send(request).await?;
        match answer.status().is_success() {
            true => Ok(answer),
            false => Err(self.refusal(answer, call).await),
        }
    }

    async fn send(
        &self,
        request: hyper::http::Result<Request<Full<Bytes>>>,
    ) -> EngineResult<Response<Incoming>> {
        let mut request = request.map_err(|e| bad(e.to_string()))?;
        let host = hyper::header::HeaderValue::from_static("podman");
        request.headers_mut().insert(HOST, host);
        let socket = UnixStream::connect(self.0.path()).await;
        let socket = socket.map_err(|error| match self.0.is_no_socket() {
            true => self.broken(io::Error::new(
                error.kind(),
                "what is there is not a socket",
            )),
            false => self.broken(error),
        });
        let socket = TokioIo::new(socket?);
        let (mut sender, connection) =
            http1::handshake(socket).await.map_err(|e| self.broken(e))?;
        // It ends with the answer's body, or with the upgraded stream. What fails in it fails in the answer as well.
        tokio::spawn(connection.with_upgrades());
        sender
            .send_request(request)
            .await
            .map_err(|e| self.broken(e))
    }

    async fn body(&self, answer: Response<Incoming>) -> EngineResult<Bytes> {
        let body = self.within(answer, MAX_BODY_BYTES).await?;
        body.ok_or_else(|| too_long(MAX_BODY_BYTES))
    }

    /// `None` where the body is longer than `most` bytes.
    async fn within(&self, answer: Response<Incoming>, most: usize) -> EngineResult<Option<Bytes>> {
        match Limited::new(answer.into_body(), most).collect().await {
            Ok(body) => Ok(Some(body.to_bytes())),
            Err(error) if error.is::<LengthLimitError>() => Ok(None),
            Err(error) => Err(self.broken(error)),
        }
    }

    async fn refusal(&self, answer: Response<Incoming>, call: Call) -> EngineError {
        let code = answer.status().as_u16();
        let body = match self.body(answer).await {
            Ok(body) => body,
            Err(error) => return error,
        };
        let message = match serde_json::from_slice(&body) {
            Ok(Refusal {
                message: Some(message),
            }) => message,
            _ => format!("podman answered {code}: {}", String::from_utf8_lossy(&body)),
        };
        EngineError::new(kind(code, &message, call), message)
    }

    /// What went wrong with an answer that was read in lines.
    fn unread(&self, error: LinesCodecError) -> EngineError {
        match error {
            LinesCodecError::MaxLineLengthExceeded => too_long(MAX_BODY_BYTES),
            LinesCodecError::Io(error) => match error.get_ref() {
                Some(inner) if inner.is::<LengthLimitError>() => too_long(MAX_PULL_BYTES),
                _ => self.broken(error),
            },
        }
    }

    fn broken(&self, error: impl Into<Box<dyn Error + Send + Sync>>) -> EngineError {
        let error = error.into();
        let text = format!("no answer from {}: {error}", self.0);
        EngineError::new(EngineErrorKind::Unavailable, text).with_source(error)
    }
}

fn parsed<T: DeserializeOwned>(answer: &[u8]) -> EngineResult<T> {
    serde_json::from_slice(answer)
        .map_err(|error| bad(format!("podman's answer: {error}")).with_source(error))
}

fn too_long(most: usize) -> EngineError {
    bad(format!("podman's answer is longer than {most} bytes"))
}

/// A text as a value in a query.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                escaped.push(char::from(byte));
            }
            // Nothing that is written to a text fails.
            _ => drop(write!(escaped, "%{byte:02X}")),
        }
    }
    escaped
}
