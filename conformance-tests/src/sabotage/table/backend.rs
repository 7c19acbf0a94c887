//! Backends that say or do something else than they are asked.

use crate::sabotage::{How, Sabotage, backend::Lie};
use clawbox_containers::{Liveness, engine::EnginePhase};
use clawbox_types::{ContainerStatus, Verdict};
use std::time::Duration;

const fn backend(id: &'static str, breaks: &'static str, lie: Lie) -> Sabotage {
    Sabotage::new(id, breaks, How::Backend(lie))
}

pub(super) const TABLE: &[Sabotage] = &[
    backend(
        "identity/one_for_all",
        "every identity is the first one",
        Lie::OneIdentity,
    ),
    backend(
        "identity/ignored",
        "a spawn uses another identity",
        Lie::OtherIdentity,
    ),
    backend(
        "identity/no_tokens",
        "no token is ever valid",
        Lie::NoTokens,
    ),
    backend(
        "backend/spawns_again",
        "a failed spawn is tried once more",
        Lie::SpawnsAgain,
    ),
    backend(
        "backend/spawns_detached",
        "a dropped spawn goes on",
        Lie::SpawnsDetached,
    ),
    backend(
        "backend/waits_for_nothing",
        "wait answers at once",
        Lie::WaitsForNothing,
    ),
    backend(
        "backend/waits_once",
        "wait answers once for each container",
        Lie::WaitsOnce,
    ),
    backend(
        "backend/collects_once",
        "output can be collected once",
        Lie::CollectsOnce,
    ),
    backend(
        "backend/kills_nothing",
        "kill does nothing",
        Lie::KillsNothing,
    ),
    backend(
        "backend/kills_once",
        "killing what has ended fails",
        Lie::KillsOnce,
    ),
    backend(
        "backend/kills_the_record",
        "kill takes output and exit with it",
        Lie::KillsTheRecord,
    ),
    backend(
        "backend/cleans_nothing",
        "cleanup_stopped only counts",
        Lie::CleansNothing,
    ),
    backend(
        "backend/cleans_all",
        "cleanup_stopped ends what runs",
        Lie::CleansAll,
    ),
    backend(
        "backend/counts_one_more",
        "cleaned up and reaped are one more",
        Lie::Counted(|count| count + 1),
    ),
    backend(
        "backend/counts_one_at_most",
        "cleaned up and reaped are one at most",
        Lie::Counted(|count| count.min(1)),
    ),
    backend(
        "backend/unavailable",
        "nothing is available",
        Lie::Unavailable,
    ),
    backend(
        "backend/available",
        "everything is available",
        Lie::Available,
    ),
    backend(
        "backend/list_is_reversed",
        "list is newest first",
        Lie::Listed(|all| all.reverse()),
    ),
    backend(
        "backend/list_is_empty",
        "list is empty",
        Lie::Listed(|all| all.clear()),
    ),
    backend(
        "backend/list_has_what_runs",
        "list has only what runs",
        Lie::Listed(|all| all.retain(|info| info.status == ContainerStatus::Running)),
    ),
    backend(
        "backend/get_is_stale",
        "get tells everything as running",
        Lie::Got(|info| {
            info.map(|mut info| {
                info.status = ContainerStatus::Running;
                info
            })
        }),
    ),
    backend(
        "backend/get_knows_nothing",
        "get knows no container",
        Lie::Got(|_| None),
    ),
    backend(
        "backend/get_what_runs",
        "get knows only what runs",
        Lie::Got(|info| info.filter(|info| info.status == ContainerStatus::Running)),
    ),
    backend(
        "backend/created_long_ago",
        "a container was created at another time",
        Lie::Info(|info| info.created_at -= Duration::from_secs(60)),
    ),
    backend(
        "backend/whole_task",
        "the summary has no bound",
        Lie::Info(|info| info.task_summary.push('…')),
    ),
    backend(
        "backend/exit_completed",
        "every end is a completed one",
        Lie::Report(|report| report.status = ContainerStatus::Completed),
    ),
    backend(
        "backend/exit_failed",
        "every killed container has failed",
        Lie::Report(|report| {
            if report.status == ContainerStatus::Killed {
                report.status = ContainerStatus::Failed
            }
        }),
    ),
    backend(
        "backend/deadline_failed",
        "a deadline is told as a failure",
        Lie::Report(|report| {
            if report.status == ContainerStatus::TimedOut {
                report.status = ContainerStatus::Failed
            }
        }),
    ),
    backend(
        "backend/all_timed_out",
        "what ended well is told as a deadline",
        Lie::Report(|report| {
            if report.status == ContainerStatus::Completed {
                report.status = ContainerStatus::TimedOut
            }
        }),
    ),
    backend(
        "backend/nothing_dropped",
        "what was dropped is not counted",
        Lie::Output(|output| {
            output.stdout.dropped = 0;
            output.stderr.dropped = 0;
        }),
    ),
    backend(
        "backend/report_drops_nothing",
        "the report does not count what was dropped",
        Lie::Report(|report| {
            report.stdout_dropped = 0;
            report.stderr_dropped = 0;
        }),
    ),
    backend(
        "backend/output_incomplete",
        "all output is incomplete",
        Lie::Output(|output| output.incomplete = true),
    ),
    backend(
        "backend/output_empty",
        "there is no output",
        Lie::Output(|output| output.stdout.bytes.clear()),
    ),
    backend(
        "backend/all_enforced",
        "everything counts as enforced",
        Lie::Enforcement(|report| {
            report
                .items
                .iter_mut()
                .for_each(|item| item.verdict = Verdict::Enforced)
        }),
    ),
    backend(
        "backend/item_missing",
        "an item is missing in the report",
        Lie::Enforcement(|report| report.items.truncate(25)),
    ),
    backend(
        "backend/warnings_swallowed",
        "warnings are not in the report",
        Lie::Enforcement(|report| report.warnings.clear()),
    ),
    backend(
        "backend/no_image",
        "the report does not tell the image",
        Lie::Enforcement(|report| report.image = None),
    ),
    backend(
        "backend/other_image",
        "the report tells another id of the image",
        Lie::Enforcement(|report| {
            if let Some(image) = &mut report.image {
                image.id = "sha256:0".to_owned();
            }
        }),
    ),
    backend(
        "backend/says_nothing",
        "the report does not say what was observed",
        Lie::Enforcement(|report| {
            report
                .items
                .iter_mut()
                .for_each(|item| item.observed.clear())
        }),
    ),
    backend(
        "backend/evicts_nothing",
        "evict does nothing",
        Lie::EvictsNothing,
    ),
    backend(
        "backend/reaps_nothing",
        "nothing is reaped",
        Lie::ReapsNothing,
    ),
    backend(
        "backend/reaps_for_ever",
        "the background reaper does not stop",
        Lie::ReapsForEver,
    ),
    backend(
        "backend/reaps_once",
        "the background reaper looks once",
        Lie::ReapsOnce,
    ),
    backend(
        "backend/survey_is_empty",
        "survey finds nothing",
        Lie::Surveyed(|all| all.clear()),
    ),
    backend(
        "backend/survey_trusts",
        "survey tells every owner as alive",
        Lie::Surveyed(|all| {
            all.iter_mut()
                .for_each(|found| found.owner = Liveness::Alive)
        }),
    ),
    backend(
        "backend/survey_mistrusts",
        "survey tells every owner as dead",
        Lie::Surveyed(|all| {
            all.iter_mut()
                .for_each(|found| found.owner = Liveness::Dead)
        }),
    ),
    backend(
        "backend/survey_of_the_ended",
        "survey tells everything as ended",
        Lie::Surveyed(|all| {
            all.iter_mut()
                .for_each(|found| found.phase = EnginePhase::Exited)
        }),
    ),
    backend(
        "backend/survey_without_deadline",
        "survey tells deadlines that have passed",
        Lie::Surveyed(|all| {
            all.iter_mut()
                .for_each(|found| found.deadline = time::OffsetDateTime::UNIX_EPOCH)
        }),
    ),
];
