//! Into a container: from a source of files, to what the program is told.

use super::{
    FileProblem,
    problem::found,
    talk::{Hearer, Talk, Teller},
};
use crate::error::{ContainerError, ContainerResult};
use bytes::BytesMut;
use clawbox_init::protocol::{MODE_BITS, PIECE_BYTES, Piece, check_name};
use clawbox_types::{Found, TransferLimits, TransferReport};
use std::{ffi::CString, io};
use tokio::io::{AsyncRead, AsyncReadExt};

/// What comes next of a source.
pub(super) enum Item {
    Directory {
        name: Vec<u8>,
        mode: u32,
    },
    /// Its bytes are read next. In a tree its size is known.
    File {
        name: Vec<u8>,
        mode: u32,
        size: Option<u64>,
    },
    /// Something that cannot be taken.
    Found {
        name: Vec<u8>,
        what: Found,
    },
}

/// Where files come from.
pub(super) trait Source: Send {
    /// The next one, what is left of the last one's bytes skipped.
    fn next(&mut self) -> impl Future<Output = io::Result<Option<Item>>> + Send;

    /// Reads at most as much as there is room for of the last file's bytes; 0 at its end.
    fn read(&mut self, room: &mut BytesMut) -> impl Future<Output = io::Result<usize>> + Send;
}

/// Why telling ended early.
enum Cut {
    /// The program hears no more: it has something to say.
    Deaf,
    /// What is put is to blame.
    Problem(Vec<u8>, FileProblem),
}

impl Talk {
    /// Puts everything that a source has.
    pub(super) async fn put(mut self, source: impl Source) -> ContainerResult<TransferReport> {
        let path = self.text(&self.path)?;
        let limits = self.limits;
        let mut told = Told {
            limits,
            report: TransferReport::default(),
            entries: 0,
        };
        let verdict = {
            let (teller, hearer) = (&mut self.teller, &mut self.hearer);
            let feeding = feed(&mut told, teller, &path, source);
            tokio::select! {
                biased;
                // Nothing is said before the end but that it came early.
                verdict = listen(hearer) => Ok(verdict),
                fed = feeding => Err(fed),
            }
        };
        let verdict = match verdict {
            Ok(verdict) => verdict,
            Err(Ok(()) | Err(Cut::Deaf)) => listen(&mut self.hearer).await,
            Err(Err(Cut::Problem(name, problem))) => {
                // The program takes back what is half done, and ends.
                self.teller.shut();
                let _unwanted = listen(&mut self.hearer).await;
                let ended = self.end(false).await;
                let name = String::from_utf8_lossy(&name);
                return match ended {
                    Err(lost @ ContainerError::InvalidState { .. }) => Err(lost),
                    _ => Err(self.failed(&name, problem)),
                };
            }
        };
        match verdict {
            Ok(Verdict::Done) => {
                self.end(true).await?;
                Ok(told.report)
            }
            Ok(Verdict::Failed(name, problem)) => Err(self.failed(&name, problem)),
            Ok(Verdict::Nothing) => match self.end(false).await {
                Ok(()) => Err(self.failed("", FileProblem::broken("it said nothing"))),
                Err(error) => Err(error),
            },
            Err(problem) => Err(self.failed("", problem)),
        }
    }
}

/// What the program says of the whole.
enum Verdict {
    Done,
    Failed(String, FileProblem),
    Nothing,
}

async fn listen(hearer: &mut Hearer) -> Result<Verdict, FileProblem> {
    let Some(heard) = hearer.hear().await? else {
        return Ok(Verdict::Nothing);
    };
    match heard.piece()? {
        Piece::Done => Ok(Verdict::Done),
        Piece::Failed { name, why } => {
            let problem = FileProblem::from_inside(why, 0, 0);
            Ok(Verdict::Failed(
                name.to_string_lossy().into_owned(),
                problem,
            ))
        }
        _ => Err(FileProblem::broken("it says what it was not asked")),
    }
}

struct Told {
    limits: TransferLimits,
    report: TransferReport,
    entries: u64,
}

/// Tells the program everything.
async fn feed(
    told: &mut Told,
    teller: &mut Teller,
    path: &CString,
    mut source: impl Source,
) -> Result<(), Cut> {
    let deaf = |_| Cut::Deaf;
    teller.say(Piece::Put(path)).await.map_err(deaf)?;
    let mut room = BytesMut::with_capacity(PIECE_BYTES as usize);
    let unreadable = |error| Cut::Problem(Vec::new(), FileProblem::Source(error));
    while let Some(item) = source.next().await.map_err(unreadable)? {
        told.entries += 1;
        if told.entries > told.limits.entries {
            let problem = FileProblem::TooMany(told.limits.entries);
            return Err(Cut::Problem(Vec::new(), problem));
        }
        match item {
            Item::Found { name, what } => told.find(&name, what),
            Item::Directory { name, mode } => {
                if let Some(text) = told.admit(&name, mode) {
                    let piece = Piece::Directory {
                        name: &text,
                        mode: mode & MODE_BITS,
                    };
                    teller.say(piece).await.map_err(deaf)?;
                    told.report.directories += 1;
                }
            }
            Item::File { name, mode, size } => {
                let left = told.limits.bytes - told.report.bytes;
                if let Some(size) = size.filter(|&size| size > left) {
                    told.find(&name, Found::TooLarge(size));
                    continue;
                }
                let Some(text) = told.admit(&name, mode) else {
                    continue;
                };
                let piece = Piece::File {
                    name: &text,
                    mode: mode & MODE_BITS,
                    size: size.unwrap_or(0),
                };
                teller.say(piece).await.map_err(deaf)?;
                loop {
                    room.clear();
                    let read = source.read(&mut room).await;
                    let read = read
                        .map_err(|error| Cut::Problem(name.clone(), FileProblem::Source(error)))?;
                    if read == 0 {
                        break;
                    }
                    told.report.bytes += read as u64;
                    if told.report.bytes > told.limits.bytes {
                        let problem = FileProblem::TooLarge(told.limits.bytes);
                        return Err(Cut::Problem(name, problem));
                    }
                    teller.say(Piece::Data(&room)).await.map_err(deaf)?;
                }
                teller.say(Piece::Close).await.map_err(deaf)?;
                told.report.files += 1;
            }
        }
    }
    teller.say(Piece::Done).await.map_err(deaf)
}

impl Told {
    fn find(&mut self, name: &[u8], what: Found) {
        self.report.find(String::from_utf8_lossy(name), what);
    }

    /// A name as it is told, where it may be.
    fn admit(&mut self, name: &[u8], mode: u32) -> Option<CString> {
        let checked = check_name(name, self.limits.depth).map(|()| CString::new(name));
        match checked {
            Ok(Ok(text)) => {
                if mode & !MODE_BITS != 0 {
                    self.find(name, Found::Mode(mode));
                }
                Some(text)
            }
            // A NUL is a control character.
            Ok(Err(_)) => None,
            Err(why) => {
                self.find(name, found(why));
                None
            }
        }
    }
}

/// One file that a reader gives.
pub(super) struct Single<R> {
    item: Option<Item>,
    reader: R,
}

impl<R> Single<R> {
    pub(super) fn new(name: &str, mode: u32, reader: R) -> Self {
        let item = Item::File {
            name: name.as_bytes().to_vec(),
            mode: mode & MODE_BITS,
            size: None,
        };
        Self {
            item: Some(item),
            reader,
        }
    }
}

impl<R: AsyncRead + Send + Unpin> Source for Single<R> {
    async fn next(&mut self) -> io::Result<Option<Item>> {
        Ok(self.item.take())
    }

    async fn read(&mut self, room: &mut BytesMut) -> io::Result<usize> {
        fill(&mut self.reader, room, u64::MAX).await
    }
}

/// Reads at most as much as a piece holds, and as `most`.
pub(super) async fn fill(
    reader: &mut (impl AsyncRead + Unpin),
    room: &mut BytesMut,
    most: u64,
) -> io::Result<usize> {
    room.reserve(PIECE_BYTES as usize);
    let most = most.min(PIECE_BYTES.into());
    reader.take(most).read_buf(room).await
}
