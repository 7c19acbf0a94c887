//! What must come of a run once nothing goes wrong any more.

use crate::{
    Checked,
    calls::Call,
    step::{Ending, Program, Step},
    world::World,
};
use clawbox_containers::{ContainerBackend as _, Grace, ShutdownReport};
use clawbox_types::ContainerStatus;
use std::time::Duration;
use tokio::time::sleep;

/// Longer than a wait that was not answered is left alone, and what follows on it.
const ALL_IN_ORDER: Duration = Duration::from_secs(800);

impl World {
    pub(crate) async fn settle(mut self) -> Checked {
        while !self.pending.is_empty() {
            self.abandon(0);
        }
        self.recover();
        match self.setup.ending {
            Ending::Kills => {}
            Ending::Shutdown => return self.shut_down().await,
            Ending::Drop => return self.drop_all().await,
        }
        self.pass(ALL_IN_ORDER).await?;
        self.late = false;
        self.check().await?;
        for info in self.backend.list() {
            let id = &info.container_id;
            let run = self.truth.of(&id.to_string());
            let runs = run.is_some_and(|run| run.until.is_none());
            if runs != (info.status == ContainerStatus::Running) {
                return Err(format!("{id} is {} for good, {run:?}", info.status));
            }
            if !self.container(id).known {
                return Err(format!("{id} is nobody's"));
            }
        }
        for pick in 0..self.containers.len() {
            self.take(&Step::Kill(pick)).await?;
        }
        self.pass(Duration::from_secs(3)).await?;
        if !self.pending.is_empty() {
            return Err("kills are not done".to_owned());
        }
        self.nothing_left()?;
        self.take(&Step::Cleanup).await?;
        self.pass(Duration::from_secs(1)).await?;
        if !self.pending.is_empty() || !self.backend.list().is_empty() {
            return Err(format!("not cleaned up: {:?}", self.backend.list()));
        }
        self.all_places_are_free().await
    }

    /// The manager is shut down, and whatever was there goes.
    async fn shut_down(self) -> Checked {
        // A call that hangs from before may take as long as a shutdown waits.
        self.backend.shutdown(Grace::Kill).await;
        sleep(ALL_IN_ORDER).await;
        let report = self.backend.shutdown(Grace::Kill).await;
        let running = self.backend.list();
        let running = running.iter().find(|info| !info.status.is_terminal());
        if report != ShutdownReport::default() || running.is_some() {
            return Err(format!("after a shutdown: {report:?}, {running:?}"));
        }
        match self.late {
            true => Ok(()),
            false => self.nothing_left(),
        }
    }

    /// The last handle is dropped, and whatever was there goes.
    async fn drop_all(self) -> Checked {
        let Self {
            backend,
            engine,
            tokens,
            truth,
            late,
            ..
        } = self;
        drop(backend);
        sleep(ALL_IN_ORDER).await;
        // What is created later still was never started, and nobody is there to see it.
        let left = if late {
            Vec::new()
        } else {
            engine.containers()
        };
        if !left.is_empty() || !tokens.is_empty() || !truth.alive().is_empty() {
            return Err(format!(
                "left by a manager that is gone: {left:?}, {tokens:?}"
            ));
        }
        Ok(())
    }

    fn nothing_left(&self) -> Checked {
        let left = self.engine.containers();
        if !left.is_empty() || !self.tokens.is_empty() || !self.truth.alive().is_empty() {
            return Err(format!("left: {left:?}, {:?}", self.tokens));
        }
        Ok(())
    }

    async fn all_places_are_free(&mut self) -> Checked {
        let places = self.setup.places;
        for _ in 0..=places {
            let step = Step::Spawn {
                program: Program::Sleeper,
                limit: 3600,
                again: None,
            };
            self.take(&step).await?;
            self.pass(Duration::from_secs(2)).await?;
        }
        let there = self.engine.containers().len();
        let waiting = self
            .pending
            .iter()
            .any(|p| matches!(p.call, Call::Spawn(_)));
        if there != places || waiting {
            return Err(format!("{there} of {places} places are free"));
        }
        Ok(())
    }
}
