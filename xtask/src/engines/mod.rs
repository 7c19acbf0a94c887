//! `cargo xtask engines`: the project's own container engines.

pub(crate) mod docker;
pub(crate) mod packages;
pub(crate) mod release;
pub(crate) mod runner;
pub(crate) mod session;

mod disk;
mod dockerd;
mod download;
mod fall;
pub(crate) mod leftovers;
mod podman;
mod processes;
mod service;
mod user;

use std::time::Instant;

use anyhow::{Result, bail};
use clap::{Subcommand, ValueEnum};

use crate::consent::{Consent, in_ci};
use crate::say::say;
use release::Release;
use session::Session;

pub(crate) use fall::Fallen;
pub(crate) use service::Service;

/// The engines that a workspace can have of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    Docker,
    PodmanRootless,
    PodmanRootful,
}

impl Kind {
    pub(crate) const ALL: [Self; 3] = [Self::Docker, Self::PodmanRootless, Self::PodmanRootful];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::PodmanRootless => "podman-rootless",
            Self::PodmanRootful => "podman-rootful",
        }
    }

    /// The variable that names an engine to the tests.
    pub(crate) fn variable(self) -> &'static str {
        match self {
            Self::Docker => "CLAWBOX_TEST_DOCKER_HOST",
            Self::PodmanRootless => "CLAWBOX_TEST_PODMAN_ROOTLESS_HOST",
            Self::PodmanRootful => "CLAWBOX_TEST_PODMAN_ROOTFUL_HOST",
        }
    }
}

/// What to do with the engines.
#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Start private engines; a Docker that answers is used where there can be no private one
    Up {
        /// Which ones; all that can be had where none is named
        #[arg(value_name = "ENGINE")]
        engines: Vec<Kind>,
        /// Whose packages they are made of
        #[arg(long, value_enum, default_value_t = Release::Host)]
        release: Release,
        /// Install missing packages, and make the rootless engine's user, without asking
        #[arg(long)]
        yes: bool,
    },
    /// Stop the private engines and remove all of them
    Down,
    /// Say what runs where
    Status,
}

pub(crate) fn run(action: &Action) -> Result<()> {
    match action {
        Action::Up {
            engines,
            release,
            yes,
        } => up(engines, *release, Consent::new(*yes)),
        Action::Down => down(),
        Action::Status => status(),
    }
}

fn up(named: &[Kind], release: Release, consent: Consent) -> Result<()> {
    let required = in_ci() || !named.is_empty();
    let kinds = if named.is_empty() { &Kind::ALL } else { named };
    let of = |&kind| Service::of_release(kind, release);
    let services: Vec<Service> = kinds.iter().map(of).collect::<Result<_>>()?;
    each(&services, "not started", |service| {
        let (start, name) = (Instant::now(), service.name());
        match Session::begin_of(service.kind, release, consent) {
            Ok(Session { endpoint, .. }) => {
                let version = endpoint.version()?;
                let seconds = start.elapsed().as_secs_f32();
                say!("{name} {version} answers at {endpoint} ({seconds:.1} s)");
                Ok(())
            }
            Err(why) if !required => {
                say!("{name} is not there: {why:#}");
                Ok(())
            }
            Err(why) => Err(why),
        }
    })
}

fn down() -> Result<()> {
    let mut services = Service::all()?;
    // What two share on the host is taken away by the one that found it absent: mostly the host's own.
    services.reverse();
    each(&services, "not removed", |service| {
        let (start, name) = (Instant::now(), service.name());
        match service.down()? {
            true => say!(
                "{name} stopped and removed ({:.1} s)",
                start.elapsed().as_secs_f32()
            ),
            false => say!("{name}: nothing to stop"),
        }
        Ok(())
    })
}

/// Does it for every engine, whatever becomes of another.
fn each(services: &[Service], failed: &str, work: impl Fn(&Service) -> Result<()>) -> Result<()> {
    let mut names = Vec::new();
    for service in services {
        if let Err(why) = work(service) {
            eprintln!("{}: {why:#}", service.name());
            names.push(service.name());
        }
    }
    if !names.is_empty() {
        bail!("{failed}: {}", names.join(", "));
    }
    Ok(())
}

fn status() -> Result<()> {
    for private in Service::all()? {
        if private.release != Release::Host && !private.is_there() {
            continue;
        }
        let (name, endpoint) = (private.name(), private.endpoint());
        say!("engine    private {name}");
        match private.pid()? {
            Some(pid) => say!("pid       {pid}"),
            None => say!(
                "pid       none: not running (`cargo xtask engines up {}` starts it)",
                private.kind.name()
            ),
        }
        say!("endpoint  {endpoint}");
        match endpoint.ping() {
            Ok(()) => say!("answers   yes, version {}", endpoint.version()?),
            Err(error) => say!("answers   no ({error})"),
        }
        if private.kind == Kind::Docker && private.release == Release::Host {
            match docker::reachable() {
                Ok(other) => say!("besides   docker {} at {other}", other.version()?),
                Err(why) => say!("besides   none: {why}"),
            }
        }
        say!("");
    }
    Ok(())
}
