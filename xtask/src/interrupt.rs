//! Ctrl-C while a chore has engines of its own running.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use anyhow::{Context as _, Result};
use signal_hook::consts::SIGINT;
use signal_hook::flag;

static CAME: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// From now on the first Ctrl-C is only noted. The terminal sends it to the program that the chore waits for as
/// well, which ends, and the chore comes to stop its engines. The second one ends the chore.
pub(crate) fn note() -> Result<()> {
    let came = CAME.get_or_init(Arc::default);
    // In this order: the second finds what the first has noted.
    flag::register_conditional_shutdown(SIGINT, 130, Arc::clone(came))
        .and_then(|_| flag::register(SIGINT, Arc::clone(came)))
        .context("note a Ctrl-C")?;
    Ok(())
}

/// Whether it came.
pub(crate) fn came() -> bool {
    CAME.get().is_some_and(|came| came.load(Ordering::Relaxed))
}
