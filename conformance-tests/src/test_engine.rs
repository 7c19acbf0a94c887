//! A backend's own tests on a real engine: what runs them, and what they mostly begin with.

pub mod adoption;
pub mod gate1;
pub mod gate2;

use crate::harness::{REQUIRE_VARIABLE, is_required};
use clawbox_containers::{
    ContainerEngine, ContainerManager, ContainerSecurityConfig, ManagerConfig,
    endpoint::EndpointError,
    engine::{EngineError, EngineErrorKind, EngineResult},
};
use clawbox_types::{Capabilities, ContainerSpawnRequest, PullPolicy};
use futures_util::future::BoxFuture;
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use std::{env, process::ExitCode, time::Duration};
use tokio::{runtime::Runtime, time::timeout};

/// How long one test may take; none should come near.
const PATIENCE: Duration = Duration::from_secs(60);
const STOP_GRACE: Duration = Duration::from_millis(100);

/// A test: it is given the engine's endpoint, and panics to fail.
pub type EngineTest = fn(String) -> BoxFuture<'static, ()>;

/// A real engine that an environment variable names the endpoint of: it is asked, and no other.
///
/// What only it can show is a test program of a backend's own, a target with `harness = false`. Without the variable every
/// test is listed as *not run*, which is a failure where [`REQUIRE_VARIABLE`] names the engine.
///
/// ```no_run
/// use clawbox_conformance::test_engine::TestEngine;
///
/// # async fn it_answers(endpoint: String) {}
/// fn main() -> std::process::ExitCode {
///     TestEngine::new("mine", "MY_ENGINE")
///         .run([("it_answers", |endpoint| Box::pin(it_answers(endpoint)))])
/// }
/// ```
#[derive(Debug, Clone, Copy)]
#[must_use = "nothing is run before `run`"]
pub struct TestEngine {
    name: &'static str,
    variable: &'static str,
}

impl TestEngine {
    /// The engine of this name, at the endpoint that this variable holds.
    pub const fn new(name: &'static str, variable: &'static str) -> Self {
        Self { name, variable }
    }

    /// The engine itself, as [`run`](crate::run) asks for it.
    ///
    /// # Errors
    ///
    /// [`EngineErrorKind::Unavailable`] where the variable is not set, and [`EngineErrorKind::Refused`] where it holds no
    /// endpoint.
    pub fn connect<E>(
        self,
        connect: impl FnOnce(&str) -> Result<E, EndpointError>,
    ) -> EngineResult<E> {
        let endpoint = self
            .endpoint()
            .ok_or_else(|| EngineError::new(EngineErrorKind::Unavailable, self.absent()))?;
        connect(&endpoint)
            .map_err(|error| EngineError::new(EngineErrorKind::Refused, error.to_string()))
    }

    /// Runs the tests, each on a runtime of its own and for a minute at the most, as a test program's whole `main`.
    pub fn run<const N: usize>(self, tests: [(&'static str, EngineTest); N]) -> ExitCode {
        self.run_blocking(tests.map(|(name, test)| {
            let test = move |endpoint: &str| {
                let test = test(endpoint.to_owned());
                Runtime::new()?.block_on(async { timeout(PATIENCE, test).await })?;
                Ok(())
            };
            (name, test)
        }))
    }

    /// Runs tests that are not async, and that nothing bounds in time.
    pub fn run_blocking<T>(self, tests: impl IntoIterator<Item = (&'static str, T)>) -> ExitCode
    where
        T: FnOnce(&str) -> Result<(), Failed> + Send + 'static,
    {
        let arguments = Arguments::from_args();
        let endpoint = self.endpoint();
        let trials = tests.into_iter().map(|(name, test)| {
            let endpoint = endpoint.clone();
            Trial::ignorable_test(name, move || match endpoint {
                None => Ok(Completion::ignored_with(format!(
                    "not run: {}",
                    self.absent()
                ))),
                Some(endpoint) => test(&endpoint).map(|()| Completion::Completed),
            })
        });
        let conclusion = libtest_mimic::run(&arguments, trials.collect());
        if endpoint.is_none() && is_required(self.name) && !arguments.list {
            eprintln!(
                "error: {} is required by {REQUIRE_VARIABLE} and was not run: {}",
                self.name,
                self.absent()
            );
            return ExitCode::FAILURE;
        }
        conclusion.exit_code()
    }

    fn endpoint(self) -> Option<String> {
        env::var(self.variable).ok()
    }

    fn absent(self) -> String {
        format!("{} is not set", self.variable)
    }
}

/// The default policy, with which no image is fetched.
#[must_use]
pub fn policy() -> ContainerSecurityConfig {
    ContainerSecurityConfig::new().with_pull(PullPolicy::Never)
}

/// A request to run a shell's script in this image.
#[must_use]
pub fn request(image: &str, script: &str) -> ContainerSpawnRequest {
    ContainerSpawnRequest::new("a test on an engine", Capabilities::default())
        .with_image(image)
        .with_command(["/bin/sh", "-c", script])
}

/// A backend that has little patience with a command that is asked to end.
///
/// # Panics
///
/// Where there can be none, as of a policy that contradicts itself.
pub fn backend<E: ContainerEngine>(
    engine: E,
    security: &ContainerSecurityConfig,
) -> ContainerManager<E> {
    let config = ManagerConfig::default().with_stop_grace(STOP_GRACE);
    ContainerManager::new(engine, security, config).unwrap_or_else(|error| panic!("{error}"))
}
