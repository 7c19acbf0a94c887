//! Process 1 of ours: what it proves, what it keeps to itself, and what a command can do to it.

use crate::{
    case::table,
    check::{Checked, ensure, ensure_matches, refused, same},
    context::Context,
    rig::{SLEEPER, request},
};
use clawbox_containers::{ContainerError, engine::Signal, facts::Observed};
use clawbox_probe::{Command, Facts, Syscalls};
use clawbox_types::{ContainerStatus, ExecRequest, PolicyItem, Verdict};

table! { "init":
    #[process_one]
    kernel_tells = "the report of a container that runs has the kernel's word for all that the kernel can see",
    #[process_one]
    engine_holds_no_secret = "what the engine holds has no environment of the command's, and not its arguments (C01)",
    #[process_one]
    exact_signal = "a command that dies of a signal is told with that signal, and one that exits with 137 is not",
    #[process_one]
    hidden_and_unharmed = "a command can look at nothing of process 1 and cannot harm it (C02, E29)",
    #[process_one]
    #[needs(Memory, Swap)]
    child_out_of_memory = "that the kernel killed a child for lack of memory is told, also where the command lives on",
    #[engine_init]
    engine_init_runs_nothing_more = "where process 1 is the engine's, a further command is `Unsupported`",
    #[engine_init]
    engine_init_is_told = "where process 1 is the engine's, the report says so, and has no word of the kernel's",
}

/// The engine alone can tell of these.
const ENGINES_OWN: [PolicyItem; 4] = [
    PolicyItem::Lifecycle,
    PolicyItem::Image,
    PolicyItem::Command,
    PolicyItem::Log,
];

async fn kernel_tells(context: &Context) -> Checked {
    let rig = context.rig()?;
    let id = rig.sleeper().await?;
    let report = rig.backend.enforcement(&id)?;
    for item in &report.items {
        let engines_own = ENGINES_OWN.contains(&item.item);
        ensure!(
            item.kernel.is_some() != engines_own,
            "the kernel on {}: {:?}",
            item.item,
            item.kernel
        );
        ensure!(
            item.verdict == Verdict::Enforced || context.declared(item.item),
            "{item}"
        );
    }
    same("items", report.items.len(), PolicyItem::ALL.len())
}

async fn engine_holds_no_secret(context: &Context) -> Checked {
    let rig = context.rig()?;
    let info = rig
        .spawn(request(&SLEEPER).with_env("PLAIN", "clear"))
        .await?;
    let held = context.engine().inspect(&info.container_id).await?.facts;
    if let Observed::Seen(environment) = &held.environment {
        // An engine may add names of its own, such as HOME.
        let has = |key: &&String| *key == "PLAIN" || key.starts_with("CLAWBOX_");
        let set: Vec<&String> = environment.0.keys().filter(has).collect();
        ensure!(set.is_empty(), "the engine holds {set:?}");
    }
    let argv = format!("{:?}", held.command);
    ensure!(!argv.contains("probe"), "the engine holds {argv}");
    let facts: Facts = rig
        .run_request(request(&Command::Facts).with_env("PLAIN", "clear"))
        .await?
        .report()?;
    let has = |key: &str| facts.env.iter().any(|(name, _)| name == key);
    ensure!(
        has("PLAIN") && has("CLAWBOX_PROXY_TOKEN"),
        "the command has not its environment"
    );
    Ok(())
}

async fn exact_signal(context: &Context) -> Checked {
    let rig = context.rig()?;
    let killed = rig.run(&Command::Signal { number: 9 }).await?.exit;
    same(
        "signal",
        (killed.exit_code, killed.signal),
        (Some(137), Some(9)),
    )?;
    let exited = rig.run(&Command::Exit { code: 137 }).await?.exit;
    same(
        "no signal",
        (exited.exit_code, exited.signal),
        (Some(137), None),
    )?;
    same("status", exited.status, ContainerStatus::Failed)
}

async fn hidden_and_unharmed(context: &Context) -> Checked {
    let rig = context.rig()?;
    let Syscalls(attempts) = rig.report(&Command::Attack).await?;
    for (name, outcome) in &attempts {
        // The kernel spares process 1 of a container, and tells the sender nothing.
        let spared = ["kill", "stop"].contains(&name.as_str());
        ensure!((outcome == "ok") == spared, "{name} ended as {outcome}");
    }
    same("attempts", attempts.len(), 19)
}

async fn child_out_of_memory(context: &Context) -> Checked {
    let rig = context.rig()?;
    let id = rig.sleeper().await?;
    let greedy = ExecRequest::new(Command::Alloc { mebibytes: 500 }.argv());
    let ended = rig.backend.exec(&id, greedy).await?;
    same("the child's signal", ended.signal, Some(9))?;
    context.engine().kill(&id, Signal::Term).await?;
    let exit = rig.backend.wait(&id).await?;
    same("the command's signal", exit.signal, Some(15))?;
    same("out of memory", exit.oom_killed, Some(true))
}

async fn engine_init_runs_nothing_more(context: &Context) -> Checked {
    let rig = context.rig()?;
    let id = rig.sleeper().await?;
    let more = ExecRequest::new(Command::Exit { code: 0 }.argv());
    let error = refused("a further command", rig.backend.exec(&id, more).await)?;
    ensure_matches!(
        error,
        ContainerError::Unsupported { .. },
        "a further command"
    );
    Ok(())
}

async fn engine_init_is_told(context: &Context) -> Checked {
    let rig = context.rig()?;
    let id = rig.sleeper().await?;
    let report = rig.backend.enforcement(&id)?;
    let init = report.get(PolicyItem::Init);
    same(
        "process 1",
        init.map(|init| init.requested.as_str()),
        Some("the engine's init"),
    )?;
    ensure!(
        report.items.iter().all(|item| item.kernel.is_none()),
        "the kernel was asked"
    );
    Ok(())
}
