//! `cargo xtask bench`: what clawbox costs, as ratios within one run.

use anyhow::Result;

use crate::consent::Consent;
use crate::engines::docker::Session;
use crate::image;
use crate::workspace::{cargo, run as done};

pub(crate) fn run(consent: Consent) -> Result<()> {
    let session = Session::begin(consent)?;
    let measured = image::import(&session.endpoint, consent).and_then(|()| {
        let args = ["bench", "-p", "clawbox-backend-docker", "--bench", "cycle"];
        done(cargo(args)?.env("CLAWBOX_TEST_DOCKER_HOST", session.endpoint.to_string()))
    });
    session.end()?;
    measured
}
