//! Images, and fetching them.

use clawbox_containers::{
    decode::said,
    engine::{EngineResult, ImageFacts, PullProgress},
};
use podman_api::models::{InspectImageResponseLibpod, LibpodImagesPullReport};

pub(crate) fn image_facts(image: InspectImageResponseLibpod) -> EngineResult<ImageFacts> {
    let id = said("Id", image.id)?;
    let mut facts = ImageFacts {
        id,
        ..ImageFacts::default()
    };
    if let Some(config) = image.config {
        facts.entrypoint = config.entrypoint.unwrap_or_default();
        facts.command = config.cmd.unwrap_or_default();
        facts.env = config.env.unwrap_or_default();
        facts.working_dir = config.working_dir.unwrap_or_default();
        facts.volumes = config.volumes.unwrap_or_default().into_keys().collect();
        facts.volumes.sort();
        facts.stop_signal = config.stop_signal.unwrap_or_default();
    }
    facts.health_check = image.healthcheck.is_some_and(|check| {
        let test = check.test.unwrap_or_default();
        !test.is_empty() && test != ["NONE"]
    });
    facts.labels = image.labels.unwrap_or_default().into_iter().collect();
    facts.digests = image.repo_digests.unwrap_or_default();
    Ok(facts)
}

/// Podman tells of its progress in lines for people. An error among them is the fetch's: the status was sent before.
pub(crate) fn pull_progress(step: LibpodImagesPullReport) -> Result<Option<PullProgress>, String> {
    if let Some(error) = step.error.filter(|error| !error.is_empty()) {
        return Err(error);
    }
    Ok(step.stream.map(|line| PullProgress {
        part: String::new(),
        action: line.trim_end().to_owned(),
        current: None,
        total: None,
    }))
}
