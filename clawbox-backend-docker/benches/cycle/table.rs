//! Times of several ways to do one thing, held against the first.

use std::time::Duration;

/// Whether a part of the bench is run: all are, or the one that was named (`cargo bench --bench cycle -- execs`).
pub(crate) fn is_wanted(part: &str) -> bool {
    let named = std::env::args().skip(1).find(|it| !it.starts_with('-'));
    named.is_none_or(|named| named == part)
}

/// The order of three ways in a round: over six rounds each follows each of the others as often, as an engine still
/// clears up after the one before.
pub(crate) fn order(round: usize) -> [usize; 3] {
    let step = 1 + round / 3 % 2;
    [0, step, 2 * step].map(|turn| (round + turn) % 3)
}

pub(crate) struct Table<const N: usize> {
    names: [&'static str; N],
    times: [Vec<Duration>; N],
}

impl<const N: usize> Table<N> {
    pub(crate) fn new(names: [&'static str; N]) -> Self {
        Self {
            names,
            times: [const { Vec::new() }; N],
        }
    }

    /// Round 0 warms up and does not count.
    pub(crate) fn note(&mut self, round: usize, way: usize, took: Duration) {
        if round > 0 {
            self.times[way].push(took);
        }
    }

    /// Gives each way's p50, in milliseconds.
    pub(crate) fn print(mut self, what: &str) -> [f64; N] {
        let first = percentile(&mut self.times[0], 50);
        println!("\n{} {what}; milliseconds", self.times[0].len());
        println!("{:<24}{:>8}{:>8}{:>12}", "", "p50", "p95", "of p50");
        for (name, times) in self.names.iter().zip(&mut self.times) {
            let (p50, p95) = (percentile(times, 50), percentile(times, 95));
            println!("{name:<24}{p50:>8.2}{p95:>8.2}{:>12.3}", p50 / first);
        }
        self.times.each_mut().map(|times| percentile(times, 50))
    }
}

/// In milliseconds.
pub(crate) fn percentile(times: &mut [Duration], p: usize) -> f64 {
    times.sort_unstable();
    match times.len().checked_sub(1) {
        Some(last) => times[last * p / 100].as_secs_f64() * 1000.0,
        None => f64::NAN,
    }
}
