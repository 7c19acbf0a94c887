//! The calls to Podman, and nothing else.

#[cfg(test)]
mod tests;

use crate::{
    catatonit, decode,
    direct::Direct,
    encode::{self, Create},
    endpoint::Surroundings,
    frames,
};
use async_trait::async_trait;
use clawbox_containers::{
    ContainerEngine, ContainerPlan,
    aspects::Init,
    endpoint::{Candidates, Endpoint, EndpointError},
    engine::{
        EngineError, EngineErrorKind, EngineResult, EngineWarning, ImageFacts, Inspection,
        ListedContainer, OutputChunk, OutputChunks, PullProgress, Removal, Signal,
    },
    facts::Observed,
    init::Carrier,
    output_end::output_ended,
    types::{ContainerId, EngineInfo, ImageRef, PullPolicy},
};
use futures_util::{StreamExt, TryStreamExt, future, stream};
use rustix::process::{Resource, getrlimit};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    io::{self, Cursor, Write},
    path::Path,
    time::Duration,
};
use tempfile::NamedTempFile;
use tokio::{sync::OnceCell, time::sleep};

/// How long after each other a container that is waited for is looked at, in milliseconds.
const LOOKS: [u64; 7] = [2, 4, 8, 16, 32, 64, 128];

/// A Podman service, reached over its unix socket.
#[derive(Debug)]
pub struct PodmanEngine {
    endpoint: Endpoint,
    /// Whether a Podman that can be used was met there.
    met: OnceCell<()>,
    /// Whether it runs as an ordinary user, once that was asked.
    rootless: OnceCell<bool>,
}

impl PodmanEngine {
    /// The engine at `explicit`, such as `unix:///run/user/1000/podman/podman.sock`; where that is `None` at
    /// `CONTAINER_HOST`; where that is not set either at this user's own socket, or, where nothing is there, at root's.
    ///
    /// Nothing is connected to yet: where no service answers, it is the calls that fail.
    ///
    /// # Errors
    ///
    /// [`EndpointError`] where that is no address of a unix socket. Plain TCP is refused.
    pub fn connect(explicit: Option<&str>) -> Result<Self, EndpointError> {
        let candidates = Self::candidates(explicit)?;
        Ok(Self::at(candidates.choose(Path::exists).endpoint.clone()))
    }

    /// The engine at this endpoint.
    #[must_use]
    pub fn at(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            met: OnceCell::new(),
            rootless: OnceCell::new(),
        }
    }

    /// Where the engine may be, in the order in which [`connect`](Self::connect) looks.
    ///
    /// # Errors
    ///
    /// [`EndpointError`] where `explicit`, `CONTAINER_HOST` or `XDG_RUNTIME_DIR` gives no address of a unix socket.
    pub fn candidates(explicit: Option<&str>) -> Result<Candidates, EndpointError> {
        Surroundings::look().candidates(explicit)
    }

    /// Where the engine is.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The service, once it is known that a Podman which is new enough answers there.
    async fn direct(&self) -> EngineResult<Direct<'_>> {
        self.meet().await?;
        Ok(Direct(&self.endpoint))
    }

    async fn meet(&self) -> EngineResult<()> {
        let greet = || async {
            let greeting = Direct(&self.endpoint).greet().await?;
            decode::service(&greeting, &self.endpoint)
        };
        self.met.get_or_try_init(greet).await.copied()
    }

    pub(crate) async fn send(&self, spec: &impl Serialize) -> EngineResult<Vec<EngineWarning>> {
        let created = self.direct().await?.create(spec).await?;
        Ok(decode::warnings(created.warnings.unwrap_or_default()))
    }

    async fn is_rootless(&self) -> EngineResult<bool> {
        let ask = || async { Ok(self.probe().await?.rootless) };
        self.rootless.get_or_try_init(ask).await.copied()
    }

    /// `None` where Podman does not hold it.
    async fn held_image(&self, name: &str) -> EngineResult<Option<ImageFacts>> {
        let image = self.direct().await?.image(name).await?;
        image.map(decode::image_facts).transpose()
    }

    /// The exit code, as soon as the state has it. What fails here is told by the wait beside it.
    async fn end_seen(&self, id: &ContainerId) -> EngineResult<i32> {
        for millis in LOOKS {
            sleep(Duration::from_millis(millis)).await;
            if let Ok(Inspection { state, .. }) = self.inspect(id).await
                && let Some(code) = state.exit_code
            {
                return Ok(code);
            }
        }
        future::pending().await
    }

    /// An error may come as an item of the stream, after a status of success.
    async fn pull(
        &self,
        name: &str,
        progress: &(dyn Fn(PullProgress) + Send + Sync),
    ) -> EngineResult<()> {
        let tell = |step| match decode::pull_progress(step) {
            Ok(step) => {
                step.into_iter().for_each(progress);
                Ok(())
            }
            Err(text) => Err(EngineError::new(EngineErrorKind::ImageNotFound, text)),
        };
        self.direct().await?.pull(name, tell).await
    }
}

#[async_trait]
impl ContainerEngine for PodmanEngine {
    fn endpoint(&self) -> String {
        self.endpoint.to_string()
    }

    /// The endpoint is a socket of this host's, so the service shares its files and its kernel.
    fn carrier(&self) -> Carrier {
        Carrier::Socket
    }

    async fn probe(&self) -> EngineResult<EngineInfo> {
        let info = self.direct().await?.info().await?;
        decode::engine_info(info, self.endpoint.to_string())
    }

    async fn ensure_image(
        &self,
        image: &ImageRef,
        pull: PullPolicy,
        progress: &(dyn Fn(PullProgress) + Send + Sync),
    ) -> EngineResult<ImageFacts> {
        let name = image.decisive();
        if pull != PullPolicy::Always
            && let Some(facts) = self.held_image(&name).await?
        {
            return Ok(facts);
        }
        if pull != PullPolicy::Never {
            self.pull(&name, progress).await?;
            if let Some(facts) = self.held_image(&name).await? {
                return Ok(facts);
            }
        }
        Err(EngineError::new(
            EngineErrorKind::ImageNotFound,
            format!("{} does not hold {name}", self.endpoint),
        ))
    }

    /// Podman reads the profile from a file while it creates the container, and not again.
    async fn create(&self, plan: &ContainerPlan) -> EngineResult<Vec<EngineWarning>> {
        // It is asked only where it matters, as it is a slow call.
        let writes = plan.spec().mounts.0.iter().any(|bind| !bind.read_only);
        let rootless = writes && self.is_rootless().await?;
        let Create {
            mut spec,
            seccomp_profile,
        } = encode::create(plan.spec(), max_processes(), rootless)?;
        let profile = file_of(seccomp_profile)?;
        spec.seccomp_profile_path = path_of(&profile)?;
        self.send(&spec).await
    }

    async fn inspect(&self, id: &ContainerId) -> EngineResult<Inspection> {
        look(self.direct().await?, id).await
    }

    async fn attach(&self, id: &ContainerId) -> EngineResult<OutputChunks> {
        let stream = self.direct().await?.attach(&id.to_string()).await?;
        let (endpoint, id) = (self.endpoint.clone(), id.clone());
        let end = stream::once(async move { output_ended(|| look(Direct(&endpoint), &id)).await });
        let broken_off = end.filter_map(|end| future::ready(end.err().map(Err)));
        Ok(frames::chunks(stream).chain(broken_off).boxed())
    }

    async fn logs(&self, id: &ContainerId) -> EngineResult<OutputChunks> {
        let stream = self.direct().await?.follow_logs(&id.to_string()).await?;
        Ok(frames::chunks(stream))
    }

    async fn start(&self, id: &ContainerId) -> EngineResult<()> {
        self.direct().await?.start(&id.to_string()).await
    }

    /// libpod answers a wait only when its own process that cleans up after a container has gone, which takes 0.1 to
    /// 0.3 s. Its state tells of the end at once, so that is looked at too for as long as an end is likely.
    async fn wait(&self, id: &ContainerId) -> EngineResult<i32> {
        let direct = self.direct().await?;
        let name = id.to_string();
        tokio::select! {
            code = direct.wait(&name) => code,
            code = self.end_seen(id) => code,
        }
    }

    async fn kill(&self, id: &ContainerId, signal: Signal) -> EngineResult<()> {
        self.direct()
            .await?
            .kill(&id.to_string(), signal.name())
            .await
    }

    async fn remove(&self, id: &ContainerId) -> EngineResult<Removal> {
        let removed = match self.direct().await?.remove(&id.to_string()).await {
            Ok(removed) => removed,
            Err(error) if error.kind() == EngineErrorKind::NotFound => {
                return Ok(Removal::AlreadyGone);
            }
            Err(error) => return Err(error),
        };
        let mut errors = removed.into_iter().filter_map(|one| one.error);
        match errors.find(|error| !error.is_empty()) {
            None => Ok(Removal::Now),
            Some(error) => Err(EngineError::new(EngineErrorKind::Refused, error)),
        }
    }

    async fn list(&self, labels: &BTreeMap<String, String>) -> EngineResult<Vec<ListedContainer>> {
        let listed = self.direct().await?.list(labels).await?;
        let listed = listed.into_iter().map(decode::listed);
        listed.filter_map(Result::transpose).collect()
    }
}

async fn look(service: Direct<'_>, id: &ContainerId) -> EngineResult<Inspection> {
    let id = id.to_string();
    let mut seen = decode::inspection(service.inspect(&id).await?)?;
    let code = &mut seen.state.exit_code;
    if *code == Some(catatonit::FAILED) && seen.facts.init == Observed::Seen(Init::Engine) {
        *code = not_run(service, &id).await?.or(*code);
    }
    Ok(seen)
}

/// What catatonit's complaint is to a shell, where there is one. On a busy host its last piece may come into the log
/// after the end.
async fn not_run(service: Direct<'_>, id: &str) -> EngineResult<Option<i32>> {
    for pause in catatonit::PAUSES {
        let logs = service.logs(id, catatonit::MOST_BYTES).await?;
        let output = frames::chunks(Cursor::new(logs.unwrap_or_default()));
        let output: Vec<OutputChunk> = output.try_collect().await?;
        let last = output.last().and_then(|chunk| chunk.bytes.last());
        if last == Some(&b'\n') {
            return Ok(catatonit::not_run(&output));
        }
        sleep(pause).await;
    }
    Ok(None)
}

/// What this process itself may have.
pub(crate) fn max_processes() -> u64 {
    getrlimit(Resource::Nproc).maximum.unwrap_or(u64::MAX)
}

pub(crate) fn path_of(profile: &NamedTempFile) -> EngineResult<String> {
    profile.path().to_str().map(str::to_owned).ok_or_else(|| {
        let text = format!("the path {} for podman", profile.path().display());
        EngineError::new(EngineErrorKind::Unsupported, text)
    })
}

/// A file for the service alone, in this user's runtime directory where there is one. It is gone when this is dropped.
pub(crate) fn file_of(seccomp_profile: &str) -> EngineResult<NamedTempFile> {
    let make = || -> io::Result<NamedTempFile> {
        let mut builder = tempfile::Builder::new();
        builder.prefix("clawbox-seccomp-").suffix(".json");
        let mut file = match std::env::var_os("XDG_RUNTIME_DIR").filter(|dir| !dir.is_empty()) {
            Some(dir) => builder.tempfile_in(dir)?,
            None => builder.tempfile()?,
        };
        file.write_all(seccomp_profile.as_bytes())?;
        Ok(file)
    };
    make().map_err(|error| {
        let text = format!("a file for the seccomp profile: {error}");
        EngineError::new(EngineErrorKind::Refused, text).with_source(error)
    })
}
