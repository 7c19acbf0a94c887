//! The programs an engine needs, and installing those that are missing.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::consent::Consent;
use crate::say::say;
use crate::workspace::{run, run_silently};

/// A program, and the Debian package that brings it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Program {
    pub(crate) name: &'static str,
    pub(crate) package: &'static str,
    /// Services that the package would have the host run from now on.
    services: &'static [&'static str],
}

/// What a dockerd of our own is made of.
pub(crate) const DOCKERD: [Program; 3] = [
    Program {
        name: "dockerd",
        package: "docker.io",
        services: &["docker.service", "docker.socket"],
    },
    Program {
        name: "containerd",
        package: "containerd",
        services: &["containerd.service"],
    },
    plain("runc", "runc"),
];

const fn podman() -> Program {
    Program {
        name: "podman",
        package: "podman",
        services: &[
            "podman.socket",
            "podman.service",
            "podman-auto-update.timer",
            "podman-auto-update.service",
            "podman-restart.service",
            // Newer releases have it.
            "podman-clean-transient.service",
        ],
    }
}

/// A program whose package brings no service.
const fn plain(name: &'static str, package: &'static str) -> Program {
    Program {
        name,
        package,
        services: &[],
    }
}

/// What a rootful Podman of our own is made of.
pub(crate) const PODMAN: [Program; 3] =
    [podman(), plain("conmon", "conmon"), plain("crun", "crun")];

/// What a rootless one needs.
pub(crate) const PODMAN_ROOTLESS: [Program; 7] = [
    podman(),
    plain("conmon", "conmon"),
    plain("crun", "crun"),
    plain("newuidmap", "uidmap"),
    plain("slirp4netns", "slirp4netns"),
    plain("fuse-overlayfs", "fuse-overlayfs"),
    // Podman's own pause process, and what holds its namespaces open.
    plain("catatonit", "catatonit"),
];

/// What the fixture image is made of.
pub(crate) const FIXTURE: [Program; 1] = [plain("busybox", "busybox-static")];

/// What makes and runs the guest; the guest itself is made of packages that the host never installs.
pub(crate) const GUEST: [Program; 3] = [
    Program {
        name: "mmdebstrap",
        package: "mmdebstrap",
        services: &[],
    },
    Program {
        name: "mke2fs",
        package: "e2fsprogs",
        services: &[],
    },
    Program {
        name: "setpriv",
        package: "util-linux",
        services: &[],
    },
];

/// Daemons live here, and a user's PATH often leaves these folders out.
pub(crate) const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// PATH with the system's folders after it.
pub(crate) fn search_path() -> String {
    match std::env::var("PATH") {
        Ok(path) if !path.is_empty() => format!("{path}:{SYSTEM_PATH}"),
        _ => SYSTEM_PATH.to_owned(),
    }
}

/// Finds a program.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    std::env::split_paths(&search_path())
        .map(|folder| folder.join(name))
        .find(|program| program.is_file())
}

/// Sees to it that the programs are there, installing them where that is possible and allowed.
pub(crate) fn ensure(programs: &[Program], consent: Consent) -> Result<()> {
    let missing: Vec<Program> = programs
        .iter()
        .copied()
        .filter(|program| find(program.name).is_none())
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names = join(missing.iter().map(|program| program.name));
    let packages = join(missing.iter().map(|program| program.package));
    if !Path::new("/etc/debian_version").exists() || find("apt-get").is_none() {
        bail!(
            "missing: {names}; install your distribution's packages for them (Debian: {packages})"
        );
    }
    let by_hand = format!("apt-get install --no-install-recommends {packages}");
    if !rustix::process::geteuid().is_root() {
        bail!("missing: {names}; as root, run `{by_hand}`");
    }
    if !consent.allows(&format!(
        "missing: {names}. Install the packages {packages} now?"
    )) {
        bail!("missing: {names}; give --yes to have them installed, or run `{by_hand}`");
    }
    install(&missing)
        .with_context(|| format!("install {packages}; or run `{by_hand}` yourself"))?;
    match programs.iter().find(|program| find(program.name).is_none()) {
        None => Ok(()),
        Some(Program { name, package, .. }) => {
            bail!(
                "{package} is installed, but there is no {name} in {}",
                search_path()
            )
        }
    }
}

fn join<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.collect::<Vec<_>>().join(" ")
}

fn install(programs: &[Program]) -> Result<()> {
    let services: Vec<&str> = programs
        .iter()
        .flat_map(|program| program.services)
        .copied()
        .collect();
    let no_start = match services.is_empty() {
        true => None,
        false => Some(NoServiceStart::hold()?),
    };
    let packages = join(programs.iter().map(|program| program.package));
    say!("installing Debian's packages {packages} …");
    run_silently(&mut apt_get(&["update"]))?;
    let mut apt = apt_get(&["install", "-y", "--no-install-recommends", "--no-remove"]);
    run_silently(apt.args(programs.iter().map(|program| program.package)))?;
    drop(no_start);
    // A package enables its services for the next boot; we wanted its programs only.
    let installed = |service: &&str| Path::new("/lib/systemd/system").join(service).exists();
    let services: Vec<&str> = services.into_iter().filter(installed).collect();
    if !services.is_empty() && Path::new("/run/systemd/system").exists() {
        run(Command::new("systemctl").arg("disable").args(&services))?;
    }
    Ok(())
}

fn apt_get(args: &[&str]) -> Command {
    let mut apt = Command::new("apt-get");
    apt.args(["-q", "-o", "DPkg::Lock::Timeout=120"])
        .args(args)
        .env("PATH", search_path())
        .env("DEBIAN_FRONTEND", "noninteractive");
    apt
}

/// Debian's own way to install a package without having its services started.
struct NoServiceStart {
    ours: bool,
}

impl NoServiceStart {
    const FILE: &str = "/usr/sbin/policy-rc.d";
    const TEXT: &str = "#!/bin/sh\n\
        # clawbox: present only while it installs packages\n\
        case \"$1\" in docker*|containerd*|podman*) exit 101 ;; esac\n";

    fn hold() -> Result<Self> {
        let create = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o755)
            .open(Self::FILE);
        match create {
            Ok(mut file) => {
                let held = Self { ours: true };
                file.write_all(Self::TEXT.as_bytes())
                    .with_context(|| format!("write {}", Self::FILE))?;
                Ok(held)
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Self::adopt(),
            Err(error) => Err(error).with_context(|| format!("create {}", Self::FILE)),
        }
    }

    /// The file is there: left by an interrupted run of ours, or the host's own.
    fn adopt() -> Result<Self> {
        if fs::read(Self::FILE).is_ok_and(|text| text == Self::TEXT.as_bytes()) {
            return Ok(Self { ours: true });
        }
        for service in ["docker", "podman"] {
            let answer = Command::new(Self::FILE)
                .args([service, "start"])
                .status()
                .with_context(|| format!("ask {}", Self::FILE))?;
            if answer.code() != Some(101) {
                bail!(
                    "{} would let the package start the host's {service} service",
                    Self::FILE
                );
            }
        }
        Ok(Self { ours: false })
    }
}

impl Drop for NoServiceStart {
    fn drop(&mut self) {
        if self.ours
            && let Err(error) = fs::remove_file(Self::FILE)
        {
            eprintln!("warning: remove {} yourself: {error}", Self::FILE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_by_name() {
        assert!(find("sh").is_some());
        assert!(find("no-such-program-anywhere").is_none());
    }
}
