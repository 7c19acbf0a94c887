//! Programs and what they can do.

use super::{IMAGE, backend, request, run, with, without_init};
use clawbox_backend_mock::{Argv, Errno, Exit, Fault, MockImage, Process, Script};
use clawbox_containers::{ContainerBackend, ContainerEngine, aspects::Init, engine::Signal};
use std::time::Duration;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    time::Instant,
};

#[tokio::test(start_paused = true)]
async fn the_most_exact_program_runs_and_of_equal_ones_the_last() {
    let image = MockImage::new(IMAGE)
        .unwrap()
        .with_program(["tool", "-v"], Script::exit(1))
        .with_program(Argv::Any, Script::exit(2))
        .with_program("tool", Script::exit(3))
        .with_program("tool", Script::exit(4));
    let backend = backend(image);
    for (argv, code) in [
        (&["tool", "-v"][..], 1),
        (&["tool", "-v", "-v"], 4),
        (&["/usr/bin/tool"], 4),
        (&["tools"], 2),
        (&["/bin/tool", "-v"], 4),
    ] {
        let (exit, _) = run(&backend, argv).await;
        assert_eq!(exit.exit_code, Some(code), "{argv:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_process_reads_and_writes_what_is_its_own() {
    let image = MockImage::new(IMAGE)
        .unwrap()
        .with_file("/etc/motd", "welcome")
        .with_program("agent", |p: Process| async move {
            assert_eq!(p.read("/etc/motd")?, b"welcome");
            assert_eq!(p.read("/etc/none"), Err(Errno::ENOENT));
            assert_eq!(p.read("/etc"), Err(Errno::EISDIR));
            assert_eq!(p.read("/etc/motd/x"), Err(Errno::ENOTDIR));
            assert_eq!(p.write("/etc/motd", "x").await, Err(Errno::EROFS));
            p.write("/tmp/../tmp/./a", "one").await?;
            p.append("a", " two").await?;
            assert_eq!(p.read("/tmp/a")?, b"one two");
            assert_eq!(p.create_new("a").await, Err(Errno::EEXIST));
            p.make_directory("d")?;
            p.write("d/b", "three").await?;
            assert_eq!(p.write("none/b", "x").await, Err(Errno::ENOENT));
            assert_eq!(p.execute("a"), Err(Errno::EACCES));
            p.remove("a")?;
            assert_eq!(p.read("a"), Err(Errno::ENOENT));
            p.write("a", "new").await?;
            assert_eq!(p.read("a")?, b"new");
            assert_eq!(p.env("HOME"), Some("/tmp"));
            assert_eq!(p.read("/dev/null")?, b"");
            assert_eq!(p.append("/dev/full", "x").await, Err(Errno::ENOSPC));
            assert!(p.connect("/run/clawbox/proxy.sock").await.is_err());
            Ok::<_, Errno>(7)
        });
    let backend = backend(image);
    let spawned = backend
        .spawn(request(&["agent"]).with_working_dir("/tmp"))
        .await;
    let exit = backend.wait(&spawned.unwrap().container_id).await.unwrap();
    assert_eq!(exit.exit_code, Some(7));
}

#[tokio::test(start_paused = true)]
async fn removed_and_truncated_files_give_their_room_back() {
    let backend = with(|p: Process| async move {
        for _ in 0..10 {
            let (bytes, full) = p.fill("/tmp/big", u64::MAX).await;
            assert_eq!((bytes, full), (256 << 20, Err(Errno::ENOSPC)));
            p.write("/tmp/big", "").await?;
        }
        for _ in 0..20_000 {
            p.create_new("/tmp/small").await?;
            p.remove("/tmp/small")?;
        }
        Ok::<_, Errno>(())
    });
    assert_eq!(run(&backend, &["x"]).await.0.exit_code, Some(0));
}

#[tokio::test(start_paused = true)]
async fn children_and_descriptors_come_free_when_they_are_dropped() {
    let backend = with(|p: Process| async move {
        for _ in 0..5 {
            let mut children = Vec::new();
            while let Ok(child) = p.fork() {
                children.push(child);
            }
            assert_eq!(children.len(), 254);
            let mut descriptors = Vec::new();
            while let Ok(descriptor) = p.open_descriptor() {
                descriptors.push(descriptor);
            }
            assert_eq!(descriptors.len(), 1021);
        }
    });
    assert_eq!(run(&backend, &["x"]).await.0.exit_code, Some(0));
}

#[tokio::test(start_paused = true)]
async fn a_process_may_handle_the_request_to_end() {
    let backend = with(|p: Process| async move {
        let terminated = p.terminated();
        p.stdout("ready\n").await;
        terminated.await;
        p.stdout("saved\n").await;
        9
    });
    let id = backend.spawn(request(&["x"])).await.unwrap().container_id;
    tokio::time::sleep(Duration::from_secs(1)).await;
    backend.kill(&id).await.unwrap();
    let exit = backend.wait(&id).await.unwrap();
    assert_eq!(exit.exit_code, Some(9));
    let output = backend.collect_output(&id).await.unwrap();
    assert_eq!(output.stdout.text(), "ready\nsaved\n");
}

#[tokio::test(start_paused = true)]
async fn signals_have_their_default_effects_except_on_process_1() {
    let raise = |number| move |p: Process| async move { p.raise(number).await };
    for (number, code) in [(15, 143), (9, 137), (11, 139), (17, 0), (18, 0)] {
        let backend = with(raise(number));
        assert_eq!(
            run(&backend, &["x"]).await.0.exit_code,
            Some(code),
            "{number}"
        );
        let backend = without_init(raise(number));
        assert_eq!(
            run(&backend, &["x"]).await.0.exit_code,
            Some(code),
            "{number} below the engine's init"
        );
        let process_1 = Fault::weakened_in_secret(|plan| plan.init = Init::None);
        backend.engine().fail(process_1);
        assert_eq!(
            run(&backend, &["x"]).await.0.exit_code,
            Some(0),
            "{number} as process 1"
        );
    }
    let backend = without_init(Script::sleep(Duration::from_secs(60)));
    let process_1 = Fault::weakened_in_secret(|plan| plan.init = Init::None);
    backend.engine().fail(process_1);
    let id = backend.spawn(request(&["x"])).await.unwrap().container_id;
    backend.engine().kill(&id, Signal::Term).await.unwrap();
    let exit = backend.wait(&id).await.unwrap();
    assert_eq!(
        exit.exit_code,
        Some(0),
        "TERM does nothing to a process 1 that does not handle it"
    );
}

#[tokio::test(start_paused = true)]
async fn a_program_that_panics_is_aborted() {
    let backend = with(|p: Process| async move {
        p.stdout("so far").await;
        if p.argv().len() == 1 {
            panic!("this is a test's own");
        }
        Exit::Code(0)
    });
    let (exit, output) = run(&backend, &["x"]).await;
    assert_eq!(exit.exit_code, Some(134));
    assert_eq!(output.stdout.text(), "so far");
}

#[tokio::test(start_paused = true)]
async fn standard_input_is_at_its_end_at_once() {
    let program = |p: Process| async move {
        let (mut stdin, mut line) = (BufReader::new(p.stdin()), String::new());
        // Again after the end, as from `/dev/null`.
        for _ in 0..2 {
            assert_eq!(stdin.read_line(&mut line).await.unwrap(), 0);
        }
        assert_eq!(p.read("/dev/null")?, line.as_bytes());
        p.stdout("read").await;
        Ok::<_, Errno>(())
    };
    let script = Script::read_stdin().stdout("read");
    for backend in [with(program), with(script)] {
        let since = Instant::now();
        let (exit, output) = run(&backend, &["x"]).await;
        assert_eq!((exit.exit_code, since.elapsed()), (Some(0), Duration::ZERO));
        assert_eq!(output.stdout.text(), "read");
    }
}

#[tokio::test(start_paused = true)]
async fn scripts_stop_at_what_is_refused() {
    let script = || {
        Script::stdout("a")
            .write("/tmp/x", "1")
            .write("/x", "2")
            .stdout("b")
    };
    let (exit, output) = run(&with(script()), &["x"]).await;
    assert_eq!(exit.exit_code, Some(1));
    assert_eq!(
        (output.stdout.text(), output.stderr.text()),
        ("a".into(), "/x: EROFS\n".into())
    );
    let (exit, _) = run(&with(Script::allocate(1 << 40).exit(0)), &["x"]).await;
    assert_eq!(exit.oom_killed, Some(true));
}

#[tokio::test(start_paused = true)]
async fn output_before_anybody_listens_goes_to_nobody() {
    let backend = with(Script::stdout("x"));
    let engine = backend.engine();
    let id = backend.spawn(request(&["x"])).await.unwrap().container_id;
    backend.wait(&id).await.unwrap();
    let mut late = engine.attach(&id).await.unwrap();
    assert!(futures_util::StreamExt::next(&mut late).await.is_none());
}

#[tokio::test]
async fn a_bind_leads_to_the_hosts_socket() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let image = MockImage::new(IMAGE)
        .unwrap()
        .with_program("ask", |p: Process| async move {
            let mut socket = p.connect("/run/clawbox/proxy.sock").await?;
            let exchange = async {
                socket.write_all(b"ping").await?;
                socket.shutdown().await?;
                let mut reply = Vec::new();
                socket.read_to_end(&mut reply).await?;
                std::io::Result::Ok(reply)
            };
            let reply = exchange.await.map_err(|error| Errno::of(&error))?;
            p.stdout(reply).await;
            assert_eq!(p.write("/run/clawbox/x", "x").await, Err(Errno::EROFS));
            Ok::<_, Errno>(())
        });
    let backend = backend(image);
    let dir = tempfile::tempdir().unwrap();
    let inner = dir.path().join("inner");
    std::fs::create_dir(&inner).unwrap();
    let path = inner.join("proxy.sock");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    for (path, mode) in [(&inner, 0o711), (&path, 0o666)] {
        let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
        std::fs::set_permissions(path, mode).unwrap();
    }
    let proxy = tokio::spawn(async move {
        let (mut client, _) = listener.accept().await?;
        let mut heard = String::new();
        client.read_to_string(&mut heard).await?;
        client.write_all(heard.to_uppercase().as_bytes()).await
    });
    let spawned = backend
        .spawn(request(&["ask"]).with_proxy_socket(&path))
        .await;
    let id = spawned.unwrap().container_id;
    assert_eq!(backend.wait(&id).await.unwrap().exit_code, Some(0));
    proxy.await.unwrap().unwrap();
    let output = backend.collect_output(&id).await.unwrap();
    assert_eq!(output.stdout.text(), "PING");
    // Without the bind there is nothing there.
    assert_eq!(run(&backend, &["ask"]).await.0.exit_code, Some(1));
}
