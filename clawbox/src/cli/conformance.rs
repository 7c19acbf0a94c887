//! `clawbox conformance`: the suite against an engine that is there.

use super::{engine, interrupt::Interrupts, say::Say, status};
use clawbox::{ContainerResult, PolicyItem};
use clawbox_conformance::{CaseReport, Declarations, Outcome, Summary, run_cases};
use std::path::PathBuf;

const EXAMPLES: &str = "\
The cases run in the image ghcr.io/n0xmare/clawbox-fixture:1, which `cargo xtask fixture` makes.
Exit status: 0 where every case that could be tried passed, 1 otherwise
Examples:
  clawbox conformance --backend podman
  clawbox conformance --backend mock --json report.json lifecycle
  clawbox conformance --cannot swap cgroups";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(super) engine: engine::Options,
    /// Write the results as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Skip what needs this limit, and show that it is missing (repeatable): pids, memory, swap, cpu, cpu_shares
    #[arg(long, value_name = "ITEM")]
    cannot: Vec<PolicyItem>,
    /// Only the cases whose id contains this
    filter: Option<String>,
}

/// Runs the suite, a line for each case.
pub(crate) async fn execute(args: &Args, say: Say) -> ContainerResult<u8> {
    let declared = args.cannot.iter().map(|item| (*item, "named by --cannot"));
    let declared = match Declarations::new(declared) {
        Ok(declared) => declared,
        Err(wrong) => {
            say.problem(&format!("--cannot: {wrong}"));
            return Ok(status::FAILED);
        }
    };
    let file = match super::create(args.json.as_deref(), "--json", say) {
        Ok(file) => file,
        Err(status) => return Ok(status),
    };
    let (backend, endpoint) = args.engine.choose(say).await?;
    let engine = clawbox::engine(backend, endpoint.as_deref())?;
    let mut interrupts = Interrupts::listen()?;
    let filter = args.filter.as_deref().unwrap_or_default();
    let run = run_cases(
        engine,
        declared,
        |case| case.id().contains(filter),
        |case| line(case, say),
    );
    let summary = tokio::select! {
        summary = run => summary,
        status = interrupts.next() => {
            say.problem("stopped; the next run removes what this one left");
            return Ok(status);
        }
    };
    if let Some(error) = file.and_then(|file| super::write_json(&summary, file).err()) {
        say.problem(&format!("--json: {error}"));
        return Ok(status::FAILED);
    }
    Ok(conclude(&summary, say))
}

/// A case's line; its words stand below it.
fn line(case: &CaseReport, say: Say) {
    let (word, words) = match &case.outcome {
        Outcome::Passed if say.quiet => return,
        Outcome::Passed => ("passed", ""),
        Outcome::Failed { message } => ("FAILED", message.as_str()),
        Outcome::Skipped { why } => ("skipped", why.as_str()),
        // All have one reason, which is told at the end.
        Outcome::NotRun { .. } => return,
    };
    let mut text = format!("{word:<8} {} ({} ms)\n", case.id, case.millis);
    for words in words.lines() {
        text.push_str(&format!("         {words}\n"));
    }
    super::print(&text);
}

/// A line for each row of the catalogue that all of its cases were run for.
fn catalogue(summary: &Summary, say: Say) -> String {
    let mut text = String::new();
    for row in &summary.catalogue {
        let (word, words) = match &row.outcome {
            Outcome::Passed if say.quiet => continue,
            Outcome::Passed => ("passed", row.cases.join(", ")),
            Outcome::Failed { message } => ("FAILED", message.clone()),
            Outcome::Skipped { why } | Outcome::NotRun { why } => ("skipped", why.clone()),
        };
        text.push_str(&format!("{} {word}: {words}\n", row.id));
    }
    if !text.is_empty() {
        text.insert(0, '\n');
    }
    text
}

fn conclude(summary: &Summary, say: Say) -> u8 {
    let count = |wanted: fn(&Outcome) -> bool| {
        let cases = summary.cases.iter();
        cases.filter(|case| wanted(&case.outcome)).count()
    };
    let not_run = summary.cases.iter().find_map(|case| match &case.outcome {
        Outcome::NotRun { why } => Some(why),
        _ => None,
    });
    if summary.cases.is_empty() {
        say.problem("no case has an id that contains this");
        return status::FAILED;
    }
    if let Some(why) = not_run {
        say.problem(&format!("not run: {why}"));
        return status::FAILED;
    }
    if let Some(engine) = &summary.engine {
        let mut text = catalogue(summary, say);
        text += &format!(
            "\n{} {}: {} passed, {} failed, {} skipped\n",
            engine.name,
            engine.version,
            count(|o| matches!(o, Outcome::Passed)),
            count(|o| matches!(o, Outcome::Failed { .. })),
            count(|o| matches!(o, Outcome::Skipped { .. })),
        );
        for case in &summary.cases {
            if let Outcome::Failed { .. } = case.outcome {
                text.push_str(&format!("FAILED   {}: {}\n", case.id, case.title));
            }
        }
        super::print(&text);
    }
    if summary.is_good() {
        status::OK
    } else {
        status::FAILED
    }
}
