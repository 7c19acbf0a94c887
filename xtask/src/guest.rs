//! `cargo xtask guest`: the suite on rootless Podman, in a virtual machine where its limits really hold.
//!
//! The machine is a Debian with systemd, which gives an ordinary user control groups with `cpu`, `memory` and
//! `pids`. It is emulated in software, as not every host can do better: all in it takes some twenty times as long.

pub(crate) mod bound;
mod disks;
mod image;
mod machine;
mod phases;
mod verdict;

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;

use crate::consent::Consent;
use crate::engines::packages;
use crate::fixture;
use crate::say::say;
use crate::steps::Steps;
use crate::workspace;
use disks::Job;
use image::Image;

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Only the cases whose id contains this
    #[arg(value_parser = filter)]
    filter: Option<String>,
    /// Install missing packages, and download what the guest is made of, without asking
    #[arg(long)]
    yes: bool,
}

/// The guest's shell would split anything else.
fn filter(text: &str) -> Result<String, String> {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "_/-".contains(letter);
    match !text.is_empty() && text.chars().all(plain) {
        true => Ok(text.to_owned()),
        false => Err("an id has letters, digits, `_`, `-` and `/`".to_owned()),
    }
}

pub(crate) fn run(options: &Options) -> Result<()> {
    let folder = workspace::root()?.join("target/guest");
    fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    let _lock = lock(&folder)?;
    let mut steps = Steps::default();
    // Each step needs those before it.
    let _done = in_turn(&mut steps, options, &folder);
    steps.finish()
}

fn in_turn(steps: &mut Steps, options: &Options, folder: &Path) -> Option<()> {
    let consent = Consent::new(options.yes);
    let image = steps.step("guest image", || Image::ensure(folder, consent))?;
    let clawbox = steps.step("clawbox", clawbox)?;
    let fixture = steps.step("fixture image", || {
        packages::ensure(&packages::FIXTURE, consent)?;
        fixture::build(&workspace::root()?)
    })?;
    let results = steps.step("guest", || {
        let job = Job {
            clawbox: &clawbox,
            fixture: &fixture.tar,
            hostile: &fixture.hostile,
            filter: options.filter.as_deref(),
        };
        let disks = disks::write(folder, &job)?;
        let ran = machine::run(&image, &disks);
        let results = disks::read(folder, disks);
        ran.and(results)
    })?;
    steps.step("verdict", || {
        let verdict = verdict::judge(&results);
        say!("{}\n{}", image.emulator_version()?, verdict.words);
        say!("the reports are in {}", folder.display());
        match verdict.good {
            true => Ok(()),
            false => bail!("not everything is as it should be"),
        }
    })
}

/// Keeps a second guest of this workspace out until the file is dropped.
fn lock(folder: &Path) -> Result<File> {
    let file = File::open(folder).with_context(|| format!("open {}", folder.display()))?;
    if file.try_lock().is_err() {
        bail!("another `cargo xtask guest` runs in {}", folder.display());
    }
    Ok(file)
}

/// The command as it is released; a host's program runs in the guest unless the host has a newer C library.
fn clawbox() -> Result<PathBuf> {
    let args = ["build", "--release", "-p", "clawbox", "--bin", "clawbox"];
    let target = workspace::root()?.join("target");
    workspace::run(workspace::cargo(args)?.arg("--target-dir").arg(&target))?;
    Ok(target.join("release/clawbox"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_is_one_plain_word() {
        assert_eq!(filter("limits/memory"), Ok("limits/memory".to_owned()));
        for bad in ["", "a b", "$(reboot)", "*", "a\nb"] {
            assert!(filter(bad).is_err(), "{bad:?}");
        }
    }
}
