//! The workspace these chores belong to.

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

/// The folder of the workspace's Cargo.toml.
pub(crate) fn root() -> Result<PathBuf> {
    let manifest = std::env::var_os("CARGO_MANIFEST_DIR")
        .context("CARGO_MANIFEST_DIR is not set: start the chores as `cargo xtask …`")?;
    let root = Path::new(&manifest)
        .parent()
        .context("xtask has no workspace around it")?;
    root.canonicalize()
        .with_context(|| format!("find {}", root.display()))
}

/// Keeps other xtasks of this workspace out until the file is dropped.
pub(crate) fn lock() -> Result<File> {
    let root = root()?;
    // The folder itself is the lock, so that no lock file stays behind.
    let folder = File::open(&root).with_context(|| format!("open {}", root.display()))?;
    if folder.try_lock().is_err() {
        eprintln!("waiting for another `cargo xtask` to finish with the engine …");
        folder
            .lock()
            .with_context(|| format!("lock {}", root.display()))?;
    }
    Ok(folder)
}

/// The cargo that started us, in the workspace's folder.
pub(crate) fn cargo<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Result<Command> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.current_dir(root()?).args(args);
    Ok(cargo)
}

/// Runs a command to its end; anything but success is an error.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let status = command
        .status()
        .with_context(|| format!("start {}", name(command)))?;
    if !status.success() {
        bail!("`{}` ended with {status}", name(command));
    }
    Ok(())
}

/// Runs a command whose words are worth reading only where it fails.
pub(crate) fn run_silently(command: &mut Command) -> Result<()> {
    let output = command
        .output()
        .with_context(|| format!("start {}", name(command)))?;
    if !output.status.success() {
        let words = [output.stdout, output.stderr].concat();
        bail!(
            "`{}` ended with {}:\n{}",
            name(command),
            output.status,
            String::from_utf8_lossy(&words).trim_end()
        );
    }
    Ok(())
}

/// The program and what it was to do, as in `cargo clippy`.
fn name(command: &Command) -> String {
    let program = Path::new(command.get_program());
    [program.file_name(), command.get_args().next()]
        .into_iter()
        .flatten()
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_silent_command_said_is_told_where_it_fails() {
        let shell = |script| {
            let mut shell = Command::new("sh");
            run_silently(shell.args(["-c", script]))
        };
        assert!(shell("echo all is well").is_ok());
        let error = shell("echo the cause; echo the effect >&2; exit 3").unwrap_err();
        let told = error.to_string();
        for words in ["`sh -c`", "3:", "the cause\nthe effect"] {
            assert!(told.contains(words), "{told}");
        }
    }
}
