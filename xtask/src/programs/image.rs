//! The image that the programs are in: Debian's packages, and two small programs of our own.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use sha2::{Digest as _, Sha256};

use crate::consent::Consent;
use crate::engines::session::Session;
use crate::engines::{Kind, packages};
use crate::guest::bound;
use crate::http::query_value;
use crate::say::say;

pub(super) const NAME: &str = "localhost/clawbox-programs:1";
pub(super) const SUITE: &str = "bookworm";

const PACKAGES: &str = "busybox,procps,util-linux,python3,python3-venv,python3-pip,python3-setuptools,python3-wheel,\
    nodejs,npm,git,curl,ca-certificates,gcc,libc6-dev,make,sqlite3,perl,postgresql,golang-go";
/// Carries the recipe that the image was made by.
const LABEL: &str = "programs.recipe";
const GO: &str = include_str!("hello.go");
const RUST: &str = include_str!("hello.rs");
const SET_UP: &str = include_str!("setup.sh");

const LIMIT: Duration = Duration::from_secs(900);

/// Sees to it that the archive of this recipe is there.
pub(super) fn ensure(folder: &Path, consent: Consent) -> Result<PathBuf> {
    let archive = folder.join(format!("{}.tar", recipe()));
    if archive.exists() {
        say!("{} is there", archive.display());
        return Ok(archive);
    }
    packages::ensure(&packages::GUEST, consent)?;
    if !rustix::process::geteuid().is_root() {
        bail!("a Debian with all its owners can only be made by root: run this as root");
    }
    if !consent.allows("Download Debian's packages for the programs, some 350 MB?") {
        bail!("the programs are some 350 MB of Debian's packages: give --yes to download them");
    }
    let new = folder.join("new");
    if new.exists() {
        fs::remove_dir_all(&new).with_context(|| format!("remove {}", new.display()))?;
    }
    fs::create_dir_all(&new).with_context(|| format!("create {}", new.display()))?;
    for (name, text) in [("hello.go", GO), ("hello.rs", RUST), ("setup.sh", SET_UP)] {
        fs::write(new.join(name), text).with_context(|| format!("write {name}"))?;
    }
    let mut rustc = Command::new("rustc");
    rustc
        .args(["--edition", "2024", "-O", "-C", "strip=symbols"])
        .args([
            "-C",
            "target-feature=+crt-static",
            "-o",
            "hello-rust",
            "hello.rs",
        ])
        .current_dir(&new);
    bound::run("rustc", &mut rustc, LIMIT)?;
    let mut debian = bound::contained("mmdebstrap");
    debian
        .args([
            "--quiet",
            "--mode=root",
            "--variant=minbase",
            "--include",
            PACKAGES,
        ])
        .args(["--aptopt", "APT::Install-Recommends \"false\""])
        .args([
            "--customize-hook",
            "sh ./setup.sh \"$1\"",
            SUITE,
            "root.tar",
        ])
        .current_dir(&new)
        .env("TMPDIR", &new)
        .env("LC_ALL", "C.UTF-8");
    bound::run("mmdebstrap (the programs)", &mut debian, LIMIT)?;
    let made = new.join("root.tar");
    fs::rename(&made, &archive).with_context(|| format!("rename {}", made.display()))?;
    fs::remove_dir_all(&new).with_context(|| format!("remove {}", new.display()))?;
    Ok(archive)
}

/// Imports the archive, unless the engine has the image of this recipe.
pub(super) fn import(archive: &Path, session: &Session) -> Result<()> {
    let Session { kind, endpoint, .. } = session;
    let answer = endpoint.request("GET", &format!("/images/{NAME}/json"), &[])?;
    if answer.status == 200 && answer.json()?["Config"]["Labels"][LABEL] == *recipe() {
        return Ok(());
    }
    let reference = query_value(NAME);
    let path = match kind {
        Kind::Docker => {
            let (repository, tag) = NAME.rsplit_once(':').context("the name has no tag")?;
            let repository = query_value(repository);
            format!("/images/create?fromSrc=-&repo={repository}&tag={tag}")
        }
        Kind::PodmanRootless | Kind::PodmanRootful => {
            format!("/v4.0.0/libpod/images/import?reference={reference}")
        }
    };
    let label = query_value(&format!("LABEL {LABEL}={}", recipe()));
    let file = File::open(archive).with_context(|| format!("open {}", archive.display()))?;
    let answer = endpoint.upload(&format!("{path}&changes={label}"), file)?;
    let progress = String::from_utf8_lossy(&answer.body);
    if answer.status != 200 || progress.contains("\"error\"") {
        bail!("{endpoint} refused the image: {}", progress.trim());
    }
    say!("{NAME} imported into {endpoint}");
    Ok(())
}

/// Names all that the image depends on, but for the packages' own versions.
fn recipe() -> String {
    let mut sha = Sha256::new();
    for part in [SUITE, PACKAGES, GO, RUST, SET_UP] {
        sha.update(part);
        sha.update([0]);
    }
    let hash = sha.finalize();
    hash[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}
