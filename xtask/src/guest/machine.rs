//! A run of the guest: started, listened to, and gone at the end.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::bound;
use super::disks::Disks;
use super::image::Image;
use super::phases::{self, Phase};
use crate::say::say;

/// What the job's phases may take; a busy host needs several times what a quiet one does.
const PHASES: [Phase; 6] = [
    ("boot", Duration::from_secs(300)),
    ("podman", Duration::from_secs(300)),
    ("suite", Duration::from_secs(5400)),
    ("memory", Duration::from_secs(180)),
    ("processes", Duration::from_secs(180)),
    ("results", Duration::from_secs(120)),
];

/// Boots it and waits until it has switched itself off.
pub(super) fn run(image: &Image, disks: &Disks) -> Result<()> {
    let console = disks.results.with_file_name("console.log");
    let mut child = qemu(image, disks, &console)?
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("start the emulator")?;
    let ran = watch(&mut child);
    bound::end(&mut child)?;
    ran.with_context(|| format!("the end of {}:\n{}", console.display(), tail(&console)))
}

fn watch(child: &mut Child) -> Result<()> {
    let output = child.stdout.take().context("the emulator has no output")?;
    phases::follow(output, &PHASES, |line| say!("{line}"))?;
    // It has closed its output, and so is about to end.
    match bound::wait(child, Duration::from_secs(20))? {
        Some(status) if status.success() => Ok(()),
        Some(status) => bail!("the emulator ended with {status}"),
        None => bail!("the emulator does not end"),
    }
}

fn qemu(image: &Image, disks: &Disks, console: &Path) -> Result<Command> {
    let mut qemu = image.emulator()?;
    qemu.args(["-nodefaults", "-no-user-config", "-no-reboot"])
        .args(["-display", "none"])
        .args(["-machine", "q35,accel=tcg", "-cpu", "max"])
        .args(["-smp", "2", "-m", "2048"])
        .arg("-kernel")
        .arg(image.kernel())
        .arg("-initrd")
        .arg(image.initrd())
        .args(["-append", "root=/dev/vda rw quiet console=ttyS0 panic=-1"])
        // What is written goes to a nameless file: each boot finds the disk as it was made.
        .args(["-drive", &drive(&image.disk(), "snapshot=on")])
        .args(["-drive", &drive(&disks.job, "readonly=on")])
        .args(["-drive", &drive(&disks.results, "readonly=off")])
        .args(["-device", "virtio-rng-pci"])
        // Of two serial ports, the kernel has the first, and the job the second.
        .args(["-serial", &format!("file:{}", console.display())])
        .args(["-serial", "stdio"]);
    if let Some(folder) = console.parent() {
        qemu.env("TMPDIR", folder);
    }
    Ok(qemu)
}

/// A disk as the emulator takes it, which parts its words by commas.
fn drive(file: &Path, more: &str) -> String {
    let file = file.display().to_string().replace(',', ",,");
    format!("if=virtio,format=raw,{more},file={file}")
}

fn tail(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_job_says_each_phase_but_the_boot_in_this_order() {
        let job = include_str!("job.sh").lines();
        let said: Vec<&str> = job
            .filter_map(|line| line.strip_prefix("echo \"== ")?.strip_suffix('"'))
            .collect();
        let listed: Vec<&str> = PHASES[1..].iter().map(|(name, _)| *name).collect();
        assert_eq!(said, listed);
    }
}
