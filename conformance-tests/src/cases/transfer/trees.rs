//! Whole trees that go in and come out, and what in them does not.

use super::{ask, files, problem, with_workspace};
use crate::{
    check::{Checked, ensure, ensure_matches, same, same_bytes},
    context::Context,
};
use clawbox_containers::FileProblem;
use clawbox_probe::{Command, Count, Pattern, Stream};
use clawbox_types::{ExecRequest, Found, TransferLimits, TransferReport};
use std::{
    collections::BTreeMap,
    fs::{self, Permissions},
    io::{self, Read as _},
    os::unix::fs::{MetadataExt, PermissionsExt, symlink},
    path::Path,
};
use tar::{Archive, Builder, EntryType, Header};
use tokio::io::sink;

pub(super) fn names(dir: &Path) -> Checked<Vec<String>> {
    let names = fs::read_dir(dir)?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<io::Result<_>>()?;
    Ok(names)
}

/// An archive of these: a name that is written as it is, its kind, its permissions and its bytes.
pub(super) fn archive(entries: &[(&[u8], EntryType, u32, &[u8])]) -> io::Result<Vec<u8>> {
    let mut builder = Builder::new(Vec::new());
    for (name, kind, mode, bytes) in entries {
        let mut header = Header::new_gnu();
        if name.len() > 100 {
            let mut long = Header::new_gnu();
            long.set_entry_type(EntryType::GNULongName);
            long.set_size(name.len() as u64 + 1);
            long.set_cksum();
            builder.append(&long, &[name, &b"\0"[..]].concat()[..])?;
        }
        let place = &mut header.as_old_mut().name;
        let length = name.len().min(place.len());
        place[..length].copy_from_slice(&name[..length]);
        header.set_entry_type(*kind);
        header.set_mode(*mode);
        if matches!(kind, EntryType::Symlink | EntryType::Link) {
            header.set_link_name("/etc/passwd")?;
        }
        header.set_size(bytes.len() as u64);
        header.set_cksum();
        builder.append(&header, *bytes)?;
    }
    builder.into_inner()
}

pub(super) type Entries = BTreeMap<String, (EntryType, u32, Vec<u8>)>;

/// What is in an archive.
pub(super) fn unpacked(bytes: &[u8]) -> Checked<Entries> {
    let mut found = Entries::new();
    for entry in Archive::new(bytes).entries()? {
        let mut entry = entry?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let (kind, mode) = (entry.header().entry_type(), entry.header().mode()?);
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes)?;
        let before = found.insert(name.clone(), (kind, mode, bytes));
        ensure!(before.is_none(), "{name:?} is there twice");
    }
    Ok(found)
}

pub(super) async fn trees(context: &Context) -> Checked {
    let rig = context.rig()?;
    let id = rig.sleeper().await?;
    let files = files(&rig, &id);
    let bytes = Pattern::Binary.part(Stream::Stderr, 0, 150_000);
    let long = format!("deep/{}/{}", "long-".repeat(40), "name-".repeat(30));
    let (file, directory) = (EntryType::Regular, EntryType::Directory);
    let sent = archive(&[
        (b"./", directory, 0o755, b""),
        (b"./deep/", directory, 0o750, b""),
        (b"deep/program", file, 0o755, b"#!/bin/sh\n"),
        (b"deep/empty", file, 0o600, b""),
        (b"without/its/directories", file, 0o644, &bytes),
        (long.as_bytes(), file, 0o644, b"long"),
        ("n\u{e4}me".as_bytes(), file, 0o644, b"umlaut"),
    ])?;
    let report = files.put_tree("/tmp/tree", &sent[..]).await?;
    same("findings", report.findings.as_slice(), [])?;
    let total = 10 + bytes.len() as u64 + 4 + 6;
    same(
        "put",
        (report.files, report.directories, report.bytes),
        (5, 1, total),
    )?;
    let mut got = Vec::new();
    let report = files.get_tree("/tmp/tree", &mut got).await?;
    same("findings", report.findings.as_slice(), [])?;
    same(
        "got",
        (report.files, report.directories, report.bytes),
        (5, 4, total),
    )?;
    let got = unpacked(&got)?;
    let file = |mode, bytes: &[u8]| (EntryType::Regular, mode, bytes.to_vec());
    let directory = |mode| (EntryType::Directory, mode, Vec::new());
    let parent = format!("{}/", long.rsplit_once('/').map_or("", |(above, _)| above));
    let wanted = Entries::from([
        ("deep/".to_owned(), directory(0o750)),
        ("deep/program".to_owned(), file(0o755, b"#!/bin/sh\n")),
        ("deep/empty".to_owned(), file(0o600, b"")),
        ("without/".to_owned(), directory(0o755)),
        ("without/its/".to_owned(), directory(0o755)),
        ("without/its/directories".to_owned(), file(0o644, &bytes)),
        (parent, directory(0o755)),
        (long, file(0o644, b"long")),
        ("n\u{e4}me".to_owned(), file(0o644, b"umlaut")),
    ]);
    ensure!(
        got == wanted,
        "what came out is not what went in: {:?}",
        got.keys()
    );
    Ok(())
}

pub(super) async fn directories_of_the_host(context: &Context) -> Checked {
    let rig = context.rig()?;
    let id = rig.sleeper().await?;
    let files = files(&rig, &id);
    let host = context.workspace()?;
    let (from, to) = (host.join("from"), host.join("to"));
    fs::create_dir_all(from.join("a/b"))?;
    fs::write(from.join("a/b/file"), "in a directory")?;
    fs::write(from.join("secret"), "kept")?;
    symlink("/etc/passwd", from.join("a/link"))?;
    let report = files.put_from("/tmp/tree", &from).await?;
    same(
        "found",
        found(&report),
        BTreeMap::from([("a/link", Found::Link)]),
    )?;
    same("put", (report.files, report.directories), (2, 2))?;
    // What is there is replaced, and no link of the target's is followed.
    fs::create_dir(&to)?;
    symlink(from.join("secret"), to.join("secret"))?;
    files.put("/tmp/tree/secret", &b"changed"[..]).await?;
    let report = files.get_into("/tmp/tree", &to).await?;
    same("findings", report.findings.as_slice(), [])?;
    same_bytes("a file", &fs::read(to.join("a/b/file"))?, b"in a directory")?;
    same_bytes("the other", &fs::read(to.join("secret"))?, b"changed")?;
    same_bytes("behind a link", &fs::read(from.join("secret"))?, b"kept")?;
    fs::remove_dir_all(to.join("a"))?;
    symlink(&from, to.join("a"))?;
    let (path, why) = problem(
        "a link for a directory",
        files.get_into("/tmp/tree", &to).await,
    )?;
    ensure_matches!(why, FileProblem::Target(_), path);
    same_bytes("behind a link", &fs::read(from.join("secret"))?, b"kept")
}

fn found(report: &TransferReport) -> BTreeMap<&str, Found> {
    let findings = report.findings.iter();
    findings.map(|it| (it.name.as_str(), it.what)).collect()
}

pub(super) async fn nothing_but_data_comes_out(context: &Context) -> Checked {
    let (rig, id, dir) = with_workspace(context).await?;
    let files = files(&rig, &id);
    let litter = ExecRequest::new(Command::Litter.argv());
    same("litter", rig.backend.exec(&id, litter).await?.exit_code, 0)?;
    symlink("/tmp", dir.join("way"))?;
    let mut archive = Vec::new();
    let report = files.get_tree("/workspace", &mut archive).await?;
    let findings = found(&report);
    // EACCES: it was closed by its owner, who may open it again.
    let wanted = BTreeMap::from([
        ("-rf\n\t\u{1b}[2J*", Found::Name),
        ("link", Found::Link),
        ("way", Found::Link),
        ("pipe", Found::Pipe),
        ("program", Found::Mode(0o6755)),
        ("tree", Found::Errno(13)),
    ]);
    same("findings", findings, wanted)?;
    let got = unpacked(&archive)?;
    let inside: Vec<_> = got.keys().map(String::as_str).collect();
    same("in the archive", inside, ["file", "hard", "program"])?;
    for (name, (kind, mode, _)) in &got {
        same(name, *kind, EntryType::Regular)?;
        same(name, mode & 0o7000, 0)?;
    }
    let target = context.workspace()?;
    let into = files.get_into("/workspace", &target).await?;
    same("findings", found(&into), found(&report))?;
    for entry in fs::read_dir(&target)? {
        let metadata = entry?.path().symlink_metadata()?;
        ensure!(metadata.is_file(), "no file came out: {metadata:?}");
        same("bits", metadata.permissions().mode() & 0o7000, 0)?;
    }
    same("entries", names(&target)?.len(), 3)?;
    // By their own names they are refused as well, and so is what is behind them.
    for (name, kind) in [
        ("link", Found::Link),
        ("pipe", Found::Pipe),
        ("way/x", Found::Link),
    ] {
        let path = format!("/workspace/{name}");
        let (named, why) = problem(name, files.get(&path).await)?;
        same("path", named, path)?;
        ensure_matches!(why, FileProblem::Refused(what) if *what == kind, name);
    }
    let (_, why) = problem(
        "through a link",
        files.put("/workspace/way/x", &b"x"[..]).await,
    )?;
    ensure_matches!(why, FileProblem::Refused(Found::Link), "through a link");
    // Whoever clears up need not be root.
    for closed in ["tree", "tree/inner"] {
        fs::set_permissions(dir.join(closed), Permissions::from_mode(0o700))?;
    }
    Ok(())
}

pub(super) async fn nothing_but_data_goes_in(context: &Context) -> Checked {
    let (rig, id, dir) = with_workspace(context).await?;
    let (file, longest) = (EntryType::Regular, [b'x'; 256]);
    let hostile: [(&[u8], EntryType, Found); 15] = [
        (b"link", EntryType::Symlink, Found::Link),
        (b"hard", EntryType::Link, Found::Link),
        (b"null", EntryType::Char, Found::Device),
        (b"disk", EntryType::Block, Found::Device),
        (b"pipe", EntryType::Fifo, Found::Pipe),
        (b"/etc/absolute", file, Found::Name),
        (b"../above", file, Found::Name),
        (b"in/../../above", file, Found::Name),
        (b"in//twice", file, Found::Name),
        (b"in/./here", file, Found::Name),
        (b"..", EntryType::Directory, Found::Name),
        (b"new\nline", file, Found::Name),
        (b"not-\xff-utf8", file, Found::Name),
        (b"\x1b[2J", file, Found::Name),
        (&longest, file, Found::Name),
    ];
    let mut entries: Vec<(&[u8], EntryType, u32, &[u8])> = hostile
        .iter()
        .map(|(name, kind, _)| {
            let bytes: &[u8] = if *kind == file { b"hostile" } else { b"" };
            (*name, *kind, 0o644, bytes)
        })
        .collect();
    entries.push((b"sub/setuid", file, 0o6755, b"kept"));
    let files = files(&rig, &id);
    let report = files
        .put_tree("/workspace/in", &archive(&entries)?[..])
        .await?;
    let findings: Vec<_> = report.findings.iter().map(|it| it.what).collect();
    let wanted: Vec<_> = hostile.iter().map(|(.., what)| *what).collect();
    same(
        "findings",
        &findings[..],
        [&wanted[..], &[Found::Mode(0o6755)]].concat(),
    )?;
    same("put", (report.files, report.directories), (1, 0))?;
    same("above", names(&dir)?, vec!["in".to_owned()])?;
    same("below", names(&dir.join("in"))?, vec!["sub".to_owned()])?;
    let kept = fs::metadata(dir.join("in/sub/setuid"))?;
    same("mode", kept.mode() & 0o7777, 0o755)?;
    let nonsense = vec![b'x'; 2000];
    let (_, why) = problem("no archive", files.put_tree("/tmp/x", &nonsense[..]).await)?;
    ensure_matches!(why, FileProblem::Source(_), "no archive");
    Ok(())
}

pub(super) async fn no_more_than_asked(context: &Context) -> Checked {
    let rig = context.rig()?;
    let id = rig.sleeper().await?;
    let files = files(&rig, &id);
    let limits = TransferLimits::new();
    let many = Command::Files {
        dir: "/tmp".to_owned(),
        max: 300,
    };
    same("made", ask::<Count>(&rig, &id, many).await?.count, 300)?;
    let within = |entries| files.within(limits.with_entries(entries));
    let got = within(299).get_tree("/tmp", sink()).await;
    ensure_matches!(
        problem("entries", got)?.1,
        FileProblem::TooMany(299),
        "entries"
    );
    let report = within(300).get_tree("/tmp", sink()).await?;
    same("files", report.files, 300)?;
    let sent: Vec<_> = ["a", "b", "c"]
        .map(|name| (name.as_bytes(), EntryType::Regular, 0o644, &b""[..]))
        .into();
    let put = within(2).put_tree("/tmp/put", &archive(&sent)?[..]).await;
    ensure_matches!(
        problem("entries", put)?.1,
        FileProblem::TooMany(2),
        "entries"
    );
    // A large file, and small ones beside and below it.
    let fill = Command::Fill {
        path: "/tmp/b/large".to_owned(),
        max_bytes: 1 << 20,
    };
    files.put("/tmp/b/a", &b"small"[..]).await?;
    files.put("/tmp/b/deep/er/z", &b"small"[..]).await?;
    same(
        "filled",
        ask::<Count>(&rig, &id, fill).await?.count,
        1 << 20,
    )?;
    let few = files.within(limits.with_bytes(1000).with_depth(2));
    let got = few.get("/tmp/b/large").await;
    ensure_matches!(
        problem("bytes", got)?.1,
        FileProblem::TooLarge(1000),
        "bytes"
    );
    let mut got = Vec::new();
    let report = few.get_tree("/tmp/b", &mut got).await?;
    let wanted = [
        ("large", Found::TooLarge(1 << 20)),
        ("deep/er/z", Found::TooDeep),
    ];
    same("findings", found(&report), BTreeMap::from(wanted))?;
    let got = unpacked(&got)?;
    let inside: Vec<_> = got.keys().map(String::as_str).collect();
    same("in the archive", inside, ["a", "deep/", "deep/er/"])?;
    let put = few.put("/tmp/b/new", &[b'x'; 1001][..]).await;
    ensure_matches!(
        problem("bytes", put)?.1,
        FileProblem::TooLarge(1000),
        "bytes"
    );
    let got = files.get("/tmp/b/new").await;
    ensure_matches!(
        problem("what was too large", got)?.1,
        FileProblem::NotFound,
        "it"
    );
    Ok(())
}
