//! Directories of this host: read without following links, and written below an open one, so that nothing that came
//! from a container leads out of it.

use super::{
    get::Taker,
    put::{Item, Source, fill},
};
use bytes::BytesMut;
use clawbox_types::Found;
use rustix::{
    fs::{
        AtFlags, CWD, Dir, FileType, Mode, OFlags, RawMode, mkdirat, open, openat, statat, unlinkat,
    },
    io::Errno,
};
use std::{
    ffi::OsString,
    fs, io,
    os::fd::{AsFd, OwnedFd},
    path::Path,
};
use tokio::{
    fs::File,
    io::{AsyncWriteExt, BufWriter},
};

const DIRECTORY: OFlags = OFlags::DIRECTORY.union(OFlags::CLOEXEC);

/// How many bytes of a file are kept before they are written.
const MOST_ROOM: u64 = 1 << 20;

/// How deep a directory is read: more than any transfer takes.
const DEEPEST: usize = 64;

/// A directory that is read.
pub(super) struct Tree {
    /// Those that are open, each in the one before, with their names.
    open: Vec<(Dir, OwnedFd, Vec<u8>)>,
    file: Option<File>,
    left: u64,
}

impl Tree {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let top = open(path, OFlags::RDONLY | DIRECTORY, Mode::empty())?;
        Ok(Self {
            open: vec![(Dir::read_from(&top)?, top, Vec::new())],
            file: None,
            left: 0,
        })
    }

    fn entry(&mut self, at: usize, part: &[u8], name: Vec<u8>) -> io::Result<Item> {
        let (_, directory, _) = &self.open[at];
        let found = |what| Item::Found {
            name: name.clone(),
            what,
        };
        let stat = statat(directory, part, AtFlags::SYMLINK_NOFOLLOW)?;
        let mode = stat.st_mode & 0o7777;
        let opened = |flags| {
            let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
            openat(directory, part, flags, Mode::empty())
        };
        Ok(match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => {
                let file = fs::File::from(opened(OFlags::RDONLY)?);
                let metadata = file.metadata()?;
                if !metadata.is_file() {
                    return Ok(found(Found::Other));
                }
                self.left = metadata.len();
                self.file = Some(File::from_std(file));
                let size = Some(self.left);
                Item::File { name, mode, size }
            }
            FileType::Directory if self.open.len() > DEEPEST => found(Found::TooDeep),
            FileType::Directory => {
                let below = opened(OFlags::RDONLY | OFlags::DIRECTORY)?;
                let names = Dir::read_from(&below)?;
                self.open.push((names, below, name.clone()));
                Item::Directory { name, mode }
            }
            FileType::Symlink => found(Found::Link),
            FileType::Fifo => found(Found::Pipe),
            FileType::Socket => found(Found::Socket),
            FileType::BlockDevice | FileType::CharacterDevice => found(Found::Device),
            FileType::Unknown => found(Found::Other),
        })
    }
}

impl Source for Tree {
    async fn next(&mut self) -> io::Result<Option<Item>> {
        self.file = None;
        while let Some(at) = self.open.len().checked_sub(1) {
            let (names, _, above) = &mut self.open[at];
            let Some(entry) = names.next().transpose()? else {
                self.open.pop();
                continue;
            };
            let part = entry.file_name().to_bytes();
            if matches!(part, b"." | b"..") {
                continue;
            }
            let name = match &above[..] {
                b"" => part.to_vec(),
                above => [above, b"/", part].concat(),
            };
            return match self.entry(at, part, name.clone()) {
                Ok(item) => Ok(Some(item)),
                Err(error) => {
                    let number = error.raw_os_error().unwrap_or(0);
                    let what = Found::Errno(number.cast_unsigned());
                    Ok(Some(Item::Found { name, what }))
                }
            };
        }
        Ok(None)
    }

    async fn read(&mut self, room: &mut BytesMut) -> io::Result<usize> {
        match &mut self.file {
            Some(file) if self.left > 0 => {
                let read = fill(file, room, self.left).await?;
                self.left -= read as u64;
                Ok(read)
            }
            _ => Ok(0),
        }
    }
}

/// A directory that is written.
pub(super) struct Target {
    top: OwnedFd,
    /// The name of a file that comes without one.
    nameless: OsString,
    file: Option<Unfinished>,
}

/// A file that is removed again unless it is finished.
struct Unfinished {
    at: OwnedFd,
    name: OsString,
    /// With room for many parts, as each write is another thread's.
    file: Option<BufWriter<File>>,
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if self.file.is_some()
            && let Err(error) = unlinkat(&self.at, &self.name, AtFlags::empty())
        {
            tracing::warn!(name = ?self.name, %error, "half a file stays");
        }
    }
}

impl Target {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        fs::create_dir_all(path)?;
        let top = openat(CWD, path, OFlags::RDONLY | DIRECTORY, Mode::empty())?;
        Ok(Self {
            top,
            nameless: OsString::new(),
            file: None,
        })
    }

    /// For one file by itself.
    pub(super) fn of_file(path: &Path) -> io::Result<Self> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let above = path.parent().filter(|it| !it.as_os_str().is_empty());
        let mut target = Self::open(above.unwrap_or(Path::new(".")))?;
        target.nameless = name.to_owned();
        Ok(target)
    }

    /// The directory that a name is in, and the last part of the name.
    fn above<'a>(&self, name: &'a str) -> io::Result<(OwnedFd, &'a str)> {
        let mut at = self.top.try_clone()?;
        let (above, last) = name.rsplit_once('/').unwrap_or(("", name));
        for part in above.split('/').filter(|part| !part.is_empty()) {
            at = enter(&at, part)?;
        }
        Ok((at, last))
    }
}

fn enter(at: impl AsFd, part: &str) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | DIRECTORY;
    Ok(openat(at, part, flags, Mode::empty())?)
}

impl Taker for Target {
    async fn directory(&mut self, name: &str, mode: u32) -> io::Result<()> {
        let (at, last) = self.above(name)?;
        match mkdirat(&at, last, permissions(mode | 0o700)) {
            // A link is none, and is not followed.
            Err(Errno::EXIST) => enter(&at, last).map(drop),
            made => Ok(made?),
        }
    }

    async fn file(&mut self, name: &str, mode: u32, size: u64) -> io::Result<()> {
        let (at, last) = self.above(name)?;
        let last = match last {
            "" => self.nameless.clone(),
            last => last.into(),
        };
        match unlinkat(&at, &last, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(&at, &last, flags, permissions(mode | 0o600))?;
        // What is told of the size may be anything.
        let room = size.min(MOST_ROOM) as usize;
        self.file = Some(Unfinished {
            at,
            name: last,
            file: Some(BufWriter::with_capacity(room, File::from_std(file.into()))),
        });
        Ok(())
    }

    async fn data(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self.file.as_mut().and_then(|it| it.file.as_mut()) {
            Some(file) => file.write_all(bytes).await,
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    async fn close(&mut self, _: u64) -> io::Result<()> {
        if let Some(mut unfinished) = self.file.take() {
            if let Some(file) = &mut unfinished.file {
                file.flush().await?;
            }
            unfinished.file = None;
        }
        Ok(())
    }

    async fn finish(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Nothing but what is in `0o777`; the umask takes from it what it takes from all new files.
fn permissions(mode: u32) -> Mode {
    Mode::from_raw_mode((mode & 0o777) as RawMode)
}
