//! The seam below: what a backend author writes.

use crate::{facts::ObservedFacts, init::Carrier, plan::ContainerPlan};
use async_trait::async_trait;
use bytes::Bytes;
use clawbox_types::{ContainerId, EngineInfo, ImageRef, OutputStream, PolicyItem, PullPolicy};
use futures_util::stream::BoxStream;
use std::{collections::BTreeMap, error::Error, fmt, sync::Arc};
use time::OffsetDateTime;

/// The result of an engine's call.
pub type EngineResult<T> = Result<T, EngineError>;

/// A container engine, translated thinly and honestly.
///
/// It has no policy, no timeouts, no tokens, no state of its own and no retries: those are the manager's,
/// written once. A container's name at the engine is its id, and every call takes that id.
/// Every future may be dropped at any time, and no call may block the thread.
#[async_trait]
pub trait ContainerEngine: Send + Sync + 'static {
    /// Where the engine is reached, for messages: `unix:///run/docker.sock`.
    fn endpoint(&self) -> String;

    /// How process 1 of its containers reaches the manager.
    fn carrier(&self) -> Carrier;

    /// Asks the engine who it is and what its host can enforce.
    async fn probe(&self) -> EngineResult<EngineInfo>;

    /// Makes sure that the engine holds `image`, fetching it as `pull` says, and tells what is in its
    /// configuration. `progress` is told of each step of a fetch.
    ///
    /// An image that is not there, or that the registry does not give, is [`EngineErrorKind::ImageNotFound`].
    async fn ensure_image(
        &self,
        image: &ImageRef,
        pull: PullPolicy,
        progress: &(dyn Fn(PullProgress) + Send + Sync),
    ) -> EngineResult<ImageFacts>;

    /// Creates the container of `plan` without starting it, and returns everything that the engine warned of.
    ///
    /// A taken name is [`EngineErrorKind::AlreadyExists`].
    async fn create(&self, plan: &ContainerPlan) -> EngineResult<Vec<EngineWarning>>;

    /// Reads back what the engine holds of the container.
    async fn inspect(&self, id: &ContainerId) -> EngineResult<Inspection>;

    /// Connects to the output of a container that has not been started, so that nothing is missed.
    /// The stream ends when both of the container's streams have ended.
    async fn attach(&self, id: &ContainerId) -> EngineResult<OutputChunks>;

    /// Reads what the engine has kept of the output, from the oldest bytes on, and while the container runs what comes.
    /// Its log is bounded, so that the beginning may be missing. Whether the container is there may be told by the stream.
    async fn logs(&self, id: &ContainerId) -> EngineResult<OutputChunks>;

    /// Starts a created container.
    async fn start(&self, id: &ContainerId) -> EngineResult<()>;

    /// Waits until a started container is no longer running, and returns its exit code.
    /// A non-zero code is not an error. A lost connection is an error and not an exit.
    async fn wait(&self, id: &ContainerId) -> EngineResult<i32>;

    /// Sends a signal to process 1. A container that does not run is [`EngineErrorKind::NotRunning`].
    async fn kill(&self, id: &ContainerId, signal: Signal) -> EngineResult<()>;

    /// Removes the container by force, with its anonymous volumes.
    async fn remove(&self, id: &ContainerId) -> EngineResult<Removal>;

    /// Every container, running or not, that carries all of these labels.
    async fn list(&self, labels: &BTreeMap<String, String>) -> EngineResult<Vec<ListedContainer>>;
}

/// Chunks of output as they come.
pub type OutputChunks = BoxStream<'static, EngineResult<OutputChunk>>;

/// Some bytes of one output stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputChunk {
    /// The stream they belong to.
    pub stream: OutputStream,
    /// The bytes.
    pub bytes: Bytes,
}

/// A signal that the manager sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Signal {
    /// `SIGTERM`: a request to end.
    Term,
    /// `SIGKILL`: the end.
    Kill,
}

impl Signal {
    /// The name, with `SIG`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Term => "SIGTERM",
            Self::Kill => "SIGKILL",
        }
    }

    /// The number, which is the same on every Linux.
    #[must_use]
    pub const fn number(self) -> u32 {
        match self {
            Self::Term => 15,
            Self::Kill => 9,
        }
    }
}

/// What became of a container that was to be removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Removal {
    /// It was there and is gone now.
    Now,
    /// It was gone already. One that is being removed by somebody else is not gone yet.
    AlreadyGone,
}

/// What the engine warned of, and which policy item that concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineWarning {
    /// The item that will not hold. `None`: not recognised, so nothing can allow it.
    pub item: Option<PolicyItem>,
    /// The engine's words.
    pub text: String,
}

/// A step of fetching an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PullProgress {
    /// The layer or the part that it is about; empty for the whole.
    pub part: String,
    /// What is being done, such as `Downloading`.
    pub action: String,
    /// Bytes done so far, where the engine says.
    pub current: Option<u64>,
    /// Bytes in all, where the engine says.
    pub total: Option<u64>,
}

/// What an image's configuration says; nothing of it is trusted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ImageFacts {
    /// The image's id at the engine, by which the container is created.
    pub id: String,
    /// `ENTRYPOINT`.
    pub entrypoint: Vec<String>,
    /// `CMD`.
    pub command: Vec<String>,
    /// `ENV`, as `KEY=value`.
    pub env: Vec<String>,
    /// `WORKDIR`; empty where there is none.
    pub working_dir: String,
    /// `VOLUME`s.
    pub volumes: Vec<String>,
    /// `STOPSIGNAL`, as it is written; empty where there is none.
    pub stop_signal: String,
    /// Whether there is a `HEALTHCHECK`.
    pub health_check: bool,
    /// `LABEL`s.
    pub labels: BTreeMap<String, String>,
    /// What the engine knows it by at registries, as `repository@digest`; nothing for one that was imported or built.
    pub digests: Vec<String>,
}

/// What an engine holds of a container.
#[derive(Debug, Clone, PartialEq)]
pub struct Inspection {
    /// How it was configured.
    pub facts: ObservedFacts,
    /// How it is.
    pub state: EngineState,
}

/// How a container is, as its engine sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineState {
    /// Created, running or ended.
    pub phase: EnginePhase,
    /// The exit code, once ended.
    pub exit_code: Option<i32>,
    /// Whether the kernel killed something in it for lack of memory.
    pub oom_killed: bool,
    /// When it was started.
    pub started_at: Option<OffsetDateTime>,
    /// When it ended.
    pub finished_at: Option<OffsetDateTime>,
}

/// The phases of a container at its engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EnginePhase {
    /// Created and never started.
    Created,
    /// Running or paused.
    Running,
    /// Ended.
    Exited,
}

impl fmt::Display for EnginePhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Exited => "exited",
        })
    }
}

/// A container in an engine's listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedContainer {
    /// Its name, without any leading slash.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its phase.
    pub phase: EnginePhase,
}

/// What kind of failure an engine's answer was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EngineErrorKind {
    /// The engine could not be reached, or the connection broke.
    Unavailable,
    /// There is no such container.
    NotFound,
    /// There is no such image, and it was not to be had.
    ImageNotFound,
    /// The name is taken.
    AlreadyExists,
    /// The container is not running.
    NotRunning,
    /// The engine refused what was asked.
    Refused,
    /// The engine's answer could not be understood.
    BadAnswer,
    /// The engine cannot do this at all.
    Unsupported,
}

/// A failure at the engine: its kind, and the engine's own words.
#[derive(Debug)]
pub struct EngineError {
    kind: EngineErrorKind,
    message: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// How much of an engine's message is kept, in bytes.
const MESSAGE_BYTES: usize = 2048;

impl EngineError {
    /// A failure with the engine's words, of which at most 2 KiB are kept.
    pub fn new(kind: EngineErrorKind, message: impl Into<String>) -> Self {
        let mut message = message.into();
        if message.len() > MESSAGE_BYTES {
            message.truncate(message.floor_char_boundary(MESSAGE_BYTES));
            message.push('…');
        }
        Self {
            kind,
            message,
            source: None,
        }
    }

    /// Keeps the error that this one came from.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What kind of failure it was.
    #[must_use]
    pub const fn kind(&self) -> EngineErrorKind {
        self.kind
    }
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for EngineError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| &**source as _)
    }
}

#[async_trait]
impl<E: ContainerEngine + ?Sized> ContainerEngine for Arc<E> {
    fn endpoint(&self) -> String {
        (**self).endpoint()
    }

    fn carrier(&self) -> Carrier {
        (**self).carrier()
    }

    async fn probe(&self) -> EngineResult<EngineInfo> {
        (**self).probe().await
    }

    async fn ensure_image(
        &self,
        image: &ImageRef,
        pull: PullPolicy,
        progress: &(dyn Fn(PullProgress) + Send + Sync),
    ) -> EngineResult<ImageFacts> {
        (**self).ensure_image(image, pull, progress).await
    }

    async fn create(&self, plan: &ContainerPlan) -> EngineResult<Vec<EngineWarning>> {
        (**self).create(plan).await
    }

    async fn inspect(&self, id: &ContainerId) -> EngineResult<Inspection> {
        (**self).inspect(id).await
    }

    async fn attach(&self, id: &ContainerId) -> EngineResult<OutputChunks> {
        (**self).attach(id).await
    }

    async fn logs(&self, id: &ContainerId) -> EngineResult<OutputChunks> {
        (**self).logs(id).await
    }

    async fn start(&self, id: &ContainerId) -> EngineResult<()> {
        (**self).start(id).await
    }

    async fn wait(&self, id: &ContainerId) -> EngineResult<i32> {
        (**self).wait(id).await
    }

    async fn kill(&self, id: &ContainerId, signal: Signal) -> EngineResult<()> {
        (**self).kill(id, signal).await
    }

    async fn remove(&self, id: &ContainerId) -> EngineResult<Removal> {
        (**self).remove(id).await
    }

    async fn list(&self, labels: &BTreeMap<String, String>) -> EngineResult<Vec<ListedContainer>> {
        (**self).list(labels).await
    }
}
