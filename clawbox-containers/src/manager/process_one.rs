//! Process 1 of a container that was started: it is let in, asked what the kernel gives (gate 2), and sent off with
//! the command.

use super::lifecycle::Life;
use crate::{
    capture::OutputFollower,
    config::InitProgram,
    engine::{ContainerEngine, EngineError, EngineErrorKind},
    error::{ContainerError, ContainerResult},
    init::{
        Carrier, Errand, Gone, Interview, LinkOf, MAKING_PLACE, NO_PROGRAM, NO_STATE_DIR,
        PROCESS_ONE, Places, Reception, RunEvent,
    },
    kernel::{OwnNamespaces, judge, looks, workspaces},
    plan::PlanSpec,
    verify::refusals,
    workspace::OpenWorkspace,
};
use clawbox_init::protocol::{RUNS, Step};
use clawbox_types::{ContainerId, EnforcementReport};
use std::{
    io,
    pin::pin,
    sync::{
        Arc, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

/// How much later than the manager process 1 ends a container at its deadline, so that it does so only where the
/// manager does not.
const DEADLINE_ALLOWANCE: Duration = Duration::from_millis(500);

/// How long after its end there may be something to learn of it.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// How long process 1 is awaited before the engine is asked after it too: nearly always it has told all by then, and
/// the call would be for nothing.
const HEAD_START: Duration = Duration::from_millis(100);

/// Where process 1 is awaited.
pub(super) enum Awaited {
    Socket(Reception),
    Memory(LinkOf),
}

impl<E: ContainerEngine> Life<E> {
    /// Makes ready for process 1, where that is ours.
    pub(super) fn await_process_one(&self) -> ContainerResult<Option<Awaited>> {
        let unsupported = |reason: &str| ContainerError::Unsupported {
            what: PROCESS_ONE.to_owned(),
            reason: format!("{reason}; the operator may set the engine's own init instead"),
        };
        match (
            self.shared.policy.init(),
            self.shared.calls.engine.carrier(),
        ) {
            (InitProgram::Engine, _) => Ok(None),
            (InitProgram::Clawbox, Carrier::None(reason)) => Err(unsupported(reason)),
            (InitProgram::Clawbox, Carrier::Memory(link)) => Ok(Some(Awaited::Memory(link))),
            (InitProgram::Clawbox, Carrier::Socket) => {
                let program = clawbox_init::PROGRAM.ok_or_else(|| unsupported(NO_PROGRAM))?;
                let state = self.shared.config.state_dir.as_ref();
                let state = state.ok_or_else(|| unsupported(NO_STATE_DIR))?;
                let dir = state.join(self.shared.owner.to_string());
                let io = |source| ContainerError::Io {
                    what: MAKING_PLACE,
                    path: dir.clone(),
                    source,
                };
                let mut places = self
                    .shared
                    .places
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner);
                let places = match &mut *places {
                    Some(places) => places,
                    none => none.insert(Places::make(dir.clone(), program).map_err(io)?),
                };
                let place = places.open(self.id()).map_err(io)?;
                let reception = place.listen().map_err(io)?;
                // First to be set, as this task is the only one that sets it.
                drop(self.init_dir.set(place));
                Ok(Some(Awaited::Socket(reception)))
            }
        }
    }

    /// Lets process 1 in, holds what the kernel gives against the plan, and has the command run. Gives the joint
    /// report of both gates, and where process 1 tells of the command. It may come before `started`, which is set when the
    /// engine has answered; until then that knows of no end, and has no link in memory.
    pub(super) async fn meet(
        &self,
        awaited: Awaited,
        started: &CancellationToken,
        spec: &PlanSpec,
        report: EnforcementReport,
        errand: &Errand,
        abandoned: &CancellationToken,
    ) -> ContainerResult<(EnforcementReport, mpsc::Receiver<RunEvent>)> {
        let calls = &self.shared.calls;
        let is_linked = AtomicBool::new(false);
        let mut met = pin!(async {
            let too_late = async {
                started.cancelled().await;
                sleep(calls.timeouts.change).await;
            };
            tokio::select! {
                biased;
                met = self.interview(awaited, started, &is_linked, spec, report, errand) => met,
                () = too_late => Err(ContainerError::EngineTimeout {
                    endpoint: calls.engine.endpoint(),
                    call: "have process 1 run the command",
                    after: calls.timeouts.change,
                }),
            }
        });
        let mut ended = pin!(async {
            started.cancelled().await;
            sleep(HEAD_START).await;
            calls.engine.wait(self.id()).await
        });
        let mut ended_with = None;
        let met = tokio::select! {
            biased;
            met = &mut met => met,
            () = self.unwanted(abandoned) => return Err(self.given_up()),
            Ok(code) = &mut ended => {
                if !is_linked.load(Ordering::Relaxed) {
                    return Err(self.ended_early(code).await);
                }
                ended_with = Some(code);
                // A short command may be over already: the link has told, or ends.
                met.await
            }
        };
        match &met {
            // A link breaks where process 1 ends, which tells more.
            Err(ContainerError::StartFailed { source, .. })
                if source.kind() == EngineErrorKind::NotRunning =>
            {
                let code = match ended_with {
                    Some(code) => Some(code),
                    None => {
                        started.cancelled().await;
                        let ended = calls.engine.wait(self.id());
                        timeout(LAST_WORDS, ended).await.ok().and_then(Result::ok)
                    }
                };
                match code {
                    Some(code) => Err(self.ended_early(code).await),
                    None => met,
                }
            }
            _ => met,
        }
    }

    /// Process 1 ended before it ran the command. What it wrote to standard error is nobody else's.
    async fn ended_early(&self, code: i32) -> ContainerError {
        let mut said = String::new();
        let mut output = OutputFollower::new(Arc::clone(&self.record.capture));
        let listening = async {
            while let Some((_, bytes)) = output.next().await {
                said.push_str(&String::from_utf8_lossy(&bytes));
            }
        };
        // What has come by then is all.
        drop(timeout(LAST_WORDS, listening).await);
        let said = said.trim_end();
        let and_said = match said {
            "" => String::new(),
            _ => format!(": {said}"),
        };
        self.not_started(
            EngineErrorKind::NotRunning,
            format!("process 1 ended with code {code} before it ran the command{and_said}"),
        )
    }

    /// The engine could not start the container.
    pub(super) fn start_failed(&self, source: EngineError) -> ContainerError {
        let source = match self.init_dir.get() {
            Some(place) if place.is_noexec() => EngineError::new(
                source.kind(),
                format!(
                    "{source}; the program of process 1 is in {}, on a file system that is mounted noexec, which \
                     some engines keep: set another state directory",
                    place.dir().display()
                ),
            ),
            _ => source,
        };
        ContainerError::StartFailed {
            id: self.id().clone(),
            exit_code: None,
            source,
        }
    }

    async fn interview(
        &self,
        awaited: Awaited,
        started: &CancellationToken,
        is_linked: &AtomicBool,
        spec: &PlanSpec,
        report: EnforcementReport,
        errand: &Errand,
    ) -> ContainerResult<(EnforcementReport, mpsc::Receiver<RunEvent>)> {
        let broken = |error: io::Error| {
            let kind = match error.kind() {
                io::ErrorKind::UnexpectedEof
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::ConnectionReset => EngineErrorKind::NotRunning,
                _ => EngineErrorKind::BadAnswer,
            };
            self.not_started(kind, format!("the talk with process 1: {error}"))
        };
        let link = match awaited {
            Awaited::Socket(reception) => {
                let writers = self.workspaces.iter().filter_map(OpenWorkspace::writer);
                let writers: Vec<u32> = writers.collect();
                let accepted = reception.accept(&spec.user, &writers).await;
                accepted.map_err(broken)?
            }
            Awaited::Memory(link) => {
                started.cancelled().await;
                link(self.id()).ok_or_else(|| {
                    let kind = EngineErrorKind::BadAnswer;
                    self.not_started(kind, "the engine has no link to process 1")
                })?
            }
        };
        tracing::debug!(container = %self.id(), "process 1 let in");
        is_linked.store(true, Ordering::Relaxed);
        let mut interview = Interview::begin(link).await.map_err(broken)?;
        let answers = interview.ask(&looks(spec)).await.map_err(broken)?;
        tracing::debug!(container = %self.id(), "process 1 answered");
        let report = judge(spec, &answers, &own_namespaces(), report);
        let expected = self.workspaces.iter().map(OpenWorkspace::expected);
        let expected: Vec<_> = expected.cloned().collect();
        let report = workspaces(spec, &expected, &answers, report);
        let items = refusals(&report, self.shared.policy.allow_degraded());
        if !items.is_empty() {
            return Err(ContainerError::PolicyNotEnforced {
                items,
                warnings: Vec::new(),
            });
        }
        let limit = self.admission.timeout().duration() + DEADLINE_ALLOWANCE;
        self.may_run.store(true, Ordering::Relaxed);
        let with_stdin = self.admission.has_stdin();
        let gone = interview.go(errand, limit, with_stdin).await;
        let Gone {
            process_one,
            mut told,
            stdin,
        } = gone.map_err(broken)?;
        tracing::debug!(container = %self.id(), "process 1 told to go");
        self.record.set_process_one(process_one, errand.clone());
        if let Some(stdin) = stdin {
            self.record.stdin.put(Box::pin(stdin));
        }
        match told.recv().await {
            Some(RunEvent::Started) => {
                tracing::debug!(container = %self.id(), "command runs");
                Ok((report, told))
            }
            Some(RunEvent::Failed { step, errno }) => {
                self.may_run.store(false, Ordering::Relaxed);
                Err(not_run(self.id(), errand, step, errno))
            }
            Some(RunEvent::Ended { .. }) | None => {
                let kind = EngineErrorKind::NotRunning;
                Err(self.not_started(kind, "process 1 ended before the command ran"))
            }
        }
    }

    fn not_started(&self, kind: EngineErrorKind, why: impl Into<String>) -> ContainerError {
        ContainerError::StartFailed {
            id: self.id().clone(),
            exit_code: None,
            source: EngineError::new(kind, why),
        }
    }
}

fn own_namespaces() -> OwnNamespaces {
    OwnNamespaces::by_links(|path| {
        let target = std::fs::read_link(path).ok()?;
        Some(target.to_string_lossy().into_owned())
    })
}

/// A command that process 1 could not run.
pub(super) fn not_run(id: &ContainerId, errand: &Errand, step: Step, errno: i32) -> ContainerError {
    const ENOENT: i32 = 2;
    const ENOTDIR: i32 = 20;
    let program = errand.argv.first().map_or("", String::as_str);
    let directory = &errand.directory;
    let error = io::Error::from_raw_os_error(errno);
    let (exit_code, why) = match (step, errno) {
        (Step::Program, ENOENT | ENOTDIR) if program.contains('/') => (
            Some(127),
            format!(
                "no program {program:?} in the container, or not the interpreter that it names"
            ),
        ),
        (Step::Program, ENOENT | ENOTDIR) => (
            Some(127),
            format!("no program {program:?} in the PATH of the container"),
        ),
        (Step::Program, _) => (Some(126), format!("program {program:?}: {error}")),
        (Step::Directory, _) => (None, format!("working directory {directory:?}: {error}")),
        (Step::Place, _) => (
            None,
            format!("process 1 sees to at most {RUNS} commands at once"),
        ),
        (Step::Pipes | Step::Fork, _) => (None, format!("a new process for {program:?}: {error}")),
    };
    ContainerError::StartFailed {
        id: id.clone(),
        exit_code,
        source: EngineError::new(EngineErrorKind::Refused, why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_namespaces_are_read() {
        let links = ["pid", "uts", "ipc", "cgroup", "net", "mnt"].map(|name| {
            let target = std::fs::read_link(format!("/proc/self/ns/{name}")).unwrap();
            (
                format!("/proc/self/ns/{name}"),
                target.to_str().unwrap().to_owned(),
            )
        });
        let by_hand = OwnNamespaces::by_links(|path| {
            let link = links.iter().find(|(link, _)| link == path);
            Some(link.unwrap().1.clone())
        });
        assert_eq!(own_namespaces(), by_hand);
        assert_ne!(own_namespaces(), OwnNamespaces::default());
    }
}
