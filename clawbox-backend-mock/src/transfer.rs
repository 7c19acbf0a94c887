//! Process 1's program as it puts and gets files: over the mock's own, and over the host's where they are bound.

use crate::{
    errno::Errno,
    files::{Seen, SeenKind},
    process::Process,
    program::Exit,
};
use clawbox_init::protocol::{
    DEEPEST, Header, MODE_BITS, PIECE_BYTES, Piece, Why, check_name, check_part,
};
use futures_util::future::{BoxFuture, FutureExt};
use std::{collections::BTreeSet, ffi::CString};
use tokio::io::{AsyncRead, AsyncReadExt};

/// What it exits with where standard input is none of the protocol.
const REFUSED: Exit = Exit::Code(125);

/// How much of a file is read at once.
const PART: usize = PIECE_BYTES as usize;

/// What is wrong, and with which name.
type Fault = (String, Why);

/// Does the one transfer that standard input asks for.
pub(crate) async fn transfer(process: Process) -> Exit {
    let mut input = process.stdin();
    let mut room = Vec::new();
    let outcome = match next(&mut input, &mut room).await {
        Some(Piece::Put(path)) => {
            let path = path.to_string_lossy().into_owned();
            match reach(&process, &path, true) {
                Ok(()) => put(&process, &path, &mut input).await,
                Err(why) => Err((String::new(), why)),
            }
        }
        Some(Piece::Get {
            path,
            tree,
            entries,
            bytes,
            depth,
        }) => {
            let mut walk = Walk {
                process: process.clone(),
                entries,
                bytes,
                depth: depth.min(DEEPEST),
            };
            walk.get(&path.to_string_lossy(), tree).await
        }
        _ => return REFUSED,
    };
    match outcome {
        Ok(()) => {
            say(&process, Piece::Done).await;
            Exit::Code(0)
        }
        Err((name, why)) => {
            let name = text(&name);
            say(&process, Piece::Failed { name: &name, why }).await;
            Exit::Code(1)
        }
    }
}

/// The next piece; nothing at the end, or where it is none of the protocol's.
async fn next<'a>(
    input: &mut (impl AsyncRead + Unpin),
    room: &'a mut Vec<u8>,
) -> Option<Piece<'a>> {
    let mut header = [0; Header::BYTES];
    input.read_exact(&mut header).await.ok()?;
    let header = Header::decode(header, PIECE_BYTES).ok()?;
    room.resize(usize::try_from(header.length).ok()?, 0);
    input.read_exact(room).await.ok()?;
    Piece::decode(header.kind, room).ok()
}

async fn say(process: &Process, piece: Piece<'_>) {
    let mut payload = Vec::new();
    piece.encode(&mut payload);
    let header = Header {
        length: u32::try_from(payload.len()).unwrap_or(u32::MAX),
        kind: piece.kind(),
        pipes: 0,
    };
    process
        .stdout([&header.encode()[..], &payload].concat())
        .await;
}

fn text(name: &str) -> CString {
    CString::new(name).unwrap_or_default()
}

fn why(errno: Errno) -> Why {
    match errno {
        Errno::EISDIR => Why::Directory,
        Errno::ENOTDIR => Why::NoDirectory,
        other => Why::Errno(other.number().cast_unsigned()),
    }
}

/// Goes to a directory by its own path, without any link.
fn reach(process: &Process, path: &str, make: bool) -> Result<(), Why> {
    let mut at = String::new();
    for part in path.split('/').filter(|part| !part.is_empty()) {
        check_part(part.as_bytes())?;
        at = format!("{at}/{part}");
        enter(process, &at, make)?;
    }
    Ok(())
}

fn enter(process: &Process, path: &str, make: bool) -> Result<(), Why> {
    let mut held = process.held();
    let seen = match held.files.seen(path) {
        Err(Errno::ENOENT) if make => {
            held.files.provide_directory(path, 0o755).map_err(why)?;
            held.files.seen(path)
        }
        seen => seen,
    };
    match seen.map_err(why)?.kind {
        SeenKind::Directory => Ok(()),
        SeenKind::Link => Err(Why::Link),
        _ => Err(Why::NoDirectory),
    }
}

async fn put(
    process: &Process,
    top: &str,
    input: &mut (impl AsyncRead + Unpin),
) -> Result<(), Fault> {
    let mut room = Vec::new();
    loop {
        let (name, mode, is_file) = match next(input, &mut room).await {
            Some(Piece::Directory { name, mode }) => (name, mode, false),
            Some(Piece::File { name, mode, .. }) => (name, mode, true),
            Some(Piece::Done) => return Ok(()),
            _ => {
                return Err((
                    String::new(),
                    Why::Errno(Errno::EINVAL.number().cast_unsigned()),
                ));
            }
        };
        let (name, mode) = (name.to_string_lossy().into_owned(), mode & MODE_BITS);
        check_name(name.as_bytes(), DEEPEST).map_err(|why| (name.clone(), why))?;
        let made = if is_file {
            put_file(process, top, &name, mode, input).await
        } else {
            put_directory(process, top, &name, mode)
        };
        made.map_err(|why| (name, why))?;
    }
}

/// The directory that a name is in, with those on the way made.
fn above(process: &Process, top: &str, name: &str) -> Result<String, Why> {
    let mut at = top.trim_end_matches('/').to_owned();
    if let Some((above, _)) = name.rsplit_once('/') {
        for part in above.split('/') {
            at = format!("{at}/{part}");
            enter(process, &at, true)?;
        }
    }
    Ok(at)
}

fn put_directory(process: &Process, top: &str, name: &str, mode: u32) -> Result<(), Why> {
    above(process, top, name)?;
    let path = format!("{}/{name}", top.trim_end_matches('/'));
    let made = process.held().files.provide_directory(&path, mode | 0o700);
    made.map_err(why)?;
    enter(process, &path, false)
}

async fn put_file(
    process: &Process,
    top: &str,
    name: &str,
    mode: u32,
    input: &mut (impl AsyncRead + Unpin),
) -> Result<(), Why> {
    let at = above(process, top, name)?;
    let scratch = format!("{at}/.clawbox-put-{:p}", std::ptr::from_ref(input));
    process.create_new(&scratch).await.map_err(why)?;
    let filled = fill(process, &scratch, input).await;
    let path = format!("{}/{name}", top.trim_end_matches('/'));
    let mut held = process.held();
    let done = filled.and_then(|()| held.files.rename(&scratch, &path, mode).map_err(why));
    if done.is_err() {
        held.files.discard(&scratch).map_err(why)?;
    }
    done
}

async fn fill(
    process: &Process,
    path: &str,
    input: &mut (impl AsyncRead + Unpin),
) -> Result<(), Why> {
    let mut room = Vec::new();
    loop {
        match next(input, &mut room).await {
            Some(Piece::Data(bytes)) => process.append(path, bytes).await.map_err(why)?,
            Some(Piece::Close) => return Ok(()),
            _ => return Err(why(Errno::EINVAL)),
        }
    }
}

struct Walk {
    process: Process,
    entries: u64,
    bytes: u64,
    depth: u32,
}

/// Why something of this kind is not told.
fn refusal(kind: SeenKind) -> Why {
    match kind {
        SeenKind::Link => Why::Link,
        SeenKind::Pipe => Why::Pipe,
        SeenKind::Socket => Why::Socket,
        SeenKind::Directory => Why::Directory,
        SeenKind::File | SeenKind::Device => Why::Device,
    }
}

impl Walk {
    fn seen(&self, path: &str) -> Result<Seen, Why> {
        self.process.held().files.seen(path).map_err(why)
    }

    fn names(&self, path: &str) -> Result<BTreeSet<String>, Why> {
        self.process.held().files.names(path).map_err(why)
    }

    async fn get(&mut self, path: &str, tree: bool) -> Result<(), Fault> {
        let here = |why| (String::new(), why);
        let (directory, _) = path.rsplit_once('/').unwrap_or_default();
        reach(&self.process, directory, false).map_err(here)?;
        let seen = self.seen(path).map_err(here)?;
        match (tree, seen.kind) {
            (true, SeenKind::Directory) => {
                let names = self.names(path).map_err(here)?;
                self.below(path.to_owned(), String::new(), names, 1).await
            }
            (false, SeenKind::File) if seen.size > self.bytes => Err(here(Why::Size(seen.size))),
            (false, SeenKind::File) => self.file(path, "", seen).await.map_err(here),
            (true, SeenKind::File) => Err(here(Why::NoDirectory)),
            (false, SeenKind::Directory) => Err(here(Why::Directory)),
            (_, other) => Err(here(refusal(other))),
        }
    }

    fn below(
        &mut self,
        top: String,
        name: String,
        names: BTreeSet<String>,
        depth: u32,
    ) -> BoxFuture<'_, Result<(), Fault>> {
        async move {
            for part in names {
                let name = if name.is_empty() {
                    part.clone()
                } else {
                    format!("{name}/{part}")
                };
                let left = self.entries.checked_sub(1);
                self.entries = left.ok_or((name.clone(), Why::Entries))?;
                match self.look(&top, &name, &part, depth) {
                    Err(why) => {
                        let name = &text(&name);
                        say(&self.process, Piece::Refused { name, why }).await;
                    }
                    Ok((seen, None)) => {
                        self.bytes -= seen.size;
                        let told = self.file(&format!("{top}/{name}"), &name, seen).await;
                        told.map_err(|why| (name, why))?;
                    }
                    Ok((Seen { mode, .. }, Some(names))) => {
                        let text = &text(&name);
                        say(&self.process, Piece::Directory { name: text, mode }).await;
                        self.below(top.clone(), name, names, depth + 1).await?;
                    }
                }
            }
            Ok(())
        }
        .boxed()
    }

    /// What is told: a file, or a directory with the names in it.
    fn look(
        &self,
        top: &str,
        name: &str,
        part: &str,
        depth: u32,
    ) -> Result<(Seen, Option<BTreeSet<String>>), Why> {
        check_part(part.as_bytes())?;
        if depth > self.depth {
            return Err(Why::Depth);
        }
        let path = format!("{top}/{name}");
        let seen = self.seen(&path)?;
        match seen.kind {
            SeenKind::Directory => Ok((seen, Some(self.names(&path)?))),
            SeenKind::File if seen.size > self.bytes => Err(Why::Size(seen.size)),
            SeenKind::File => {
                let readable = self.process.held().files.read_part(&path, 0, 0);
                readable.map_err(why)?;
                Ok((seen, None))
            }
            other => Err(refusal(other)),
        }
    }

    async fn file(&self, path: &str, name: &str, seen: Seen) -> Result<(), Why> {
        let Seen { mode, size, .. } = seen;
        let name = &text(name);
        say(&self.process, Piece::File { name, mode, size }).await;
        let mut told = 0;
        while told < size {
            let room = PART.min(usize::try_from(size - told).unwrap_or(PART));
            let bytes = self.process.held().files.read_part(path, told, room);
            let bytes = bytes.map_err(why)?;
            if bytes.is_empty() {
                break;
            }
            told += bytes.len() as u64;
            say(&self.process, Piece::Data(&bytes)).await;
        }
        say(&self.process, Piece::Close).await;
        Ok(())
    }
}
