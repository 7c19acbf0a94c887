//! What a further command prints, as it comes.

use crate::{
    case::table,
    check::{Checked, Stop, ensure, same},
    context::Context,
    rig::{DEAF_SLEEPER, PATIENCE, Rig, SLEEPER, limits, request, request_within, until},
};
use clawbox_containers::{ExecHandle, ExecOutput};
use clawbox_probe::{Command, Pattern, Stream};
use clawbox_types::{ContainerId, ExecRequest, LogEntry, OutputStream};
use futures_util::StreamExt;
use std::time::Duration;
use tokio::time::{sleep, timeout};

table! { "streams":
    #[process_one]
    as_they_come = "what a further command prints is there while it runs, told apart",
    #[process_one]
    whole = "both of its streams are whole, byte for byte",
    #[process_one]
    slow_reader = "one whose reader is slow waits for it, and loses nothing",
    #[process_one]
    reader_gone = "one whose reader is gone is not held up by that",
    #[process_one]
    held_open = "its end is told, and its output ends, also where a process that it left prints on",
    #[process_one]
    closed_early = "one that closes standard output goes on, and so does what it prints beside",
    #[process_one]
    dropped = "one whose handle is dropped is killed, and frees its place",
    logged = "a container's log tells what it printed, on which stream and when, and ends where it is not followed",
    logged_beyond = "a container's log tells all that is kept, however late it is read, and then how much is missing",
}

async fn start(rig: &Rig, id: &ContainerId, command: &Command) -> Checked<ExecHandle> {
    let request = ExecRequest::new(command.argv());
    let mut handle = rig.backend.exec_stream(id, request).await?;
    drop(handle.stdin.take());
    Ok(handle)
}

/// Reads the rest of both streams.
async fn rest(output: &mut ExecOutput) -> Checked<[Vec<u8>; 2]> {
    let mut seen = [Vec::new(), Vec::new()];
    let reading = async {
        while let Some(chunk) = output.next().await {
            let chunk = chunk?;
            let of_stream = &mut seen[usize::from(chunk.stream == OutputStream::Stderr)];
            of_stream.extend_from_slice(&chunk.bytes);
        }
        Checked::Ok(())
    };
    timeout(PATIENCE, reading).await??;
    Ok(seen)
}

async fn as_they_come(context: &Context) -> Checked {
    let rig = context.rig()?;
    let id = rig.sleeper().await?;
    let mut handle = start(&rig, &id, &DEAF_SLEEPER).await?;
    let chunk = timeout(PATIENCE, handle.output.next()).await?;
    let chunk = chunk.ok_or_else(|| Stop::Failed("its output has ended".to_owned()))??;
    same("stream", chunk.stream, OutputStream::Stdout)?;
    same("printed", &chunk.bytes[..], b"ready\n")?;
    let early = timeout(Duration::from_millis(100), &mut handle.running).await;
    ensure!(early.is_err(), "it is told to have ended: {early:?}");
    Ok(())
}

async fn whole(context: &Context) -> Checked {
    let rig = context.rig()?;
    let id = rig.sleeper().await?;
    let (out, err) = (700_000, 300_000);
    let flood = Command::Flood {
        pattern: Pattern::Binary,
        stdout: out,
        stderr: err,
    };
    let mut handle = start(&rig, &id, &flood).await?;
    let seen = rest(&mut handle.output).await?;
    let expected = [(Stream::Stdout, out), (Stream::Stderr, err)];
    for ((stream, length), seen) in expected.into_iter().zip(seen) {
        let whole = Pattern::Binary.part(stream, 0, length as usize);
        ensure!(seen == whole, "{stream:?} is not what was printed");
    }
    let end = timeout(PATIENCE, handle.running).await??;
    same("end", (end.exit_code, end.signal), (0, None))
}

async fn slow_reader(context: &Context) -> Checked {
    let rig = context.rig()?;
    let id = rig.sleeper().await?;
    let length = 4_000_000;
    let flood = Command::Flood {
        pattern: Pattern::Ascii,
        stdout: length,
        stderr: 0,
    };
    let mut handle = start(&rig, &id, &flood).await?;
    let early = timeout(Duration::from_millis(300), &mut handle.running).await;
    ensure!(early.is_err(), "it did not wait for its reader: {early:?}");
    let [seen, _] = rest(&mut handle.output).await?;
    let whole = Pattern::Ascii.part(Stream::Stdout, 0, length as usize);
    ensure!(seen == whole, "{} bytes of {length} came", seen.len());
    Ok(())
}

async fn reader_gone(context: &Context) -> Checked {
    let rig = context.rig()?;
    let id = rig.sleeper().await?;
    let flood = Command::Flood {
        pattern: Pattern::Ascii,
        stdout: 4_000_000,
        stderr: 0,
    };
    let handle = start(&rig, &id, &flood).await?;
    drop(handle.output);
    timeout(PATIENCE, handle.running).await??;
    Ok(())
}

async fn held_open(context: &Context) -> Checked {
    let rig = context.rig()?;
    let id = rig.sleeper().await?;
    let leave = Command::Leave {
        milliseconds: 30_000,
    };
    let soon = Duration::from_secs(10);
    let mut handle = start(&rig, &id, &leave).await?;
    let end = timeout(soon, &mut handle.running).await??;
    same("code", end.exit_code, 0)?;
    let [seen, _] = timeout(soon, rest(&mut handle.output)).await??;
    ensure!(
        seen.starts_with(b"ready\n"),
        "what it printed itself is lost"
    );
    let collected = rig.backend.exec(&id, ExecRequest::new(leave.argv()));
    let report = timeout(soon, collected).await??;
    same("code", report.exit_code, 0)?;
    ensure!(
        report.output.stdout.bytes.starts_with(b"ready\n"),
        "what it printed itself is lost"
    );
    Ok(())
}

async fn closed_early(context: &Context) -> Checked {
    let rig = context.rig()?;
    let id = rig.sleeper().await?;
    let command = Command::CloseStdout {
        stderr: "aside".to_owned(),
    };
    let mut handle = start(&rig, &id, &command).await?;
    let [out, err] = rest(&mut handle.output).await?;
    same("stdout", String::from_utf8_lossy(&out).as_ref(), "")?;
    same("stderr", String::from_utf8_lossy(&err).as_ref(), "aside")?;
    let end = timeout(PATIENCE, handle.running).await??;
    same("code", end.exit_code, 0)
}

async fn dropped(context: &Context) -> Checked {
    let rig = context.rig()?;
    let few = limits().with_pids(8);
    let id = rig.spawn(request_within(&SLEEPER, few)).await?.container_id;
    for _ in 0..3 {
        // They run at once, and then all are dropped.
        let mut handles = Vec::new();
        for _ in 0..4 {
            let mut handle = start(&rig, &id, &DEAF_SLEEPER).await?;
            let ready = timeout(PATIENCE, handle.output.next()).await?;
            ensure!(ready.is_some(), "it has not printed");
            handles.push(handle);
        }
        drop(handles);
        let probe = ExecRequest::new(Command::Fork { max: 4 }.argv());
        until("places for processes", || async {
            sleep(Duration::from_millis(20)).await;
            let report = rig.backend.exec(&id, probe.clone()).await?;
            Ok(report.output.stdout.text().contains("\"errno\":null"))
        })
        .await?;
    }
    Ok(())
}

async fn logged(context: &Context) -> Checked {
    let rig = context.rig()?;
    let info = rig.spawn(request(&DEAF_SLEEPER)).await?;
    let id = info.container_id;
    let mut followed = rig.backend.logs(&id, true)?;
    let first = timeout(PATIENCE, followed.next()).await?;
    let Some(LogEntry::Printed { stream, at, bytes }) = first else {
        return Err(Stop::Failed(format!("its log begins with {first:?}")));
    };
    same("stream", stream, OutputStream::Stdout)?;
    same("printed", &bytes[..], b"ready\n")?;
    let now = rig.backend.logs(&id, false)?.collect::<Vec<_>>();
    let now = timeout(PATIENCE, now).await?;
    same("entries of what runs", now.len(), 1)?;
    rig.backend.kill(&id).await?;
    let rest = timeout(PATIENCE, followed.collect::<Vec<_>>()).await?;
    same("entries after a kill", rest.len(), 0)?;
    let ended = rig.backend.wait(&id).await?.finished_at;
    ensure!(
        at >= info.created_at && ended.is_some_and(|ended| at <= ended),
        "it printed at {at}, but was there from {} to {ended:?}",
        info.created_at
    );
    Ok(())
}

async fn logged_beyond(context: &Context) -> Checked {
    let rig = context.rig()?;
    let (out, err, kept) = (100_000, 20_000, 50_000);
    let flood = Command::Flood {
        pattern: Pattern::Binary,
        stdout: out,
        stderr: err,
    };
    let mut few = limits();
    few.max_output_bytes = kept;
    let id = rig.spawn(request_within(&flood, few)).await?.container_id;
    let log = rig.backend.logs(&id, true)?;
    rig.backend.wait(&id).await?;
    let mut seen = [Vec::new(), Vec::new()];
    let mut losses = Vec::new();
    for entry in timeout(PATIENCE, log.collect::<Vec<_>>()).await? {
        match entry {
            LogEntry::Printed { stream, bytes, .. } => {
                ensure!(losses.is_empty(), "there is more after what is missing");
                seen[usize::from(stream == OutputStream::Stderr)].extend(bytes);
            }
            other => losses.push(other),
        }
    }
    for ((stream, length), seen) in [(Stream::Stdout, kept), (Stream::Stderr, err)]
        .into_iter()
        .zip(seen)
    {
        let whole = Pattern::Binary.part(stream, 0, length as usize);
        ensure!(seen == whole, "{stream:?} is not what was printed");
    }
    let missing = LogEntry::Dropped {
        stdout: out - kept,
        stderr: 0,
    };
    same("what is missing", losses, vec![missing])
}
