//! An engine in memory for clawbox: scripted programs, injected faults, a journal, virtual time.
//!
//! ```
//! use clawbox_backend_mock::{Fault, MockEngine, MockImage, Script, mock_backend};
//! use clawbox_containers::ContainerBackend;
//! use clawbox_types::{Capabilities, ContainerSpawnRequest};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let engine = MockEngine::new();
//! engine.add_image(MockImage::new("alpine")?.with_program("agent", Script::stdout("hello").exit(3)));
//! let backend = mock_backend(engine.clone())?;
//!
//! let request = ContainerSpawnRequest::new("a task", Capabilities::default())
//!     .with_image("alpine")
//!     .with_command(["agent"]);
//! engine.fail(Fault::start_failed("exec format error"));
//! assert!(backend.spawn(request.clone()).await.is_err());
//!
//! let id = backend.spawn(request).await?.container_id;
//! assert_eq!(backend.wait(&id).await?.exit_code, Some(3));
//! assert_eq!(backend.collect_output(&id).await?.stdout.text(), "hello");
//! let calls = ["create", "inspect", "attach", "start", "run agent"];
//! engine.journal().of(&id).assert(&calls);
//! # Ok(())
//! # }
//! ```
//!
//! - **The lifecycle is the real one.** [`MockBackend`] is core's `ContainerManager` over a [`MockEngine`], so
//!   policy, verification, deadlines, tokens and clean-up are those of production.
//! - **The plan is honoured.** What a [`Process`] may do (write here, allocate that, fork so often, make this
//!   system call) is decided from the plan that the policy made, so a weaker plan is visibly weaker. It is a
//!   model all the same: it proves nothing about a kernel.
//! - **Process 1 is clawbox's.** It speaks with its manager over a link in memory: it tells what the container's
//!   kernel gives, also where an engine hides that the plan is weaker, runs the command and further ones, and keeps
//!   the deadline. [`InitFault`] says what it can do wrong.
//! - **Time is tokio's.** Under a paused clock an hour takes no time, and times in infos, labels and reports are
//!   virtual: [`mock_backend`] and [`mock_config`] put the manager on the engine's clock.
//! - **It is deterministic.** Nothing here is random and nothing reads the wall clock after the engine's making;
//!   on a current-thread runtime with a paused clock the same test makes the same calls at the same times.
//!   Ids and tokens are the manager's, and random.
//! - **It is small.** 10,000 live containers take 50 KiB each, the manager's part included, of which 15 KiB are
//!   each plan's copy of the seccomp profile; `tests/many.rs` measures it.
//!
//! [`unit_testing`] is the chapter to read next. [`fixture`] is the conformance suite's image.

mod call;
mod capability;
mod container;
mod engine;
mod errno;
mod fault;
mod files;
pub mod fixture;
mod image;
mod journal;
mod kernel;
mod limit;
mod process;
mod process_one;
mod program;
mod run;
mod script;
mod seccomp;
mod streams;
mod transfer;

pub use call::{Call, Op};
pub use engine::MockEngine;
pub use errno::Errno;
pub use fault::Fault;
pub use image::MockImage;
pub use journal::{Entry, JOURNAL_CAPACITY, Journal};
pub use limit::Limit;
pub use process::{Child, Descriptor, Process};
pub use process_one::InitFault;
pub use program::{Argv, Exit, Program};
pub use script::{Script, Steps};
pub use seccomp::{Answer, Filter};

#[doc = include_str!("../docs/unit-testing-an-agent.md")]
pub mod unit_testing {}

use clawbox_containers::{
    ContainerManager, ContainerResult, ContainerSecurityConfig, ManagerConfig,
};

/// A backend whose containers are in memory: the same manager as in production, over a [`MockEngine`].
pub type MockBackend = ContainerManager<MockEngine>;

/// A backend over `engine`, under the default policy and with nothing kept on the host.
///
/// # Errors
///
/// None: the default policy is a possible one.
pub fn mock_backend(engine: MockEngine) -> ContainerResult<MockBackend> {
    let config = mock_config(&engine);
    MockBackend::new(engine, &ContainerSecurityConfig::new(), config)
}

/// The default configuration, but with nothing kept on the host, and on the clock of `engine`.
#[must_use]
pub fn mock_config(engine: &MockEngine) -> ManagerConfig {
    ManagerConfig::default()
        .with_state_dir(None)
        .with_clock(engine.clock())
}
