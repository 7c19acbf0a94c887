//! Tar streams: read as far as files and directories go, and written with those alone. The crate `tar` has the headers;
//! it reads and writes without `async` itself, and keeps long names of any length.

use super::{
    get::Taker,
    put::{Item, Source, fill},
};
use bytes::BytesMut;
use clawbox_init::protocol::NAME_BYTES;
use clawbox_types::Found;
use std::{io, mem};
use tar::{EntryType, Header, PaxExtensions};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufWriter};

/// What everything is a multiple of, in bytes.
const BLOCK: u64 = 512;

/// How long the extended header of an entry may be, in bytes.
const EXTENDED_BYTES: u64 = 64 * 1024;

/// A tar stream that is read.
pub(super) struct Archive<R> {
    reader: R,
    /// What is left of the last file's bytes, and of what fills up its last block.
    left: u64,
    filling: u64,
}

/// What an extended header says of the next entry.
#[derive(Default)]
struct Extended {
    name: Option<Vec<u8>>,
    size: Option<u64>,
    sparse: bool,
}

impl<R: AsyncRead + Send + Unpin> Archive<R> {
    pub(super) fn new(reader: R) -> Self {
        Self {
            reader,
            left: 0,
            filling: 0,
        }
    }

    async fn skip(&mut self) -> io::Result<()> {
        let mut left = mem::take(&mut self.left) + mem::take(&mut self.filling);
        let mut room = BytesMut::new();
        while left > 0 {
            room.clear();
            match fill(&mut self.reader, &mut room, left).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => left -= read as u64,
            }
        }
        Ok(())
    }

    /// The next header, or nothing at the end of the archive.
    async fn header(&mut self) -> io::Result<Option<Header>> {
        self.skip().await?;
        let mut header = Header::new_old();
        self.reader.read_exact(header.as_mut_bytes()).await?;
        let bytes = header.as_bytes();
        if bytes.iter().all(|&byte| byte == 0) {
            return Ok(None);
        }
        // The sum's own place counts as spaces.
        let sum = bytes.iter().enumerate().map(|(at, &byte)| match at {
            148..156 => u32::from(b' '),
            _ => u32::from(byte),
        });
        if header.cksum()? != sum.sum::<u32>() {
            return Err(malformed("a header's sum is wrong"));
        }
        self.left = header.entry_size()?;
        self.fill_up();
        Ok(Some(header))
    }

    fn fill_up(&mut self) {
        self.filling = (BLOCK - self.left % BLOCK) % BLOCK;
    }

    /// The bytes that belong to a header.
    async fn bytes(&mut self, most: u64) -> io::Result<Vec<u8>> {
        if self.left > most {
            return Err(malformed("an extended header is too long"));
        }
        let mut bytes = vec![0; usize::try_from(self.left).map_err(io::Error::other)?];
        self.reader.read_exact(&mut bytes).await?;
        self.left = 0;
        Ok(bytes)
    }

    async fn extend(&mut self, extended: &mut Extended) -> io::Result<()> {
        let bytes = self.bytes(EXTENDED_BYTES).await?;
        for record in PaxExtensions::new(&bytes) {
            let record = record?;
            match record.key_bytes() {
                b"path" => extended.name = Some(record.value_bytes().to_vec()),
                b"size" => {
                    let size = record.value().ok().and_then(|size| size.parse().ok());
                    extended.size = Some(size.ok_or_else(|| malformed("a size is none"))?);
                }
                key if key.starts_with(b"GNU.sparse.") => extended.sparse = true,
                _ => {}
            }
        }
        Ok(())
    }
}

impl<R: AsyncRead + Send + Unpin> Source for Archive<R> {
    async fn next(&mut self) -> io::Result<Option<Item>> {
        let mut extended = Extended::default();
        loop {
            let Some(header) = self.header().await? else {
                return Ok(None);
            };
            match header.entry_type() {
                EntryType::GNULongName => {
                    let mut name = self.bytes(EXTENDED_BYTES).await?;
                    name.truncate(name.iter().position(|&b| b == 0).unwrap_or(name.len()));
                    extended.name = Some(name);
                    continue;
                }
                EntryType::XHeader => {
                    self.extend(&mut extended).await?;
                    continue;
                }
                EntryType::GNULongLink | EntryType::XGlobalHeader => continue,
                EntryType::GNUSparse => return Err(malformed("a sparse file of GNU's")),
                _ => {}
            }
            let Extended { name, size, sparse } = mem::take(&mut extended);
            if let Some(size) = size {
                self.left = size;
                self.fill_up();
            }
            let name = name.unwrap_or_else(|| header.path_bytes().into_owned());
            let name = plain(&name).to_vec();
            let mode = header.mode()?;
            let what = match header.entry_type() {
                // The directory that all goes to.
                EntryType::Directory if matches!(&name[..], b"" | b".") => continue,
                EntryType::Directory => return Ok(Some(Item::Directory { name, mode })),
                _ if sparse => Found::Other,
                EntryType::Regular | EntryType::Continuous => {
                    let size = Some(self.left);
                    return Ok(Some(Item::File { name, mode, size }));
                }
                EntryType::Link | EntryType::Symlink => Found::Link,
                EntryType::Char | EntryType::Block => Found::Device,
                EntryType::Fifo => Found::Pipe,
                _ => Found::Other,
            };
            return Ok(Some(Item::Found { name, what }));
        }
    }

    async fn read(&mut self, room: &mut BytesMut) -> io::Result<usize> {
        if self.left == 0 {
            return Ok(0);
        }
        match fill(&mut self.reader, room, self.left).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            read => {
                self.left -= read as u64;
                Ok(read)
            }
        }
    }
}

/// A name without the `./` before it that most archives have, and the `/` after a directory's.
fn plain(mut name: &[u8]) -> &[u8] {
    while let Some(rest) = name.strip_prefix(b"./") {
        name = rest;
    }
    name.strip_suffix(b"/").unwrap_or(name)
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("not a tar stream that is read here: {what}"),
    )
}

/// A tar stream that is written.
pub(super) struct Writer<W> {
    out: BufWriter<W>,
    /// What fills up the file's last block.
    filling: u64,
}

impl<W: AsyncWrite + Send + Unpin> Writer<W> {
    pub(super) fn new(out: W) -> Self {
        Self {
            out: BufWriter::with_capacity(64 * 1024, out),
            filling: 0,
        }
    }

    async fn header(
        &mut self,
        name: &str,
        kind: EntryType,
        mode: u32,
        size: u64,
    ) -> io::Result<()> {
        let mut header = Header::new_ustar();
        if header.set_path(name).is_err() {
            let record = record("path", name);
            self.raw(
                Header::new_ustar(),
                EntryType::XHeader,
                0o644,
                record.len() as u64,
            )
            .await?;
            self.out.write_all(record.as_bytes()).await?;
            self.zeros(filling(record.len() as u64)).await?;
            // What reads no extended headers has the end of the name.
            header = Header::new_ustar();
            let short = name.trim_end_matches('/').rsplit('/').next().unwrap_or("");
            let cut = short.floor_char_boundary(90);
            header.set_path(&short[..cut])?;
        }
        self.raw(header, kind, mode, size).await
    }

    async fn raw(
        &mut self,
        mut header: Header,
        kind: EntryType,
        mode: u32,
        size: u64,
    ) -> io::Result<()> {
        header.set_entry_type(kind);
        header.set_mode(mode);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(size);
        header.set_cksum();
        self.out.write_all(header.as_bytes()).await
    }

    async fn zeros(&mut self, mut count: u64) -> io::Result<()> {
        const ZEROS: [u8; 4096] = [0; 4096];
        while count > 0 {
            let some = count.min(ZEROS.len() as u64);
            self.out.write_all(&ZEROS[..some as usize]).await?;
            count -= some;
        }
        Ok(())
    }
}

impl<W: AsyncWrite + Send + Unpin> Taker for Writer<W> {
    async fn directory(&mut self, name: &str, mode: u32) -> io::Result<()> {
        let name = format!("{name}/");
        self.header(&name, EntryType::Directory, mode, 0).await
    }

    async fn file(&mut self, name: &str, mode: u32, size: u64) -> io::Result<()> {
        self.filling = filling(size);
        self.header(name, EntryType::Regular, mode, size).await
    }

    async fn data(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes).await
    }

    async fn close(&mut self, missing: u64) -> io::Result<()> {
        self.zeros(missing + self.filling).await
    }

    async fn finish(&mut self) -> io::Result<()> {
        self.zeros(2 * BLOCK).await?;
        self.out.flush().await
    }
}

fn filling(size: u64) -> u64 {
    (BLOCK - size % BLOCK) % BLOCK
}

/// A record of an extended header: its length, which counts itself, the key and the value.
fn record(key: &str, value: &str) -> String {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while length != rest + length.to_string().len() {
        length = rest + length.to_string().len();
    }
    format!("{length} {key}={value}\n")
}

const _: () = assert!(NAME_BYTES as u64 * 2 < EXTENDED_BYTES);
