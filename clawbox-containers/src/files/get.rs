//! Out of a container: what the program says, checked, to whoever takes it.

use super::{FileProblem, problem::found, talk::Talk};
use crate::error::ContainerResult;
use clawbox_init::protocol::{MODE_BITS, Piece, check_name};
use clawbox_types::{Found, TransferLimits, TransferReport};
use std::{
    collections::HashSet,
    hash::{BuildHasher, RandomState},
    io,
};
use tokio::io::{AsyncWrite, AsyncWriteExt};

/// Who takes what comes out. Names are relative, without `.`, `..` and control characters, each comes once, and a
/// directory before what is in it.
pub(super) trait Taker: Send {
    fn directory(&mut self, name: &str, mode: u32) -> impl Future<Output = io::Result<()>> + Send;

    /// Its bytes come next, and then its end.
    fn file(
        &mut self,
        name: &str,
        mode: u32,
        size: u64,
    ) -> impl Future<Output = io::Result<()>> + Send;

    fn data(&mut self, bytes: &[u8]) -> impl Future<Output = io::Result<()>> + Send;

    /// The file's end, `missing` bytes before its size.
    fn close(&mut self, missing: u64) -> impl Future<Output = io::Result<()>> + Send;

    /// That was all.
    fn finish(&mut self) -> impl Future<Output = io::Result<()>> + Send;
}

impl Talk {
    /// Gets one file, or all that is in a directory.
    pub(super) async fn get(
        mut self,
        mut taker: impl Taker,
        tree: bool,
    ) -> ContainerResult<TransferReport> {
        let path = self.text(&self.path)?;
        let limits = self.limits;
        let ask = Piece::Get {
            path: &path,
            tree,
            entries: limits.entries,
            bytes: limits.bytes,
            depth: limits.depth,
        };
        // Where it does not hear that, its end says why.
        let _heard = self.teller.say(ask).await;
        self.teller.shut();
        let mut checker = Checker::new(limits, tree);
        loop {
            let heard = match self.hearer.hear().await {
                Ok(Some(heard)) => heard,
                Ok(None) => {
                    return match self.end(false).await {
                        Ok(()) => Err(self.failed("", FileProblem::broken("it has no end"))),
                        Err(error) => Err(error),
                    };
                }
                Err(problem) => return Err(self.failed("", problem)),
            };
            let piece = heard.piece().map_err(|problem| self.failed("", problem))?;
            match checker.take(piece, &mut taker).await {
                Ok(false) => {}
                Ok(true) => break,
                Err((name, problem)) => return Err(self.failed(&name, problem)),
            }
        }
        self.end(true).await?;
        let finished = taker.finish().await;
        finished.map_err(|error| self.failed("", FileProblem::Target(error)))?;
        Ok(checker.report)
    }
}

/// Trusts nothing that it is told.
pub(super) struct Checker {
    limits: TransferLimits,
    tree: bool,
    pub(super) report: TransferReport,
    entries: u64,
    /// The directory that was told last, or one that it is in.
    directory: String,
    /// A number for each name that was told. Two names have the same once in 10^14 transfers of as many entries as there may
    /// be by default; the second is then told as a duplicate.
    seen: HashSet<u64>,
    numbers: RandomState,
    file: Option<Open>,
    files: u64,
}

/// A file that is being told.
struct Open {
    name: String,
    /// It is not taken.
    skipped: bool,
    left: u64,
}

type Wrong = (String, FileProblem);

impl Checker {
    pub(super) fn new(limits: TransferLimits, tree: bool) -> Self {
        Self {
            limits,
            tree,
            report: TransferReport::default(),
            entries: 0,
            directory: String::new(),
            seen: HashSet::new(),
            numbers: RandomState::new(),
            file: None,
            files: 0,
        }
    }

    /// Takes a piece. Whether it was the last.
    pub(super) async fn take(
        &mut self,
        piece: Piece<'_>,
        taker: &mut impl Taker,
    ) -> Result<bool, Wrong> {
        let out_of_order = || (String::new(), FileProblem::broken("it is out of order"));
        match piece {
            Piece::Data(bytes) => {
                self.data(bytes, taker).await?;
            }
            Piece::Close => {
                let file = self.file.take().ok_or_else(out_of_order)?;
                if !file.skipped {
                    let missing = if self.tree { file.left } else { 0 };
                    if missing > 0 {
                        self.report.find(&file.name, Found::Shrunk(missing));
                    }
                    self.report.files += 1;
                    taker.close(missing).await.map_err(target(&file.name))?;
                }
            }
            Piece::Failed { name, why } => {
                let TransferLimits { bytes, entries, .. } = self.limits;
                let name = if self.tree {
                    name.to_string_lossy().into_owned()
                } else {
                    String::new()
                };
                return Err((name, FileProblem::from_inside(why, bytes, entries)));
            }
            _ if self.file.is_some() => return Err(out_of_order()),
            Piece::Directory { name, mode } if self.tree => {
                if let Some(name) = self.admit(name.to_bytes())? {
                    self.neutralise(&name, mode);
                    taker
                        .directory(&name, mode & MODE_BITS)
                        .await
                        .map_err(target(&name))?;
                    self.report.directories += 1;
                    self.directory = name;
                }
            }
            Piece::File { name, mode, size } => {
                let name = if self.tree {
                    self.admit(name.to_bytes())?
                } else if self.files == 0 && name.is_empty() {
                    Some(String::new())
                } else {
                    return Err(out_of_order());
                };
                self.files += 1;
                if size > self.limits.bytes - self.report.bytes {
                    let problem = FileProblem::TooLarge(self.limits.bytes);
                    return Err((name.unwrap_or_default(), problem));
                }
                let skipped = name.is_none();
                let name = name.unwrap_or_default();
                if !skipped {
                    if self.tree {
                        self.neutralise(&name, mode);
                    }
                    let mode = mode & MODE_BITS;
                    taker.file(&name, mode, size).await.map_err(target(&name))?;
                }
                let left = size;
                self.file = Some(Open {
                    name,
                    skipped,
                    left,
                });
            }
            Piece::Refused { name, why } if self.tree => {
                self.count()?;
                self.report.find(name.to_string_lossy(), found(why));
            }
            Piece::Done if self.tree || self.files == 1 => return Ok(true),
            _ => return Err(out_of_order()),
        }
        Ok(false)
    }

    async fn data(&mut self, bytes: &[u8], taker: &mut impl Taker) -> Result<(), Wrong> {
        let Some(file) = &mut self.file else {
            return Err((String::new(), FileProblem::broken("it is out of order")));
        };
        let length = bytes.len() as u64;
        if self.tree && length > file.left {
            let problem = FileProblem::broken("it has more bytes than it said");
            return Err((file.name.clone(), problem));
        }
        file.left = file.left.saturating_sub(length);
        self.report.bytes += length;
        if self.report.bytes > self.limits.bytes {
            let problem = FileProblem::TooLarge(self.limits.bytes);
            return Err((file.name.clone(), problem));
        }
        if file.skipped {
            return Ok(());
        }
        taker.data(bytes).await.map_err(target(&file.name))
    }

    fn count(&mut self) -> Result<(), Wrong> {
        self.entries += 1;
        if self.entries > self.limits.entries {
            let problem = FileProblem::TooMany(self.limits.entries);
            return Err((String::new(), problem));
        }
        Ok(())
    }

    /// A name, where it is to be taken.
    fn admit(&mut self, name: &[u8]) -> Result<Option<String>, Wrong> {
        self.count()?;
        let text = String::from_utf8_lossy(name).into_owned();
        if let Err(why) = check_name(name, self.limits.depth) {
            self.report.find(text, found(why));
            return Ok(None);
        }
        let above = text.rsplit_once('/').map_or("", |(above, _)| above);
        let is_open = match self.directory.strip_prefix(above) {
            Some(rest) => above.is_empty() || rest.is_empty() || rest.starts_with('/'),
            None => false,
        };
        if !is_open {
            let problem = FileProblem::broken("it is in no directory that was told");
            return Err((text, problem));
        }
        self.directory.truncate(above.len());
        if !self.seen.insert(self.numbers.hash_one(&text)) {
            self.report.find(text, Found::Duplicate);
            return Ok(None);
        }
        Ok(Some(text))
    }

    fn neutralise(&mut self, name: &str, mode: u32) {
        if mode & !MODE_BITS != 0 {
            self.report.find(name, Found::Mode(mode));
        }
    }
}

fn target(name: &str) -> impl FnOnce(io::Error) -> Wrong {
    let name = name.to_owned();
    |error| (name, FileProblem::Target(error))
}

/// One file, as it comes.
pub(super) struct Single<W>(pub(super) W);

impl<W: AsyncWrite + Send + Unpin> Taker for Single<W> {
    async fn directory(&mut self, _: &str, _: u32) -> io::Result<()> {
        Err(io::ErrorKind::IsADirectory.into())
    }

    async fn file(&mut self, _: &str, _: u32, _: u64) -> io::Result<()> {
        Ok(())
    }

    async fn data(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes).await
    }

    async fn close(&mut self, _: u64) -> io::Result<()> {
        Ok(())
    }

    async fn finish(&mut self) -> io::Result<()> {
        self.0.flush().await
    }
}
