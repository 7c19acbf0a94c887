//! A small disk of an engine's own, which can be filled without harm to anybody else.

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::packages;
use super::service::{Service, is_root};
use crate::workspace::run as done;

/// How large it is. It takes as much of the host's as is written to it.
const BYTES: u64 = 512 << 20;

/// Mounts the file `$1` at `$2`, or memory with the options `$3` where the host has no loop device for it, and becomes the
/// rest. The kernel takes both away with the last process in these mounts.
const MOUNT: &str = r#"set -e
mount -o loop "$1" "$2" || mount -t tmpfs -o "$3" clawbox "$2"
rm "$1"
shift 3
exec "$@""#;

/// Takes all the room that is left at `$1`, without writing it, and says which kind of file system that is.
const FILL: &str = r#"number=0
size=1073741824
while [ $size -ge 4096 ]; do
    if fallocate -l $size "$1/filler.$number" 2>/dev/null; then
        number=$((number + 1))
    else
        rm -f "$1/filler.$number"
        size=$((size / 2))
    fi
done
stat -f -c %T "$1""#;

impl Service {
    /// Has a disk of its own for its images and containers, where root starts it.
    pub(crate) fn with_small_disk(mut self) -> Self {
        self.small_disk = is_root();
        self
    }

    /// Makes the disk, and has a command in private mounts mount it first.
    pub(super) fn mount_disk(&self, command: &mut Command) -> Result<()> {
        let image = self.disk();
        let owner = fs::metadata(&self.data).context("look at the engine's folder")?;
        let (uid, gid) = (owner.uid(), owner.gid());
        let file = File::create(&image).context("make the engine's disk")?;
        file.set_len(BYTES).context("make the engine's disk")?;
        let mut format = Command::new("mkfs.ext4");
        format.env("PATH", packages::search_path());
        format.args(["-q", "-m", "0", "-E", &format!("root_owner={uid}:{gid}")]);
        done(format.arg(&image))?;
        let memory = format!("size={BYTES},mode=0711,uid={uid},gid={gid}");
        command.args(["sh", "-c", MOUNT, "sh"]);
        command.args([&image, &self.data]).arg(memory);
        Ok(())
    }

    /// Until it is mounted.
    fn disk(&self) -> PathBuf {
        self.data.with_extension("disk")
    }

    /// Fills the disk, and says what it is; `None` where the engine has none of its own.
    pub(crate) fn fill(&self) -> Result<Option<String>> {
        if !is_root() || !self.inside("mountpoint -q \"$1\"")?.status.success() {
            return Ok(None);
        }
        let filled = self.inside(FILL)?;
        if !filled.status.success() {
            bail!("{} could not be filled: {filled:?}", self.data.display());
        }
        let kind = String::from_utf8_lossy(&filled.stdout).trim().to_owned();
        Ok(Some(kind))
    }

    /// Gives the room back.
    pub(crate) fn empty(&self) -> Result<()> {
        let emptied = self.inside("rm -f \"$1\"/filler.*")?;
        match emptied.status.success() {
            true => Ok(()),
            false => bail!("{} could not be emptied: {emptied:?}", self.data.display()),
        }
    }

    /// Runs a script in the service's mounts, with its folder as `$1`.
    fn inside(&self, script: &str) -> Result<std::process::Output> {
        let pid = self.pid()?.context("it does not run")?;
        let mut command = Command::new("nsenter");
        command.arg(format!("--mount=/proc/{pid}/ns/mnt"));
        command.args(["sh", "-c", script, "sh"]).arg(&self.data);
        command
            .output()
            .context("start nsenter (package util-linux)")
    }
}
