//! What a further command reads.

use crate::{
    case::table,
    check::{Checked, Stop, ensure, same},
    context::Context,
    rig::PATIENCE,
};
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
