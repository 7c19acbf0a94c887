//! What really runs: programs that leave a note of their beginning and their end.

use crate::step::Program;
use clawbox_backend_mock::{Exit, MockImage, Process};
use clawbox_types::DEFAULT_AGENT_IMAGE;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::time::Instant;

/// The commands that ran, by container.
#[derive(Debug, Clone, Default)]
pub(crate) struct Truth(Arc<Mutex<HashMap<String, Run>>>);

/// The command of a container.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    pub(crate) since: Instant,
    /// When it ended.
    pub(crate) until: Option<Instant>,
    /// Its own exit; `None` where it was ended by a signal.
    pub(crate) code: Option<u8>,
}

impl Truth {
    pub(crate) fn of(&self, id: &str) -> Option<Run> {
        self.0.lock().unwrap().get(id).copied()
    }

    pub(crate) fn forget(&self, id: &str) {
        self.0.lock().unwrap().remove(id);
    }

    pub(crate) fn alive(&self) -> Vec<(String, Run)> {
        let runs = self.0.lock().unwrap();
        let alive = runs.iter().filter(|(_, run)| run.until.is_none());
        alive.map(|(id, run)| (id.clone(), *run)).collect()
    }

    /// The image with all programs.
    pub(crate) fn image(&self) -> MockImage {
        let mut image = MockImage::new(DEFAULT_AGENT_IMAGE).unwrap();
        for program in Program::ALL {
            let truth = self.clone();
            image = image.with_program(program.name(), move |process: Process| {
                let note = Note::begin(&truth, &process);
                async move {
                    let code = run(program, process).await;
                    note.exits(code);
                    Exit::Code(code)
                }
            });
        }
        image.with_program("note", |process: Process| async move {
            process.stdout("noted").await;
        })
    }
}

async fn run(program: Program, process: Process) -> u8 {
    const FOREVER: Duration = Duration::from_secs(48 * 60 * 60);
    process.stdout("ready\n").await;
    match program {
        Program::Ok => {}
        Program::Three => return 3,
        Program::Short => process.sleep(Duration::from_secs(20)).await,
        Program::Sleeper => process.sleep(FOREVER).await,
        Program::Deaf => {
            process.ignore_term();
            process.sleep(FOREVER).await;
        }
        Program::Polite => process.terminated().await,
    }
    0
}

/// Notes the end of a command, also where its future is dropped.
struct Note {
    truth: Truth,
    id: String,
}

impl Note {
    fn begin(truth: &Truth, process: &Process) -> Self {
        let id = process.env("CLAWBOX_CONTAINER_ID").unwrap().to_owned();
        let run = Run {
            since: Instant::now(),
            until: None,
            code: None,
        };
        truth.0.lock().unwrap().insert(id.clone(), run);
        let truth = truth.clone();
        Self { truth, id }
    }

    fn exits(&self, code: u8) {
        let mut runs = self.truth.0.lock().unwrap();
        runs.get_mut(&self.id).unwrap().code = Some(code);
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        let mut runs = self.truth.0.lock().unwrap();
        // Forgotten where its container has made room for another of the same name.
        if let Some(run) = runs.get_mut(&self.id) {
            run.until = Some(Instant::now());
        }
    }
}
