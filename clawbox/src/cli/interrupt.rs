//! The signals that ask clawbox to end.

use clawbox::{ContainerError, ContainerResult};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Listens for `SIGINT`, `SIGTERM` and `SIGHUP`.
pub(crate) struct Interrupts {
    int: Option<Signal>,
    term: Option<Signal>,
    hup: Option<Signal>,
}

impl Interrupts {
    /// From now on the signals are ours, but for those that our parent had us ignore, as `nohup` does.
    pub(crate) fn listen() -> ContainerResult<Self> {
        let ignored = ignored();
        let listen = |kind: SignalKind| {
            if ignored >> (kind.as_raw_value() - 1) & 1 == 1 {
                return Ok(None);
            }
            signal(kind).map(Some).map_err(|source| ContainerError::Io {
                what: "listening for signals",
                path: "sigaction(2)".into(),
                source,
            })
        };
        Ok(Self {
            int: listen(SignalKind::interrupt())?,
            term: listen(SignalKind::terminate())?,
            hup: listen(SignalKind::hangup())?,
        })
    }

    /// The next signal's exit status.
    pub(crate) async fn next(&mut self) -> u8 {
        tokio::select! {
            () = next(&mut self.int) => 128 + 2,
            () = next(&mut self.term) => 128 + 15,
            () = next(&mut self.hup) => 128 + 1,
        }
    }
}

async fn next(signal: &mut Option<Signal>) {
    if let Some(signal) = signal
        && signal.recv().await.is_some()
    {
        return;
    }
    std::future::pending().await
}

/// The set of ignored signals, signal n as bit n - 1; none where the system does not tell.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("SigIgn:"))
        .and_then(|set| u64::from_str_radix(set.trim(), 16).ok())
        .unwrap_or(0)
}
