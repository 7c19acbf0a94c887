//! The end at the deadline.

use crate::{
    case::table,
    check::{Checked, ensure, same},
    context::Context,
    rig::{DEAF_SLEEPER, Rig, SLEEPER, request_within},
    tap::Call,
};
use clawbox_containers::{Clock, engine::EnginePhase};
use clawbox_probe::Command;
use clawbox_types::{ContainerStatus, ExitReport, ResourceLimits};
use std::time::Duration;
use tokio::time::Instant;

table! { "deadline":
    #[alone] of_the_deaf = "a command that ignores SIGTERM is over at most a second past its limit, output kept",
    #[alone] of_the_obedient = "a command that ends at SIGTERM has the grace period inside its limit",
    #[alone] of_another_day = "a clock that is a day off, either way, moves no deadline (L14)",
    token_first = "the token is revoked before the engine is asked to kill",
    not_for_the_quick = "a command that ends in time has no deadline",
}

const LIMIT: Duration = Duration::from_secs(2);

/// A tenth of it, the grace period, is more than a busy engine takes to pass a signal on.
const LONG: Duration = Duration::from_secs(5);

fn short() -> ResourceLimits {
    within(LIMIT)
}

fn within(limit: Duration) -> ResourceLimits {
    ResourceLimits::new(limit.as_millis() as u64, 64)
}

/// Runs into the deadline. It comes no earlier than `earliest` after the request, and the end no later than
/// `latest` after the answer to it.
async fn run_into_it(
    rig: &Rig,
    command: &Command,
    limit: Duration,
    earliest: Duration,
    latest: Duration,
) -> Checked<ExitReport> {
    let asked = Instant::now();
    let id = rig
        .spawn(request_within(command, within(limit)))
        .await?
        .container_id;
    let answered = Instant::now();
    let exit = rig.backend.wait(&id).await?;
    let (whole, running) = (asked.elapsed(), answered.elapsed());
    ensure!(
        whole >= earliest && running <= latest,
        "a limit of {limit:?} came {whole:?} after the request, {running:?} after the answer"
    );
    same("status", exit.status, ContainerStatus::TimedOut)?;
    let known = rig.backend.get(&id).map(|info| info.status);
    same("status by get", known, Some(ContainerStatus::TimedOut))?;
    let output = rig.backend.collect_output(&id).await?;
    same("output", output.stdout.text(), "ready\n")?;
    ensure!(
        rig.backend.token_store().is_empty(),
        "the token outlives the deadline"
    );
    Ok(exit)
}

async fn of_the_deaf(context: &Context) -> Checked {
    let latest = LIMIT + Duration::from_secs(1);
    let exit = run_into_it(&context.rig()?, &DEAF_SLEEPER, LIMIT, LIMIT, latest).await?;
    same("exit code", exit.exit_code, Some(137))
}

async fn of_the_obedient(context: &Context) -> Checked {
    // The grace period is at most a tenth of the limit.
    let exit = run_into_it(&context.rig()?, &SLEEPER, LONG, LONG * 9 / 10, LONG).await?;
    same("exit code", exit.exit_code, Some(143))
}

async fn of_another_day(context: &Context) -> Checked {
    for off in [-time::Duration::DAY, time::Duration::DAY] {
        let clock = Clock::starting_at(context.now() + off);
        let rig = context.rig_with(|setup| {
            setup.manager = setup.manager.clone().with_clock(clock);
        })?;
        run_into_it(&rig, &SLEEPER, LONG, LONG * 9 / 10, LONG).await?;
    }
    Ok(())
}

async fn token_first(context: &Context) -> Checked {
    let rig = context.rig()?;
    let identity = rig.backend.pre_generate_id()?;
    let gate = rig.tap.hold(Call::Kill);
    rig.spawn(request_within(&DEAF_SLEEPER, short()).with_identity(identity.clone()))
        .await?;
    gate.reached(1).await?;
    let (id, token) = (identity.id.to_string(), identity.token.reveal());
    let valid = rig.backend.token_store().validate(&id, &token);
    let phase = context.engine().inspect(&identity.id).await?.state.phase;
    rig.tap.release();
    ensure!(!valid, "the token was valid when the engine was asked");
    same("phase", phase, EnginePhase::Running)
}

async fn not_for_the_quick(context: &Context) -> Checked {
    let rig = context.rig()?;
    let soon = Command::Sleep {
        milliseconds: 500,
        ignore_term: false,
    };
    let exit = rig.run_request(request_within(&soon, short())).await?.exit;
    same("status", exit.status, ContainerStatus::Completed)?;
    same("exit code", exit.exit_code, Some(0))
}
