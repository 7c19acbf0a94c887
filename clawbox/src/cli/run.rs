//! `clawbox run`: a command in a sandbox.

mod attend;
mod moving;
mod report;
#[cfg(test)]
mod tests;

use super::{hints, pull::Pull, sandbox::Options, say::Say, status, values};
use clawbox::{Config, ContainerResult, ContainerSpawnRequest};
use report::Report;
use std::path::PathBuf;

const EXAMPLES: &str = "\
Exit status: the command's own; 124 at the deadline; 125 when clawbox refused or failed;
  126 not executable, 127 not found; 128 + n after signal n
Examples:
  clawbox run --image alpine -- sh -c 'id; exit 7'
  clawbox run --image alpine --memory 64m --timeout 2s --report r.json -- sleep 60";

#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    pub(super) sandbox: Options,
    /// Let the command read standard input
    ///
    /// Otherwise it reads its end at once.
    #[arg(long)]
    stdin: bool,
    /// Put a file or directory in first (repeatable)
    ///
    /// DST is an absolute path in /tmp or another place that can be written; one that ends in / keeps the name of SRC. Links
    /// are left out. The command is then a further one of a container that waits, and --timeout bounds all of it.
    #[arg(long, value_name = "SRC:DST", value_parser = values::put)]
    put: Vec<values::Moved>,
    /// Get a file or directory out after (repeatable)
    ///
    /// However the command has ended. Links, devices, odd names and setuid bits stay behind, and are told. At --timeout
    /// nothing comes out.
    #[arg(long, value_name = "SRC:DST", value_parser = values::get)]
    get: Vec<values::Moved>,
    /// Write what was enforced and how it ended, as JSON
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// The command and its arguments, without any shell
    #[arg(required = true, trailing_var_arg = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// Runs the command, and gives its exit status or clawbox's own.
pub(crate) async fn execute(args: &Args, config: &Config, say: Say) -> u8 {
    let file = match super::create(args.report.as_deref(), "--report", say) {
        Ok(file) => file,
        Err(status) => return status,
    };
    let image = args.sandbox.image(config);
    let mut report = Report::new(image);
    let pull = Pull::new(image, say);
    let ended = attend::attend(args, config, &pull, say, &mut report).await;
    report.exit_status = match ended {
        Ok(status) => status,
        Err(error) => {
            say.failure(&error, &hints::hints(&error, report.backend.as_ref()));
            report.error = Some((&error).into());
            status::of_failure(&error)
        }
    };
    if let Some(error) = file.and_then(|file| super::write_json(&report, file).err()) {
        say.problem(&format!("the report could not be written: {error}"));
        return status::REFUSED;
    }
    report.exit_status
}

impl Args {
    fn request(&self, config: &Config) -> ContainerResult<ContainerSpawnRequest> {
        let mut request = self.sandbox.request(config)?;
        request.task = self.command.join(" ").chars().take(200).collect();
        // With files it is a further command that reads.
        request.stdin = self.stdin && !self.moves_files();
        Ok(request.with_command(self.first_command()))
    }
}
