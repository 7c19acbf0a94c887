//! `clawbox doctor`: which engines are there, what each can enforce, and what would mend the rest.

mod advisories;
mod diagnosis;
mod host;
mod process_one;
mod version;

use super::{engine, engine::Choice, lacks, status, table::table};
use clawbox::{
    Backend, ConnectOptions, ContainerResult, EngineInfo, PolicyItem, connect,
    discovery::{Place, places, places_of},
};
use diagnosis::Problem;
use host::Host;
use process_one::ProcessOne;
use serde::Serialize;

const EXAMPLES: &str = "\
Exit status: 0 where an engine can be used, 1 otherwise
Examples:
  clawbox doctor
  clawbox doctor --host unix:///run/user/1000/podman/podman.sock --json";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(super) engine: engine::Options,
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
    host: Host,
    /// In the order in which they are preferred, but for a rootless one, which comes before all others.
    engines: Vec<Finding>,
}

/// What there is at one place.
#[derive(Debug, Serialize)]
struct Finding {
    /// Which backend speaks to it; `None` where nobody says whose place it is, and nothing answers.
    backend: Option<&'static str>,
    /// Who says that an engine may be there.
    origin: Option<String>,
    /// What answered.
    engine: Option<EngineInfo>,
    /// What is known of its versions.
    advisories: Option<advisories::Report>,
    /// Why nothing did.
    problem: Option<Problem>,
}

/// Looks at every place of a real engine, or at those of the one that is named.
pub(crate) async fn execute(args: &Args) -> ContainerResult<u8> {
    let compiled = Backend::COMPILED.iter().copied();
    let mut findings = Findings {
        version: env!("CARGO_PKG_VERSION"),
        compiled_in: compiled.map(Backend::name).collect(),
        process_one: ProcessOne::look(),
        host: Host::look(),
        engines: Vec::new(),
    };
    let endpoint = args.engine.host.as_deref();
    let (asked, looked_at) = match args.engine.backend() {
        Choice::Named(backend) => (Some(backend), places_of(backend, endpoint)),
        Choice::Auto => (None, places(endpoint)),
    };
    for place in &looked_at {
        findings.engines.push(look(place, asked).await);
    }
    if let (Some(backend), []) = (asked, looked_at.as_slice()) {
        findings
            .engines
            .push(without_place(backend, endpoint).await);
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

/// Asks whoever is there. Where one backend was asked for, nobody else will do.
async fn look(place: &Place, asked: Option<Backend>) -> Finding {
    let mut finding = Finding {
        backend: place.backend.map(Backend::name),
        origin: (place.candidate.as_ref().ok()).map(|candidate| candidate.origin.to_string()),
        engine: None,
        advisories: None,
        problem: None,
    };
    match (place.look().await, asked) {
        (Ok(found), Some(asked)) if found.backend != asked => {
            finding.problem = Some(Problem::another(asked, &found));
        }
        (Ok(found), _) => {
            finding.backend = Some(found.backend.name());
            finding.found(found.info);
        }
        (Err(why), _) => finding.problem = Some(Problem::of(place, &why)),
    }
    finding
}

/// Asks an engine that is nowhere but in this process, or is not compiled in.
async fn without_place(backend: Backend, endpoint: Option<&str>) -> Finding {
    let mut finding = Finding {
        backend: Some(backend.name()),
        origin: None,
        engine: None,
        advisories: None,
        problem: None,
    };
    let mut options = ConnectOptions::new();
    options.endpoint = endpoint.map(str::to_owned);
    let answer = match connect(backend, &options) {
        Ok(connected) => connected.info().await,
        Err(error) => Err(error),
    };
    match answer {
        Ok(info) => finding.found(info),
        Err(error) => finding.problem = Some(Problem::failed(&error)),
    }
    finding
}

impl Findings {
    fn to_text(&self) -> String {
        let compiled = match self.compiled_in.as_slice() {
            [] => "no backend".to_owned(),
            names => names.join(", "),
        };
        let mut text = format!("clawbox {}, with {compiled}\n", self.version);
        self.process_one.describe(&mut text);
        self.host.describe(&mut text);
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
    fn found(&mut self, info: EngineInfo) {
        // Its own data can be read; that is what its tests are for.
        self.advisories = advisories::look(&info).ok();
        self.engine = Some(info);
    }

    fn describe(&self, text: &mut String) {
        let mut line = |line: String| {
            text.push_str(&line);
            text.push('\n');
        };
        let origin = self.origin.as_ref().map(|origin| format!(", {origin}"));
        let origin = origin.unwrap_or_default();
        line(format!("\n{}{origin}", self.backend.unwrap_or("engine")));
        if let Some(problem) = &self.problem {
            let endpoint = problem.endpoint.as_ref();
            let at = endpoint.map(|endpoint| format!(" at {endpoint}"));
            let at = at.unwrap_or_default();
            line(format!("  cannot be used{at}: {}", problem.message));
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
        let components = info.components.iter();
        let components: Vec<_> = components
            .map(|(name, version)| format!("{name} {version}"))
            .collect();
        if !components.is_empty() {
            line(format!("  stands on {}", components.join(", ")));
        }
        for warning in &info.warnings {
            line(format!("  warns: {warning}"));
        }
        let rows = info.abilities.iter().map(|ability| {
            let able = match ability.available {
                true => "can be enforced",
                false => "CANNOT be enforced",
            };
            [format!("  {}", ability.item), able.to_owned()]
        });
        line(table(&rows.collect::<Vec<_>>()).trim_end().to_owned());
        for reason in lacks::reasons(info, PolicyItem::ALL) {
            line(format!("  {reason}"));
        }
        let missing = info.abilities.iter().filter(|a| !a.available);
        let options: Vec<_> = missing
            .map(|a| format!("--allow-degraded {}", a.item))
            .collect();
        line(match options.as_slice() {
            [] => "  ready".to_owned(),
            options => format!("  ready only with {}", options.join(" ")),
        });
        for advice in self.advisories.iter().flat_map(advisories::Report::lines) {
            line(format!("  {advice}"));
        }
    }
}
