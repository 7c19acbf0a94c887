//! What comes from a container, whoever wrote it.

use super::{
    FileProblem,
    get::{Checker, Taker},
    put::{Item, Source},
    talk::Hearer,
    tar::{Archive, Writer},
};
use crate::engine::OutputChunk;
use bytes::{Bytes, BytesMut};
use clawbox_init::protocol::{Header, Piece, Why};
use clawbox_types::{Found, OutputStream, TransferLimits};
use futures_util::{FutureExt, StreamExt, stream};
use proptest::prelude::*;
use std::{ffi::CStr, io};

/// Takes everything, and keeps its word for it.
#[derive(Default)]
struct Kept(Vec<String>);

impl Taker for Kept {
    async fn directory(&mut self, name: &str, mode: u32) -> io::Result<()> {
        self.0.push(format!("{name}/ {mode:o}"));
        Ok(())
    }

    async fn file(&mut self, name: &str, mode: u32, size: u64) -> io::Result<()> {
        self.0.push(format!("{name} {mode:o} {size}"));
        Ok(())
    }

    async fn data(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.push(format!("{} bytes", bytes.len()));
        Ok(())
    }

    async fn close(&mut self, missing: u64) -> io::Result<()> {
        self.0.push(format!("missing {missing}"));
        Ok(())
    }

    async fn finish(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn limits() -> TransferLimits {
    TransferLimits::new()
        .with_entries(10)
        .with_bytes(100)
        .with_depth(3)
}

/// What was taken, or why nothing more was.
type Taken = Result<Vec<String>, String>;

/// What comes of these pieces, and what was found on the way.
fn check(tree: bool, pieces: &[Piece<'_>]) -> (Taken, Vec<(String, Found)>) {
    let (mut checker, mut kept) = (Checker::new(limits(), tree), Kept::default());
    let mut outcome = Err("it has no end".to_owned());
    for piece in pieces {
        match checker
            .take(*piece, &mut kept)
            .now_or_never()
            .expect("nothing waits")
        {
            Ok(false) => {}
            Ok(true) => outcome = Ok(std::mem::take(&mut kept.0)),
            Err((name, problem)) => {
                outcome = Err(format!("{name}: {problem}"));
                break;
            }
        }
    }
    let found = checker.report.findings.into_iter();
    (outcome, found.map(|it| (it.name, it.what)).collect())
}

fn file(name: &CStr, size: u64) -> Piece<'_> {
    Piece::File {
        name,
        mode: 0o644,
        size,
    }
}

fn directory(name: &CStr) -> Piece<'_> {
    Piece::Directory { name, mode: 0o755 }
}

#[test]
fn what_is_whole_is_taken_as_it_was() {
    let (taken, found) = check(
        true,
        &[
            directory(c"a"),
            directory(c"a/b"),
            file(c"a/b/c", 3),
            Piece::Data(b"abc"),
            Piece::Close,
            file(c"a/d", 0),
            Piece::Close,
            Piece::File {
                name: c"e",
                mode: 0o6777,
                size: 5,
            },
            Piece::Data(b"ab"),
            Piece::Close,
            Piece::Refused {
                name: c"f",
                why: Why::Link,
            },
            Piece::Done,
        ],
    );
    let wanted = [
        "a/ 755",
        "a/b/ 755",
        "a/b/c 644 3",
        "3 bytes",
        "missing 0",
        "a/d 644 0",
        "missing 0",
        "e 777 5",
        "2 bytes",
        "missing 3",
    ];
    assert_eq!(taken.unwrap(), wanted);
    let wanted = [
        ("e", Found::Mode(0o6777)),
        ("e", Found::Shrunk(3)),
        ("f", Found::Link),
    ];
    assert_eq!(found, wanted.map(|(name, what)| (name.to_owned(), what)));
}

#[test]
fn what_has_an_odd_name_or_comes_twice_is_left_out_with_its_bytes() {
    let mut pieces = vec![file(c"a", 1), Piece::Data(b"x"), Piece::Close];
    let odd = [
        (c"../a", Found::Name),
        (c"/etc/passwd", Found::Name),
        (c"", Found::Name),
        (c"b/../../c", Found::Name),
        (c"new\nline", Found::Name),
        (c"\xff", Found::Name),
        (c"1/2/3/4", Found::TooDeep),
        (c"a", Found::Duplicate),
    ];
    for (name, _) in odd {
        pieces.extend([file(name, 1), Piece::Data(b"x"), Piece::Close]);
    }
    pieces.push(Piece::Done);
    let (taken, found) = check(true, &pieces);
    assert_eq!(taken.unwrap(), ["a 644 1", "1 bytes", "missing 0"]);
    let found: Vec<_> = found.into_iter().map(|(_, what)| what).collect();
    assert_eq!(found, odd.map(|(_, what)| what));
}

#[test]
fn what_lies_is_an_error() {
    let many: Vec<_> = (0..11)
        .map(|_| Piece::Refused {
            name: c"x",
            why: Why::Link,
        })
        .collect();
    let cannot = "what came from the container cannot be used:";
    let order = format!(": {cannot} it is out of order");
    for (tree, pieces, wrong) in [
        (true, &[Piece::Data(b"x")][..], order.clone()),
        (true, &[Piece::Close], order.clone()),
        (true, &[Piece::Put(c"/x")], order.clone()),
        (true, &[file(c"a", 1), Piece::Done], order.clone()),
        (true, &[file(c"a", 1), file(c"b", 1)], order.clone()),
        (true, &[file(c"a", 1), directory(c"b")], order.clone()),
        (
            true,
            &[file(c"a", 1), Piece::Data(b"xy")],
            format!("a: {cannot} it has more bytes than it said"),
        ),
        (
            true,
            &[
                file(c"a", 1),
                Piece::Data(b"x"),
                Piece::Close,
                file(c"a/b", 1),
            ],
            format!("a/b: {cannot} it is in no directory that was told"),
        ),
        (
            true,
            &[directory(c"ab"), file(c"a/b", 1)],
            format!("a/b: {cannot} it is in no directory that was told"),
        ),
        (
            true,
            &[file(c"a", 101)],
            "a: more than 100 bytes".to_owned(),
        ),
        (true, &many, ": more than 10 entries".to_owned()),
        (true, &[], "it has no end".to_owned()),
        (
            true,
            &[Piece::Failed {
                name: c"a",
                why: Why::Errno(13),
            }],
            "a: the container's user may not do that there".to_owned(),
        ),
        (false, &[directory(c"")], order.clone()),
        (false, &[file(c"a", 1)], order.clone()),
        (false, &[Piece::Done], order.clone()),
        (
            false,
            &[file(c"", 1), Piece::Close, file(c"", 1)],
            order.clone(),
        ),
        (
            false,
            &[Piece::Refused {
                name: c"",
                why: Why::Link,
            }],
            order,
        ),
        (
            false,
            &[file(c"", 0), Piece::Data(&[0; 60]), Piece::Data(&[0; 60])],
            ": more than 100 bytes".to_owned(),
        ),
    ] {
        assert_eq!(check(tree, pieces).0, Err(wrong), "{pieces:?}");
    }
}

fn hearer(chunks: Vec<Vec<u8>>) -> Hearer {
    let chunks = chunks.into_iter().map(|bytes| {
        Ok(OutputChunk {
            stream: OutputStream::Stdout,
            bytes: Bytes::from(bytes),
        })
    });
    Hearer::new(stream::iter(chunks).boxed())
}

/// Hears everything, to the end or to the first error.
fn hear(chunks: Vec<Vec<u8>>) -> Result<usize, FileProblem> {
    let (mut hearer, mut checker) = (hearer(chunks), Checker::new(limits(), true));
    let mut heard = 0;
    while let Some(frame) = hearer.hear().now_or_never().expect("nothing waits")? {
        heard += 1;
        let mut kept = Kept::default();
        let taken = checker.take(frame.piece()?, &mut kept);
        taken
            .now_or_never()
            .expect("nothing waits")
            .map_err(|(_, problem)| problem)?;
    }
    match hearer.broke_off() {
        true => Err(FileProblem::broken("it broke off")),
        false => Ok(heard),
    }
}

fn framed(kind: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap();
    let header = Header {
        length,
        kind,
        pipes: 0,
    };
    [&header.encode()[..], payload].concat()
}

#[test]
fn frames_are_put_together_and_a_cut_one_is_an_error() {
    let mut payload = Vec::new();
    file(c"a", 3).encode(&mut payload);
    let whole = [
        framed(4, &payload),
        framed(5, b"abc"),
        framed(6, b""),
        framed(8, b""),
    ]
    .concat();
    let bytewise = whole.iter().map(|&byte| vec![byte]).collect();
    assert_eq!(hear(bytewise).unwrap(), 4);
    for cut in 1..whole.len() {
        let heard = hear(vec![whole[..cut].to_vec()]);
        let at_a_frame = [0, 1, 2, 3].map(|n| framed(4, &payload).len() + [0, 11, 19, 27][n]);
        assert_eq!(heard.is_ok(), at_a_frame.contains(&cut), "{cut}: {heard:?}");
    }
    let huge = Header {
        length: u32::MAX,
        kind: 5,
        pipes: 0,
    };
    assert!(hear(vec![huge.encode().to_vec()]).is_err());
}

proptest! {
    #[test]
    fn whatever_comes_is_heard_to_its_end_or_refused(
        frames in prop::collection::vec(
            (0u8..12, prop::collection::vec(any::<u8>(), 0..60)), 0..20),
        noise in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        let mut bytes: Vec<u8> = frames.iter().flat_map(|(kind, it)| framed(*kind, it)).collect();
        bytes.extend(noise);
        // No panic, no wait; what it was is of no account.
        drop(hear(vec![bytes]));
    }

    #[test]
    fn whatever_is_said_to_be_an_archive_is_read_to_its_end_or_refused(
        mut bytes in prop::collection::vec(any::<u8>(), 0..2000),
        whole in any::<bool>(),
    ) {
        if whole {
            let mut header = tar::Header::new_ustar();
            let size = header.as_old_mut().size.len().min(bytes.len());
            header.as_old_mut().size[..size].copy_from_slice(&bytes[..size]);
            header.as_old_mut().linkflag[0] = bytes.last().copied().unwrap_or(0);
            header.set_cksum();
            bytes.splice(0..0, header.as_bytes().iter().copied());
        }
        drop(read(&bytes));
    }
}

/// The names and bytes of an archive.
fn read(bytes: &[u8]) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut archive = Archive::new(bytes);
    let mut found = Vec::new();
    while let Some(item) = archive.next().now_or_never().expect("nothing waits")? {
        let (name, is_file) = match item {
            Item::File { name, .. } => (name, true),
            Item::Directory { name, .. } => (name, false),
            Item::Found { name, what } => ([name, format!(" {what:?}").into()].concat(), false),
        };
        let (mut all, mut room) = (Vec::new(), BytesMut::new());
        while is_file
            && archive
                .read(&mut room)
                .now_or_never()
                .expect("nothing waits")?
                > 0
        {
            all.extend_from_slice(&room);
            room.clear();
        }
        found.push((String::from_utf8_lossy(&name).into_owned(), all));
    }
    Ok(found)
}

#[test]
fn archives_are_read_as_they_are_written_names_of_any_length() {
    let mut bytes = Vec::new();
    let names = [
        "short",
        &"n".repeat(100),
        &format!("{}/{}", "d".repeat(150), "n".repeat(99)),
        &"\u{e4}/".repeat(1300),
    ];
    let names = names.map(|name| name.trim_end_matches('/').to_owned());
    let writing = async {
        let mut writer = Writer::new(&mut bytes);
        for name in &names {
            writer.directory(name, 0o755).await?;
            writer.file(&format!("{name}x"), 0o644, 5).await?;
            writer.data(b"abc").await?;
            writer.close(2).await?;
        }
        writer.finish().await
    };
    writing.now_or_never().unwrap().unwrap();
    let wanted: Vec<_> = names
        .iter()
        .flat_map(|name| {
            [
                (name.clone(), Vec::new()),
                (format!("{name}x"), b"abc\0\0".to_vec()),
            ]
        })
        .collect();
    assert_eq!(read(&bytes).unwrap(), wanted);
    let mut others = tar::Archive::new(&bytes[..]);
    let others = others.entries().unwrap().map(|entry| {
        let entry = entry.unwrap();
        String::from_utf8(entry.path_bytes().into_owned()).unwrap()
    });
    let wanted: Vec<_> = names
        .iter()
        .flat_map(|name| [format!("{name}/"), format!("{name}x")])
        .collect();
    assert_eq!(others.collect::<Vec<_>>(), wanted);
    for cut in [0, 100, 512, 700, bytes.len() - 1024] {
        assert!(read(&bytes[..cut]).is_err(), "cut at {cut}");
    }
    bytes[3] ^= 1;
    assert!(read(&bytes).is_err(), "a header's sum is not looked at");
}
