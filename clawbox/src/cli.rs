//! The command line: what is accepted, and which subcommand gets it.

mod cleanup;
mod config;
mod conformance;
mod doctor;
mod engine;
mod hints;
mod input;
mod interrupt;
mod kill;
mod lacks;
mod log;
mod manual;
mod ps;
mod pull;
mod run;
mod sandbox;
mod say;
mod shell;
mod status;
mod table;
mod values;

use clap::{Arg, ArgAction, Parser, Subcommand, error::ErrorKind};
use clawbox::{Config, config::ConfigError};
use say::Say;
use serde::Serialize;
use std::{
    fs::File,
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

/// How long an unfinished write to a pipe that nobody reads may hold up the end.
const LAST_WRITE: Duration = Duration::from_millis(200);

/// Run untrusted code in hardened containers
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, after_help = EXAMPLES)]
#[command(disable_help_flag = true, arg = help())]
struct Cli {
    /// Settings: see `clawbox config`
    #[arg(long, global = true, value_name = "FILE", display_order = 899)]
    #[arg(env = "CLAWBOX_CONFIG", hide_env = true)]
    config: Option<PathBuf>,
    #[command(flatten)]
    log: log::Options,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  clawbox doctor                                       is there an engine, and what can it enforce?
  clawbox run --image alpine -- sh -c 'id; exit 7'     run a command in a sandbox";

/// One screen, also where it is asked for by its long name: the rest is for the manual.
fn help() -> Arg {
    Arg::new("help")
        .short('h')
        .long("help")
        .global(true)
        .display_order(902)
        .action(ArgAction::HelpShort)
        .help("Print help (in full: clawbox help COMMAND)")
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a command in a sandbox
    Run(Box<run::Args>),
    /// Open a terminal in a sandbox
    Shell(Box<shell::Args>),
    /// Find engines, and say what each can enforce
    Doctor(doctor::Args),
    /// List your containers, of whatever process
    Ps(ps::Args),
    /// End and remove a container
    Kill(kill::Args),
    /// Remove the containers that dead processes left
    Cleanup(cleanup::Args),
    /// Run the conformance suite against an engine
    Conformance(conformance::Args),
    /// Check a settings file, or print their schema
    #[command(subcommand)]
    Config(config::Action),
    /// Print what a shell needs to complete these commands
    Completions(manual::Completions),
    /// Write the manual's pages
    Man(manual::Pages),
}

/// Does what the command line says, and gives the exit status.
pub(crate) fn main() -> ExitCode {
    let mut cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let say = cli.log.start();
    let config = match cli.configure() {
        Ok(config) => config,
        Err(error) => {
            say.error(&error);
            return status::REFUSED.into();
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            say.error(&error);
            return status::REFUSED.into();
        }
    };
    let status = runtime.block_on(cli.command.execute(&config, say));
    runtime.shutdown_timeout(LAST_WRITE);
    status.into()
}

/// Help and version are no errors; everything else was refused before anything ran.
fn usage(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        // Nobody to tell where the terminal is gone.
        drop(error.print());
        return ExitCode::SUCCESS;
    }
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        drop(error.print());
    } else {
        let text = error.to_string();
        let text = text.strip_prefix("error: ").unwrap_or(&text);
        for line in text.lines().filter(|line| !line.is_empty()) {
            Say::default().problem(line);
        }
    }
    status::REFUSED.into()
}

/// Opens a file that will be written at the end: what cannot be kept must not begin.
fn create(path: Option<&Path>, option: &str, say: Say) -> Result<Option<File>, u8> {
    let Some(path) = path else { return Ok(None) };
    File::create(path).map(Some).map_err(|error| {
        say.problem(&format!("{option} {}: {error}", path.display()));
        status::REFUSED
    })
}

/// Writes data to such a file, as JSON.
fn write_json(data: &impl Serialize, mut file: File) -> io::Result<()> {
    let mut text = serde_json::to_vec_pretty(data)?;
    text.push(b'\n');
    file.write_all(&text)
}

/// Writes the answer to stdout. A reader that has gone wanted no more of it.
fn print(text: &str) {
    drop(io::stdout().write_all(text.as_bytes()));
}

impl Cli {
    /// Reads the file for the commands that ask an engine. None is looked for where an agent might have put one.
    fn configure(&mut self) -> Result<Config, ConfigError> {
        let Some(engine) = self.command.engine() else {
            return Ok(Config::default());
        };
        let config = match &self.config {
            Some(path) => Config::load(path)?,
            None => Config::default(),
        };
        engine.fill(&config);
        Ok(config)
    }
}

impl Command {
    fn engine(&mut self) -> Option<&mut engine::Options> {
        match self {
            Self::Run(args) => Some(&mut args.sandbox.engine),
            Self::Shell(args) => Some(&mut args.sandbox.engine),
            Self::Doctor(args) => Some(&mut args.engine),
            Self::Ps(args) => Some(&mut args.engine),
            Self::Kill(args) => Some(&mut args.engine),
            Self::Cleanup(args) => Some(&mut args.engine),
            Self::Conformance(args) => Some(&mut args.engine),
            Self::Config(_) | Self::Completions(_) | Self::Man(_) => None,
        }
    }

    async fn execute(self, config: &Config, say: Say) -> u8 {
        let done = match self {
            Self::Config(action) => return action.execute(say),
            Self::Completions(args) => return args.print(),
            Self::Man(args) => return args.write(say),
            Self::Run(args) => return run::execute(&args, config, say).await,
            Self::Shell(args) => return shell::execute(&args, config, say).await,
            Self::Doctor(args) => doctor::execute(&args).await,
            Self::Ps(args) => ps::execute(&args, say).await,
            Self::Kill(args) => kill::execute(&args, say).await,
            Self::Cleanup(args) => cleanup::execute(&args, say).await,
            Self::Conformance(args) => conformance::execute(&args, say).await,
        };
        match done {
            Ok(status) => status,
            Err(error) => {
                say.failure(&error, &hints::hints(&error, None));
                status::FAILED
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_help_fits_a_screen() {
        let mut cli = Cli::command();
        cli.build();
        for command in std::iter::once(&cli).chain(cli.get_subcommands()) {
            let help = command.clone().term_width(80).render_help().to_string();
            let lines = help.lines().count();
            assert!(lines <= 50, "{}: {lines} lines", command.get_name());
        }
    }

    /// In every help, and in the README.
    #[test]
    fn every_example_is_a_command_line() {
        let mut cli = Cli::command();
        cli.build();
        let mut pages = vec![include_str!("../../README.md").to_owned()];
        let mut commands = vec![&cli];
        while let Some(command) = commands.pop() {
            pages.extend(command.get_after_help().map(ToString::to_string));
            commands.extend(command.get_subcommands());
        }
        let mut tried = 0;
        for line in pages.iter().flat_map(|page| page.lines().map(str::trim)) {
            let line = line.strip_prefix("$ ").unwrap_or(line);
            if line.starts_with("clawbox ") {
                tried += 1;
                if let Err(error) = Cli::try_parse_from(words(line)) {
                    panic!("{line}: {error}");
                }
            }
        }
        assert!(tried > 20, "{tried} examples");
    }

    /// As a shell takes a line apart, up to what is no longer clawbox's: a pipe, a file, the next command, a remark.
    fn words(line: &str) -> Vec<String> {
        let mut words: Vec<String> = Vec::new();
        for (number, part) in line.split('\'').enumerate() {
            if number % 2 == 1 {
                words.push(part.to_owned());
                continue;
            }
            let end = ["|", ">", "&&", "  ", "#"]
                .iter()
                .filter_map(|it| part.find(it));
            let end = end.min();
            let part = &part[..end.unwrap_or(part.len())];
            words.extend(part.split_whitespace().map(str::to_owned));
            if end.is_some() {
                break;
            }
        }
        words
    }
}
