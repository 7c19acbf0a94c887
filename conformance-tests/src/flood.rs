//! For a backend's own tests: a service that answers without end, and what has to come of that.

use clawbox_containers::{
    ContainerEngine, ContainerPlan,
    engine::{EngineError, EngineErrorKind, EngineResult, Signal},
};
use clawbox_types::{ContainerId, ImageRef, PullPolicy};
use std::{fs, io, path::Path};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
};

/// What is sent of each answer, if it is taken: a gigabyte.
const SENT: usize = 1 << 30;
/// How much memory all that may take.
const MAX_GROWTH_KIB: u64 = 128 << 10;

/// Answers every request at `socket` with this status and a gigabyte of JSON that does not end, but for those whose line
/// has one of the `polite` words in it, which get the answer beside that.
///
/// # Errors
///
/// Where nobody can listen there.
pub fn serve(
    socket: &Path,
    status: &'static str,
    polite: &'static [(&'static str, &'static str)],
) -> io::Result<()> {
    let listener = UnixListener::bind(socket)?;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, status, polite));
        }
    });
    Ok(())
}

/// Who has read enough goes, and that is the end of it.
async fn answer(mut stream: UnixStream, status: &str, polite: &[(&str, &str)]) -> io::Result<()> {
    let mut request = [0; 1 << 16];
    let read = stream.read(&mut request).await?;
    let request = String::from_utf8_lossy(&request[..read]).into_owned();
    let line = request.lines().next().unwrap_or_default();
    if let Some((_, answer)) = polite.iter().find(|(word, _)| line.contains(word)) {
        return stream.write_all(answer.as_bytes()).await;
    }
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {SENT}\r\n\r\n{{\"a\":\""
    );
    stream.write_all(head.as_bytes()).await?;
    let piece = [b'x'; 1 << 16];
    for _ in 0..SENT / piece.len() {
        stream.write_all(&piece).await?;
    }
    Ok(())
}

/// Makes every call whose answer has a body, and holds each to a bad answer and all of them to a bound of memory.
///
/// # Errors
///
/// What was otherwise.
pub async fn check<E: ContainerEngine>(engine: &E, plan: &ContainerPlan) -> Result<(), String> {
    let id = ContainerId::generate();
    let image: ImageRef = "localhost/flood:1".parse().map_err(|e| format!("{e}"))?;
    let find = |pull| engine.ensure_image(&image, pull, &|_| {});
    fs::write("/proc/self/clear_refs", "5").map_err(|e| format!("forget the peak: {e}"))?;
    let before = peak()?;
    held("probe", engine.probe().await)?;
    held("find the image", find(PullPolicy::Never).await)?;
    held("create", engine.create(plan).await)?;
    held("inspect", engine.inspect(&id).await)?;
    held("list", engine.list(&Default::default()).await)?;
    // Of a stream, a client may not know why it broke off.
    broken("wait", engine.wait(&id).await)?;
    broken("fetch the image", find(PullPolicy::Always).await)?;
    // What succeeds may be left unread.
    for (call, done) in [
        ("start", engine.start(&id).await),
        ("kill", engine.kill(&id, Signal::Kill).await),
        ("remove", engine.remove(&id).await.map(drop)),
    ] {
        done.or_else(|error| bad(call, error))?;
    }
    let grown = peak()?.saturating_sub(before);
    println!("the peak of memory grew by {grown} KiB");
    match grown <= MAX_GROWTH_KIB {
        true => Ok(()),
        false => Err(format!("the peak of memory grew by {grown} KiB")),
    }
}

fn held<T>(call: &str, answered: EngineResult<T>) -> Result<(), String> {
    match answered {
        Ok(_) => Err(format!("{call}: made sense of it")),
        Err(error) => bad(call, error),
    }
}

fn broken<T>(call: &str, answered: EngineResult<T>) -> Result<(), String> {
    match answered {
        Err(error) if error.kind() == EngineErrorKind::Unavailable => Ok(()),
        other => held(call, other),
    }
}

fn bad(call: &str, error: EngineError) -> Result<(), String> {
    let says_it = error.to_string().contains("answer is longer than");
    match error.kind() == EngineErrorKind::BadAnswer && says_it {
        true => Ok(()),
        false => Err(format!("{call}: {:?}: {error}", error.kind())),
    }
}

/// The most memory this process has had, in KiB.
fn peak() -> Result<u64, String> {
    let status = fs::read_to_string("/proc/self/status").map_err(|e| e.to_string())?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number
        .and_then(|n| n.parse().ok())
        .ok_or_else(|| "no VmHWM".to_owned())
}
