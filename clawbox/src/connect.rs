//! From a backend's name to the backend: the one list of what is compiled in.

use clawbox_containers::{
    ContainerBackend, ContainerEngine, ContainerError, ContainerManager, ContainerResult,
    ContainerSecurityConfig, ManagerConfig, PullObserver,
    endpoint::{Candidates, EndpointError},
};
use std::{fmt, str::FromStr, sync::Arc};

/// An engine that clawbox knows, whether or not it is compiled in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(
    feature = "config",
    derive(serde::Deserialize),
    serde(rename_all = "snake_case")
)]
#[cfg_attr(feature = "cli", derive(schemars::JsonSchema))]
#[non_exhaustive]
pub enum Backend {
    /// Docker: the feature `docker`.
    Docker,
    /// Podman: the feature `podman`.
    Podman,
    /// An engine in memory: the feature `mock`. It isolates nothing, as it runs nothing real.
    Mock,
}

impl Backend {
    /// Every backend that has a name.
    pub const ALL: &[Self] = &[Self::Docker, Self::Podman, Self::Mock];

    /// The backends that are compiled in, the one to be preferred first.
    pub const COMPILED: &[Self] = &[
        #[cfg(feature = "podman")]
        Self::Podman,
        #[cfg(feature = "docker")]
        Self::Docker,
        #[cfg(feature = "mock")]
        Self::Mock,
    ];

    /// The name, which is also the feature's.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Podman => "podman",
            Self::Mock => "mock",
        }
    }

    /// Where its engine may be; `None` for one that is nowhere, or not compiled in.
    pub(crate) fn candidates(
        self,
        explicit: Option<&str>,
    ) -> Option<Result<Candidates, EndpointError>> {
        match (self, explicit) {
            #[cfg(feature = "docker")]
            (Self::Docker, explicit) => {
                Some(clawbox_backend_docker::DockerEngine::candidates(explicit))
            }
            #[cfg(feature = "podman")]
            (Self::Podman, explicit) => {
                Some(clawbox_backend_podman::PodmanEngine::candidates(explicit))
            }
            _ => None,
        }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Backend {
    type Err = UnknownBackend;

    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let mut all = Self::ALL.iter().copied();
        all.find(|backend| backend.name() == s)
            .ok_or(UnknownBackend)
    }
}

/// A name that is no backend's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownBackend;

impl fmt::Display for UnknownBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = Backend::ALL.iter().map(|b| b.name()).collect();
        write!(f, "a backend is one of {}", names.join(", "))
    }
}

impl std::error::Error for UnknownBackend {}

/// How to connect: where, under which policy, and how the manager runs.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct ConnectOptions {
    /// The engine's endpoint, such as `unix:///run/docker.sock`. `None`: where the engine usually is.
    pub endpoint: Option<String>,
    /// The operator's policy.
    pub security: ContainerSecurityConfig,
    /// How the manager runs, apart from security.
    pub manager: ManagerConfig,
    /// Told of each step of fetching an image.
    pub on_pull: Option<PullObserver>,
}

impl ConnectOptions {
    /// The engine's usual endpoint, and the default policy.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the engine's endpoint.
    #[must_use]
    pub fn with_endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.endpoint = Some(endpoint.into());
        self
    }

    /// Sets the operator's policy.
    #[must_use]
    pub fn with_security(mut self, security: ContainerSecurityConfig) -> Self {
        self.security = security;
        self
    }

    /// Sets how the manager runs.
    #[must_use]
    pub fn with_manager(mut self, manager: ManagerConfig) -> Self {
        self.manager = manager;
        self
    }

    /// Sets whom to tell of images that are being fetched.
    #[must_use]
    pub fn with_pull_observer(mut self, observer: PullObserver) -> Self {
        self.on_pull = Some(observer);
        self
    }

    /// A backend on an engine that is there already, such as one of your own. The endpoint is not looked at.
    ///
    /// # Errors
    ///
    /// [`ContainerError::PolicyDenied`] with everything that is impossible in the policy.
    pub fn manage<E: ContainerEngine>(
        &self,
        engine: E,
    ) -> ContainerResult<Arc<dyn ContainerBackend>> {
        let manager = ContainerManager::with_pull_observer(
            engine,
            &self.security,
            self.manager.clone(),
            self.on_pull.clone(),
        )?;
        Ok(Arc::new(manager))
    }
}

impl fmt::Debug for ConnectOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectOptions")
            .field("endpoint", &self.endpoint)
            .field("security", &self.security)
            .field("manager", &self.manager)
            .field("on_pull", &self.on_pull.is_some())
            .finish()
    }
}

/// Makes a backend on the engine of that name. The engine is not asked anything yet, so it need not run.
///
/// # Errors
///
/// Those of [`engine`]; [`ContainerError::PolicyDenied`] with everything that is impossible in the policy.
pub fn connect(
    backend: Backend,
    options: &ConnectOptions,
) -> ContainerResult<Arc<dyn ContainerBackend>> {
    options.manage(engine(backend, options.endpoint.as_deref())?)
}

/// Makes the engine of that name, without policy or lifecycle. It is not asked anything yet.
///
/// [`Backend::Mock`] knows the programs of the conformance fixture, so that there is something to run; tests
/// that script their own make a `MockEngine` and hand it to [`ConnectOptions::manage`].
///
/// # Errors
///
/// [`ContainerError::Unsupported`] naming the feature of a backend that is not compiled in, or for an
/// endpoint that cannot be used.
pub fn engine(
    backend: Backend,
    endpoint: Option<&str>,
) -> ContainerResult<Arc<dyn ContainerEngine>> {
    match (backend, endpoint) {
        #[cfg(feature = "docker")]
        (Backend::Docker, endpoint) => {
            match clawbox_backend_docker::DockerEngine::connect(endpoint) {
                Ok(engine) => Ok(Arc::new(engine)),
                Err(error) => Err(unsupported("connecting there", error)),
            }
        }
        #[cfg(feature = "podman")]
        (Backend::Podman, endpoint) => {
            match clawbox_backend_podman::PodmanEngine::connect(endpoint) {
                Ok(engine) => Ok(Arc::new(engine)),
                Err(error) => Err(unsupported("connecting there", error)),
            }
        }
        #[cfg(feature = "mock")]
        (Backend::Mock, None) => {
            let engine = clawbox_backend_mock::MockEngine::new();
            clawbox_backend_mock::fixture::install(&engine);
            Ok(Arc::new(engine))
        }
        #[cfg(feature = "mock")]
        (Backend::Mock, Some(endpoint)) => Err(unsupported(
            &format!("the endpoint {endpoint}"),
            "the mock lives in this process and has none",
        )),
        #[cfg(not(all(feature = "docker", feature = "podman", feature = "mock")))]
        (absent, _) => Err(unsupported(
            &format!("the backend {absent}"),
            format_args!("this clawbox was built without the feature `{absent}`"),
        )),
    }
}

fn unsupported(what: &str, reason: impl fmt::Display) -> ContainerError {
    ContainerError::Unsupported {
        what: what.to_owned(),
        reason: reason.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_spelling() {
        for backend in Backend::ALL {
            assert_eq!(backend.to_string().parse(), Ok(*backend));
        }
        for bad in ["", "Docker", "auto", "docker "] {
            assert_eq!(bad.parse::<Backend>(), Err(UnknownBackend), "{bad}");
        }
    }

    #[test]
    fn what_is_not_compiled_in_is_refused_with_its_feature() {
        for backend in Backend::ALL {
            let refused = connect(*backend, &ConnectOptions::new()).err();
            let compiled = Backend::COMPILED.contains(backend);
            assert_eq!(refused.is_none(), compiled, "{backend}: {refused:?}");
            if let Some(error) = refused {
                assert!(
                    error.to_string().contains(&format!("`{backend}`")),
                    "{error}"
                );
            }
        }
    }
}
