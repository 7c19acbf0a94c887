//! Further commands in a running container.

use crate::{
    case::table,
    check::{Checked, ensure, ensure_matches, refused, same},
    context::Context,
    rig::{DEAF_SLEEPER, Rig, SLEEPER, limits, request, request_within, until},
};
use clawbox_containers::ContainerError;
use clawbox_probe::{Command, Facts, Pattern, Stream};
use clawbox_types::{ContainerId, ContainerStatus, ExecReport, ExecRequest};
use futures_util::future::join_all;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

table! { "exec":
    #[process_one]
    output_and_code = "a further command has its own exit code, and its streams are kept apart, byte for byte",
    #[process_one]
    signals = "a further command that dies of a signal is told with it, and the container lives on",
    #[process_one]
    same_policy = "a further command runs as the container's user, with its filter, without privileges (E22)",
    #[process_one]
    environment_and_directory = "it has the container's environment and its own beside it, in its own directory",
    #[process_one]
    reserved_keys = "a reserved key is refused by its name, and nothing runs",
    #[process_one]
    own_deadline = "at its own deadline it is killed, and the container lives on",
    #[process_one]
    many_at_once = "many run at once, each with its own output and code",
    #[process_one]
    not_there = "one that is not there is `StartFailed` with 127, one that cannot be run with 126",
    #[process_one]
    bounded = "what it prints beyond its limit is counted and dropped",
    #[process_one]
    dropped = "one that nobody waits for any more is killed, and frees its place",
    #[process_one]
    ends_with_the_container = "one that runs when the container is killed ends with it, as does every later one",
    #[process_one]
    malformed = "one with a NUL, without a program or in no directory is `InvalidRequest`, and nothing runs",
    #[process_one]
    #[needs(Pids)]
    no_process_left = "one for which there is no process left is `StartFailed`, and the container lives on",
    #[process_one]
    unknown_container = "in a container that is not known it is `NotFound`",
}

fn exec(command: &Command) -> ExecRequest {
    ExecRequest::new(command.argv())
}

async fn run(rig: &Rig, id: &ContainerId, command: &Command) -> Checked<ExecReport> {
    Ok(rig.backend.exec(id, exec(command)).await?)
}

fn print(stdout: &str, stderr: &str, exit: u8) -> Command {
    Command::Print {
        stdout: stdout.to_owned(),
        stderr: stderr.to_owned(),
        exit,
    }
}

async fn lives(rig: &Rig, id: &ContainerId) -> Checked {
    let report = run(rig, id, &print("alive", "", 0)).await?;
    same(
        "printed later",
        report.output.stdout.text().as_ref(),
        "alive",
    )?;
    let status = rig.backend.get(id).map(|info| info.status);
    same("status", status, Some(ContainerStatus::Running))
}

async fn output_and_code(context: &Context) -> Checked {
    let rig = context.rig()?;
    let id = rig.sleeper().await?;
    rig.printed(&id, "ready\n").await?;
    let report = run(&rig, &id, &print("out", "err", 7)).await?;
    same("code", (report.exit_code, report.signal), (7, None))?;
    same("stdout", report.output.stdout.text().as_ref(), "out")?;
    same("stderr", report.output.stderr.text().as_ref(), "err")?;
    let (out, err) = (200_000, 100_000);
    let flood = Command::Flood {
        pattern: Pattern::Binary,
        stdout: out,
        stderr: err,
    };
    let output = run(&rig, &id, &flood).await?.output;
    let whole = |stream, length| Pattern::Binary.part(stream, 0, length as usize);
    ensure!(
        output.stdout.bytes == whole(Stream::Stdout, out),
        "stdout is not what was printed"
    );
    ensure!(
        output.stderr.bytes == whole(Stream::Stderr, err),
        "stderr is not what was printed"
    );
    let own = rig.backend.collect_output(&id).await?;
    same(
        "the container's own output",
        own.stdout.text().as_ref(),
        "ready\n",
    )
}

async fn signals(context: &Context) -> Checked {
    let rig = context.rig()?;
    let id = rig.sleeper().await?;
    for number in [9, 11, 15] {
        let report = run(&rig, &id, &Command::Signal { number }).await?;
        same(
            "end",
            (report.exit_code, report.signal),
            (128 + number, Some(number)),
        )?;
    }
    lives(&rig, &id).await
}

async fn same_policy(context: &Context) -> Checked {
    let rig = context.rig()?;
    let id = rig.sleeper().await?;
    let report = run(&rig, &id, &Command::Facts).await?;
    let facts: Facts = serde_json::from_slice(&report.output.stdout.bytes)?;
    same(
        "user",
        (facts.uid, facts.euid, facts.gid, facts.egid),
        (1000, 1000, 1000, 1000),
    )?;
    let capabilities = [
        facts.cap_inh,
        facts.cap_prm,
        facts.cap_eff,
        facts.cap_bnd,
        facts.cap_amb,
    ];
    same("capabilities", capabilities, [0; 5])?;
    same("filter", (facts.no_new_privs, facts.seccomp), (true, 2))?;
    same("interfaces", facts.interfaces, vec!["lo".to_owned()])?;
    let leaked: Vec<_> = facts.descriptors.iter().filter(|it| it.fd > 2).collect();
    ensure!(leaked.is_empty(), "descriptors of others: {leaked:?}");
    Ok(())
}

async fn environment_and_directory(context: &Context) -> Checked {
    let rig = context.rig()?;
    let spawned = request(&SLEEPER).with_env("FIRST", "1");
    let id = rig.spawn(spawned).await?.container_id;
    let more = exec(&Command::Facts)
        .with_env("SECOND", "2")
        .with_working_dir("/tmp");
    let report = rig.backend.exec(&id, more).await?;
    let facts: Facts = serde_json::from_slice(&report.output.stdout.bytes)?;
    let value = |key: &str| {
        facts
            .env
            .iter()
            .find(|(name, _)| *name == key)
            .map(|(_, value)| value.as_str())
    };
    same("of the container", value("FIRST"), Some("1"))?;
    same("its own", value("SECOND"), Some("2"))?;
    ensure!(value("CLAWBOX_PROXY_TOKEN").is_some(), "it has no token");
    same("directory", facts.cwd.as_str(), "/tmp")
}

async fn reserved_keys(context: &Context) -> Checked {
    let rig = context.rig()?;
    let id = rig.sleeper().await?;
    for key in [
        "LD_PRELOAD",
        "https_proxy",
        "CLAWBOX_PROXY_TOKEN",
        "BASH_ENV",
    ] {
        let request = exec(&print("ran", "", 0)).with_env(key, "x");
        let error = refused("a reserved key", rig.backend.exec(&id, request).await)?;
        let text = error.to_string();
        ensure_matches!(error, ContainerError::PolicyDenied { .. }, key);
        ensure!(text.contains(key), "{key} is not named: {text}");
    }
    Ok(())
}

async fn own_deadline(context: &Context) -> Checked {
    let rig = context.rig()?;
    let id = rig.sleeper().await?;
    let started = Instant::now();
    let report = rig
        .backend
        .exec(&id, exec(&DEAF_SLEEPER).with_timeout_ms(1000))
        .await?;
    let took = started.elapsed();
    ensure!(
        report.timed_out,
        "it did not end at its deadline: {report:?}"
    );
    same("signal", report.signal, Some(9))?;
    same(
        "printed before",
        report.output.stdout.text().as_ref(),
        "ready\n",
    )?;
    ensure!(
        took >= Duration::from_millis(1000) && took < Duration::from_secs(10),
        "it took {took:?}"
    );
    let quick = rig
        .backend
        .exec(&id, exec(&print("", "", 0)).with_timeout_ms(60_000))
        .await?;
    ensure!(!quick.timed_out, "one that is in time is told as late");
    lives(&rig, &id).await
}

async fn many_at_once(context: &Context) -> Checked {
    const MANY: u8 = 24;
    let rig = context.rig()?;
    let id = rig.sleeper().await?;
    let runs = (0..MANY).map(|number| {
        let (rig, id) = (&rig, &id);
        async move { run(rig, id, &print(&format!("number {number}"), "", number)).await }
    });
    for (number, report) in (0..MANY).zip(join_all(runs).await) {
        let report = report?;
        same("code", report.exit_code, i32::from(number))?;
        same(
            "printed",
            report.output.stdout.text().into_owned(),
            format!("number {number}"),
        )?;
    }
    Ok(())
}

async fn not_there(context: &Context) -> Checked {
    let rig = context.rig()?;
    let id = rig.sleeper().await?;
    for (program, code) in [
        ("/bin/no-such-program", 127),
        ("no-such-program", 127),
        ("/etc", 126),
    ] {
        let error = refused(
            "it",
            rig.backend.exec(&id, ExecRequest::new([program])).await,
        )?;
        ensure_matches!(error, ContainerError::StartFailed { exit_code: Some(told), .. } if *told == code, program);
    }
    lives(&rig, &id).await
}

async fn bounded(context: &Context) -> Checked {
    let rig = context.rig()?;
    let id = rig.sleeper().await?;
    let flood = Command::Flood {
        pattern: Pattern::Ascii,
        stdout: 200_000,
        stderr: 10,
    };
    let report = rig
        .backend
        .exec(&id, exec(&flood).with_max_output_bytes(4096))
        .await?;
    let output = report.output;
    same("kept", output.stdout.bytes.len(), 4096)?;
    same("dropped", output.stdout.dropped, 200_000 - 4096)?;
    same(
        "of the other stream",
        (output.stderr.bytes.len(), output.stderr.dropped),
        (10, 0),
    )
}

async fn dropped(context: &Context) -> Checked {
    let rig = context.rig()?;
    let few = limits().with_pids(8);
    let id = rig.spawn(request_within(&SLEEPER, few)).await?.container_id;
    for _ in 0..20 {
        // Each is there before it is dropped, or does not start at all.
        let running = rig.backend.exec(&id, exec(&DEAF_SLEEPER));
        drop(timeout(Duration::from_millis(50), running).await);
    }
    until("a place for a process", || async {
        sleep(Duration::from_millis(20)).await;
        Ok(run(&rig, &id, &print("", "", 0)).await.is_ok())
    })
    .await?;
    lives(&rig, &id).await
}

async fn ends_with_the_container(context: &Context) -> Checked {
    let rig = context.rig()?;
    let id = rig.sleeper().await?;
    let running = rig.backend.exec(&id, exec(&DEAF_SLEEPER));
    let kill = async {
        sleep(Duration::from_millis(200)).await;
        rig.backend.kill(&id).await
    };
    let (ended, killed) = tokio::join!(running, kill);
    killed?;
    for ended in [ended, rig.backend.exec(&id, exec(&SLEEPER)).await] {
        let error = refused("a command in a container that ends", ended)?;
        ensure_matches!(error, ContainerError::InvalidState { .. }, "its error");
    }
    Ok(())
}

async fn malformed(context: &Context) -> Checked {
    let rig = context.rig()?;
    let id = rig.sleeper().await?;
    let good = || exec(&print("ran", "", 0));
    for (what, request) in [
        ("a NUL", ExecRequest::new(["probe", "exit", "0\0"])),
        ("no program", ExecRequest::new([""; 0])),
        ("an empty program", ExecRequest::new([""])),
        ("a NUL in a variable", good().with_env("KEY", "a\0b")),
        ("no absolute directory", good().with_working_dir("tmp")),
    ] {
        let error = refused(what, rig.backend.exec(&id, request).await)?;
        ensure_matches!(error, ContainerError::InvalidRequest { .. }, what);
    }
    lives(&rig, &id).await
}

async fn no_process_left(context: &Context) -> Checked {
    const PIDS: u64 = 8;
    let rig = context.rig()?;
    let few = limits().with_pids(PIDS);
    let id = rig.spawn(request_within(&SLEEPER, few)).await?.container_id;
    let mut running = Vec::new();
    let error = loop {
        match rig.backend.exec_stream(&id, exec(&SLEEPER)).await {
            Ok(handle) => running.push(handle),
            Err(error) => break error,
        }
        ensure!(running.len() < PIDS as usize, "{PIDS} run, and more");
    };
    ensure_matches!(
        error,
        ContainerError::StartFailed {
            exit_code: None,
            ..
        },
        "its error"
    );
    drop(running);
    until("a place for a process", || async {
        Ok(run(&rig, &id, &print("", "", 0)).await.is_ok())
    })
    .await?;
    lives(&rig, &id).await
}

async fn unknown_container(context: &Context) -> Checked {
    let rig = context.rig()?;
    let nobody = ContainerId::generate();
    let error = refused("it", rig.backend.exec(&nobody, exec(&SLEEPER)).await)?;
    ensure_matches!(error, ContainerError::NotFound { .. }, "its error");
    Ok(())
}
