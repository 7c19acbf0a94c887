//! `cargo xtask programs`: real programs under the system call filters, and what came of it in `docs/SECCOMP.md`.

mod image;
mod list;
mod page;

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::consent::Consent;
use crate::engines::session::Session;
use crate::engines::{Kind, Service, runner};
use crate::interrupt;
use crate::say::say;
use crate::workspace::{self, cargo};
use list::{PROGRAMS, Program};

const PROFILES: [&str; 2] = ["strict", "compat"];
/// What a script that came to its end says last.
const DONE: &str = "all of it works";

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Only the programs whose names contain this; the page is left as it is
    filter: Option<String>,
    /// Which engines; docker where none is named
    #[arg(long, value_name = "ENGINE", value_delimiter = ',')]
    engines: Vec<Kind>,
    /// Install missing packages, and download the programs, without asking
    #[arg(long)]
    yes: bool,
}

/// How a program ended.
struct Ran {
    /// The first line that it printed.
    version: String,
    works: bool,
    /// Everything that it printed.
    text: String,
}

pub(crate) fn run(options: &Options) -> Result<()> {
    interrupt::note()?;
    let consent = Consent::new(options.yes);
    let root = workspace::root()?;
    let folder = root.join("target/programs");
    fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    let archive = image::ensure(&folder, consent)?;
    workspace::run(&mut cargo(["build", "-p", "clawbox", "--bin", "clawbox"])?)
        .context("build the clawbox command")?;
    let kinds = match options.engines.is_empty() {
        true => &[Kind::Docker],
        false => options.engines.as_slice(),
    };
    let wanted = options.filter.as_deref().unwrap_or_default();
    let programs = PROGRAMS
        .iter()
        .filter(|program| program.name.contains(wanted));
    let programs: Vec<&Program> = programs.collect();
    let (mut engines, mut rows, mut wrong) = (Vec::new(), Vec::new(), Vec::new());
    for kind in kinds {
        let session = Session::begin(*kind, consent)?;
        let tried = on_engine(&session, &archive, &programs, &mut wrong);
        engines.push(format!("{} {}", kind.name(), session.endpoint.version()?));
        session.end()?;
        rows = tried?;
    }
    if !wrong.is_empty() {
        bail!("not as expected: {}", wrong.join(", "));
    }
    if options.filter.is_some() {
        return Ok(());
    }
    let path = root.join("docs/SECCOMP.md");
    let old = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let new = page::with(&old, image::SUITE, &engines, &rows)?;
    fs::write(&path, new).with_context(|| format!("write {}", path.display()))?;
    say!("wrote {}", path.display());
    Ok(())
}

/// Each program under each profile; what is not as expected is added to `wrong`.
fn on_engine(
    session: &Session,
    archive: &Path,
    programs: &[&Program],
    wrong: &mut Vec<String>,
) -> Result<Vec<page::Row>> {
    image::import(archive, session)?;
    let mut rows = Vec::new();
    for program in programs {
        let mut version = String::new();
        for profile in PROFILES {
            if interrupt::came() {
                bail!("interrupted");
            }
            let ran = under(session, profile, program)?;
            let expected = program.refused.is_none() || profile != "strict";
            let what = format!(
                "{} under {profile} on {}",
                program.name,
                session.kind.name()
            );
            say!("{what}: {}", if ran.works { "works" } else { "refused" });
            if ran.works != expected {
                eprintln!("{}", ran.text);
                wrong.push(what);
            }
            version = ran.version;
        }
        rows.push(page::Row {
            name: program.name,
            version,
            does: program.does,
            refused: program.refused,
        });
    }
    Ok(rows)
}

fn under(session: &Session, profile: &str, program: &Program) -> Result<Ran> {
    let Program {
        version, script, ..
    } = program;
    let script = format!("set -e\n{version}\n{script}\necho '{DONE}'\n");
    let mut command = clawbox(session)?;
    command
        .args(["--host", &session.endpoint.to_string()])
        .args(["--image", image::NAME, "--allow-image", "localhost/"])
        .args(["--pull", "never", "--quiet", "--profile", profile])
        .args(["--", "sh", "-c", &script]);
    let output = command.output().context("start the clawbox command")?;
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    // Clawbox's own refusal says nothing of the program.
    if output.status.code() == Some(125) {
        bail!("{} did not run: {complained}", program.name);
    }
    Ok(Ran {
        version: said.lines().next().unwrap_or_default().to_owned(),
        works: output.status.success() && said.lines().last() == Some(DONE),
        text: format!("{said}{complained}"),
    })
}

/// `clawbox run`, as whoever may use the engine.
fn clawbox(session: &Session) -> Result<Command> {
    let program = workspace::root()?.join("target/debug/clawbox");
    let mut line = Vec::new();
    if session.kind == Kind::PodmanRootless {
        line = runner::as_user(&Service::of_release(session.kind, session.release)?)?;
    }
    line.push(program.display().to_string());
    let mut command = Command::new(&line[0]);
    command.args(&line[1..]).arg("run");
    match session.kind {
        Kind::Docker => command.args(["--backend", "docker"]),
        Kind::PodmanRootful | Kind::PodmanRootless => command.args(["--backend", "podman"]),
    };
    if session.kind == Kind::PodmanRootless {
        // Which hosts give none of its own accord.
        for item in ["memory", "cpu", "pids"] {
            command.args(["--allow-degraded", item]);
        }
    }
    Ok(command)
}
