//! `clawbox completions` and `clawbox man`: what the command line says of itself, for shells and for `man`.

use super::{Cli, say::Say, status};
use clap::CommandFactory;
use clap_complete::Shell;
use std::path::PathBuf;

const SHELLS: &str = "\
Examples:
  clawbox completions bash > ~/.local/share/bash-completion/completions/clawbox
  clawbox completions zsh > ~/.zfunc/_clawbox
  clawbox completions fish > ~/.config/fish/completions/clawbox.fish";

const PAGES: &str = "\
Examples:
  clawbox man ~/.local/share/man/man1 && man clawbox-run";

#[derive(Debug, clap::Args)]
#[command(after_help = SHELLS)]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

#[derive(Debug, clap::Args)]
#[command(after_help = PAGES)]
pub(crate) struct Pages {
    /// A directory that is there
    dir: PathBuf,
}

impl Completions {
    pub(crate) fn print(&self) -> u8 {
        // In memory first: the generator panics where its reader has gone.
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "clawbox", &mut script);
        super::print(&String::from_utf8_lossy(&script));
        status::OK
    }
}

impl Pages {
    pub(crate) fn write(&self, say: Say) -> u8 {
        match clap_mangen::generate_to(Cli::command(), &self.dir) {
            Ok(()) => status::OK,
            Err(error) => {
                say.problem(&format!("{}: {error}", self.dir.display()));
                status::REFUSED
            }
        }
    }
}
