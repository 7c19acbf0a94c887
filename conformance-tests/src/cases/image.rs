//! What an image's configuration may and may not do. The engine's answer about the fixture image is changed
//! on its way, so that it looks hostile to the policy.

use crate::FIXTURE_IMAGE;
use crate::{
    case::table,
    check::{Checked, Stop, ensure, ensure_matches, refused, same},
    context::Context,
    rig::{SLEEPER, request},
    tap::Call,
};
use clawbox_containers::{ContainerError, engine::ImageFacts, facts::Observed};
use clawbox_probe::{Attempt, Command, CopyExec, CopyExecStep, Facts};

table! { "image":
    command_replaces_everything = "with a command, nothing of the image's entrypoint or command runs (E27)",
    own_command = "without one, the image's entrypoint and command run",
    arguments_for_the_entrypoint = "arguments replace the image's command and keep its entrypoint",
    nothing_to_run = "an image without a command, and a request without one, are refused",
    working_directory = "the image's working directory is used",
    hostile_working_directory = "a working directory in /proc is refused before create (E23)",
    environment = "the image's variables are kept, and its reserved ones are not (C04)",
    volumes = "a volume of the image's is a safe tmpfs and no hole",
    strict = "an operator may refuse an image that asks for what it does not get",
    labels_of_clawbox = "an image with a label of clawbox's is refused before create (P03)",
    told = "the report tells the image that was asked for, and what it was taken for",
    hostile_volume = "a volume over what the policy relies on is refused before create",
}

fn print(text: &str) -> Vec<String> {
    Command::Print {
        stdout: text.to_owned(),
        stderr: String::new(),
        exit: 0,
    }
    .argv()
}

fn with_entrypoint(image: &mut ImageFacts) {
    image.entrypoint = vec![
        "probe".to_owned(),
        "print".to_owned(),
        "--stdout".to_owned(),
    ];
    image.command = vec!["the image's".to_owned()];
}

async fn command_replaces_everything(context: &Context) -> Checked {
    let rig = context.rig()?;
    rig.tap.change_image(with_entrypoint);
    let facts: Facts = rig.report(&Command::Facts).await?;
    same("argv", facts.argv, Command::Facts.argv())
}

async fn own_command(context: &Context) -> Checked {
    let rig = context.rig()?;
    rig.tap.change_image(with_entrypoint);
    let mut request = request(&SLEEPER);
    request.command = None;
    let output = rig.run_request(request).await?.output;
    same("stdout", output.stdout.text(), "the image's")
}

async fn arguments_for_the_entrypoint(context: &Context) -> Checked {
    let rig = context.rig()?;
    rig.tap.change_image(with_entrypoint);
    let mut request = request(&SLEEPER).with_args(["the request's"]);
    request.command = None;
    let output = rig.run_request(request).await?.output;
    same("stdout", output.stdout.text(), "the request's")
}

/// A spawn that must be refused once the image is known and before anything is created.
async fn refused_for(
    context: &Context,
    change: fn(&mut ImageFacts),
    field: &str,
    command: bool,
) -> Checked {
    let rig = context.rig()?;
    rig.tap.change_image(change);
    let mut request = request(&SLEEPER);
    request.command = command.then(|| print("x"));
    let error = refused("the spawn", rig.backend.spawn(request).await)?;
    ensure_matches!(
        error,
        ContainerError::PolicyDenied { violations } if violations.iter().any(|v| v.field == field),
        field
    );
    same("created", rig.tap.count(Call::Create), 0)?;
    Ok(())
}

async fn nothing_to_run(context: &Context) -> Checked {
    let without = |image: &mut ImageFacts| (image.entrypoint, image.command) = (vec![], vec![]);
    refused_for(context, without, "command", false).await
}

async fn working_directory(context: &Context) -> Checked {
    let rig = context.rig()?;
    rig.tap
        .change_image(|image| image.working_dir = "/bin".to_owned());
    let facts: Facts = rig.report(&Command::Facts).await?;
    same("working directory", facts.cwd, "/bin")
}

async fn hostile_working_directory(context: &Context) -> Checked {
    let hostile = |image: &mut ImageFacts| image.working_dir = "/proc/self/fd/8".to_owned();
    refused_for(context, hostile, "image.working_dir", true).await
}

async fn environment(context: &Context) -> Checked {
    let rig = context.rig()?;
    rig.tap.change_image(|image| {
        for entry in [
            "GREETING=hello",
            "LD_PRELOAD=/tmp/x.so",
            "http_Proxy=x",
            "NODE_OPTIONS=x",
        ] {
            image.env.push(entry.to_owned());
        }
    });
    let facts: Facts = rig.report(&Command::Facts).await?;
    same(
        "GREETING",
        facts.env.get("GREETING").map(String::as_str),
        Some("hello"),
    )?;
    same(
        "PATH",
        facts.env.get("PATH").map(String::as_str),
        Some("/bin"),
    )?;
    for key in ["LD_PRELOAD", "http_Proxy", "NODE_OPTIONS"] {
        ensure!(!facts.env.contains_key(key), "the image's {key} is set");
    }
    Ok(())
}

async fn volumes(context: &Context) -> Checked {
    let rig = context.rig()?;
    rig.tap
        .change_image(|image| image.volumes = vec!["/data".to_owned()]);
    let write = Command::Write {
        path: "/data/x".to_owned(),
    };
    same("/data/x", rig.report::<Attempt>(&write).await?.errno, None)?;
    let copy = Command::CopyExec {
        path: "/data/copy".to_owned(),
    };
    let failed = rig.report::<CopyExec>(&copy).await?.failed;
    let failed = failed.map(|failure| (failure.step, failure.errno));
    same(
        "running a copy",
        failed,
        Some((CopyExecStep::Exec, "EACCES".to_owned())),
    )
}

async fn hostile_volume(context: &Context) -> Checked {
    let hostile = |image: &mut ImageFacts| image.volumes = vec!["/proc".to_owned()];
    refused_for(context, hostile, "image.volumes", true).await
}

async fn strict(context: &Context) -> Checked {
    let greedy = |image: &mut ImageFacts| {
        image.env.push("LD_PRELOAD=/x".to_owned());
        image.health_check = true;
    };
    let rig = || context.rig_with(|setup| setup.security.strict_images = true);
    rig()?.spawn(request(&SLEEPER)).await?;
    let rig = rig()?;
    rig.tap.change_image(greedy);
    let error = refused("the spawn", rig.backend.spawn(request(&SLEEPER)).await)?;
    let ContainerError::PolicyDenied { violations } = error else {
        return same("the spawn", error.to_string(), "policy denied");
    };
    let fields: Vec<_> = violations.iter().map(|it| it.field.as_str()).collect();
    same(
        "refused",
        fields,
        ["image.env.LD_PRELOAD", "image.health_check"],
    )?;
    same("created", rig.tap.count(Call::Create), 0)?;
    Ok(())
}

async fn labels_of_clawbox(context: &Context) -> Checked {
    let hostile = |image: &mut ImageFacts| {
        image
            .labels
            .insert("clawbox.evil".to_owned(), "x".to_owned());
    };
    refused_for(context, hostile, "image.labels.clawbox.evil", true).await
}

async fn told(context: &Context) -> Checked {
    let rig = context.rig()?;
    let id = rig.sleeper().await?;
    let Some(image) = rig.backend.enforcement(&id)?.image else {
        return Err(Stop::Failed("no image in the report".to_owned()));
    };
    same("reference", image.reference.to_string(), FIXTURE_IMAGE)?;
    let inspected = context.engine().inspect(&id).await?.facts.image;
    same("id", Observed::Seen(image.id), inspected)?;
    let is_digest = |digest: &String| digest.starts_with("sha256:") && digest.len() == 71;
    ensure!(
        image.digest.iter().all(is_digest),
        "digest {:?}",
        image.digest
    );
    Ok(())
}
