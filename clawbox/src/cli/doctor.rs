//! `clawbox doctor`: which engines are there, what each can enforce, and what would mend the rest.

mod diagnosis;
mod process_one;

use super::{engine, engine::Choice, status, table::table};
use clawbox::{Backend, ConnectOptions, ContainerResult, EngineInfo, connect};
use diagnosis::Problem;
use process_one::ProcessOne;
use serde::Serialize;

const EXAMPLES: &str = "\
Exit status: 0 where an engine can be used, 1 otherwise
Examples:
  clawbox doctor
  clawbox doctor --host unix:///run/user/1000/docker.sock --json";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    engine: engine::Options,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What was found.
#[derive(Debug, Serialize)]
struct Findings {
    version: &'static str,
    compiled_in: Vec<&'static str>,
    process_one: ProcessOne,
    engines: Vec<Finding>,
}

#[derive(Debug, Serialize)]
struct Finding {
    backend: &'static str,
    /// What answered.
    engine: Option<EngineInfo>,
    /// Why nothing did.
    problem: Option<Problem>,
}

/// Looks at every real engine, or at the one that is named.
pub(crate) async fn execute(args: &Args) -> ContainerResult<u8> {
    let compiled = Backend::COMPILED.iter().copied();
    let looked_at = match args.engine.backend {
        Choice::Named(backend) => vec![backend],
        Choice::Auto => compiled.clone().filter(|b| *b != Backend::Mock).collect(),
    };
    let mut findings = Findings {
        version: env!("CARGO_PKG_VERSION"),
        compiled_in: compiled.map(Backend::name).collect(),
        process_one: ProcessOne::look(),
        engines: Vec::new(),
    };
    for backend in looked_at {
        findings
            .engines
            .push(look(backend, &args.engine.host).await);
    }
    if args.json {
        // Plain data of ours always has a form in JSON.
        let text = serde_json::to_string_pretty(&findings).unwrap_or_default();
        super::print(&format!("{text}\n"));
    } else {
        super::print(&findings.to_text());
    }
    let usable = findings.engines.iter().any(|found| found.engine.is_some());
    Ok(if usable { status::OK } else { status::FAILED })
}

async fn look(backend: Backend, host: &Option<String>) -> Finding {
    let mut options = ConnectOptions::new();
    options.endpoint.clone_from(host);
    let answer = match connect(backend, &options) {
        Ok(connected) => connected.info().await,
        Err(error) => Err(error),
    };
    let (engine, problem) = match answer {
        Ok(info) => (Some(info), None),
        Err(error) => (None, Some(Problem::of(&error))),
    };
    Finding {
        backend: backend.name(),
        engine,
        problem,
    }
}

impl Findings {
    fn to_text(&self) -> String {
        let compiled = match self.compiled_in.as_slice() {
            [] => "no backend".to_owned(),
            names => names.join(", "),
        };
        let mut text = format!("clawbox {}, with {compiled}\n", self.version);
        self.process_one.describe(&mut text);
        if self.engines.is_empty() {
            text.push_str("\nno engine can be used: this clawbox was built without one\n");
        }
        for found in &self.engines {
            found.describe(&mut text);
        }
        text
    }
}

impl Finding {
    fn describe(&self, text: &mut String) {
        let mut line = |line: String| {
            text.push_str(&line);
            text.push('\n');
        };
        line(format!("\n{}", self.backend));
        if let Some(problem) = &self.problem {
            line(format!("  cannot be used: {}", problem.message));
            for cause in &problem.caused_by {
                line(format!("  caused by: {cause}"));
            }
            for way in &problem.mend {
                line(format!("  to mend it: {way}"));
            }
        }
        let Some(info) = &self.engine else { return };
        line(format!(
            "  {} {} answers at {}",
            info.name, info.version, info.endpoint
        ));
        let root = match info.rootless {
            true => "rootless",
            false => "as root",
        };
        line(format!(
            "  runs {root}, on control groups v{}",
            info.cgroup_version
        ));
        for warning in &info.warnings {
            line(format!("  warns: {warning}"));
        }
        let rows = info.abilities.iter().map(|ability| {
            let able = match ability.available {
                true => "can be enforced",
                false => "CANNOT be enforced",
            };
            [
                format!("  {}", ability.item),
                able.to_owned(),
                ability.reason.clone(),
            ]
        });
        line(table(&rows.collect::<Vec<_>>()).trim_end().to_owned());
        let missing = info.abilities.iter().filter(|a| !a.available);
        let options: Vec<_> = missing
            .map(|a| format!("--allow-degraded {}", a.item))
            .collect();
        line(match options.as_slice() {
            [] => "  ready".to_owned(),
            options => format!("  ready only with {}", options.join(" ")),
        });
    }
}
