//! The policy as a process in the container sees it, and as the report tells it.

use crate::{
    case::table,
    check::{Checked, Stop, ensure, errno, same},
    context::Context,
    rig::{SLEEPER, request},
};
use clawbox_probe::{Attempt, Command, Facts, Stdin};
use clawbox_types::{PolicyItem, Verdict};
use std::collections::BTreeMap;

table! { "policy":
    user = "the command is user and group 1000 and in no other group",
    user_of_the_operator = "the command is the user that the operator set",
    capabilities = "no capability in any set",
    no_new_privileges = "no-new-privileges is set (E06)",
    seccomp = "a system call filter is in force",
    network = "there is no network interface but lo (N01)",
    name_servers = "no name is told by anybody, and no name server of the host's is told (N03)",
    host_name = "the host name is clawbox",
    own_processes = "process ids are the container's own, and process 1 is not the command",
    arguments = "exactly the requested arguments run, however odd (E27)",
    working_directory = "the command runs in the requested directory, or else in /",
    environment = "the environment is the image's, the request's and clawbox's, and nothing else",
    home_of_the_request = "a request may set HOME and PATH",
    standard_input = "standard input is empty, and no descriptor is inherited",
    out_of_memory_first = "the kernel takes the container before others",
    report_is_complete = "the enforcement report has every item, each as requested and none not enforced",
    report_of_the_baseline = "no item that every engine can tell is merely believed",
    labels = "the engine's labels tell the id and the owner, and nothing of the task",
}

async fn facts(context: &Context) -> Checked<Facts> {
    context.rig()?.report(&Command::Facts).await
}

async fn user(context: &Context) -> Checked {
    let facts = facts(context).await?;
    same(
        "uid, euid, gid, egid",
        [facts.uid, facts.euid, facts.gid, facts.egid],
        [1000; 4],
    )?;
    ensure!(
        facts.groups.iter().all(|group| *group == 1000),
        "supplementary groups {:?}",
        facts.groups
    );
    Ok(())
}

async fn user_of_the_operator(context: &Context) -> Checked {
    let rig = context.rig_with(|setup| setup.security.user = "2001:2002".to_owned())?;
    let facts: Facts = rig.report(&Command::Facts).await?;
    same("uid, euid", [facts.uid, facts.euid], [2001; 2])?;
    same("gid, egid", [facts.gid, facts.egid], [2002; 2])
}

async fn capabilities(context: &Context) -> Checked {
    let facts = facts(context).await?;
    let sets = [
        facts.cap_inh,
        facts.cap_prm,
        facts.cap_eff,
        facts.cap_bnd,
        facts.cap_amb,
    ];
    same(
        "inheritable, permitted, effective, bounding, ambient",
        sets,
        [0; 5],
    )
}

async fn no_new_privileges(context: &Context) -> Checked {
    same("NoNewPrivs", facts(context).await?.no_new_privs, true)
}

async fn seccomp(context: &Context) -> Checked {
    same("Seccomp", facts(context).await?.seccomp, 2)
}

async fn network(context: &Context) -> Checked {
    same("interfaces", facts(context).await?.interfaces, ["lo"])
}

async fn name_servers(context: &Context) -> Checked {
    let rig = context.rig()?;
    let facts: Facts = rig.report(&Command::Facts).await?;
    let told = facts.name_servers.iter().filter(|it| *it != "0.0.0.0");
    same("name servers", told.collect::<Vec<_>>(), Vec::<&str>::new())?;
    let asked: Attempt = rig.report(&Command::Resolve).await?;
    let refused = ["ECONNREFUSED", "ENETUNREACH"];
    errno("asking for a name", asked.errno.as_deref(), &refused)
}

async fn host_name(context: &Context) -> Checked {
    same("host name", facts(context).await?.hostname, "clawbox")
}

async fn own_processes(context: &Context) -> Checked {
    let facts = facts(context).await?;
    ensure!(
        (2..100).contains(&facts.pid) && facts.ppid == 1,
        "process {} with parent {}",
        facts.pid,
        facts.ppid
    );
    Ok(())
}

async fn arguments(context: &Context) -> Checked {
    let rig = context.rig()?;
    let text = "two  words\n\"$HOME\" 'é' \\ ; * ";
    let print = Command::Print {
        stdout: text.to_owned(),
        stderr: "--".to_owned(),
        exit: 0,
    };
    let output = rig.run(&print).await?.output;
    same("an odd argument", output.stdout.text(), text)?;
    let args = request(&SLEEPER).with_command(["/bin/probe", "facts"]);
    let facts: Facts = rig.run_request(args).await?.report()?;
    same("argv", facts.argv, ["/bin/probe", "facts"])
}

async fn working_directory(context: &Context) -> Checked {
    let rig = context.rig()?;
    for (asked, expected) in [(None, "/"), (Some("/bin"), "/bin"), (Some("/tmp"), "/tmp")] {
        let mut request = request(&Command::Facts);
        request.working_dir = asked.map(str::to_owned);
        let facts: Facts = rig.run_request(request).await?.report()?;
        same("working directory", facts.cwd, expected)?;
    }
    Ok(())
}

/// What engines set for every container, and the policy cannot take away.
const ENGINES_OWN: [(&str, &str); 3] = [
    ("HOSTNAME", "clawbox"),
    ("container", "podman"),
    ("container", "oci"),
];

/// Every variable that neither clawbox nor an engine sets on its own.
fn from_outside(mut env: BTreeMap<String, String>) -> Vec<(String, String)> {
    env.retain(|key, value| {
        !key.starts_with("CLAWBOX_") && !ENGINES_OWN.contains(&(key.as_str(), value.as_str()))
    });
    env.into_iter().collect()
}

fn pairs(env: &[(&str, &str)]) -> Vec<(String, String)> {
    env.iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

async fn environment(context: &Context) -> Checked {
    let rig = context.rig()?;
    let odd = " =a\nb\"$X\" é";
    let request = request(&Command::Facts)
        .with_env("GREETING", odd)
        .with_env("EMPTY", "");
    let facts: Facts = rig.run_request(request).await?.report()?;
    let clawbox = facts
        .env
        .keys()
        .filter(|key| key.starts_with("CLAWBOX_"))
        .count();
    same("clawbox's own", clawbox, 3)?;
    let expected = [
        ("EMPTY", ""),
        ("GREETING", odd),
        ("HOME", "/tmp"),
        ("PATH", "/bin"),
    ];
    same("environment", from_outside(facts.env), pairs(&expected))
}

async fn home_of_the_request(context: &Context) -> Checked {
    let rig = context.rig()?;
    let request = request(&Command::Facts)
        .with_command(["/bin/probe", "facts"])
        .with_env("HOME", "/data")
        .with_env("PATH", "/nowhere");
    let facts: Facts = rig.run_request(request).await?.report()?;
    let expected = [("HOME", "/data"), ("PATH", "/nowhere")];
    same("environment", from_outside(facts.env), pairs(&expected))
}

async fn standard_input(context: &Context) -> Checked {
    let facts = facts(context).await?;
    same("standard input", facts.stdin, Stdin::Null)?;
    let numbers: Vec<u32> = facts
        .descriptors
        .iter()
        .map(|descriptor| descriptor.fd)
        .collect();
    same("descriptors", numbers, [0, 1, 2])
}

async fn out_of_memory_first(context: &Context) -> Checked {
    same("oom_score_adj", facts(context).await?.oom_score_adj, 500)
}

async fn report_is_complete(context: &Context) -> Checked {
    let rig = context.rig()?;
    let id = rig.sleeper().await?;
    let report = rig.backend.enforcement(&id)?;
    let items: Vec<PolicyItem> = report.items.iter().map(|item| item.item).collect();
    same("items", items.as_slice(), PolicyItem::ALL)?;
    context.only_of_declared(&report.warnings)?;
    for item in &report.items {
        let holds = item.verdict != Verdict::NotEnforced || context.declared(item.item);
        ensure!(holds, "{item}");
        ensure!(
            !item.requested.is_empty() && !item.observed.is_empty(),
            "says nothing: {item}"
        );
        let told_by_kernel = ENGINES_SILENCE.contains(&item.item) && item.kernel.is_some();
        if item.verdict == Verdict::Enforced && !told_by_kernel {
            same(item.item.name(), &item.observed, &item.requested)?;
        }
    }
    Ok(())
}

/// What some engines do not tell of a container, and the kernel does.
const ENGINES_SILENCE: [PolicyItem; 4] = [
    PolicyItem::Seccomp,
    PolicyItem::Ipc,
    PolicyItem::KernelPaths,
    // That a variable of the image's was taken away is told by its absence only.
    PolicyItem::Environment,
];

/// What an engine need not be able to tell. All the rest every engine must hold and tell of before the command
/// runs, unless it is declared as what the host cannot enforce.
pub(super) const MAY_BE_UNVERIFIED: [PolicyItem; 6] = [
    PolicyItem::CpuShares,
    PolicyItem::OomScore,
    PolicyItem::KernelPaths,
    PolicyItem::Init,
    PolicyItem::Log,
    PolicyItem::Identity,
];

async fn report_of_the_baseline(context: &Context) -> Checked {
    let rig = context.rig()?;
    let id = rig.sleeper().await?;
    let report = rig.backend.enforcement(&id)?;
    let mut untold = Vec::new();
    for item in PolicyItem::ALL
        .iter()
        .filter(|item| !MAY_BE_UNVERIFIED.contains(item) && !context.declared(**item))
    {
        let found = report
            .get(*item)
            .ok_or_else(|| Stop::Failed(format!("no report of {item}")))?;
        let is_untold = ENGINES_SILENCE.contains(item) && found.verdict == Verdict::Unverified;
        if is_untold && !rig.has_process_one {
            untold.push(found.to_string());
            continue;
        }
        ensure!(found.verdict == Verdict::Enforced, "{found}");
    }
    // Of these nobody but a process 1 of ours has a word, and so the engine's ledger must have one.
    match untold.is_empty() {
        true => Ok(()),
        false => Err(Stop::Skipped(untold.join("; "))),
    }
}

async fn labels(context: &Context) -> Checked {
    let rig = context.rig()?;
    let mut request = request(&SLEEPER);
    request.task = "find the treasure".to_owned();
    let id = rig.spawn(request).await?.container_id;
    let labels = context.labels_of(&rig, &id).await?;
    same(
        "id",
        labels.get("clawbox.container_id"),
        Some(&id.to_string()),
    )?;
    same(
        "owner",
        labels.get("clawbox.owner"),
        Some(&rig.owner.to_string()),
    )?;
    same(
        "policy",
        labels.get("clawbox.policy").map(String::as_str),
        Some("container"),
    )?;
    let told = labels.values().any(|value| value.contains("treasure"));
    ensure!(!told, "the task is in the labels: {labels:?}");
    Ok(())
}
