//! Images that want something of whoever runs them, as engines really hold them.

use crate::{
    case::table,
    check::{Checked, Stop, ensure, ensure_matches, errno, refused, same},
    context::Context,
    proxy::Proxy,
    rig::{Rig, SLEEPER, limits, request_within},
    tap::Call,
};
use clawbox_containers::{ContainerError, engine::EngineErrorKind, facts::Observed};
use clawbox_probe::{Attempt, Command, Count, Facts};
use clawbox_types::{ContainerSpawnRequest, ContainerStatus, PullPolicy};

table! { "hostile":
    configuration = "an image's user, variables, entrypoint and volumes weaken nothing (E27, E28)",
    signals_and_checks = "an image's stop signal, health check and labels are not its container's (E28)",
    working_directory = "an image whose working directory is a descriptor is refused before create (E23)",
    setuid_file = "a program of root's with the setuid bit runs as the command's user (E06, E07)",
    devices = "device files of the image's cannot be opened (E08)",
    #[process_one]
    users = "an image whose users have numbers for names makes nobody root, and gives no group",
    #[process_one]
    scratch = "an image whose /tmp leads elsewhere is refused, or has its scratch space all the same",
    #[process_one]
    program = "an image with a file where process 1 has to be is refused",
    #[process_one]
    socket = "an image whose /run/clawbox leads elsewhere is refused with a proxy, or has it there all the same",
}

const REPOSITORY: &str = "ghcr.io/n0xmare/clawbox-hostile";

/// The image's that a command may have, and what engines set beside them.
const VARIABLES: [&str; 6] = [
    "GREETING",
    "NOTHING",
    "PATH",
    "HOME",
    "HOSTNAME",
    "container",
];

/// A backend whose containers run the hostile image with this tag.
async fn rig(context: &Context, tag: &str) -> Checked<Rig> {
    let name = format!("{REPOSITORY}:{tag}");
    let image = name.parse()?;
    let found = context
        .engine()
        .ensure_image(&image, PullPolicy::Never, &|_| {});
    match found.await {
        Err(error) if error.kind() == EngineErrorKind::ImageNotFound => {
            let why = format!("the engine has no image {name}, which `cargo xtask fixture` makes");
            return Err(Stop::Skipped(why));
        }
        other => other?,
    };
    context.rig_with(|setup| {
        // The case's end asks for the other one.
        setup.security.allowed_images.push(REPOSITORY.to_owned());
        setup.security.default_image = name;
    })
}

/// A request with room for the image's volumes, in a working directory of its own.
fn request(command: &Command) -> ContainerSpawnRequest {
    let mut limits = limits();
    limits.memory_mb = 128;
    request_within(command, limits).with_working_dir("/")
}

/// What the probe sees in such a container, in a working directory that the request names.
async fn facts(rig: &Rig, program: &str) -> Checked<Facts> {
    let request = request(&Command::Facts).with_command([program, "facts"]);
    rig.run_request(request).await?.report()
}

async fn configuration(context: &Context) -> Checked {
    let rig = rig(context, "1").await?;
    let facts = facts(&rig, "/bin/probe").await?;
    same("argv", facts.argv.as_slice(), ["/bin/probe", "facts"])?;
    same("working directory", facts.cwd.as_str(), "/")?;
    let ids = [facts.uid, facts.euid, facts.gid, facts.egid];
    same("uid, euid, gid, egid", ids, [1000; 4])?;
    let variable = |key| facts.env.get(key).map(String::as_str);
    same("GREETING", variable("GREETING"), Some("hello"))?;
    for key in ["LD_PRELOAD", "http_Proxy", "NODE_OPTIONS"] {
        same(key, variable(key), None)?;
    }
    // A key without a value, such as `*`, takes nothing of the engine's own.
    let known = |key: &str| VARIABLES.contains(&key) || key.starts_with("CLAWBOX_");
    let others: Vec<&String> = facts.env.keys().filter(|key| !known(key)).collect();
    ensure!(
        others.is_empty(),
        "the command has the variables {others:?}"
    );
    ensure!(
        variable("CLAWBOX_PROXY_TOKEN").is_some_and(|token| token.len() == 64),
        "the token is the image's"
    );
    for volume in ["/cache", "/data"] {
        let mount = facts
            .mounts
            .iter()
            .rev()
            .find(|mount| mount.target == volume);
        let safe = mount.is_some_and(|mount| {
            let has = |option: &&str| mount.options.iter().any(|o| o == option);
            mount.fstype == "tmpfs" && ["noexec", "nosuid", "nodev"].iter().all(has)
        });
        ensure!(safe, "the image's volume {volume}: {mount:?}");
    }
    Ok(())
}

async fn signals_and_checks(context: &Context) -> Checked {
    let rig = rig(context, "1").await?;
    let id = rig.spawn(request(&SLEEPER)).await?.container_id;
    rig.printed(&id, "ready\n").await?;
    let labels = context.labels_of(&rig, &id).await?;
    let own = id.to_string();
    for (key, value) in [
        ("clawbox.container_id", own.as_str()),
        ("clawbox.policy", "container"),
    ] {
        same(key, labels.get(key).map(String::as_str), Some(value))?;
    }
    if let Observed::Seen(command) = context.engine().inspect(&id).await?.facts.command {
        same("health check", command.health_check, false)?;
        same("stop signal", command.stop_signal.as_str(), "SIGTERM")?;
    }
    rig.backend.kill(&id).await?;
    let exit = rig.backend.wait(&id).await?;
    same("status", exit.status, ContainerStatus::Killed)?;
    same("exit code", exit.exit_code, Some(143))
}

async fn working_directory(context: &Context) -> Checked {
    let rig = rig(context, "1").await?;
    let mut request = request(&SLEEPER);
    request.working_dir = None;
    let error = refused("the spawn", rig.backend.spawn(request).await)?;
    ensure_matches!(
        error,
        ContainerError::PolicyDenied { violations } if violations[0].field == "image.working_dir",
        "the spawn"
    );
    same("created", rig.tap.count(Call::Create), 0)
}

async fn setuid_file(context: &Context) -> Checked {
    let rig = rig(context, "1").await?;
    let facts = facts(&rig, "/bin/setuid-probe").await?;
    let ids = [facts.uid, facts.euid, facts.gid, facts.egid];
    same("uid, euid, gid, egid", ids, [1000; 4])?;
    same("capabilities", [facts.cap_prm, facts.cap_eff], [0; 2])
}

async fn devices(context: &Context) -> Checked {
    let rig = rig(context, "1").await?;
    for path in ["/disk", "/kmsg", "/mem"] {
        let read = Command::Read {
            path: path.to_owned(),
        };
        let count: Count = rig.run_request(request(&read)).await?.report()?;
        // An engine without privilege leaves device files out.
        errno(path, count.errno.as_deref(), &["EPERM", "EACCES", "ENOENT"])?;
    }
    Ok(())
}

/// Where such an image runs at all, it runs under the policy; where it does not, it was refused with a reason that
/// is clawbox's own or the engine's, and the case's end shows that nothing is left.
async fn harmless(context: &Context, tag: &str) -> Checked {
    let rig = rig(context, tag).await?;
    let sleeper = request(&Command::Facts);
    let id = match rig.backend.spawn(sleeper).await {
        Ok(info) => info.container_id,
        Err(ContainerError::PolicyNotEnforced { .. } | ContainerError::StartFailed { .. }) => {
            return Ok(());
        }
        Err(other) => return Err(other.into()),
    };
    rig.backend.wait(&id).await?;
    let output = rig.backend.collect_output(&id).await?;
    let facts: Facts = serde_json::from_slice(&output.stdout.bytes)?;
    let ids = [facts.uid, facts.euid, facts.gid, facts.egid];
    same("uid, euid, gid, egid", ids, [1000; 4])?;
    ensure!(
        facts.groups.iter().all(|group| *group == 1000),
        "groups {:?}",
        facts.groups
    );
    let root = facts.mounts.iter().find(|mount| mount.target == "/");
    ensure!(
        root.is_some_and(|root| root.options.iter().any(|option| option == "ro")),
        "the root is {root:?}"
    );
    let scratch = facts
        .mounts
        .iter()
        .rev()
        .find(|mount| mount.target == "/tmp");
    ensure!(
        scratch.is_some_and(|mount| mount.fstype == "tmpfs"),
        "the scratch space is {scratch:?}"
    );
    Ok(())
}

async fn users(context: &Context) -> Checked {
    harmless(context, "users").await
}

async fn scratch(context: &Context) -> Checked {
    harmless(context, "scratch").await
}

async fn program(context: &Context) -> Checked {
    harmless(context, "init").await
}

async fn socket(context: &Context) -> Checked {
    let rig = rig(context, "1").await?;
    let identity = rig.backend.pre_generate_id()?;
    let proxy = Proxy::listen(context, rig.backend.token_store(), identity.id.clone())?;
    let write = Command::Write {
        path: "/run/clawbox/x".to_owned(),
    };
    let request = request(&write)
        .with_identity(identity)
        .with_proxy_socket(&proxy.socket);
    let info = match rig.backend.spawn(request).await {
        Ok(info) => info,
        Err(ContainerError::PolicyNotEnforced { .. } | ContainerError::StartFailed { .. }) => {
            return Ok(());
        }
        Err(other) => return Err(other.into()),
    };
    rig.backend.wait(&info.container_id).await?;
    let output = rig.backend.collect_output(&info.container_id).await?;
    let attempt: Attempt = serde_json::from_slice(&output.stdout.bytes)?;
    errno(
        "a file beside the socket",
        attempt.errno.as_deref(),
        &["EROFS"],
    )
}
