//! Engines that say or do something else than they are asked.

use crate::{
    sabotage::{How, Sabotage, engine::Lie},
    tap::Call,
};
use clawbox_containers::{
    engine::{EngineErrorKind, EnginePhase, EngineWarning, Removal, Signal},
    facts::Observed,
};
use clawbox_types::PolicyItem;
use std::time::Duration;

const fn engine(id: &'static str, breaks: &'static str, lie: Lie) -> Sabotage {
    Sabotage::new(id, breaks, How::Engine(lie))
}

const LATE: Duration = Duration::from_secs(3);

pub(super) const TABLE: &[Sabotage] = &[
    engine(
        "lifecycle/create_starts",
        "create starts the container, and inspect denies it",
        Lie::Starts,
    ),
    engine(
        "lifecycle/create_takes_over",
        "create removes the container that has the name",
        Lie::Replaces,
    ),
    engine(
        "lifecycle/create_is_undone",
        "create makes nothing",
        Lie::Undone(Call::Create),
    ),
    engine(
        "lifecycle/create_is_regretted",
        "create makes the container and fails",
        Lie::Regretted(Call::Create),
    ),
    engine(
        "lifecycle/start_is_undone",
        "start does nothing",
        Lie::Undone(Call::Start),
    ),
    engine(
        "lifecycle/start_is_swallowed",
        "a start that fails is told as done",
        Lie::Swallowed(Call::Start),
    ),
    engine(
        "lifecycle/start_is_regretted",
        "start starts the container and fails",
        Lie::Regretted(Call::Start),
    ),
    engine(
        "lifecycle/start_hangs",
        "start is never answered",
        Lie::Hung(Call::Start),
    ),
    engine(
        "lifecycle/start_is_late",
        "start takes three seconds",
        Lie::Late(Call::Start, LATE),
    ),
    engine(
        "lifecycle/wait_is_early",
        "wait answers 0 at once",
        Lie::Undone(Call::Wait),
    ),
    engine(
        "lifecycle/wait_is_late",
        "wait answers three seconds late",
        Lie::Late(Call::Wait, LATE),
    ),
    engine(
        "lifecycle/kill_does_nothing",
        "no signal is sent",
        Lie::Undone(Call::Kill),
    ),
    engine(
        "lifecycle/kill_fails",
        "every signal is refused",
        Lie::Refused(Call::Kill),
    ),
    engine(
        "lifecycle/kill_is_late",
        "signals take three seconds",
        Lie::Late(Call::Kill, LATE),
    ),
    engine(
        "lifecycle/term_becomes_kill",
        "SIGTERM is sent as SIGKILL",
        Lie::Signal(|_| Some(Signal::Kill)),
    ),
    engine(
        "lifecycle/kill_becomes_term",
        "SIGKILL is sent as SIGTERM",
        Lie::Signal(|_| Some(Signal::Term)),
    ),
    engine(
        "lifecycle/term_is_ignored",
        "SIGTERM is not sent",
        Lie::Signal(|s| (s == Signal::Kill).then_some(s)),
    ),
    engine(
        "lifecycle/kill_is_ignored",
        "SIGKILL is not sent",
        Lie::Signal(|s| (s == Signal::Term).then_some(s)),
    ),
    engine(
        "lifecycle/remove_lies",
        "remove does nothing and says that it did",
        Lie::Undone(Call::Remove),
    ),
    engine(
        "lifecycle/remove_fails",
        "remove is refused for ever",
        Lie::Refused(Call::Remove),
    ),
    engine(
        "lifecycle/remove_hangs",
        "remove is never answered",
        Lie::Hung(Call::Remove),
    ),
    engine(
        "lifecycle/remove_takes_all",
        "removing one container removes all",
        Lie::RemovesAll,
    ),
    engine(
        "lifecycle/attach_fails",
        "attach is refused",
        Lie::Refused(Call::Attach),
    ),
    engine("exit/always_0", "every exit code is 0", Lie::Code(|_| 0)),
    engine(
        "exit/plus_1",
        "every exit code is one more",
        Lie::Code(|code| code + 1),
    ),
    engine(
        "exit/seven_bits",
        "exit codes lose their highest bit",
        Lie::Code(|code| code & 127),
    ),
    engine(
        "exit/own_number",
        "a signal is told as its own number",
        Lie::Code(|code| if code > 128 { code - 128 } else { code }),
    ),
    engine(
        "exit/signed",
        "exit codes above 127 are negative",
        Lie::Code(|code| if code > 127 { code - 256 } else { code }),
    ),
    engine(
        "exit/only_failure",
        "every failure is 1",
        Lie::Code(|code| code.min(1)),
    ),
    engine(
        "exit/memory_hidden",
        "lack of memory is never told",
        Lie::State(|state| state.oom_killed = false),
    ),
    engine(
        "exit/memory_invented",
        "every end is for lack of memory",
        Lie::State(|state| state.oom_killed = true),
    ),
    engine(
        "exit/memory_by_code",
        "every SIGKILL is for lack of memory",
        Lie::State(|state| state.oom_killed = state.exit_code == Some(137)),
    ),
    engine(
        "exit/no_start",
        "the time of the start is missing",
        Lie::State(|state| state.started_at = None),
    ),
    engine(
        "exit/no_end",
        "the time of the end is missing",
        Lie::State(|state| state.finished_at = None),
    ),
    engine(
        "exit/no_time_passes",
        "the end is at the time of the start",
        Lie::State(|state| state.finished_at = state.started_at),
    ),
    engine(
        "verification/phase_running",
        "inspect says that every container runs",
        Lie::State(|state| state.phase = EnginePhase::Running),
    ),
    engine(
        "verification/phase_created",
        "inspect says that no container was ever started",
        Lie::State(|state| state.phase = EnginePhase::Created),
    ),
    engine(
        "verification/inspect_fails",
        "inspect is not understood",
        Lie::Undone(Call::Inspect),
    ),
    engine(
        "verification/warns_of_what_holds",
        "create warns of an item that holds",
        Lie::Warnings(|warnings| warnings.push(about(PolicyItem::Swap))),
    ),
    engine(
        "verification/unseen_baseline",
        "inspect does not tell whether the root is read-only",
        Lie::Facts(|facts| facts.read_only_root = unseen()),
    ),
    engine(
        "verification/unseen_image",
        "inspect does not tell the image, of which the kernel knows nothing",
        Lie::Facts(|facts| facts.image = unseen()),
    ),
    engine(
        "verification/unseen_and_silent",
        "inspect hides the oom score and does not say why",
        Lie::Facts(|facts| facts.oom_score = Observed::Unseen(String::new())),
    ),
    engine(
        "verification/unseen_network",
        "inspect does not tell the network",
        Lie::Facts(|facts| facts.network = unseen()),
    ),
    engine(
        "verification/wrong_fact",
        "inspect tells another number of processes",
        Lie::Facts(|facts| facts.pids = Observed::Seen(0)),
    ),
    engine(
        "ownership/list_is_empty",
        "list finds nothing",
        Lie::Undone(Call::List),
    ),
    engine(
        "ownership/list_fails",
        "list is refused",
        Lie::Refused(Call::List),
    ),
    engine(
        "ownership/list_has_all",
        "list takes no account of labels",
        Lie::ListedAll,
    ),
    engine(
        "ownership/list_without_labels",
        "list tells no labels",
        Lie::Listed(|all| all.iter_mut().for_each(|c| c.labels.clear())),
    ),
    engine(
        "ownership/list_with_slashes",
        "list tells names with a slash in front",
        Lie::Listed(|all| all.iter_mut().for_each(|c| c.name.insert(0, '/'))),
    ),
    engine(
        "ownership/list_of_the_running",
        "list leaves out what does not run",
        Lie::Listed(|all| all.retain(|c| c.phase == EnginePhase::Running)),
    ),
    engine(
        "ownership/list_of_the_ended",
        "list tells everything as ended",
        Lie::Listed(|all| all.iter_mut().for_each(|c| c.phase = EnginePhase::Exited)),
    ),
    engine(
        "ownership/list_of_one",
        "list tells one container at most",
        Lie::Listed(|all| all.truncate(1)),
    ),
    engine(
        "ownership/list_doubled",
        "list tells every container twice",
        Lie::Listed(|all| all.extend(all.clone())),
    ),
    engine(
        "ownership/removed_by_nobody",
        "remove always says that it was gone already",
        Lie::Removal(|_| Removal::AlreadyGone),
    ),
    engine(
        "ownership/removed_by_everybody",
        "remove always says that it did it",
        Lie::Removal(|_| Removal::Now),
    ),
    engine(
        "errors/taken_is_refused",
        "a taken name is told as a refusal",
        Lie::Kind(EngineErrorKind::AlreadyExists, EngineErrorKind::Refused),
    ),
    engine(
        "errors/not_found_is_refused",
        "a missing container is told as a refusal",
        Lie::Kind(EngineErrorKind::NotFound, EngineErrorKind::Refused),
    ),
    engine(
        "errors/no_image_is_refused",
        "a missing image is told as a refusal",
        Lie::Kind(EngineErrorKind::ImageNotFound, EngineErrorKind::Refused),
    ),
    engine(
        "errors/refused_is_unavailable",
        "a refusal is told as an engine that is not there",
        Lie::Kind(EngineErrorKind::Refused, EngineErrorKind::Unavailable),
    ),
    engine(
        "errors/no_image_is_an_image",
        "an image that is missing is found",
        Lie::Swallowed(Call::EnsureImage),
    ),
    engine(
        "image/other_id",
        "an image's id is another's",
        Lie::Image(|image| image.id = "sha256:0".to_owned()),
    ),
    engine(
        "image/no_environment",
        "an image's variables are not told",
        Lie::Image(|image| image.env.clear()),
    ),
    engine(
        "image/invented_directory",
        "an image has a working directory that it has not",
        Lie::Image(|image| image.working_dir = "/tmp".to_owned()),
    ),
    engine(
        "image/invented_volume",
        "an image has a volume that it has not",
        Lie::Image(|image| image.volumes.push("/data".to_owned())),
    ),
    engine(
        "engine/no_name",
        "the engine has no name",
        Lie::Info(|info| info.name.clear()),
    ),
    engine(
        "engine/no_version",
        "the engine has no version",
        Lie::Info(|info| info.version.clear()),
    ),
    engine(
        "engine/other_endpoint",
        "the engine names another endpoint",
        Lie::Info(|info| info.endpoint.push('x')),
    ),
    engine(
        "engine/no_cgroups",
        "the engine knows no control groups",
        Lie::Info(|info| info.cgroup_version = 0),
    ),
    engine(
        "engine/probe_hangs",
        "the engine does not say who it is",
        Lie::Hung(Call::Probe),
    ),
];

fn unseen<T>() -> Observed<T> {
    Observed::Unseen("sabotaged".to_owned())
}

fn about(item: PolicyItem) -> EngineWarning {
    EngineWarning {
        item: Some(item),
        text: "sabotaged".to_owned(),
    }
}
