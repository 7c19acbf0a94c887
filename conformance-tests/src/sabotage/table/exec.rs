//! Backends whose further commands are others than they are asked for, and whose process 1 tells something else.

use crate::sabotage::{How, Sabotage, backend::Lie, engine};
use clawbox_containers::{
    ContainerError, InitProgram, aspects::Environment, engine::EnginePhase, facts::Observed,
};
use clawbox_types::{ContainerOutput, ContainerStatus, ExecReport, PolicyItem};
use std::{collections::BTreeMap, mem};

const fn backend(id: &'static str, breaks: &'static str, lie: Lie) -> Sabotage {
    Sabotage::new(id, breaks, How::Backend(lie))
}

/// What a further command's end is told as.
macro_rules! executed {
    ($id:literal, $breaks:literal, $change:expr) => {
        backend(
            $id,
            $breaks,
            Lie::Executed(|answer| {
                let change: fn(&mut ExecReport) = $change;
                answer.map(|mut report| {
                    change(&mut report);
                    report
                })
            }),
        )
    };
}

pub(super) const TABLE: &[Sabotage] = &[
    executed!(
        "exec/streams_swapped",
        "the streams of a further command are swapped",
        |report| mem::swap(&mut report.output.stdout, &mut report.output.stderr)
    ),
    executed!(
        "exec/streams_merged",
        "the streams of a further command are merged",
        |report| {
            let more = mem::take(&mut report.output.stderr.bytes);
            report.output.stdout.bytes.extend(more);
        }
    ),
    executed!(
        "exec/exits_with_0",
        "every further command ends with the code 0",
        |report| report.exit_code = 0
    ),
    executed!(
        "exec/no_signal",
        "a further command that dies of a signal is told with a code only",
        |report| report.signal = None
    ),
    executed!(
        "exec/another_signal",
        "every signal that a further command dies of is told as 9",
        |report| {
            if report.signal.is_some() {
                (report.signal, report.exit_code) = (Some(9), 137);
            }
        }
    ),
    executed!(
        "exec/never_timed_out",
        "a further command that was killed at its own deadline is not told so",
        |report| report.timed_out = false
    ),
    executed!(
        "exec/nothing_dropped",
        "what a further command printed beyond its limit is not counted",
        |report| report.output.stdout.dropped = 0
    ),
    executed!(
        "exec/root",
        "a further command runs as root, and not as the container's user",
        |report| replace(&mut report.output, "\"euid\":1000", "\"euid\":0")
    ),
    executed!(
        "exec/unfiltered",
        "a further command runs without the container's filter",
        |report| replace(&mut report.output, "\"seccomp\":2", "\"seccomp\":0")
    ),
    backend(
        "exec/no_environment",
        "a further command does not get its own environment",
        Lie::Exec(|request| request.env.clear()),
    ),
    backend(
        "exec/no_directory",
        "a further command runs in the container's directory",
        Lie::Exec(|request| request.working_dir = None),
    ),
    backend(
        "exec/unbounded",
        "what a further command prints has no limit of its own",
        Lie::Exec(|request| request.max_output_bytes = None),
    ),
    backend(
        "exec/reserved_keys_left_out",
        "a further command with a reserved key runs without it",
        Lie::ExecWithout,
    ),
    backend(
        "exec/few_at_once",
        "no more than eight further commands run at once",
        Lie::ExecAtMost(8),
    ),
    backend(
        "exec/goes_on",
        "a further command that nobody waits for any more goes on",
        Lie::ExecDetached,
    ),
    backend(
        "exec/always_127",
        "one that is there and cannot be run is told as one that is not there",
        Lie::Executed(|answer| {
            answer.map_err(|error| match error {
                ContainerError::StartFailed { id, source, .. } => ContainerError::StartFailed {
                    id,
                    exit_code: Some(127),
                    source,
                },
                other => other,
            })
        }),
    ),
    backend(
        "exec/ends_well_with_the_container",
        "one that ends with its container, or comes later, is told as killed",
        Lie::Executed(|answer| match answer {
            Err(ContainerError::InvalidState { .. }) => {
                Ok(ExecReport::new(137, ContainerOutput::default()))
            }
            answer => answer,
        }),
    ),
    backend(
        "exec/impossible_is_done",
        "a further command that is impossible is told as one that has ended well",
        Lie::Executed(|answer| match answer {
            Err(ContainerError::InvalidRequest { .. }) => {
                Ok(ExecReport::new(0, ContainerOutput::default()))
            }
            answer => answer,
        }),
    ),
    backend(
        "exec/no_process_is_no_program",
        "a further command for which there is no process is told as one whose program is not there",
        Lie::Failed(|error| match error {
            ContainerError::StartFailed {
                id,
                exit_code: None,
                source,
            } => ContainerError::StartFailed {
                id,
                exit_code: Some(127),
                source,
            },
            other => other,
        }),
    ),
    backend(
        "exec/nobody_is_unknown",
        "a container that is not known is told as one that has ended",
        Lie::Executed(|answer| {
            answer.map_err(|error| match error {
                ContainerError::NotFound { id } => ContainerError::InvalidState {
                    id,
                    expected: "running",
                    actual: ContainerStatus::Completed,
                },
                other => other,
            })
        }),
    ),
    backend(
        "exec/unsupported_is_failed",
        "that nothing more can be run is told as a failure of the container",
        Lie::Executed(|answer| {
            answer.map_err(|error| match error {
                ContainerError::Unsupported { .. } => ContainerError::LimitReached { limit: 0 },
                other => other,
            })
        }),
    ),
    Sabotage::new(
        "init/of_the_engine",
        "process 1 is the engine's own, whatever the operator set",
        How::Setup(|setup| setup.security.init = InitProgram::Engine),
    ),
    backend(
        "init/no_word_of_the_kernel",
        "the report does not tell what the kernel gives of the seccomp filter",
        Lie::Enforcement(|report| {
            let items = report.items.iter_mut();
            items
                .filter(|item| item.item == PolicyItem::Seccomp)
                .for_each(|item| item.kernel = None);
        }),
    ),
    backend(
        "init/made_up_words_of_the_kernel",
        "the report tells what the kernel gives where it was not asked",
        Lie::Enforcement(|report| {
            let items = report.items.iter_mut();
            items.for_each(|item| item.kernel = Some(item.observed.clone()));
        }),
    ),
    backend(
        "init/clawboxs_in_name",
        "the report tells every process 1 as ours",
        Lie::Enforcement(|report| {
            let items = report.items.iter_mut();
            items
                .filter(|item| item.item == PolicyItem::Init)
                .for_each(|item| "clawbox-init".clone_into(&mut item.requested));
        }),
    ),
    Sabotage::new(
        "init/secrets_at_the_engine",
        "what the engine holds of a container that runs has the environment of its command",
        How::Engine(engine::Lie::Inspected(|inspection| {
            if inspection.state.phase == EnginePhase::Running {
                let set = BTreeMap::from([("PLAIN".to_owned(), "clear".parse().ok())]);
                inspection.facts.environment = Observed::Seen(Environment(set));
            }
        })),
    ),
    backend(
        "init/no_signal",
        "a command that dies of a signal is told with its code only",
        Lie::Report(|report| report.signal = None),
    ),
    backend(
        "init/signals_guessed",
        "every code above 128 is told as a signal",
        Lie::Report(|report| {
            report.signal = report
                .exit_code
                .filter(|code| *code > 128)
                .map(|code| code - 128);
        }),
    ),
    backend(
        "init/never_out_of_memory",
        "nothing is told as out of memory",
        Lie::Report(|report| report.oom_killed = Some(false)),
    ),
    backend(
        "init/open_memory",
        "a command can open the memory of process 1",
        Lie::Output(|output| replace(output, "\"memory\":\"EACCES\"", "\"memory\":\"ok\"")),
    ),
];

/// Changes what a command has told of itself.
fn replace(output: &mut ContainerOutput, told: &str, instead: &str) {
    let text = output.stdout.text().replace(told, instead);
    output.stdout.bytes = text.into_bytes();
}
