//! How much is said: `-v`, `-q`, `RUST_LOG`.

use super::say::Say;
use tracing_subscriber::EnvFilter;

/// How much is said.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Show what clawbox does (-vv: in detail); RUST_LOG overrules it
    #[arg(short, long, global = true, display_order = 900, action = clap::ArgAction::Count)]
    verbose: u8,
    /// Say nothing but what went wrong
    #[arg(
        short,
        long,
        global = true,
        display_order = 901,
        conflicts_with = "verbose"
    )]
    quiet: bool,
}

impl Options {
    /// Starts the log, if there is to be one.
    pub(crate) fn start(&self) -> Say {
        let say = Say { quiet: self.quiet };
        let asked = match self.verbose {
            0 => None,
            1 => Some("clawbox=info"),
            _ => Some("clawbox=debug"),
        };
        let chosen = std::env::var("RUST_LOG").ok().filter(|f| !f.is_empty());
        let Some(filter) = chosen.or(asked.map(str::to_owned)) else {
            return say;
        };
        // bollard logs whole requests at its lower levels, and a container's secrets are in them.
        match EnvFilter::try_new(format!("{filter},bollard=info")) {
            Ok(filter) => tracing_subscriber::fmt()
                .with_env_filter(filter)
                .with_writer(std::io::stderr)
                .with_ansi(false)
                .log_internal_errors(false)
                .init(),
            Err(error) => say.problem(&format!("no log: {filter}: {error}")),
        }
        say
    }
}
