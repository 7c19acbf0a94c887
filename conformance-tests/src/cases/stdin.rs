//! What a command reads.

use crate::{
    case::table,
    check::{Checked, Stop, ensure, ensure_matches, refused, same},
    context::Context,
    rig::{PATIENCE, request},
};
use clawbox_containers::ContainerError;
use clawbox_probe::{Command, Pattern, Stream};
use clawbox_types::{ExecRequest, OutputStream};
use futures_util::StreamExt;
use tokio::{io::AsyncWriteExt, time::timeout};

table! { "stdin":
    #[process_one]
    bytes = "a further command reads what its request brings, byte for byte and to its end, and otherwise nothing",
    #[process_one]
    conversation = "one that is streamed reads what is written to it as it comes, and its end while it still prints",
    #[process_one]
    left_unread = "one that ends without reading all of its standard input holds nobody up",
    #[process_one]
    own_conversation = "a container's command reads what is written to its standard input as it comes, and its end",
    #[process_one]
    own_bytes = "what a container's command reads is whole, byte for byte, and what it does not read is told",
    #[process_one]
    own_taken = "a container's standard input is had once, where it was asked for, and as long as it runs",
    #[engine_init]
    own_refused = "where process 1 is the engine's, a container with a standard input is `Unsupported`",
}

fn cat(max: Option<u64>) -> ExecRequest {
    ExecRequest::new(Command::Cat { max }.argv())
}

async fn bytes(context: &Context) -> Checked {
    let rig = context.rig()?;
    let id = rig.sleeper().await?;
    let sent = Pattern::Binary.part(Stream::Stdout, 0, 200_000);
    for sent in [sent, Vec::new()] {
        let request = cat(None).with_stdin(sent.clone());
        let report = timeout(PATIENCE, rig.backend.exec(&id, request)).await??;
        same("code", report.exit_code, 0)?;
        ensure!(
            report.output.stdout.bytes == sent,
            "{} bytes were read, and not the {} that were sent",
            report.output.stdout.bytes.len(),
            sent.len()
        );
    }
    let report = timeout(PATIENCE, rig.backend.exec(&id, cat(None))).await??;
    same("read of nothing", report.output.stdout.bytes.len(), 0)
}

async fn conversation(context: &Context) -> Checked {
    let rig = context.rig()?;
    let id = rig.sleeper().await?;
    let mut handle = rig.backend.exec_stream(&id, cat(None)).await?;
    let mut stdin = handle
        .stdin
        .take()
        .ok_or_else(|| Stop::Failed("it has no standard input".to_owned()))?;
    for word in ["first", "second"] {
        stdin.write_all(word.as_bytes()).await?;
        let mut heard = Vec::new();
        while heard.len() < word.len() {
            let chunk = timeout(PATIENCE, handle.output.next()).await?;
            let chunk = chunk.ok_or_else(|| Stop::Failed("its output has ended".to_owned()))??;
            same("stream", chunk.stream, OutputStream::Stdout)?;
            heard.extend_from_slice(&chunk.bytes);
        }
        same("heard", String::from_utf8_lossy(&heard).as_ref(), word)?;
    }
    stdin.shutdown().await?;
    let end = timeout(PATIENCE, &mut handle.running).await??;
    same("code", end.exit_code, 0)?;
    let more = timeout(PATIENCE, handle.output.next()).await?;
    ensure!(more.is_none(), "it printed more: {more:?}");
    ensure!(
        stdin.write_all(b"late").await.is_err(),
        "what was shut can be written to"
    );
    Ok(())
}

async fn left_unread(context: &Context) -> Checked {
    let rig = context.rig()?;
    let id = rig.sleeper().await?;
    let request = cat(Some(10)).with_stdin(vec![b'x'; 1_000_000]);
    let report = timeout(PATIENCE, rig.backend.exec(&id, request)).await??;
    same("code", report.exit_code, 0)?;
    same("read", report.output.stdout.bytes, vec![b'x'; 10])?;
    // Streamed, whoever writes on is told.
    let mut handle = rig.backend.exec_stream(&id, cat(Some(10))).await?;
    let mut stdin = handle
        .stdin
        .take()
        .ok_or_else(|| Stop::Failed("it has no standard input".to_owned()))?;
    let written = timeout(PATIENCE, stdin.write_all(&[b'x'; 1_000_000])).await?;
    ensure!(written.is_err(), "all was written to who has ended");
    let end = timeout(PATIENCE, handle.running).await??;
    same("code", end.exit_code, 0)
}

async fn own_conversation(context: &Context) -> Checked {
    let rig = context.rig()?;
    let cat = request(&Command::Cat { max: None }).with_stdin();
    let id = rig.spawn(cat).await?.container_id;
    let mut stdin = rig.backend.take_stdin(&id)?;
    let mut printed = String::new();
    for word in ["first", "second"] {
        stdin.write_all(word.as_bytes()).await?;
        printed.push_str(word);
        rig.printed(&id, &printed).await?;
    }
    stdin.shutdown().await?;
    let exit = timeout(PATIENCE, rig.backend.wait(&id)).await??;
    same("code", exit.exit_code, Some(0))?;
    ensure!(
        stdin.write_all(b"late").await.is_err(),
        "what was shut can be written to"
    );
    Ok(())
}

async fn own_bytes(context: &Context) -> Checked {
    let rig = context.rig()?;
    let sent = Pattern::Binary.part(Stream::Stdout, 0, 200_000);
    for (max, read) in [(None, &sent[..]), (Some(10), &sent[..10])] {
        let cat = request(&Command::Cat { max }).with_stdin();
        let id = rig.spawn(cat).await?.container_id;
        let mut stdin = rig.backend.take_stdin(&id)?;
        let writing = async {
            let written = stdin.write_all(&sent).await;
            drop(stdin);
            written
        };
        let (written, exit) = tokio::join!(
            timeout(PATIENCE, writing),
            timeout(PATIENCE, rig.backend.wait(&id))
        );
        same("all was written", written?.is_ok(), max.is_none())?;
        same("code", exit??.exit_code, Some(0))?;
        let output = rig.backend.collect_output(&id).await?;
        ensure!(
            output.stdout.bytes == read,
            "{} bytes were read, and not the {} that should be",
            output.stdout.bytes.len(),
            read.len()
        );
    }
    Ok(())
}

async fn own_taken(context: &Context) -> Checked {
    let rig = context.rig()?;
    let cat = Command::Cat { max: None };
    let unsupported = |what, taken| -> Checked {
        let error = refused(what, taken)?;
        ensure_matches!(error, ContainerError::Unsupported { .. }, what);
        Ok(())
    };
    // Without one its end is read at once.
    let none = rig.spawn(request(&cat)).await?.container_id;
    let exit = timeout(PATIENCE, rig.backend.wait(&none)).await??;
    same("code without one", exit.exit_code, Some(0))?;
    let sleeper = rig.sleeper().await?;
    let taken = rig.backend.take_stdin(&sleeper).map(drop);
    unsupported("one that was not asked for", taken)?;

    let id = rig.spawn(request(&cat).with_stdin()).await?.container_id;
    let stdin = rig.backend.take_stdin(&id)?;
    let again = rig.backend.take_stdin(&id).map(drop);
    unsupported("one that was taken", again)?;
    drop(stdin);
    let exit = timeout(PATIENCE, rig.backend.wait(&id)).await??;
    same("code", exit.exit_code, Some(0))?;
    let late = rig.backend.take_stdin(&id).map(drop);
    let error = refused("one of a container that has ended", late)?;
    ensure_matches!(error, ContainerError::InvalidState { .. }, "its error");
    Ok(())
}

async fn own_refused(context: &Context) -> Checked {
    let rig = context.rig()?;
    let cat = request(&Command::Cat { max: None }).with_stdin();
    let error = refused("it", rig.backend.spawn(cat).await)?;
    ensure_matches!(error, ContainerError::Unsupported { .. }, "its error");
    same("containers", rig.backend.list().len(), 0)
}
