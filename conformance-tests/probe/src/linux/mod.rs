//! From the arguments to the answer.

mod attack;
mod attempts;
mod cgroup;
mod errno;
mod facts;
mod files;
mod foreign;
mod litter;
mod names;
mod output;
mod process;
mod sockets;
mod syscalls;

use std::io::{self, Write};
use std::process::ExitCode;

use clawbox_probe::Command;
use serde::Serialize;

const MALFORMED: u8 = 64;
const NO_ANSWER: u8 = 74;

pub(crate) fn main() -> ExitCode {
    let command = match arguments().and_then(|args| Command::parse(&args)) {
        Ok(command) => command,
        Err(message) => {
            complain(&message);
            return ExitCode::from(MALFORMED);
        }
    };
    match run(command) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            complain(&error.to_string());
            ExitCode::from(NO_ANSWER)
        }
    }
}

fn arguments() -> Result<Vec<String>, String> {
    std::env::args_os()
        .skip(1)
        .map(|arg| {
            arg.into_string()
                .map_err(|arg| format!("argument {arg:?} is not UTF-8"))
        })
        .collect()
}

/// Does what was asked and returns the exit code.
fn run(command: Command) -> io::Result<u8> {
    match command {
        Command::Exit { code } => return Ok(code),
        Command::Signal { number } => process::die_from(number)?,
        Command::Print {
            stdout,
            stderr,
            exit,
        } => {
            output::write_all(&stdout, &stderr)?;
            return Ok(exit);
        }
        Command::Flood {
            pattern,
            stdout,
            stderr,
        } => output::flood(pattern, stdout, stderr)?,
        Command::Sleep {
            milliseconds,
            ignore_term,
        } => process::sleep(milliseconds, ignore_term)?,
        Command::Cat { max } => output::cat(max)?,
        Command::Leave { milliseconds } => process::leave(milliseconds)?,
        Command::CloseStdout { stderr } => process::close_stdout(&stderr)?,
        Command::Facts => answer(&facts::facts()?)?,
        Command::Write { path } => answer(&files::write(&path))?,
        Command::Read { path } => answer(&files::read(&path))?,
        Command::Fill { path, max_bytes } => answer(&files::fill(&path, max_bytes)?)?,
        Command::Files { dir, max } => answer(&files::files(&dir, max))?,
        Command::Alloc { mebibytes } => process::alloc(mebibytes)?,
        Command::Fork { max } => answer(&process::fork_until_refused(max)?)?,
        Command::Open { max } => answer(&files::open(max))?,
        Command::Connect { path, text } => answer(&sockets::connect(&path, &text))?,
        Command::Pass { path, text } => answer(&sockets::pass(&path, &text))?,
        Command::Hold { path, max } => sockets::hold(&path, max)?,
        Command::Listen { port } => sockets::listen(port)?,
        Command::Reach => answer(&sockets::reach())?,
        Command::Tamper { dir, name } => answer(&files::tamper(&dir, &name))?,
        Command::Orphan { count } => answer(&process::orphan(count)?)?,
        Command::Lock { mebibytes } => answer(&process::lock(mebibytes))?,
        Command::Resolve => answer(&names::resolve()?)?,
        Command::CopyExec { path } => answer(&files::copy_exec(&path))?,
        Command::Syscalls => answer(&syscalls::try_all(&attempts::all())?)?,
        Command::Attack => answer(&syscalls::try_all(&attack::all())?)?,
        Command::Litter => answer(&syscalls::try_all(&litter::all())?)?,
    }
    Ok(0)
}

fn answer(report: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(report)?;
    line.push(b'\n');
    io::stdout().write_all(&line)
}

/// Standard error may be closed or full; the exit code still tells.
fn complain(message: &str) {
    let _ = writeln!(io::stderr(), "probe: {message}");
}
