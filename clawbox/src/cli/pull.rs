//! What is shown while an image is fetched.

use super::say::Say;
use clawbox::{PullObserver, containers::engine::PullProgress};
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use std::{
    collections::BTreeMap,
    io::{IsTerminal, stderr},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// How long a fetch may take before a log hears of it.
const SLOW: Duration = Duration::from_secs(1);
/// How many parts are counted; a registry may name any number.
const MAX_PARTS: usize = 256;

/// Shows a bar on a terminal, and elsewhere one line if it takes long.
pub(crate) struct Pull {
    say: Say,
    image: String,
    bar: Option<ProgressBar>,
    seen: Mutex<Seen>,
}

#[derive(Default)]
struct Seen {
    since: Option<Instant>,
    said: bool,
    parts: BTreeMap<String, (u64, u64)>,
}

impl Pull {
    /// Gets ready; nothing is shown before the first step.
    pub(crate) fn new(image: &str, say: Say) -> Arc<Self> {
        let shown = stderr().is_terminal() && !say.quiet;
        Arc::new(Self {
            say,
            image: image.to_owned(),
            bar: shown.then(ProgressBar::hidden),
            seen: Mutex::default(),
        })
    }

    /// What the backend tells the steps.
    pub(crate) fn observer(self: &Arc<Self>) -> PullObserver {
        let pull = Arc::clone(self);
        Arc::new(move |step| pull.step(step))
    }

    /// Takes the bar away, so that nothing is drawn into the command's output.
    pub(crate) fn done(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn step(&self, step: PullProgress) {
        // Counts are whole after any panic.
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let first = seen.since.is_none();
        let since = *seen.since.get_or_insert_with(Instant::now);
        let known = seen.parts.contains_key(&step.part);
        if let (Some(current), Some(total)) = (step.current, step.total)
            && (known || seen.parts.len() < MAX_PARTS)
        {
            seen.parts.insert(step.part, (current, total));
        }
        match &self.bar {
            Some(bar) => {
                if first {
                    show(bar, &self.image);
                }
                let sum = |of: fn(&(u64, u64)) -> u64| {
                    seen.parts.values().map(of).fold(0, u64::saturating_add)
                };
                let (current, total) = (sum(|part| part.0), sum(|part| part.1));
                bar.set_length(total);
                bar.set_position(current);
                bar.set_message(format!("{} of {}", HumanBytes(current), HumanBytes(total)));
            }
            None if !seen.said && since.elapsed() >= SLOW => {
                seen.said = true;
                self.say.note(&format!("fetching {}", self.image));
            }
            None => {}
        }
    }
}

fn show(bar: &ProgressBar, image: &str) {
    let style = ProgressStyle::with_template("clawbox: fetching {prefix} [{bar:24}] {msg}");
    // The template is fixed; without it indicatif's own would do.
    if let Ok(style) = style {
        bar.set_style(style.progress_chars("=> "));
    }
    bar.set_prefix(
        image
            .chars()
            .filter(|c| !c.is_control())
            .collect::<String>(),
    );
    bar.set_draw_target(indicatif::ProgressDrawTarget::stderr());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_cannot_fill_the_memory() {
        let pull = Pull::new("alpine", Say { quiet: true });
        let observer = pull.observer();
        for part in 0..2 * MAX_PARTS {
            observer(PullProgress {
                part: part.to_string(),
                action: "Downloading".to_owned(),
                current: Some(u64::MAX),
                total: Some(u64::MAX),
            });
        }
        assert_eq!(pull.seen.lock().unwrap().parts.len(), MAX_PARTS);
    }
}
