//! Whether the output of a container ended with it, or with the engine's connection.

use crate::engine::{EngineError, EngineErrorKind, EnginePhase, EngineResult, Inspection};
use std::{future::Future, time::Duration};
use tokio::time::sleep;

/// How long after each other a container whose output has ended is looked at, in milliseconds: for two seconds, as on a
/// busy host an engine is that late to see the end.
const LOOKS: [u64; 12] = [1, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024];

/// The output of an engine that was killed ends as that of a container does: what the container is tells them apart. Its
/// state may come a little after its last byte.
///
/// # Errors
///
/// Where the engine does not answer, or says that the container still runs: there may be more output than came.
pub async fn output_ended<L>(look: impl Fn() -> L) -> EngineResult<()>
where
    L: Future<Output = EngineResult<Inspection>>,
{
    for millis in LOOKS {
        match look().await {
            Ok(seen) if seen.state.phase == EnginePhase::Running => {
                sleep(Duration::from_millis(millis)).await;
            }
            Err(error) if error.kind() != EngineErrorKind::NotFound => return Err(error),
            Ok(_) | Err(_) => return Ok(()),
        }
    }
    let text = "the engine closed the connection for the output while the container runs";
    Err(EngineError::new(EngineErrorKind::Unavailable, text))
}
