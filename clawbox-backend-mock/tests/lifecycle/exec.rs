//! Further commands in a running container.

use super::{agent, request, rig, rig_with};
use clawbox_backend_mock::{Errno, Exit, Fault, InitFault, Op, Process, Script};
use clawbox_containers::{ContainerBackend, ContainerError, ContainerSecurityConfig, Sandbox};
use clawbox_types::{ContainerStatus, ExecRequest};
use futures_util::{FutureExt, future::join_all};
use std::{sync::Arc, time::Duration};
use tokio::{
    io::AsyncReadExt,
    time::{Instant, sleep},
};

fn exec<const N: usize>(words: [&str; N]) -> ExecRequest {
    ExecRequest::new(words)
}

#[tokio::test(start_paused = true)]
async fn each_has_its_own_streams_end_directory_and_environment() {
    let rig = rig();
    let image = agent().with_program("tell", |p: Process| async move {
        let mut input = String::new();
        let read = p.stdin().read_to_string(&mut input).await;
        assert_eq!(read.unwrap(), 0, "nothing is sent, and it ends");
        let words = p.argv().join(" ");
        let env = [p.env("COMMON"), p.env("OWN")];
        p.stdout(format!("{words} in {} with {env:?}", p.working_dir()))
            .await;
        p.stderr("aside").await;
        Exit::Code(9)
    });
    rig.engine.add_image(image);
    let spawned = rig
        .backend
        .spawn(request("sleeper").with_env("COMMON", "c"))
        .await;
    let id = spawned.unwrap().container_id;
    let asked = exec(["tell", "me"])
        .with_env("OWN", "o")
        .with_working_dir("/tmp");
    let report = rig.backend.exec(&id, asked).await.unwrap();
    assert_eq!((report.exit_code, report.signal), (9, None));
    assert_eq!(
        report.output.stdout.text(),
        r#"tell me in /tmp with [Some("c"), Some("o")]"#
    );
    assert_eq!(report.output.stderr.text(), "aside");
    assert_eq!(rig.stdout(&id).await, "ready\n");
    let report = rig.backend.exec(&id, exec(["crash"])).await.unwrap();
    assert_eq!((report.exit_code, report.signal), (139, Some(11)));
    let runs = rig.engine.journal().of(&id).only(&[Op::Run]);
    runs.assert(&["run sleeper", "run tell", "run crash"]);
    assert_eq!(rig.status(&id), ContainerStatus::Running);
}

#[tokio::test(start_paused = true)]
async fn all_see_the_same_files_memory_and_limit_of_processes() {
    let mut security = ContainerSecurityConfig::new();
    security.pids = 10;
    let rig = rig_with(&security, |config| config);
    let image = agent()
        .with_program(
            "keep",
            Script::write("/tmp/kept", "from before").sleep(super::FOREVER),
        )
        .with_program("read", |p: Process| async move {
            let kept = p.read("/tmp/kept")?;
            p.stdout(kept).await;
            Ok::<_, Errno>(())
        })
        .with_program("greedy", Script::allocate(1 << 40));
    rig.engine.add_image(image);
    let id = rig.spawn("keep").await;
    let read = rig.backend.exec(&id, exec(["read"])).await.unwrap();
    assert_eq!(read.output.stdout.text(), "from before");

    // Process 1, the command, and eight more.
    let mut sleepers: Vec<_> = (0..8)
        .map(|_| rig.backend.exec(&id, exec(["sleeper"])).boxed())
        .collect();
    for sleeper in &mut sleepers {
        assert!(sleeper.now_or_never().is_none());
    }
    sleep(Duration::from_secs(1)).await;
    let error = rig.backend.exec(&id, exec(["read"])).await.unwrap_err();
    let ContainerError::StartFailed {
        exit_code, source, ..
    } = error
    else {
        panic!("{error:?}");
    };
    assert_eq!(exit_code, None);
    assert!(source.to_string().contains("a new process"), "{source}");
    drop(sleepers);
    sleep(Duration::from_secs(1)).await;
    rig.backend.exec(&id, exec(["read"])).await.unwrap();

    let greedy = rig.backend.exec(&id, exec(["greedy"])).await.unwrap();
    assert_eq!((greedy.exit_code, greedy.signal), (137, Some(9)));
    assert_eq!(rig.status(&id), ContainerStatus::Running);
    rig.backend.kill(&id).await.unwrap();
    assert_eq!(rig.backend.wait(&id).await.unwrap().oom_killed, Some(true));
}

#[tokio::test(start_paused = true)]
async fn its_deadline_is_its_own_and_virtual() {
    let rig = rig();
    let id = rig.spawn("deaf").await;
    let since = Instant::now();
    let asked = exec(["deaf"]).with_timeout_ms(90_000);
    let report = rig.backend.exec(&id, asked).await.unwrap();
    assert_eq!(since.elapsed().as_secs(), 90);
    assert!(report.timed_out);
    assert_eq!((report.exit_code, report.signal), (137, Some(9)));
    assert_eq!(report.output.stdout.text(), "ready\n");
    assert_eq!(rig.status(&id), ContainerStatus::Running);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_run_says_why() {
    let rig = rig();
    rig.engine.add_image(
        agent()
            .with_file("/etc/motd", "welcome")
            .with_directory("/secret", 0o700),
    );
    let id = rig.spawn("sleeper").await;
    for (asked, code) in [
        (exec(["no-such-program"]), Some(127)),
        (exec(["/no/such/program"]), Some(127)),
        (exec(["/etc"]), Some(126)),
        (exec(["/etc/motd"]), Some(126)),
        (exec(["ok"]).with_working_dir("/nowhere"), None),
        (exec(["ok"]).with_working_dir("/etc/motd"), None),
        (exec(["ok"]).with_working_dir("/secret"), None),
    ] {
        let error = rig.backend.exec(&id, asked.clone()).await.unwrap_err();
        let ContainerError::StartFailed { exit_code, .. } = error else {
            panic!("{asked:?}: {error:?}");
        };
        assert_eq!(exit_code, code, "{asked:?}");
    }
    // None of them has left a process.
    rig.backend.exec(&id, exec(["ok"])).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn none_outlives_its_container_and_none_runs_without_a_link() {
    let rig = rig();
    let id = rig.spawn("minute").await;
    let runs = join_all((0..3).map(|_| rig.backend.exec(&id, exec(["deaf"])))).await;
    for run in runs {
        assert!(
            matches!(run, Err(ContainerError::InvalidState { .. })),
            "{run:?}"
        );
    }
    let exit = rig.backend.wait(&id).await.unwrap();
    assert_eq!(
        (exit.status, exit.exit_code),
        (ContainerStatus::Completed, Some(0))
    );

    rig.engine.fail(Fault::process_one(InitFault::CutAfterGo));
    let id = rig.spawn("sleeper").await;
    let run = rig.backend.exec(&id, exec(["ok"])).await;
    assert!(
        matches!(run, Err(ContainerError::InvalidState { .. })),
        "{run:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_sandbox_takes_no_command_of_its_own() {
    let rig = rig();
    let given = [request("sleeper"), request("sleeper").with_args(["more"])];
    for request in given {
        let opened = Sandbox::open(Arc::new(rig.backend.clone()), request).await;
        let Err(ContainerError::InvalidRequest { violations }) = opened else {
            panic!("{opened:?}");
        };
        assert_eq!(violations[0].field, "command");
    }
    assert!(rig.backend.list().is_empty());
}
