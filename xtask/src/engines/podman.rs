//! Podman services of our own, a rootful and a rootless one: their own storage, sockets, locks and mounts.
//!
//! As root both run in private mount namespaces, as dockerd does, and for the same reasons. The rootless one runs
//! as a user who has nothing else, or as the one who started the chore.

use std::env;
use std::fmt::Write as _;
use std::fs::{self, DirBuilder, Permissions};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::processes::PODMAN_CONFIG;
use super::service::{Service, is_root};
use super::user::{self, User};
use super::{Kind, leftovers, packages};
use crate::consent::Consent;
use crate::workspace::run as done;

/// Folders of root's that Podman and crun would write into; they are hidden from ours.
const HIDDEN: [&str; 2] = ["/run/crun", "/var/lib/containers"];

/// What Podman makes outside our folders when it is not there: what is hidden, and its control groups.
pub(super) fn on_host() -> Vec<PathBuf> {
    let hidden = HIDDEN.iter().map(PathBuf::from);
    let groups = leftovers::cgroups(CGROUP).flat_map(|group| [group.clone(), group.join("conmon")]);
    hidden.chain(groups).collect()
}

/// The group in which Podman puts each of root's containers; it cannot be told another.
const CGROUP: &str = "libpod_parent";

/// Where a hybrid host has its second hierarchy, with which crun refuses to run.
const HYBRID: &str = "/sys/fs/cgroup/unified";

const CONTAINERS_CONF: &str = "containers.conf";
const STORAGE_CONF: &str = "storage.conf";

/// Hides the folders before `--`, then becomes the command after it.
const START: &str = r#"set -e
if mountpoint -q /sys/fs/cgroup/unified; then umount /sys/fs/cgroup/unified; fi
while [ "$1" != -- ]; do
    mkdir -p "$1"
    mount -t tmpfs -o mode=0700 clawbox "$1"
    shift
done
shift
exec "$@""#;

/// Where the services' folders for the rootless engine are made.
pub(super) fn runtime_folder() -> PathBuf {
    match env::var_os("XDG_RUNTIME_DIR") {
        Some(folder) if !is_root() => folder.into(),
        _ => "/run".into(),
    }
}

/// The engine's own XDG_RUNTIME_DIR, new with each start.
fn state(run: &Path) -> PathBuf {
    run.join("state")
}

pub(super) fn socket(run: &Path) -> PathBuf {
    state(run).join("podman.sock")
}

/// What tells the service from other processes.
pub(super) fn service(run: &Path) -> (&'static str, String) {
    ("podman", address(run))
}

fn address(run: &Path) -> String {
    format!("unix://{}", socket(run).display())
}

pub(super) fn prepare_rootful(service: &Service) -> Result<Command> {
    configure(service)?;
    let mut command = in_private_mounts(service)?;
    command.args(HIDDEN).args(["--", "env", "-i"]);
    command.args(environment(service)).args(serve(service));
    Ok(command)
}

pub(super) fn prepare_rootless(service: &Service, consent: Consent) -> Result<Command> {
    let user = match is_root() {
        true => Some(user::ensure(consent)?),
        false => {
            possible_without_root()?;
            None
        }
    };
    service.make_folders(&[])?;
    configure(service)?;
    let Some(user) = user else {
        let mut command = Command::new("setsid");
        command.args(["env", "-i"]);
        command.args(environment(service)).args(serve(service));
        return Ok(command);
    };
    let User { uid, gid } = user;
    for folder in [&service.data, &state(&service.run)] {
        chown(folder, Some(uid), Some(gid))
            .with_context(|| format!("give {} to its user", folder.display()))?;
    }
    // The settings are root's, and read by the user.
    for (folder, mode) in [(&service.data, 0o700), (&service.run, 0o711)] {
        fs::set_permissions(folder, Permissions::from_mode(mode))
            .with_context(|| format!("set the mode of {}", folder.display()))?;
    }
    let mut command = in_private_mounts(service)?;
    command.arg("--").args(user.become_it()).args(["env", "-i"]);
    command.args(environment(service)).args(serve(service));
    Ok(command)
}

fn possible_without_root() -> Result<()> {
    if env::var_os("XDG_RUNTIME_DIR").is_none() {
        bail!("XDG_RUNTIME_DIR is not set: log in as this user, or name a folder of mode 0700");
    }
    let mounts = fs::read_to_string("/proc/self/mountinfo").context("read the mounts")?;
    if leftovers::mounted_below(&mounts, Path::new(HYBRID)).is_some() {
        bail!("crun refuses this host's hybrid control groups: run this as root");
    }
    user::own_subordinate_ids()
}

fn in_private_mounts(service: &Service) -> Result<Command> {
    let mut command = service.command()?;
    command.args(["sh", "-c", START, "sh"]);
    Ok(command)
}

fn serve(service: &Service) -> [String; 5] {
    let address = address(&service.run);
    ["podman", "system", "service", "--time=0", &address].map(str::to_owned)
}

/// Starts it again in its old mounts, with all that it has left.
pub(super) fn again(service: &Service, command: &mut Command) -> Result<()> {
    if service.kind == Kind::PodmanRootless && is_root() {
        let user = user::find()?.context("the rootless engine has no user")?;
        command.args(user.become_it());
    }
    command.args(["env", "-i"]);
    command.args(environment(service)).args(serve(service));
    Ok(())
}

/// What whoever acts for the engine's user has in the environment.
fn user_environment(service: &Service) -> [String; 3] {
    [
        format!("PATH={}", packages::SYSTEM_PATH),
        format!("HOME={}", service.data.display()),
        format!("XDG_RUNTIME_DIR={}", state(&service.run).display()),
    ]
}

/// The whole environment of the service, and of the `podman` command beside it.
pub(super) fn environment(service: &Service) -> Vec<String> {
    let settings = |variable: &str, file: &str| {
        let path = service.run.join(file);
        format!("{variable}={}", path.display())
    };
    let mut variables = Vec::from(user_environment(service));
    variables.push(settings(PODMAN_CONFIG, CONTAINERS_CONF));
    variables.push(settings("CONTAINERS_STORAGE_CONF", STORAGE_CONF));
    variables
}

/// Writes the settings, and makes the run-time state anew, as after a boot.
fn configure(service: &Service) -> Result<()> {
    let Service { run, data, .. } = service;
    let state = state(run);
    for (name, text) in settings(data, &state) {
        let file = run.join(name);
        fs::write(&file, text).with_context(|| format!("write {}", file.display()))?;
        fs::set_permissions(&file, Permissions::from_mode(0o644))
            .with_context(|| format!("open {}", file.display()))?;
    }
    if !is_root() {
        remove_as_owner(&[&state])?;
    }
    leftovers::remove_tree(&state)?;
    DirBuilder::new()
        .mode(0o700)
        .create(&state)
        .with_context(|| format!("create {}", state.display()))
}

/// The files of settings, which keep the host's out.
fn settings(data: &Path, state: &Path) -> [(&'static str, String); 2] {
    let set = |text: &mut String, key: &str, value: &str| {
        // A string of TOML is quoted as Rust's are, for all that stands in a path.
        let _ = writeln!(text, "{key} = {value:?}");
    };
    let path = |path: PathBuf| path.display().to_string();
    let graph_root = data.join("storage");

    let mut containers = "[engine]\n".to_owned();
    set(&mut containers, "cgroup_manager", "cgroupfs");
    set(&mut containers, "events_logger", "file");
    // The other kind is shared with all of the user's Podmans, in /dev/shm.
    set(&mut containers, "lock_type", "file");
    set(&mut containers, "runtime", "crun");
    // The command that cleans up after a container is told of the storage, and looks for containers here below it.
    let static_dir = graph_root.join("libpod");
    set(&mut containers, "static_dir", &path(static_dir));
    set(&mut containers, "tmp_dir", &path(state.join("libpod")));
    set(&mut containers, "volume_path", &path(data.join("volumes")));
    containers.push_str("[network]\n");
    set(
        &mut containers,
        "network_config_dir",
        &path(data.join("networks")),
    );

    let mut storage = "[storage]\n".to_owned();
    // With folders of one's own the default is vfs, which copies the whole image for each container.
    set(&mut storage, "driver", "overlay");
    set(&mut storage, "runroot", &path(state.join("containers")));
    let graph_root = path(graph_root);
    for key in ["graphroot", "rootless_storage_path"] {
        set(&mut storage, key, &graph_root);
    }
    [(CONTAINERS_CONF, containers), (STORAGE_CONF, storage)]
}

/// Removes what the engine of a user who is not root keeps.
pub(super) fn remove_own(service: &Service) -> Result<()> {
    remove_as_owner(&[&service.data, &state(&service.run)])
}

/// Removes folders in which files belong to subordinate ids: only a user namespace that has these can.
fn remove_as_owner(folders: &[&Path]) -> Result<()> {
    let mut remove = Command::new("unshare");
    remove.args(["--map-auto", "--map-root-user", "rm", "-rf", "--"]);
    done(remove.args(folders)).context("remove files of subordinate ids")
}

/// Removes the groups of the engine's containers, which stand among those of every Podman of root's.
pub(super) fn remove_cgroups(service: &Service) -> Result<()> {
    let containers = service.data.join("storage/overlay-containers");
    for entry in fs::read_dir(containers).into_iter().flatten().flatten() {
        let id = entry.file_name();
        leftovers::remove_cgroups(&format!("{CGROUP}/libpod-{}", id.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cleans_up_after_a_container_finds_it() {
        let [(_, containers), (_, storage)] = settings(Path::new("/d"), Path::new("/s"));
        assert!(
            storage.contains("graphroot = \"/d/storage\"\n"),
            "{storage}"
        );
        let below = "static_dir = \"/d/storage/libpod\"\n";
        assert!(containers.contains(below), "{containers}");
    }
}
