//! Directories of the host's that a container works in.

use super::gate::refusal;
use crate::{
    case::table,
    check::{Checked, Stop, ensure, errno, refused, same},
    context::Context,
    rig::{Rig, SLEEPER, request},
    tap::Call,
};
use clawbox_containers::ContainerError;
use clawbox_probe::{Attempt, Command, Count, Syscalls};
use clawbox_types::{ContainerSpawnRequest, PolicyItem, Workspace};
use std::{
    collections::BTreeSet,
    fs::{self, Permissions},
    io,
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
};

table! { "workspace":
    #[process_one]
    goes_both_ways = "what the host has in a workspace is read, and what the container writes is the host's",
    #[process_one]
    belongs_to_its_owner = "all that a hostile command leaves belongs to the workspace's owner, who can delete it (F14)",
    #[process_one]
    nothing_gets_out = "no hard link, rename or device leads in or out of a workspace (F14)",
    #[process_one]
    read_only = "a read-only workspace is read and cannot be changed",
    #[process_one]
    several = "several workspaces are each where the request has them",
    only_below_roots = "a directory that is not below one of the operator's is refused",
    #[process_one]
    no_detours = "links, `..`, `//` and `/.` in a source are refused, wherever they lead (F09)",
    #[process_one]
    no_place_of_others = "the kernel's, everybody's, homes, secrets, and what holds the engine's socket are refused (F10)",
    #[process_one]
    not_made = "a source that is not there is refused, and nobody makes it (F12)",
    #[process_one]
    not_swapped = "a directory that is swapped after it was looked at is not the command's (F13)",
    #[process_one]
    not_a_link_later = "a directory that becomes a link after it was looked at is not followed (F13)",
    #[process_one]
    of_use_to_its_user = "a directory that the container's user cannot read is refused before the command runs",
    #[process_one]
    not_somebody_elses = "a directory of another user's is not bound to be written",
}

/// A backend whose operator allows workspaces below these directories.
pub(super) async fn rig(context: &Context, roots: &[&Path]) -> Checked<Rig> {
    let (me, group) = (rustix::process::geteuid(), rustix::process::getegid());
    // As root the directory was given away. Anybody else has it, and is who a container has to be where the engine does
    // not see to that.
    let is_me = !me.is_root() && !context.engine().probe().await?.rootless;
    context.rig_with(|setup| {
        let roots = roots.iter().map(|root| (*root).to_owned());
        setup.security.workspace_roots = roots.collect();
        if is_me {
            setup.security.user = format!("{}:{}", me.as_raw(), group.as_raw());
        }
    })
}

fn asking(command: &Command, workspace: Workspace) -> ContainerSpawnRequest {
    request(command).with_workspace(workspace)
}

fn write(path: &str) -> Command {
    Command::Write {
        path: path.to_owned(),
    }
}

fn read(path: &str) -> Command {
    Command::Read {
        path: path.to_owned(),
    }
}

async fn goes_both_ways(context: &Context) -> Checked {
    let dir = context.workspace()?;
    let rig = rig(context, &[&dir]).await?;
    fs::write(dir.join("in"), "from the host")?;
    let workspace = || Workspace::new(&dir);
    let ran = rig
        .run_request(asking(&read("/workspace/in"), workspace()))
        .await?;
    let count: Count = ran.report()?;
    same("read", (count.count, count.errno), (13, None))?;
    let ran = rig
        .run_request(asking(&write("/workspace/out"), workspace()))
        .await?;
    same("written", ran.report::<Attempt>()?.errno, None)?;
    same(
        "on the host",
        fs::read_to_string(dir.join("out"))?,
        "probe\n".to_owned(),
    )
}

/// What `probe litter` came to in a workspace.
async fn littered(context: &Context) -> Checked<(PathBuf, Syscalls)> {
    let dir = context.workspace()?;
    let rig = rig(context, &[&dir]).await?;
    let ran = rig
        .run_request(asking(&Command::Litter, Workspace::new(&dir)))
        .await?;
    let told = ran.report()?;
    Ok((dir, told))
}

async fn belongs_to_its_owner(context: &Context) -> Checked {
    let (dir, Syscalls(told)) = littered(context).await?;
    let device = told.get("left device");
    same("a device", device.map(String::as_str), Some("EPERM"))?;
    let left = told
        .iter()
        .filter(|(name, _)| name.starts_with("left ") && *name != "left device");
    for (name, outcome) in left.chain(told.get_key_value("run program")) {
        same(name, outcome.as_str(), "ok")?;
    }
    let owner = fs::metadata(&dir)?.uid();
    let mut left = BTreeSet::new();
    delete_as_owner(&dir, owner, &mut left)?;
    let names = ["file", "hard", "link", "pipe", "program", "tree"];
    for name in names {
        ensure!(left.contains(name), "{name} was not left: {left:?}");
    }
    same("entries that stay", fs::read_dir(&dir)?.count(), 0)
}

/// Deletes what is in a directory with nothing but what its owner may do: open his own, and remove what is in it.
fn delete_as_owner(dir: &Path, owner: u32, left: &mut BTreeSet<String>) -> Checked {
    for entry in fs::read_dir(dir)? {
        let (entry, path) = match entry {
            Ok(entry) => (entry.file_type()?, entry.path()),
            Err(error) => return Err(error.into()),
        };
        let found = fs::symlink_metadata(&path)?.uid();
        same(&format!("the owner of {}", path.display()), found, owner)?;
        left.extend(
            path.file_name()
                .map(|name| name.to_string_lossy().into_owned()),
        );
        if entry.is_dir() {
            fs::set_permissions(&path, Permissions::from_mode(0o700))?;
            delete_as_owner(&path, owner, left)?;
            fs::remove_dir(&path)?;
        } else {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

async fn nothing_gets_out(context: &Context) -> Checked {
    let (dir, Syscalls(told)) = littered(context).await?;
    for (name, refusals) in [
        ("left device", ["EPERM", "EPERM"]),
        ("hard link in", ["EXDEV", "EPERM"]),
        ("hard link out", ["EXDEV", "EPERM"]),
        ("rename out", ["EXDEV", "EXDEV"]),
        ("rename away", ["EXDEV", "EBUSY"]),
        ("remove_itself", ["EBUSY", "EROFS"]),
        ("above", ["EROFS", "EACCES"]),
    ] {
        errno(name, told.get(name).map(String::as_str), &refusals)?;
    }
    ensure!(dir.join("file").exists(), "the file went out");
    let owner = fs::metadata(&dir)?.uid();
    delete_as_owner(&dir, owner, &mut BTreeSet::new())
}

async fn read_only(context: &Context) -> Checked {
    let dir = context.workspace()?;
    fs::set_permissions(&dir, Permissions::from_mode(0o755))?;
    fs::write(dir.join("in"), "from the host")?;
    // Nothing but the mount keeps anybody from writing to it.
    fs::set_permissions(dir.join("in"), Permissions::from_mode(0o666))?;
    let rig = rig(context, &[&dir]).await?;
    let workspace = || Workspace::new(&dir).read_only();
    let ran = rig
        .run_request(asking(&read("/workspace/in"), workspace()))
        .await?;
    let count: Count = ran.report()?;
    same("read", (count.count, count.errno), (13, None))?;
    for path in ["/workspace/in", "/workspace/new"] {
        let ran = rig.run_request(asking(&write(path), workspace())).await?;
        errno(path, ran.report::<Attempt>()?.errno.as_deref(), &["EROFS"])?;
    }
    same("entries", fs::read_dir(&dir)?.count(), 1)?;
    same(
        "on the host",
        fs::read_to_string(dir.join("in"))?,
        "from the host".to_owned(),
    )
}

async fn several(context: &Context) -> Checked {
    let (one, other) = (context.workspace()?, context.workspace()?);
    fs::set_permissions(&one, Permissions::from_mode(0o755))?;
    fs::write(one.join("in"), "one")?;
    let rig = rig(context, &[&one, &other]).await?;
    let ask = |command: &Command| {
        let one = Workspace::new(&one).with_target("/in/one").read_only();
        asking(command, one).with_workspace(Workspace::new(&other).with_target("/out"))
    };
    let ran = rig.run_request(ask(&read("/in/one/in"))).await?;
    same("read", ran.report::<Count>()?.count, 3)?;
    let ran = rig.run_request(ask(&write("/out/file"))).await?;
    same("written", ran.report::<Attempt>()?.errno, None)?;
    ensure!(
        other.join("file").exists(),
        "nothing was written to the other"
    );
    let ran = rig.run_request(ask(&write("/in/one/file"))).await?;
    errno(
        "/in/one/file",
        ran.report::<Attempt>()?.errno.as_deref(),
        &["EROFS"],
    )
}

/// Has a workspace refused for itself, without a word to the engine.
async fn refuse(rig: &Rig, source: impl Into<PathBuf>) -> Checked {
    let source = source.into();
    let asked = asking(&SLEEPER, Workspace::new(&source).read_only());
    let what = format!("a workspace {}", source.display());
    let violations = match refused(&what, rig.backend.spawn(asked).await)? {
        ContainerError::PolicyDenied { violations }
        | ContainerError::InvalidRequest { violations } => violations,
        other => return Err(other.into()),
    };
    let fields: BTreeSet<&str> = violations.iter().map(|it| it.field.as_str()).collect();
    same(&what, fields, ["workspaces"].into())?;
    same("calls to the engine", rig.tap.calls(), [])
}

async fn only_below_roots(context: &Context) -> Checked {
    let (dir, other) = (context.workspace()?, context.workspace()?);
    fs::create_dir(dir.join("root"))?;
    refuse(&rig(context, &[]).await?, &dir).await?;
    let rig = rig(context, &[&dir.join("root")]).await?;
    for source in [
        dir.clone(),
        other,
        dir.join("rooted"),
        dir.join("root/../other"),
    ] {
        refuse(&rig, source).await?;
    }
    Ok(())
}

async fn no_detours(context: &Context) -> Checked {
    let dir = context.workspace()?;
    fs::create_dir_all(dir.join("real/inner"))?;
    symlink("real", dir.join("link"))?;
    symlink("/etc", dir.join("etc"))?;
    symlink(&dir, dir.join("self"))?;
    fs::write(dir.join("file"), "")?;
    let rig = rig(context, &[&dir]).await?;
    let shown = dir.display();
    for source in [
        format!("{shown}/link"),
        format!("{shown}/etc"),
        format!("{shown}/self"),
        format!("{shown}/link/inner"),
        format!("{shown}/self/real"),
        format!("{shown}/real/../real"),
        format!("{shown}//real"),
        format!("{shown}/real/"),
        format!("{shown}/real/."),
        format!("{shown}/./real"),
        format!("{shown}/file"),
        format!("{shown}/real\n"),
    ] {
        refuse(&rig, source).await?;
    }
    let good = Workspace::new(dir.join("real")).read_only();
    fs::set_permissions(&dir, Permissions::from_mode(0o755))?;
    rig.spawn(asking(&SLEEPER, good)).await.map(drop)
}

async fn no_place_of_others(context: &Context) -> Checked {
    let endpoint = context.engine().endpoint();
    let socket = endpoint.strip_prefix("unix://").map(PathBuf::from);
    let mut sources: Vec<PathBuf> = [
        "/",
        "/proc",
        "/proc/self",
        "/sys",
        "/sys/fs",
        "/dev",
        "/dev/shm",
        "/tmp",
        "/var",
    ]
    .map(PathBuf::from)
    .into();
    sources.extend(["/run", "/home", "/root", "/root/.ssh"].map(PathBuf::from));
    // The engine's socket itself, and all that is around it.
    sources.extend(
        socket
            .iter()
            .flat_map(|socket| socket.ancestors().map(Path::to_owned)),
    );
    let home = std::env::var_os("HOME").map(PathBuf::from);
    sources.extend(
        home.iter()
            .flat_map(|home| [home.clone(), home.join(".ssh")]),
    );
    sources.extend(context.dir()?.ancestors().take(3).map(Path::to_owned));
    let sources: BTreeSet<PathBuf> = sources.into_iter().collect();
    // No operator can even allow all of the host.
    let roots = sources.iter().map(PathBuf::as_path);
    let roots: Vec<&Path> = roots.filter(|root| *root != Path::new("/")).collect();
    let rig = rig(context, &roots).await?;
    for source in &sources {
        refuse(&rig, source).await?;
    }
    Ok(())
}

async fn not_made(context: &Context) -> Checked {
    let dir = context.workspace()?;
    let rig = rig(context, &[&dir]).await?;
    for missing in ["none", "none/such"] {
        refuse(&rig, dir.join(missing)).await?;
    }
    same("entries", fs::read_dir(&dir)?.count(), 0)
}

/// Asks for a workspace, changes it when the engine is about to be told of it, and has the container refused.
async fn change_behind(
    context: &Context,
    change: impl FnOnce(&Path, &Path) -> io::Result<()>,
) -> Checked {
    let (dir, other) = (context.workspace()?, context.workspace()?);
    let inner = dir.join("inner");
    fs::create_dir(&inner)?;
    for path in [&dir, &inner, &other] {
        fs::set_permissions(path, Permissions::from_mode(0o755))?;
    }
    let rig = rig(context, &[&dir]).await?;
    let gate = rig.tap.hold(Call::Create);
    let wanted = asking(&write("/workspace/ran"), Workspace::new(&inner).read_only());
    let swap = async {
        gate.reached(1).await?;
        let changed = change(&inner, &other);
        rig.tap.release();
        Ok::<_, Stop>(changed?)
    };
    let (spawned, swapped) = tokio::join!(rig.backend.spawn(wanted), swap);
    swapped?;
    match refused("the spawn", spawned)? {
        error @ ContainerError::PolicyNotEnforced { .. } => {
            let items = refusal(context, &rig, error).await?;
            let items: Vec<PolicyItem> = items.iter().map(|it| it.item).collect();
            same("items", items, vec![PolicyItem::Mounts])
        }
        // An engine that sees what became of the source has said so before.
        ContainerError::EngineFailed { .. } | ContainerError::StartFailed { .. } => {
            same("left", context.at_engine(rig.owner).await?.len(), 0)
        }
        other => Err(other.into()),
    }
}

async fn not_swapped(context: &Context) -> Checked {
    change_behind(context, |inner, _| {
        fs::rename(inner, inner.with_extension("old"))?;
        fs::create_dir(inner)?;
        fs::set_permissions(inner, Permissions::from_mode(0o755))
    })
    .await
}

async fn not_a_link_later(context: &Context) -> Checked {
    change_behind(context, |inner, other| {
        fs::rename(inner, inner.with_extension("old"))?;
        symlink(other, inner)
    })
    .await
}

/// Has a container refused that was made, for its mounts and before its command ran.
async fn refuse_inside(context: &Context, rig: &Rig, asked: ContainerSpawnRequest) -> Checked {
    let error = refused("the spawn", rig.backend.spawn(asked).await)?;
    let items = refusal(context, rig, error).await?;
    let items: Vec<PolicyItem> = items.iter().map(|it| it.item).collect();
    same("items", items, vec![PolicyItem::Mounts])
}

async fn of_use_to_its_user(context: &Context) -> Checked {
    let dir = context.workspace()?;
    let rig = rig(context, &[&dir]).await?;
    fs::set_permissions(&dir, Permissions::from_mode(0o000))?;
    let asked = asking(&SLEEPER, Workspace::new(&dir).read_only());
    let outcome = refuse_inside(context, &rig, asked).await;
    fs::set_permissions(&dir, Permissions::from_mode(0o700))?;
    outcome
}

async fn not_somebody_elses(context: &Context) -> Checked {
    const SOMEBODY: u32 = 4321;

    if !rustix::process::geteuid().is_root() {
        // Nobody else can give a directory away, nor look for another's than these.
        let rig = rig(context, &[Path::new("/usr/lib")]).await?;
        return refuse(&rig, "/usr/lib").await;
    }
    let dir = context.workspace()?;
    std::os::unix::fs::chown(&dir, Some(SOMEBODY), Some(SOMEBODY))?;
    fs::set_permissions(&dir, Permissions::from_mode(0o777))?;
    let rig = rig(context, &[&dir]).await?;
    refuse_inside(context, &rig, asking(&SLEEPER, Workspace::new(&dir))).await
}
