//! The calls to Docker, and nothing else.

use crate::{
    decode, encode,
    endpoint::Surroundings,
    errors::{Call, engine_error},
    transport,
};
use async_trait::async_trait;
use bollard::{
    API_DEFAULT_VERSION, Docker,
    container::LogOutput,
    errors::Error,
    query_parameters::{
        AttachContainerOptions, CreateContainerOptions, CreateImageOptions, KillContainerOptions,
        ListContainersOptions, LogsOptions, RemoveContainerOptions, WaitContainerOptions,
    },
};
use clawbox_containers::{
    ContainerEngine, ContainerPlan,
    endpoint::{Candidates, Endpoint, EndpointError},
    engine::{
        EngineError, EngineErrorKind, EngineResult, EngineWarning, ImageFacts, Inspection,
        ListedContainer, OutputChunk, OutputChunks, PullProgress, Removal, Signal,
    },
    init::Carrier,
    output_end::output_ended,
    types::{ContainerId, EngineInfo, ImageRef, OutputStream, PullPolicy},
};
use futures_util::{StreamExt, TryStreamExt, future, stream};
use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
    sync::Arc,
};
use tokio::sync::OnceCell;

/// In seconds. The manager bounds each call; what waits for a container's end has no bound at all.
const NO_CLIENT_TIMEOUT: u64 = u64::MAX;

/// A Docker daemon, reached over its unix socket.
#[derive(Debug)]
pub struct DockerEngine {
    endpoint: Endpoint,
    /// Made by the first call that finds the daemon, whose version it speaks.
    client: OnceCell<Docker>,
}

impl DockerEngine {
    /// The engine at `explicit`, such as `unix:///run/docker.sock`; where that is `None` at `DOCKER_HOST`;
    /// where that is not set either at `/var/run/docker.sock`, or, where nothing is there, at the `docker.sock` of
    /// the Docker that this user runs, in `XDG_RUNTIME_DIR`.
    ///
    /// Nothing is connected to yet: where no daemon answers, it is the calls that fail.
    ///
    /// # Errors
    ///
    /// [`EndpointError`] where that is no address of a unix socket. Plain TCP is refused.
    pub fn connect(explicit: Option<&str>) -> Result<Self, EndpointError> {
        let candidates = Self::candidates(explicit)?;
        Ok(Self {
            endpoint: candidates.choose(Path::exists).endpoint.clone(),
            client: OnceCell::new(),
        })
    }

    /// Where the engine may be, in the order in which [`connect`](Self::connect) looks.
    ///
    /// # Errors
    ///
    /// [`EndpointError`] where `explicit` or `DOCKER_HOST` is no address of a unix socket.
    pub fn candidates(explicit: Option<&str>) -> Result<Candidates, EndpointError> {
        Surroundings::look().candidates(explicit)
    }

    async fn client(&self) -> EngineResult<&Docker> {
        let connect = || async {
            let socket = Arc::<Path>::from(self.endpoint.path());
            let send = move |request| {
                let socket = Arc::clone(&socket);
                async move { transport::send(&socket, request).await }
            };
            let host = Some("http://docker");
            Docker::connect_with_custom_transport(
                send,
                host,
                NO_CLIENT_TIMEOUT,
                API_DEFAULT_VERSION,
            )?
            .negotiate_version()
            .await
        };
        self.client
            .get_or_try_init(connect)
            .await
            .map_err(self.failed(Call::Engine))
    }

    fn failed(&self, call: Call) -> impl Fn(Error) -> EngineError + use<> {
        let endpoint = self.endpoint.clone();
        move |error| engine_error(error, call, &endpoint)
    }

    fn cut_off(&self, what: &str) -> EngineError {
        EngineError::new(
            EngineErrorKind::Unavailable,
            format!("{} closed the connection {what}", self.endpoint),
        )
    }

    /// `None` where Docker does not hold it.
    async fn held_image(&self, name: &str) -> EngineResult<Option<ImageFacts>> {
        match self.client().await?.inspect_image(name).await {
            Ok(image) => decode::image_facts(image).map(Some),
            Err(Error::DockerResponseServerError {
                status_code: 404, ..
            }) => Ok(None),
            // Any other refusal is about the daemon and not about the image.
            Err(error) => Err(self.failed(Call::Engine)(error)),
        }
    }

    /// Creates a container.
    pub(crate) async fn send(&self, create: encode::Create) -> EngineResult<Vec<EngineWarning>> {
        let encode::Create { name, body } = create;
        let options = CreateContainerOptions {
            name: Some(name),
            ..CreateContainerOptions::default()
        };
        let created = self.client().await?.create_container(Some(options), body);
        let created = created.await.map_err(self.failed(Call::Create))?;
        Ok(decode::warnings(created.warnings))
    }

    async fn pull(
        &self,
        image: &ImageRef,
        progress: &(dyn Fn(PullProgress) + Send + Sync),
    ) -> EngineResult<()> {
        let which = image.digest().or_else(|| image.tag()).unwrap_or("latest");
        let options = CreateImageOptions {
            from_image: Some(format!("{}/{}", image.registry(), image.repository())),
            tag: Some(which.to_owned()),
            ..CreateImageOptions::default()
        };
        self.client()
            .await?
            .create_image(Some(options), None, None)
            .map_err(self.failed(Call::Image))
            .try_for_each(|step| {
                progress(decode::pull_progress(step));
                std::future::ready(Ok(()))
            })
            .await
    }
}

#[async_trait]
impl ContainerEngine for DockerEngine {
    fn endpoint(&self) -> String {
        self.endpoint.to_string()
    }

    /// The endpoint is a socket of this host's, so the daemon shares its files and its kernel.
    fn carrier(&self) -> Carrier {
        Carrier::Socket
    }

    async fn probe(&self) -> EngineResult<EngineInfo> {
        let client = self.client().await?;
        let info = client.info().await.map_err(self.failed(Call::Engine))?;
        let version = client.version().await;
        let version = version.map_err(self.failed(Call::Engine))?;
        Ok(decode::engine_info(info, version, self.endpoint()))
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
            self.pull(image, progress).await?;
            if let Some(facts) = self.held_image(&name).await? {
                return Ok(facts);
            }
        }
        Err(EngineError::new(
            EngineErrorKind::ImageNotFound,
            format!("{} does not hold {name}", self.endpoint),
        ))
    }

    async fn create(&self, plan: &ContainerPlan) -> EngineResult<Vec<EngineWarning>> {
        self.send(encode::create(plan.spec())?).await
    }

    async fn inspect(&self, id: &ContainerId) -> EngineResult<Inspection> {
        let answer = self
            .client()
            .await?
            .inspect_container(&id.to_string(), None)
            .await;
        decode::inspection(answer.map_err(self.failed(Call::Container))?)
    }

    async fn attach(&self, id: &ContainerId) -> EngineResult<OutputChunks> {
        let options = AttachContainerOptions {
            stream: true,
            stdout: true,
            stderr: true,
            ..AttachContainerOptions::default()
        };
        let client = self.client().await?.clone();
        let attached = client
            .attach_container(&id.to_string(), Some(options))
            .await
            .map_err(self.failed(Call::Container))?;
        let failed = self.failed(Call::Container);
        let chunks = attached
            .output
            .map(move |item| chunk(item.map_err(&failed)?));
        let (failed, id) = (self.failed(Call::Container), id.to_string());
        let end = stream::once(async move {
            output_ended(|| async {
                let answer = client.inspect_container(&id, None).await;
                decode::inspection(answer.map_err(&failed)?)
            })
            .await
        });
        let broken_off = end.filter_map(|end| future::ready(end.err().map(Err)));
        Ok(chunks.chain(broken_off).boxed())
    }

    async fn logs(&self, id: &ContainerId) -> EngineResult<OutputChunks> {
        let options = LogsOptions {
            follow: true,
            stdout: true,
            stderr: true,
            ..LogsOptions::default()
        };
        let failed = self.failed(Call::Container);
        // The client asks when the stream is read, so that tells of a container that is not there.
        let log = self.client().await?.logs(&id.to_string(), Some(options));
        let chunks = log.map(move |item| chunk(item.map_err(&failed)?));
        Ok(chunks.boxed())
    }

    async fn start(&self, id: &ContainerId) -> EngineResult<()> {
        let started = self
            .client()
            .await?
            .start_container(&id.to_string(), None)
            .await;
        started.map_err(self.failed(Call::Container))
    }

    async fn wait(&self, id: &ContainerId) -> EngineResult<i32> {
        let options = WaitContainerOptions {
            condition: "not-running".to_owned(),
        };
        let id = id.to_string();
        let mut answers = self.client().await?.wait_container(&id, Some(options));
        match answers.next().await {
            Some(Ok(answer)) => {
                let error = answer.error.and_then(|error| error.message);
                decode::exit_code(answer.status_code, error.unwrap_or_default())
            }
            // The client's way to tell of any other code than 0.
            Some(Err(Error::DockerContainerWaitError { code, .. })) => {
                decode::exit_code(code, String::new())
            }
            Some(Err(error)) => Err(self.failed(Call::Container)(error)),
            // The daemon died: the container may well be running.
            None => Err(self.cut_off("before the container ended")),
        }
    }

    async fn kill(&self, id: &ContainerId, signal: Signal) -> EngineResult<()> {
        let options = KillContainerOptions {
            signal: signal.name().to_owned(),
        };
        let killed = self
            .client()
            .await?
            .kill_container(&id.to_string(), Some(options))
            .await;
        killed.map_err(self.failed(Call::Container))
    }

    /// A removal that is in progress is not confirmed, and may fail yet: it is `Refused`, to be asked again.
    async fn remove(&self, id: &ContainerId) -> EngineResult<Removal> {
        let options = RemoveContainerOptions {
            v: true,
            force: true,
            link: false,
        };
        let removed = self
            .client()
            .await?
            .remove_container(&id.to_string(), Some(options))
            .await
            .map_err(self.failed(Call::Container));
        match removed {
            Ok(()) => Ok(Removal::Now),
            Err(error) if error.kind() == EngineErrorKind::NotFound => Ok(Removal::AlreadyGone),
            Err(error) => Err(error),
        }
    }

    async fn list(&self, labels: &BTreeMap<String, String>) -> EngineResult<Vec<ListedContainer>> {
        let labels = labels.iter().map(|(key, value)| format!("{key}={value}"));
        let options = ListContainersOptions {
            all: true,
            filters: Some(HashMap::from([("label".to_owned(), labels.collect())])),
            ..ListContainersOptions::default()
        };
        let listed = self.client().await?.list_containers(Some(options)).await;
        let listed = listed.map_err(self.failed(Call::Engine))?;
        Ok(listed.into_iter().filter_map(decode::listed).collect())
    }
}

fn chunk(output: LogOutput) -> EngineResult<OutputChunk> {
    let (stream, bytes) = match output {
        LogOutput::StdOut { message } => (OutputStream::Stdout, message),
        LogOutput::StdErr { message } => (OutputStream::Stderr, message),
        // What has no frame, or only a part of one: the connection broke in the middle.
        LogOutput::StdIn { .. } | LogOutput::Console { .. } => {
            return Err(EngineError::new(
                EngineErrorKind::BadAnswer,
                "output that belongs to no stream",
            ));
        }
    };
    Ok(OutputChunk { stream, bytes })
}
