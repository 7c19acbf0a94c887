//! What the guest is made of: a Debian on a disk, its kernel, and an emulator that the host need not install.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use sha2::{Digest as _, Sha256};

use super::bound;
use crate::consent::Consent;
use crate::engines::{leftovers, packages};
use crate::say::say;

const SUITE: &str = "trixie";
/// Nothing is installed that these do not need.
const PACKAGES: &str = "systemd,systemd-sysv,udev,dbus-user-session,kmod,\
    linux-image-cloud-amd64,initramfs-tools,zstd,podman,crun,uidmap,passt,catatonit";
const EMULATOR: &str = "qemu-system-x86";
/// Most of it is a hole in the file.
const DISK_SIZE: &str = "3G";
const SET_UP: &str = include_str!("setup.sh");

const LIMIT: Duration = Duration::from_secs(900);

/// A made image; runs leave it as it is.
#[derive(Debug)]
pub(super) struct Image {
    folder: PathBuf,
}

impl Image {
    /// The image of this recipe; what other recipes have left is removed.
    pub(super) fn ensure(top: &Path, consent: Consent) -> Result<Self> {
        if !cfg!(all(target_arch = "x86_64", target_os = "linux")) {
            bail!("the guest runs programs of x86-64 Linux, and this host builds others");
        }
        packages::ensure(&packages::GUEST, consent)?;
        let image = Self {
            folder: top.join(format!("image-{}", recipe())),
        };
        if image.folder.exists() {
            say!("{} is there", image.folder.display());
            return Ok(image);
        }
        if !rustix::process::geteuid().is_root() {
            bail!("a Debian with all its owners can only be made by root: run this as root");
        }
        if !consent.allows("Download a Debian for the guest, some 200 MB?") {
            bail!(
                "the guest is made of some 200 MB of Debian's packages: give --yes to download them"
            );
        }
        clear(top)?;
        let new = top.join("new");
        fs::create_dir(&new).with_context(|| format!("create {}", new.display()))?;
        make(&new)?;
        fs::rename(&new, &image.folder)
            .with_context(|| format!("rename {} to {}", new.display(), image.folder.display()))?;
        Ok(image)
    }

    pub(super) fn disk(&self) -> PathBuf {
        self.folder.join("disk")
    }

    pub(super) fn kernel(&self) -> PathBuf {
        self.folder.join("vmlinuz")
    }

    pub(super) fn initrd(&self) -> PathBuf {
        self.folder.join("initrd.img")
    }

    /// The emulator, which ends with us: with its own loader and libraries, and so on any host's.
    pub(super) fn emulator(&self) -> Result<Command> {
        let usr = self.folder.join("emulator/usr");
        let libraries = usr.join("lib/x86_64-linux-gnu");
        let loader = libraries.join("ld-linux-x86-64.so.2");
        let loader = loader
            .to_str()
            .context("the workspace's path is no UTF-8")?;
        let mut command = bound::command(loader);
        command
            .arg("--library-path")
            .arg(&libraries)
            .arg(usr.join("bin/qemu-system-x86_64"));
        for data in ["share/qemu", "share/seabios"] {
            command.arg("-L").arg(usr.join(data));
        }
        Ok(command)
    }

    pub(super) fn emulator_version(&self) -> Result<String> {
        let output = self.emulator()?.arg("--version").output();
        let output = output.context("start the emulator")?;
        let text = String::from_utf8_lossy(&output.stdout);
        let line = text.lines().next().unwrap_or_default();
        Ok(line.to_owned())
    }
}

/// Names all that an image depends on, but for the packages' own versions.
fn recipe() -> String {
    let mut sha = Sha256::new();
    for part in [
        SUITE,
        PACKAGES,
        EMULATOR,
        DISK_SIZE,
        SET_UP,
        include_str!("image.rs"),
    ] {
        sha.update(part);
        sha.update([0]);
    }
    let hash = sha.finalize();
    hash[..4].iter().map(|byte| format!("{byte:02x}")).collect()
}

fn clear(top: &Path) -> Result<()> {
    for entry in fs::read_dir(top).with_context(|| format!("list {}", top.display()))? {
        let entry = entry.with_context(|| format!("list {}", top.display()))?;
        let name = entry.file_name();
        if name == "new" || name.to_string_lossy().starts_with("image-") {
            leftovers::remove_tree(&entry.path())?;
        }
    }
    Ok(())
}

fn make(new: &Path) -> Result<()> {
    // Unpacked and not installed: nothing in it will ever run but the emulator.
    let mut emulator = mmdebstrap(new);
    emulator
        .args(["--variant=extract", "--include", EMULATOR, SUITE])
        .arg(new.join("emulator"));
    bound::run("mmdebstrap (the emulator)", &mut emulator, LIMIT)?;

    let set_up = new.join("setup.sh");
    fs::write(&set_up, SET_UP).with_context(|| format!("write {}", set_up.display()))?;
    let root = new.join("root");
    let mut debian = mmdebstrap(new);
    debian
        .args(["--variant=minbase", "--include", PACKAGES])
        .args(["--customize-hook", "sh ./setup.sh \"$1\"", SUITE])
        .arg(&root);
    bound::run("mmdebstrap (the guest)", &mut debian, LIMIT)?;

    for file in ["vmlinuz", "initrd.img"] {
        let from = root.join(file);
        fs::copy(&from, new.join(file)).with_context(|| format!("copy {}", from.display()))?;
    }
    let mut disk = bound::command("mke2fs");
    disk.args(["-q", "-t", "ext4", "-d"])
        .arg(&root)
        .arg(new.join("disk"))
        .arg(DISK_SIZE);
    bound::run("mke2fs", &mut disk, LIMIT)?;
    leftovers::remove_tree(&root)
}

/// Takes Debian's packages from where mmdebstrap finds them by itself.
fn mmdebstrap(folder: &Path) -> Command {
    let mut command = bound::contained("mmdebstrap");
    command
        .args(["--quiet", "--mode=root"])
        .args(["--aptopt", "APT::Install-Recommends \"false\""])
        .current_dir(folder)
        .env("TMPDIR", folder)
        .env("LC_ALL", "C.UTF-8");
    command
}
