//! Files that go into a running container and come out of it.

mod trees;

use super::workspace;
use crate::{
    case::table,
    check::{Checked, ensure, ensure_matches, refused, same, same_bytes},
    context::Context,
    rig::{Rig, SLEEPER, request},
};
use clawbox_containers::{ContainerError, FileProblem, Files};
use clawbox_probe::{Attempt, Command, Count, Pattern, Stream};
use clawbox_types::{ContainerId, ExecRequest, Found, TransferLimits, Violation, Workspace};
use serde::de::DeserializeOwned;
use std::{
    fs, io,
    os::unix::fs::MetadataExt,
    path::PathBuf,
    pin::Pin,
    task::{self, Poll},
    time::Duration,
};
use tar::EntryType;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt, ReadBuf, duplex, sink},
    time::{Instant, sleep},
};
use trees::{
    archive, directories_of_the_host, names, no_more_than_asked, nothing_but_data_comes_out,
    nothing_but_data_goes_in, trees, unpacked,
};

table! { "transfer":
    #[process_one]
    there_and_back = "a file that is put is what a command reads and may change, and what is got is what it left",
    #[process_one]
    workspace_of_its_owner = "a file that is put into a workspace is its owner's, with its permissions and nothing above them",
    #[process_one]
    trees = "whole trees go in and come out as tar streams, byte for byte",
    #[process_one]
    directories_of_the_host = "a directory of the host's goes in and comes out as it was, without what its links lead to",
    #[process_one]
    whole_or_not_at_all = "a reader that fails leaves what was there before, and no part of what it gave",
    #[process_one]
    nothing_but_data_comes_out = "links, pipes, odd names, setuid bits and closed directories come out as findings (F14, F15)",
    #[process_one]
    nothing_but_data_goes_in = "links, devices, pipes, `..`, absolute and odd names of an archive are findings, and go nowhere",
    #[process_one]
    no_more_than_asked = "more entries, bytes and levels than there may be are errors and findings, and are not read (F15)",
    #[process_one]
    refusals = "a path that cannot be is refused for itself, with what would be accepted",
    #[process_one]
    full = "what does not fit is an error, and leaves nothing",
    #[process_one]
    ends_in_the_middle = "a container that ends in the middle is an error",
    #[process_one]
    in_time = "what is not done in time is an error",
}

fn files<'a>(rig: &'a Rig, id: &'a ContainerId) -> Files<'a> {
    Files::of(&*rig.backend, id)
}

/// Runs a command in a container and reads its answer.
async fn ask<T: DeserializeOwned>(rig: &Rig, id: &ContainerId, command: Command) -> Checked<T> {
    let report = rig
        .backend
        .exec(id, ExecRequest::new(command.argv()))
        .await?;
    Ok(serde_json::from_slice(&report.output.stdout.bytes)?)
}

fn problem<T: std::fmt::Debug>(
    what: &str,
    outcome: Result<T, ContainerError>,
) -> Checked<(String, FileProblem)> {
    match refused(what, outcome)? {
        ContainerError::Files { path, problem, .. } => Ok((path, problem)),
        other => Err(other.into()),
    }
}

async fn there_and_back(context: &Context) -> Checked {
    let rig = context.rig()?;
    let id = rig.sleeper().await?;
    let files = files(&rig, &id);
    let sent = Pattern::Binary.part(Stream::Stdout, 0, 300_000);
    let path = "/tmp/not/there/yet";
    same("put", files.put(path, &sent[..]).await?, 300_000)?;
    let read: Count = ask(
        &rig,
        &id,
        Command::Read {
            path: path.to_owned(),
        },
    )
    .await?;
    same("read", (read.count, read.errno), (300_000, None))?;
    same_bytes("got", &files.get(path).await?, &sent)?;
    let written: Attempt = ask(
        &rig,
        &id,
        Command::Write {
            path: path.to_owned(),
        },
    )
    .await?;
    same("written", written.errno, None)?;
    let got = files.get(path).await?;
    same_bytes("got", &got[..got.len().min(6)], b"probe\n")?;
    same("put", files.put(path, &b""[..]).await?, 0)?;
    same("got", files.get(path).await?.len(), 0)
}

/// A container with a workspace, and where that is on the host.
async fn with_workspace(context: &Context) -> Checked<(Rig, ContainerId, PathBuf)> {
    let dir = context.workspace()?;
    let rig = workspace::rig(context, &[&dir]).await?;
    let asked = request(&SLEEPER).with_workspace(Workspace::new(&dir));
    let id = rig.spawn(asked).await?.container_id;
    Ok((rig, id, dir))
}

async fn workspace_of_its_owner(context: &Context) -> Checked {
    let (rig, id, dir) = with_workspace(context).await?;
    let put = files(&rig, &id).put_with_mode("/workspace/new/file", 0o6755, &b"hello"[..]);
    same("put", put.await?, 5)?;
    same_bytes("on the host", &fs::read(dir.join("new/file"))?, b"hello")?;
    let owner = fs::metadata(&dir)?.uid();
    for (name, mode) in [("new", 0o755), ("new/file", 0o755)] {
        let metadata = fs::symlink_metadata(dir.join(name))?;
        same(
            name,
            (metadata.uid(), metadata.mode() & 0o7777),
            (owner, mode),
        )?;
    }
    same("names", names(&dir.join("new"))?, vec!["file".to_owned()])
}

/// A reader that gives some bytes and fails.
fn failing(bytes: &[u8]) -> impl AsyncRead + Send + Unpin {
    AsyncReadExt::chain(bytes, Failing)
}

struct Failing;

impl AsyncRead for Failing {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut task::Context<'_>,
        _: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Poll::Ready(Err(io::Error::other("nothing more")))
    }
}

async fn whole_or_not_at_all(context: &Context) -> Checked {
    let rig = context.rig()?;
    let id = rig.sleeper().await?;
    let files = files(&rig, &id);
    files.put("/tmp/d/file", &b"before"[..]).await?;
    let half = vec![b'x'; 200_000];
    for name in ["file", "other"] {
        let put = files.put(&format!("/tmp/d/{name}"), failing(&half)).await;
        let (path, why) = problem("a reader that fails", put)?;
        same("path", path, format!("/tmp/d/{name}"))?;
        ensure_matches!(why, FileProblem::Source(_), name);
    }
    same_bytes(
        "what was there",
        &files.get("/tmp/d/file").await?,
        b"before",
    )?;
    // An archive that ends within a file, as a connection that breaks.
    let sent = archive(&[
        (b"whole", EntryType::Regular, 0o644, b"whole"),
        (b"half", EntryType::Regular, 0o644, &half),
    ])?;
    let put = files.put_tree("/tmp/d", &sent[..100_000]).await;
    let (path, why) = problem("half an archive", put)?;
    same("path", path, "/tmp/d/half")?;
    ensure_matches!(why, FileProblem::Source(_), "half an archive");
    let mut got = Vec::new();
    files.get_tree("/tmp/d", &mut got).await?;
    let got = unpacked(&got)?;
    let names: Vec<_> = got.keys().map(String::as_str).collect();
    same("what is there", names, ["file", "whole"])
}

async fn refusals(context: &Context) -> Checked {
    let rig = context.rig()?;
    let id = rig.sleeper().await?;
    let files = files(&rig, &id);
    for path in ["/bin/new", "/new", "/data/x/y"] {
        let (named, why) = problem(path, files.put(path, &b"x"[..]).await)?;
        ensure!(path.starts_with(&named), "{named} is not {path}");
        ensure_matches!(why, FileProblem::ReadOnly, path);
        ensure!(
            why.to_string().contains("/tmp"),
            "what is accepted is not told: {why}"
        );
    }
    for path in [
        "",
        "/",
        "relative",
        "/tmp/../etc/x",
        "/tmp/./x",
        "/tmp/a\0b",
        "/tmp/a\nb",
    ] {
        for outcome in [
            files.put(path, &b"x"[..]).await,
            files.get(path).await.map(|bytes| bytes.len() as u64),
        ] {
            match refused(path, outcome)? {
                ContainerError::InvalidRequest { violations } => {
                    let fields = violations.iter().map(|it: &Violation| it.field.as_str());
                    same(path, fields.collect::<Vec<_>>(), ["path"])?;
                }
                other => return Err(other.into()),
            }
        }
    }
    files.put("/tmp/d/file", &b"x"[..]).await?;
    let (named, why) = problem("nothing", files.get("/tmp/none").await)?;
    same("path", named, "/tmp/none")?;
    ensure_matches!(why, FileProblem::NotFound, "nothing");
    let why = problem("a directory", files.get("/tmp/d").await)?.1;
    ensure_matches!(why, FileProblem::Directory, "a directory");
    let (named, why) = problem("a directory", files.put("/tmp/d", &b"x"[..]).await)?;
    same("path", named, "/tmp/d")?;
    ensure_matches!(why, FileProblem::Directory, "a directory");
    let why = problem("below a file", files.put("/tmp/d/file/x", &b"x"[..]).await)?.1;
    ensure_matches!(why, FileProblem::NotADirectory, "below a file");
    let tree = files.get_tree("/tmp/d/file", sink()).await;
    ensure_matches!(
        problem("a file", tree)?.1,
        FileProblem::NotADirectory,
        "a file"
    );
    let why = problem("a device", files.get("/dev/zero").await)?.1;
    ensure_matches!(why, FileProblem::Refused(Found::Device), "a device");
    let limits = TransferLimits::new().with_depth(0);
    let outcome = files.within(limits).get("/tmp/d/file").await;
    ensure_matches!(
        refused("a limit", outcome)?,
        ContainerError::InvalidRequest { .. },
        "a limit"
    );
    let gone = ContainerId::generate();
    let outcome = Files::of(&*rig.backend, &gone).get("/tmp/d/file").await;
    ensure_matches!(
        refused("nobody", outcome)?,
        ContainerError::NotFound { .. },
        "nobody"
    );
    Ok(())
}

async fn full(context: &Context) -> Checked {
    let rig = context.rig_with(|setup| setup.security.tmpfs.push("/data:size=1m".to_owned()))?;
    let id = rig.sleeper().await?;
    let files = files(&rig, &id);
    let bytes = vec![b'x'; 2 << 20];
    let (path, why) = problem("too much", files.put("/data/x", &bytes[..]).await)?;
    same("path", path, "/data/x")?;
    ensure_matches!(why, FileProblem::NoSpace, "too much");
    let report = files.get_tree("/data", sink()).await?;
    same(
        "what is there",
        (report.files, report.findings.len()),
        (0, 0),
    )
}

async fn ends_in_the_middle(context: &Context) -> Checked {
    let rig = context.rig()?;
    let id = rig.sleeper().await?;
    let (mut writer, reader) = duplex(1 << 16);
    writer.write_all(b"some of it").await?;
    let files = files(&rig, &id);
    let killed = async {
        sleep(Duration::from_millis(200)).await;
        rig.backend.kill(&id).await
    };
    let (put, killed) = tokio::join!(files.put("/tmp/x", reader), killed);
    killed?;
    ensure_matches!(
        refused("it", put)?,
        ContainerError::InvalidState { .. },
        "a put"
    );
    let got = files.get("/tmp/x").await;
    ensure_matches!(
        refused("it", got)?,
        ContainerError::InvalidState { .. },
        "a get"
    );
    Ok(())
}

async fn in_time(context: &Context) -> Checked {
    let rig = context.rig()?;
    let id = rig.sleeper().await?;
    let (_writer, never) = duplex(1);
    let began = Instant::now();
    let limits = TransferLimits::new().with_timeout_ms(500);
    let files = files(&rig, &id).within(limits);
    let (_, why) = problem("it", files.put("/tmp/x", never).await)?;
    ensure_matches!(why, FileProblem::TimedOut(500), "it");
    ensure!(
        began.elapsed().as_secs() < 15,
        "that took {:?}",
        began.elapsed()
    );
    Ok(())
}
