//! The calls that an engine gets, as values.

use clawbox_containers::{engine::Signal, plan::PlanSpec};
use clawbox_types::{ContainerId, ImageRef, PullPolicy};
use std::{collections::BTreeMap, fmt, sync::Arc};

/// One call to the engine, or to `clawbox-init` in one of its containers, with its arguments. It prints as one line, such as `kill SIGTERM (clawbox-…)`.
#[derive(Debug, Clone, PartialEq)]
#[expect(
    missing_docs,
    reason = "each is a method of `ContainerEngine`, with its arguments, but for one"
)]
pub enum Call {
    Probe,
    EnsureImage {
        image: ImageRef,
        pull: PullPolicy,
    },
    Create {
        plan: Arc<PlanSpec>,
    },
    Inspect {
        id: ContainerId,
    },
    Attach {
        id: ContainerId,
    },
    Logs {
        id: ContainerId,
    },
    Start {
        id: ContainerId,
    },
    /// Not the engine's: `clawbox-init` in the container was told to run a command.
    Run {
        name: String,
        argv: Vec<String>,
    },
    Wait {
        id: ContainerId,
    },
    Kill {
        id: ContainerId,
        signal: Signal,
    },
    Remove {
        id: ContainerId,
    },
    List {
        labels: BTreeMap<String, String>,
    },
}

/// Which call it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is one of the calls")]
pub enum Op {
    Probe,
    EnsureImage,
    Create,
    Inspect,
    Attach,
    Logs,
    Start,
    Run,
    Wait,
    Kill,
    Remove,
    List,
}

impl Call {
    /// Which call it is.
    #[must_use]
    pub const fn op(&self) -> Op {
        match self {
            Self::Probe => Op::Probe,
            Self::EnsureImage { .. } => Op::EnsureImage,
            Self::Create { .. } => Op::Create,
            Self::Inspect { .. } => Op::Inspect,
            Self::Attach { .. } => Op::Attach,
            Self::Logs { .. } => Op::Logs,
            Self::Start { .. } => Op::Start,
            Self::Run { .. } => Op::Run,
            Self::Wait { .. } => Op::Wait,
            Self::Kill { .. } => Op::Kill,
            Self::Remove { .. } => Op::Remove,
            Self::List { .. } => Op::List,
        }
    }

    /// The name of the container that it is about, where it is about one.
    #[must_use]
    pub fn container(&self) -> Option<String> {
        match self {
            Self::Probe | Self::EnsureImage { .. } | Self::List { .. } => None,
            Self::Run { name, .. } => Some(name.clone()),
            Self::Create { plan } => Some(plan.identity.name.clone()),
            Self::Inspect { id }
            | Self::Attach { id }
            | Self::Logs { id }
            | Self::Start { id }
            | Self::Wait { id }
            | Self::Kill { id, .. }
            | Self::Remove { id } => Some(id.to_string()),
        }
    }

    /// Whether it is about this container.
    #[must_use]
    pub fn is_about(&self, id: &ContainerId) -> bool {
        self.container().is_some_and(|name| name == id.to_string())
    }

    /// The call and its arguments, but for the container: `kill SIGTERM`. Of a command, the program.
    #[must_use]
    pub fn summary(&self) -> String {
        match self {
            Self::EnsureImage { image, .. } => format!("{} {image}", self.op()),
            Self::Run { argv, .. } => {
                let program = argv.first().map_or("", String::as_str);
                format!("{} {program}", self.op())
            }
            Self::Kill { signal, .. } => format!("{} {}", self.op(), signal.name()),
            _ => self.op().to_string(),
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.summary())?;
        if let Some(name) = self.container() {
            write!(f, " ({name})")?;
        }
        Ok(())
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Probe => "probe",
            Self::EnsureImage => "ensure_image",
            Self::Create => "create",
            Self::Inspect => "inspect",
            Self::Attach => "attach",
            Self::Logs => "logs",
            Self::Start => "start",
            Self::Run => "run",
            Self::Wait => "wait",
            Self::Kill => "kill",
            Self::Remove => "remove",
            Self::List => "list",
        })
    }
}
