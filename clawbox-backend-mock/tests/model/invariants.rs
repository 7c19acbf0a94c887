//! What must be true after every step.

use crate::{
    Checked,
    step::{Init, Program},
    world::{Expected, World},
};
use clawbox_containers::ContainerBackend as _;
use clawbox_types::{ContainerInfo, ContainerStatus, ExitReport};
use futures_util::FutureExt;
use std::time::Duration;
use tokio::time::Instant;

/// How much later than its manager process 1 ends a container, and what is lost in rounding.
const PROCESS_ONES_PATIENCE: Duration = Duration::from_millis(502);
/// How much earlier than the deadline a command is asked to end.
const GRACE: Duration = Duration::from_secs(2);
/// How long it may take until all is well again after the engine is: a call that hung, the longest pause, and what
/// was to be done.
const RECOVERY: Duration = Duration::from_secs(150);

impl World {
    pub(crate) async fn check(&mut self) -> Checked {
        self.check_records()?;
        self.check_engine()?;
        self.check_deadlines()?;
        if self.check_truth().is_err() {
            // A program that is stopped has a turn before it is gone, one that is started before it is there.
            for _ in 0..4 {
                tokio::task::yield_now().await;
            }
            self.check_records()?;
            self.check_truth()?;
        }
        Ok(())
    }

    fn check_records(&mut self) -> Checked {
        let records = self.backend.list();
        let mut tokens = 0;
        for info in &records {
            let id = &info.container_id;
            let about = |what: &str| Err(format!("{id} ({}): {what}", info.status));
            if self.backend.get(id).as_ref() != Some(info) {
                return about("list and get differ");
            }
            let report = self.backend.wait(id).now_or_never();
            let token_store = self.tokens.clone();
            let container = self.container(id);
            if let Some(seen) = container.seen
                && seen != info.status
                && (seen.is_terminal() || info.status == ContainerStatus::Creating)
            {
                return about(&format!("was {seen} before"));
            }
            container.seen = Some(info.status);
            let token = container.identity.token.reveal();
            let valid = token_store.validate(&id.to_string(), &token);
            tokens += usize::from(valid);
            if valid && (info.status.is_terminal() || container.killed) {
                return about("its token is valid");
            }
            match report {
                None if info.status.is_terminal() => return about("its end is awaited"),
                Some(_) if !info.status.is_terminal() => return about("its end is told"),
                None => {}
                Some(Err(error)) => return about(&error.to_string()),
                Some(Ok(report)) => {
                    if report.status != info.status {
                        return about(&format!("its end is told as {}", report.status));
                    }
                    if container.end.get_or_insert(report.clone()) != &report {
                        return about("its end has changed");
                    }
                }
            }
        }
        if self.tokens.len() != tokens {
            return Err(format!("{} tokens, {tokens} known", self.tokens.len()));
        }
        if self.cleaned + records.len() > self.registered {
            return Err(format!(
                "{} cleaned up and {} there, of {}",
                self.cleaned,
                records.len(),
                self.registered
            ));
        }
        Ok(())
    }

    fn check_engine(&self) -> Checked {
        let there = self.engine.containers();
        // One that comes late is found again, which takes a while. It is never started.
        let strangers = if self.late { &[] } else { there.as_slice() };
        for name in strangers {
            if self.backend.get(&name.parse().unwrap()).is_none() {
                return Err(format!("nobody knows of {name}"));
            }
        }
        if there.len() > self.setup.places && !self.late {
            return Err(format!("{} containers, {:?}", there.len(), self.setup));
        }
        let gone = self.containers.iter().filter(|container| {
            let since = container.dropped.zip(self.healthy_since);
            since.is_some_and(|(dropped, healthy)| dropped.max(healthy).elapsed() > RECOVERY)
        });
        for container in gone {
            let id = &container.identity.id;
            if self.backend.get(id).is_some() {
                return Err(format!("nobody wants {id}, and it is there"));
            }
        }
        Ok(())
    }

    fn check_deadlines(&self) -> Checked {
        for (name, run) in self.truth.alive() {
            let container = self
                .containers
                .iter()
                .find(|c| c.identity.id.to_string() == name);
            let limit = container.ok_or("a stranger runs")?.limit;
            let most = match (self.setup.init, self.healthy_since) {
                (Init::Engine, None) => continue,
                (Init::Engine, Some(healthy)) => limit.max(healthy - run.since) + RECOVERY,
                _ => limit + PROCESS_ONES_PATIENCE,
            };
            if run.since.elapsed() > most {
                return Err(format!("{name} runs for {:?}", run.since.elapsed()));
            }
        }
        Ok(())
    }

    fn check_truth(&self) -> Checked {
        for info in self.backend.list() {
            let id = &info.container_id;
            let container = self.containers.iter().find(|c| c.identity.id == *id);
            let container = container.ok_or("a stranger")?;
            self.check_status(&info, container)
                .map_err(|what| format!("{id} ({}): {what}", info.status))?;
        }
        Ok(())
    }

    fn check_status(&self, info: &ContainerInfo, container: &Expected) -> Checked {
        let run = self.truth.of(&info.container_id.to_string());
        if info.status == ContainerStatus::Creating {
            return Ok(());
        }
        if info.status == ContainerStatus::Running {
            // What is taken away at once had no turn to leave a note.
            let taken = container.vanished || self.thieves;
            return match run.is_some() || taken {
                true => Ok(()),
                false => Err("it never ran".to_owned()),
            };
        }
        if run.is_some_and(|run| run.until.is_none()) {
            return Err("it runs".to_owned());
        }
        let report = container.end.as_ref().ok_or("no end")?;
        let own = run.and_then(|run| run.code);
        let by_force = report.exit_code == Some(137)
            && (container.out_of_memory || container.evicted || container.vanished || self.thieves);
        let is_true = match info.status {
            ContainerStatus::Completed => report.exit_code == Some(0) && own == Some(0),
            ContainerStatus::Failed => match report.exit_code {
                None => !container.known,
                Some(0) => false,
                Some(code) => own.map(i32::from) == Some(code) || by_force,
            },
            ContainerStatus::Killed => {
                container.killed || container.dropped.is_some() || container.evicted
            }
            ContainerStatus::TimedOut => run.is_some_and(|run| {
                let until = run.until.unwrap_or_else(Instant::now);
                let early = container.limit - GRACE;
                let at_term = own.is_none() || container.program == Program::Polite;
                at_term && until - run.since >= early || until - run.since >= container.limit
            }),
            ContainerStatus::Lost => container.vanished || self.thieves,
            _ => false,
        };
        if is_true && ends_as_it_ran(report, own) {
            Ok(())
        } else {
            Err(format!("{report:?}, and it was {run:?}"))
        }
    }
}

/// Where the command exited by itself, that is what is told.
fn ends_as_it_ran(report: &ExitReport, own: Option<u8>) -> bool {
    match (report.exit_code, own) {
        (Some(told), Some(own)) => told == i32::from(own) || told == 137,
        _ => true,
    }
}
