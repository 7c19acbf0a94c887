//! An output that ended is whole once its container is seen to have ended, which a busy host is late to tell.

use clawbox_containers::{
    ContainerSecurityConfig,
    engine::{
        EngineError, EngineErrorKind, EnginePhase, EngineResult, EngineState, ImageFacts,
        Inspection,
    },
    facts::ObservedFacts,
    output_end::output_ended,
    policy::{Placement, SecurityPolicy},
};
use clawbox_types::*;
use std::{collections::BTreeMap, time::Duration};
use tokio::time::Instant;

fn facts() -> ObservedFacts {
    let policy = SecurityPolicy::new(&ContainerSecurityConfig::default()).expect("a policy");
    let request = ContainerSpawnRequest::new("task", Capabilities::default())
        .with_image("alpine")
        .with_command(["true"]);
    let placement = Placement {
        identity: ContainerIdentity::new(ContainerId::generate(), ProxyToken::from_bytes([7; 32])),
        labels: BTreeMap::new(),
        proxy_dir: None,
        init_dir: None,
    };
    let admission = policy.admit(&request).expect("it is allowed");
    let plan = admission.compile(&ImageFacts::default(), placement);
    ObservedFacts::as_planned(plan.expect("a plan").spec())
}

/// What comes of an output whose container the engine sees end this long after, and how long that takes.
async fn of_an_end_seen_after(late: Duration) -> (EngineResult<()>, Duration) {
    let (facts, since) = (facts(), Instant::now());
    let ended = output_ended(|| async {
        let phase = match since.elapsed() < late {
            true => EnginePhase::Running,
            false => EnginePhase::Exited,
        };
        Ok(Inspection {
            facts: facts.clone(),
            state: EngineState {
                phase,
                exit_code: None,
                oom_killed: false,
                started_at: None,
                finished_at: None,
            },
        })
    });
    (ended.await, since.elapsed())
}

#[tokio::test(start_paused = true)]
async fn an_end_is_seen_at_once_or_a_second_late() {
    for (late, most) in [(0, 0), (1, 1), (5, 8), (1000, 1024)] {
        let late = Duration::from_millis(late);
        let (ended, after) = of_an_end_seen_after(late).await;
        ended.unwrap();
        assert!(after <= Duration::from_millis(most), "{late:?}: {after:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_output_of_a_container_that_goes_on_has_broken_off() {
    let (ended, after) = of_an_end_seen_after(Duration::from_secs(60)).await;
    assert_eq!(ended.unwrap_err().kind(), EngineErrorKind::Unavailable);
    // Within what the manager waits for an output's end.
    assert!(after < Duration::from_secs(5), "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn an_engine_that_does_not_answer_is_not_asked_again() {
    for (kind, whole) in [
        (EngineErrorKind::Unavailable, false),
        (EngineErrorKind::NotFound, true),
    ] {
        let since = Instant::now();
        let ended = output_ended(|| async { Err(EngineError::new(kind, "x")) }).await;
        assert_eq!(ended.is_ok(), whole, "{kind:?}");
        assert_eq!(since.elapsed(), Duration::ZERO);
    }
}
