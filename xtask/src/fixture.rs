//! The image that conformance tests run in: a static busybox and the static probe, nothing else. And the hostile ones.

pub(crate) mod hostile;

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

/// The reference under which the image is known to the engines.
pub(crate) const FIXTURE_IMAGE: &str = "ghcr.io/n0xmare/clawbox-fixture:1";

const BUSYBOX: &str = "/bin/busybox";
const BUSYBOX_PACKAGE: &str = "install Debian's package busybox-static";

/// What the images are made of, the same bytes for the same programs.
pub(crate) struct Built {
    /// The fixture image's root filesystem as a tar archive.
    pub(crate) tar: Vec<u8>,
    /// The hostile images, as one archive to load.
    pub(crate) hostile: Vec<u8>,
    /// What those were made from.
    pub(crate) hostile_hash: String,
}

/// Builds the images.
///
/// # Errors
///
/// When the probe does not build, or this machine has no static busybox.
pub(crate) fn build(workspace_root: &Path) -> Result<Built> {
    let busybox = match fs::read(BUSYBOX) {
        Ok(program) => program,
        Err(error) if error.kind() == ErrorKind::NotFound => {
            bail!("{BUSYBOX} is missing: {BUSYBOX_PACKAGE}")
        }
        Err(error) => return Err(error).context(format!("cannot read {BUSYBOX}")),
    };
    ensure!(
        is_static(&busybox),
        "{BUSYBOX} is not a static program: {BUSYBOX_PACKAGE}"
    );
    let path = build_probe(workspace_root)?;
    let probe = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    ensure!(is_static(&probe), "{} is not static", path.display());
    let applets = output(Command::new(BUSYBOX).arg("--list"))?;
    let tar = archive(&root_filesystem(&busybox, applets.lines(), &probe))?;
    let (hostile, hostile_hash) = hostile::build(&tar, &probe)?;
    Ok(Built {
        tar,
        hostile,
        hostile_hash,
    })
}

/// Builds the probe for this machine, without anything that it would need at run time.
fn build_probe(workspace_root: &Path) -> Result<PathBuf> {
    let version = output(Command::new("rustc").arg("-vV").current_dir(workspace_root))?;
    let host = version
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .context("rustc -vV names no host")?;
    let target_dir = workspace_root.join("target/fixture");
    // The target is named so that the flags are not used for build scripts and macros.
    let status = Command::new("cargo")
        .args(["build", "--quiet", "--locked", "--profile", "probe"])
        .args(["--package", "clawbox-probe", "--bin", "probe"])
        .args(["--target", host, "--target-dir"])
        .arg(&target_dir)
        .env("RUSTFLAGS", "-C target-feature=+crt-static")
        // It would win over the other.
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .current_dir(workspace_root)
        .status()
        .context("cannot run cargo")?;
    ensure!(status.success(), "building the probe failed: {status}");
    Ok(target_dir.join(host).join("probe/probe"))
}

fn output(command: &mut Command) -> Result<String> {
    let output = command
        .output()
        .with_context(|| format!("cannot run {command:?}"))?;
    ensure!(
        output.status.success(),
        "{command:?} failed: {}",
        output.status
    );
    String::from_utf8(output.stdout).with_context(|| format!("{command:?} wrote no UTF-8"))
}

/// Whether these bytes are a 64-bit little-endian ELF program that names no dynamic loader.
fn is_static(program: &[u8]) -> bool {
    const ELF_64_LITTLE: &[u8] = b"\x7fELF\x02\x01";
    const PT_INTERP: u64 = 3;
    let number = |offset: u64, len: usize| {
        let start = usize::try_from(offset).ok()?;
        let bytes = program.get(start..start.checked_add(len)?)?;
        Some(
            bytes
                .iter()
                .rfold(0, |sum, &byte| sum << 8 | u64::from(byte)),
        )
    };
    let names_loader = || {
        let (table, size, count) = (number(32, 8)?, number(54, 2)?, number(56, 2)?);
        (0..count).try_fold(false, |found, index| {
            let kind = number(table.checked_add(index * size)?, 4)?;
            Some(found || kind == PT_INTERP)
        })
    };
    program.starts_with(ELF_64_LITTLE) && names_loader() == Some(false)
}

/// What stands at a path of the image.
#[derive(Debug, PartialEq, Eq)]
enum Node<'a> {
    Directory { mode: u32 },
    File { mode: u32, content: &'a [u8] },
    Link { target: &'a str },
    Device { block: bool, major: u32, minor: u32 },
}

fn root_filesystem<'a>(
    busybox: &'a [u8],
    applets: impl Iterator<Item = &'a str>,
    probe: &'a [u8],
) -> BTreeMap<String, Node<'a>> {
    let directory = |name: &str, mode| (name.to_owned(), Node::Directory { mode });
    let file = |name: &str, mode, content| (name.to_owned(), Node::File { mode, content });
    let mut nodes: BTreeMap<_, _> = applets
        .map(|applet| (format!("bin/{applet}"), Node::Link { target: "busybox" }))
        .collect();
    // The programs come last, so that no applet takes their names.
    nodes.extend([
        directory("bin", 0o755),
        // Open to all, so that only a read-only root filesystem keeps a user from writing there.
        directory("data", 0o777),
        directory("dev", 0o755),
        directory("etc", 0o755),
        directory("proc", 0o755),
        directory("run", 0o755),
        directory("sys", 0o755),
        directory("tmp", 0o1777),
        file("bin/busybox", 0o755, busybox),
        file("bin/probe", 0o755, probe),
        file("etc/group", 0o644, b"root:x:0:\nagent:x:1000:\n".as_slice()),
        file(
            "etc/passwd",
            0o644,
            b"root:x:0:0:root:/:/bin/sh\nagent:x:1000:1000:agent:/tmp:/bin/sh\n".as_slice(),
        ),
    ]);
    nodes
}

fn archive(nodes: &BTreeMap<String, Node<'_>>) -> Result<Vec<u8>> {
    let mut archive = tar::Builder::new(Vec::new());
    for (path, node) in nodes {
        let mut header = tar::Header::new_gnu();
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(0);
        match node {
            Node::Directory { mode } => {
                header.set_entry_type(tar::EntryType::Directory);
                header.set_mode(*mode);
                archive.append_data(&mut header, format!("{path}/"), [].as_slice())?;
            }
            Node::File { mode, content } => {
                header.set_entry_type(tar::EntryType::Regular);
                header.set_mode(*mode);
                header.set_size(content.len() as u64);
                archive.append_data(&mut header, path, *content)?;
            }
            Node::Link { target } => {
                header.set_entry_type(tar::EntryType::Symlink);
                header.set_mode(0o777);
                archive.append_link(&mut header, path, target)?;
            }
            Node::Device {
                block,
                major,
                minor,
            } => {
                header.set_entry_type(match block {
                    true => tar::EntryType::Block,
                    false => tar::EntryType::Char,
                });
                header.set_mode(0o666);
                header.set_device_major(*major)?;
                header.set_device_minor(*minor)?;
                archive.append_data(&mut header, path, [].as_slice())?;
            }
        }
    }
    Ok(archive.into_inner()?)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    const SOME: &[u8] = b"a program";

    #[test]
    fn the_order_of_the_applets_changes_nothing() {
        let made = |applets: &[&'static str]| {
            archive(&root_filesystem(SOME, applets.iter().copied(), SOME)).expect("an archive")
        };
        assert_eq!(made(&["sh", "ls", "[["]), made(&["[[", "sh", "ls"]));
    }

    #[test]
    fn the_archive_holds_every_node_as_it_should_be() {
        let nodes = root_filesystem(SOME, ["probe", "sh"].into_iter(), b"the probe");
        let bytes = archive(&nodes).expect("an archive");
        let mut archive = tar::Archive::new(bytes.as_slice());
        let mut found = Vec::new();
        for entry in archive.entries().expect("entries") {
            let mut entry = entry.expect("an entry");
            let mut content = String::new();
            entry.read_to_string(&mut content).expect("text");
            let header = entry.header();
            assert_eq!(header.uid().expect("a user"), 0);
            assert_eq!(header.gid().expect("a group"), 0);
            assert_eq!(header.mtime().expect("a time"), 0);
            let path = entry.path().expect("a path").display().to_string();
            let mode = header.mode().expect("a mode");
            let target = entry.link_name().expect("a target");
            let target = target.map(|target| target.display().to_string());
            found.push((path, mode, target.unwrap_or(content)));
        }
        let find = |path: &str| {
            let mut all = found.iter().filter(|(name, ..)| name == path);
            let (_, mode, content) = all.next().unwrap_or_else(|| panic!("{path} is missing"));
            assert_eq!(all.next(), None, "{path} is there twice");
            (*mode, content.as_str())
        };
        assert_eq!(find("bin/busybox"), (0o755, "a program"));
        assert_eq!(find("bin/probe"), (0o755, "the probe"));
        assert_eq!(find("bin/sh"), (0o777, "busybox"));
        assert_eq!(find("data/"), (0o777, ""));
        assert_eq!(find("tmp/"), (0o1777, ""));
        assert!(find("etc/passwd").1.contains("agent:x:1000:1000:"));
        for name in ["bin/", "dev/", "etc/", "proc/", "run/", "sys/"] {
            assert_eq!(find(name), (0o755, ""));
        }
    }

    /// A program of 64 bytes of header and one program header of this type.
    fn elf(kind: u8) -> Vec<u8> {
        let mut program = vec![0; 64 + 56];
        program[..6].copy_from_slice(b"\x7fELF\x02\x01");
        (program[32], program[54], program[56]) = (64, 56, 1);
        program[64] = kind;
        program
    }

    #[test]
    fn only_a_whole_program_without_a_loader_is_static() {
        assert!(is_static(&elf(1)));
        assert!(!is_static(&elf(3)), "it names a loader");
        assert!(!is_static(&elf(1)[..66]), "it is cut");
        assert!(!is_static(b"#!/bin/sh\n"), "it is no program");
    }
}
