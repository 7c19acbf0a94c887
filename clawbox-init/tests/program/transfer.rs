//! Files put and got by the program itself, below a directory of this host's.

use std::ffi::{CStr, CString, OsStr};
use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};

use clawbox_init::protocol::{Header, PIECE_BYTES, Piece, Why};
use rustix::fs::{CWD, Mode, mkfifoat};

use crate::manager::program_file;

/// What the program said, as far as it said pieces, and how it ended.
#[derive(Debug)]
struct Said {
    frames: Vec<(u8, Vec<u8>)>,
    code: Option<i32>,
    complaint: String,
}

impl Said {
    fn pieces(&self) -> Vec<Piece<'_>> {
        let pieces = self.frames.iter();
        pieces
            .map(|(kind, payload)| Piece::decode(*kind, payload).unwrap())
            .collect()
    }

    /// What it told of each name, without a file's bytes.
    #[track_caller]
    fn tells(&self, wanted: &[(&[u8], &str)]) {
        let mut told: Vec<_> = self
            .pieces()
            .into_iter()
            .filter_map(|piece| match piece {
                Piece::Directory { name, mode } => Some((name, format!("directory {mode:o}"))),
                Piece::File { name, mode, size } => Some((name, format!("file {mode:o} {size}"))),
                Piece::Refused { name, why } => Some((name, format!("{why:?}"))),
                _ => None,
            })
            .map(|(name, what)| (name.to_bytes().to_vec(), what))
            .collect();
        told.sort();
        let mut wanted: Vec<_> = wanted
            .iter()
            .map(|(name, what)| (name.to_vec(), (*what).to_owned()))
            .collect();
        wanted.sort();
        assert_eq!(told, wanted);
    }
}

fn frame(piece: Piece<'_>) -> Vec<u8> {
    let mut payload = Vec::new();
    piece.encode(&mut payload);
    let header = Header {
        length: u32::try_from(payload.len()).unwrap(),
        kind: piece.kind(),
        pipes: 0,
    };
    [&header.encode()[..], &payload].concat()
}

/// Runs the program with these bytes on its standard input.
fn transfer(input: &[u8]) -> Said {
    let mut child = Command::new(program_file())
        .arg("transfer")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // Where it does not read all of it, its end says why.
    let writing = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    writing.join().unwrap();
    let mut frames = Vec::new();
    let mut rest = &output.stdout[..];
    while let Some((header, after)) = rest.split_first_chunk() {
        let header = Header::decode(*header, PIECE_BYTES).unwrap();
        let (payload, after) = after.split_at(header.length as usize);
        frames.push((header.kind, payload.to_vec()));
        rest = after;
    }
    assert!(rest.is_empty(), "half a frame");
    Said {
        frames,
        code: output.status.code(),
        complaint: String::from_utf8(output.stderr).unwrap(),
    }
}

fn text(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).unwrap()
}

fn put(path: &Path, pieces: &[Piece<'_>]) -> Said {
    let mut input = frame(Piece::Put(&text(path)));
    for piece in pieces {
        input.extend(frame(*piece));
    }
    transfer(&input)
}

fn get_within(path: &Path, tree: bool, entries: u64, bytes: u64, depth: u32) -> Said {
    let path = &text(path);
    transfer(&frame(Piece::Get {
        path,
        tree,
        entries,
        bytes,
        depth,
    }))
}

fn get(path: &Path, tree: bool) -> Said {
    get_within(path, tree, 1000, 1 << 20, 32)
}

fn file(name: &CStr, mode: u32) -> Piece<'_> {
    Piece::File {
        name,
        mode,
        size: 0,
    }
}

#[track_caller]
fn fails(said: &Said, name: &CStr, why: Why) {
    assert_eq!(said.pieces().last(), Some(&Piece::Failed { name, why }));
    assert_eq!((said.code, said.complaint.as_str()), (Some(1), ""));
}

#[track_caller]
fn is_done(said: &Said) {
    assert_eq!(said.pieces().last(), Some(&Piece::Done), "{said:?}");
    assert_eq!((said.code, said.complaint.as_str()), (Some(0), ""));
}

fn names(path: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(path)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn what_is_put_is_there_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let large = vec![7; 3 * PIECE_BYTES as usize];
    let mut pieces = vec![
        Piece::Directory {
            name: c"open",
            mode: 0o7777,
        },
        file(c"open/program", 0o6755),
        Piece::Data(b"#!"),
        Piece::Data(b"/bin/sh"),
        Piece::Close,
        file(c"made/on/the way", 0o640),
        Piece::Close,
        file(c"large", 0o600),
    ];
    pieces.extend(large.chunks(PIECE_BYTES as usize).map(Piece::Data));
    pieces.extend([Piece::Close, Piece::Done]);
    let top = dir.path().join("a/b");
    is_done(&put(&top, &pieces));
    assert_eq!(fs::read(top.join("open/program")).unwrap(), b"#!/bin/sh");
    assert_eq!(fs::read(top.join("large")).unwrap(), large);
    let mode = |name| fs::metadata(top.join(name)).unwrap().mode() & 0o7777;
    let modes = ["", "open", "open/program", "made", "made/on/the way"].map(mode);
    assert_eq!(modes, [0o755, 0o777, 0o755, 0o755, 0o640]);
    assert_eq!(names(&top), ["large", "made", "open"]);
    assert_eq!(names(&top.join("open")), ["program"]);
}

#[test]
fn a_file_is_replaced_when_it_is_whole_and_not_before() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    fs::write(&path, "before").unwrap();
    let half = [file(c"file", 0o644), Piece::Data(b"half")];
    let said = put(dir.path(), &half);
    fails(&said, c"file", Why::Errno(22));
    assert_eq!(fs::read(&path).unwrap(), b"before");
    assert_eq!(names(dir.path()), ["file"]);
    let whole = [&half[..], &[Piece::Close, Piece::Done]].concat();
    is_done(&put(dir.path(), &whole));
    assert_eq!(fs::read(&path).unwrap(), b"half");
}

#[test]
fn no_link_is_followed_on_the_way_in() {
    let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let secret = outside.path().join("secret");
    fs::write(&secret, "kept").unwrap();
    symlink(outside.path(), dir.path().join("way")).unwrap();
    symlink(&secret, dir.path().join("last")).unwrap();
    let write = |name| {
        [
            file(name, 0o644),
            Piece::Data(b"x"),
            Piece::Close,
            Piece::Done,
        ]
    };
    fails(
        &put(dir.path(), &write(c"way/secret")),
        c"way/secret",
        Why::Link,
    );
    fails(
        &put(&dir.path().join("way"), &write(c"secret")),
        c"",
        Why::Link,
    );
    let directory = [
        Piece::Directory {
            name: c"way",
            mode: 0o755,
        },
        Piece::Done,
    ];
    fails(&put(dir.path(), &directory), c"way", Why::Link);
    // The link itself is replaced.
    is_done(&put(dir.path(), &write(c"last")));
    assert!(
        dir.path()
            .join("last")
            .symlink_metadata()
            .unwrap()
            .is_file()
    );
    assert_eq!(fs::read(&secret).unwrap(), b"kept");
    assert_eq!(names(outside.path()), ["secret"]);
}

#[test]
fn what_may_not_be_put_is_refused_by_its_name() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("directory")).unwrap();
    fs::write(dir.path().join("file"), "").unwrap();
    let write = |name| [file(name, 0o644), Piece::Close, Piece::Done];
    for name in [
        c"../x", c"/x", c"", c".", c"a/../x", c"a//x", c"a\nb", c"\xff",
    ] {
        // A name that is none is not told: its manager knows what it said.
        fails(&put(dir.path(), &write(name)), c"", Why::Name);
    }
    fails(
        &put(dir.path(), &write(c"directory")),
        c"directory",
        Why::Directory,
    );
    fails(
        &put(dir.path(), &write(c"file/x")),
        c"file/x",
        Why::NoDirectory,
    );
    fails(&put(Path::new("/proc/x"), &write(c"x")), c"", Why::Errno(2));
    assert_eq!(names(dir.path()), ["directory", "file"]);
}

#[test]
fn what_is_none_of_the_protocol_ends_it() {
    let dir = tempfile::tempdir().unwrap();
    let begun = frame(Piece::Put(&text(dir.path())));
    let cut = &frame(Piece::Done)[..3];
    for input in [
        &b""[..],
        &[0xff; 200],
        &frame(Piece::Done),
        &begun,
        &[&begun[..], cut].concat(),
        &[&begun[..], &frame(Piece::Data(b"x"))].concat(),
    ] {
        let said = transfer(input);
        assert_eq!((said.frames.len(), said.code), (0, Some(125)), "{said:?}");
    }
    assert_eq!(names(dir.path()), Vec::<String>::new());
}

#[test]
fn what_is_got_is_files_and_directories_and_what_was_refused() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::create_dir_all(at("a/b")).unwrap();
    fs::set_permissions(at("a"), Permissions::from_mode(0o1750)).unwrap();
    fs::write(at("a/b/file"), "hello").unwrap();
    fs::set_permissions(at("a/b/file"), Permissions::from_mode(0o4755)).unwrap();
    fs::write(at("empty"), "").unwrap();
    fs::set_permissions(at("empty"), Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(at("a/b"), Permissions::from_mode(0o755)).unwrap();
    symlink("/etc/passwd", at("link")).unwrap();
    symlink("a", at("way")).unwrap();
    mkfifoat(CWD, at("pipe"), Mode::RUSR).unwrap();
    let _socket = UnixListener::bind(at("socket")).unwrap();
    fs::write(at("new\nline"), "").unwrap();
    fs::create_dir(dir.path().join(OsStr::from_bytes(b"\xff"))).unwrap();
    let said = get(dir.path(), true);
    is_done(&said);
    said.tells(&[
        (b"a", "directory 1750"),
        (b"a/b", "directory 755"),
        (b"a/b/file", "file 4755 5"),
        (b"empty", "file 600 0"),
        (b"link", "Link"),
        (b"way", "Link"),
        (b"pipe", "Pipe"),
        (b"socket", "Socket"),
        (b"new\nline", "Name"),
        (b"\xff", "Name"),
    ]);
    let data: Vec<_> = said
        .pieces()
        .into_iter()
        .filter(|it| matches!(it, Piece::Data(_)))
        .collect();
    assert_eq!(data, [Piece::Data(b"hello")]);
    fails(&get(&at("link"), false), c"", Why::Link);
    fails(&get(&at("way/b/file"), false), c"", Why::Link);
    fails(&get(&at("pipe"), false), c"", Why::Pipe);
    fails(&get(&at("a"), false), c"", Why::Directory);
    fails(&get(&at("empty"), true), c"", Why::NoDirectory);
    fails(&get(&at("none"), true), c"", Why::Errno(2));
    fails(&get(Path::new("/dev/null"), false), c"", Why::Device);
}

#[test]
fn bounds_hold_before_anything_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    fs::create_dir_all(at("1/2/3")).unwrap();
    fs::write(at("1/2/file"), "x").unwrap();
    let sparse = File::create(at("sparse")).unwrap();
    sparse.set_len(1 << 40).unwrap();
    for name in ["1", "1/2", "1/2/file", "sparse"] {
        let mode = if name.contains("file") || name == "sparse" {
            0o644
        } else {
            0o755
        };
        fs::set_permissions(at(name), Permissions::from_mode(mode)).unwrap();
    }
    let said = get_within(dir.path(), true, 10, 1000, 2);
    is_done(&said);
    said.tells(&[
        (b"1", "directory 755"),
        (b"1/2", "directory 755"),
        (b"1/2/3", "Depth"),
        (b"1/2/file", "Depth"),
        (b"sparse", "Size(1099511627776)"),
    ]);
    fails(
        &get_within(&at("sparse"), false, 1, 1000, 1),
        c"",
        Why::Size(1 << 40),
    );
    let said = get_within(dir.path(), true, 2, 1000, 9);
    assert!(
        matches!(
            said.pieces().last(),
            Some(Piece::Failed {
                why: Why::Entries,
                ..
            })
        ),
        "{said:?}"
    );
    // Far more than the kernel lets anybody open at once, and than a path holds.
    let deep = tempfile::tempdir().unwrap();
    let mut path = deep.path().to_owned();
    for _ in 0..100 {
        path.push("d".repeat(30));
        fs::create_dir(&path).unwrap();
    }
    let said = get_within(deep.path(), true, 1000, 1000, u32::MAX);
    is_done(&said);
    let pieces = said.pieces();
    assert_eq!(pieces.len(), 64 + 2);
    assert!(
        matches!(
            pieces[64],
            Piece::Refused {
                why: Why::Depth,
                ..
            }
        ),
        "{said:?}"
    );
}

#[test]
fn a_file_that_has_no_size_is_got_to_its_end() {
    let said = get(Path::new("/proc/version"), false);
    is_done(&said);
    let pieces = said.pieces();
    assert!(matches!(pieces[0], Piece::File { size: 0, .. }), "{said:?}");
    let Piece::Data(bytes) = pieces[1] else {
        panic!("{said:?}");
    };
    assert!(bytes.starts_with(b"Linux version "), "{said:?}");
    let said = get_within(Path::new("/proc/version"), false, 1, 10, 1);
    fails(&said, c"", Why::Size(11));
}
