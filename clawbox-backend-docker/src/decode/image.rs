//! Images, and fetching them.

use super::facts::has_health_check;
use bollard::models::{CreateImageInfo, ImageInspect};
use clawbox_containers::{
    decode::said,
    engine::{EngineResult, ImageFacts, PullProgress},
};

pub(crate) fn image_facts(image: ImageInspect) -> EngineResult<ImageFacts> {
    let id = said("Id", image.id)?;
    let config = image.config.unwrap_or_default();
    let mut volumes = config.volumes.unwrap_or_default();
    volumes.sort();
    Ok(ImageFacts {
        id,
        entrypoint: config.entrypoint.unwrap_or_default(),
        command: config.cmd.unwrap_or_default(),
        env: config.env.unwrap_or_default(),
        working_dir: config.working_dir.unwrap_or_default(),
        volumes,
        stop_signal: config.stop_signal.unwrap_or_default(),
        health_check: has_health_check(config.healthcheck),
        labels: config.labels.unwrap_or_default().into_iter().collect(),
        digests: image.repo_digests.unwrap_or_default(),
    })
}

pub(crate) fn pull_progress(step: CreateImageInfo) -> PullProgress {
    let bytes = step.progress_detail.unwrap_or_default();
    // Docker says 0 or less where it does not know.
    let known = |n: Option<i64>| n.and_then(|n| u64::try_from(n).ok()).filter(|n| *n > 0);
    PullProgress {
        part: step.id.unwrap_or_default(),
        action: step.status.unwrap_or_default(),
        current: known(bytes.current),
        total: known(bytes.total),
    }
}
