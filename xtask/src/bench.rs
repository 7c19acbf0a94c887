//! `cargo xtask bench`: what clawbox costs, as ratios within one run.

use anyhow::Result;

use crate::consent::Consent;
use crate::engines::session::Session;
use crate::engines::{Kind, Service, runner};
use crate::image::Fixture;
use crate::interrupt;
use crate::workspace::{cargo, run as done};

/// One engine after the other, so that none is measured beside another.
pub(crate) fn run(consent: Consent) -> Result<()> {
    interrupt::note()?;
    let fixture = Fixture::build(consent)?;
    measure(Kind::Docker, "clawbox-backend-docker", &fixture, consent)?;
    let rootless = Kind::PodmanRootless;
    measure(rootless, "clawbox-backend-podman", &fixture, consent)
}

fn measure(kind: Kind, package: &str, fixture: &Fixture, consent: Consent) -> Result<()> {
    let session = Session::begin(kind, consent)?;
    let measured = fixture.import(&session).and_then(|()| {
        let mut bench = cargo(["bench", "-p", package, "--bench", "cycle"])?;
        if kind == Kind::PodmanRootless {
            let runner = runner::as_user(&Service::of_workspace(kind)?)?;
            if !runner.is_empty() {
                bench.args(["--config", &runner::as_setting(&runner)]);
            }
        }
        done(bench.env(kind.variable(), session.endpoint.to_string()))
    });
    session.end()?;
    measured
}
