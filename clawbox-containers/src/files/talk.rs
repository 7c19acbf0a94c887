//! The further command that does a transfer: what it is told, what it tells, and how it ends.

use super::{FileProblem, Files};
use crate::{
    error::{ContainerError, ContainerResult},
    exec::{ExecOutput, ExecRunning, ExecStdin},
    init::{CONTAINER_INIT, CONTAINER_INIT_TRANSFER},
};
use bytes::{Buf, Bytes, BytesMut};
use clawbox_init::protocol::{Header, PIECE_BYTES, Piece};
use clawbox_types::{ContainerId, ExecRequest, OutputStream, TransferLimits};
use futures_util::StreamExt;
use std::{ffi::CString, io};
use tokio::io::AsyncWriteExt;

/// How much of its complaints is kept.
const COMPLAINT_BYTES: usize = 400;

/// A transfer under way.
pub(super) struct Talk {
    pub(super) id: ContainerId,
    pub(super) path: String,
    pub(super) limits: TransferLimits,
    pub(super) teller: Teller,
    pub(super) hearer: Hearer,
    running: ExecRunning,
}

impl Talk {
    /// Starts the program. Nothing is asked yet.
    pub(super) async fn start(files: &Files<'_>, path: &str) -> ContainerResult<Self> {
        let request = ExecRequest::new([CONTAINER_INIT, CONTAINER_INIT_TRANSFER])
            .with_working_dir("/")
            .with_timeout_ms(files.limits.timeout_ms);
        let handle = files.backend.exec_stream(files.id, request).await?;
        Ok(Self {
            id: files.id.clone(),
            path: path.to_owned(),
            limits: files.limits,
            teller: Teller {
                stdin: handle.stdin,
                frame: Vec::new(),
            },
            hearer: Hearer {
                output: handle.output,
                unread: BytesMut::new(),
                complaint: Vec::new(),
            },
            running: handle.running,
        })
    }

    /// A path or a name, as it is sent. It was checked by now.
    pub(super) fn text(&self, text: &str) -> ContainerResult<CString> {
        CString::new(text).map_err(|_| self.failed("", FileProblem::broken("a NUL in a name")))
    }

    /// What is wrong with a name below the transfer's path.
    pub(super) fn failed(&self, name: &str, problem: FileProblem) -> ContainerError {
        let path = match name {
            "" => self.path.clone(),
            name => format!("{}/{name}", self.path.trim_end_matches('/')),
        };
        ContainerError::Files {
            id: self.id.clone(),
            path,
            problem,
        }
    }

    /// Waits for its end, which must be a good one where `done` was heard; what is wrong otherwise.
    pub(super) async fn end(&mut self, done: bool) -> ContainerResult<()> {
        drop(self.teller.stdin.take());
        // Nothing follows a verdict, and nobody is waited for who says more.
        if done {
            self.hearer.output = futures_util::stream::empty().boxed();
        }
        let end = (&mut self.running).await?;
        if end.timed_out {
            let problem = FileProblem::TimedOut(self.limits.timeout_ms);
            return Err(self.failed("", problem));
        }
        if done && end.exit_code == 0 {
            return Ok(());
        }
        let complaint = String::from_utf8_lossy(&self.hearer.complaint);
        let ended = format!(
            "it broke off with exit code {} {:?}",
            end.exit_code,
            complaint.trim()
        );
        Err(self.failed("", FileProblem::Unusable(ended)))
    }
}

/// What is said to it.
pub(super) struct Teller {
    stdin: Option<ExecStdin>,
    frame: Vec<u8>,
}

impl Teller {
    /// Says a piece. An error is that nobody reads any more.
    pub(super) async fn say(&mut self, piece: Piece<'_>) -> io::Result<()> {
        self.frame.clear();
        self.frame.resize(Header::BYTES, 0);
        piece.encode(&mut self.frame);
        let length = self.frame.len() - Header::BYTES;
        let header = Header {
            length: u32::try_from(length).unwrap_or(u32::MAX),
            kind: piece.kind(),
            pipes: 0,
        };
        self.frame[..Header::BYTES].copy_from_slice(&header.encode());
        match &mut self.stdin {
            Some(stdin) => stdin.write_all(&self.frame).await,
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    /// Nothing more is said.
    pub(super) fn shut(&mut self) {
        self.stdin = None;
    }
}

/// What is heard of it.
pub(super) struct Hearer {
    output: ExecOutput,
    unread: BytesMut,
    complaint: Vec<u8>,
}

/// A frame, its payload not yet looked at.
pub(super) struct Heard {
    kind: u8,
    payload: Bytes,
}

impl Heard {
    pub(super) fn piece(&self) -> Result<Piece<'_>, FileProblem> {
        Piece::decode(self.kind, &self.payload)
            .map_err(|error| FileProblem::broken(format!("a frame is {error:?}")))
    }
}

impl Hearer {
    /// Whether it ended within a frame, or complained.
    #[cfg(test)]
    pub(super) fn broke_off(&self) -> bool {
        !self.complaint.is_empty()
    }

    /// From any stream.
    #[cfg(test)]
    pub(super) fn new(output: ExecOutput) -> Self {
        Self {
            output,
            unread: BytesMut::new(),
            complaint: Vec::new(),
        }
    }

    /// The next frame; `None` at the end of what it says, also where that is within a frame.
    pub(super) async fn hear(&mut self) -> Result<Option<Heard>, FileProblem> {
        loop {
            if let Some(heard) = self.take()? {
                return Ok(Some(heard));
            }
            match self.output.next().await {
                None if self.unread.is_empty() => return Ok(None),
                None => {
                    // How the command ended says more.
                    self.unread.clear();
                    self.complaint.splice(.., *b"within a frame");
                    return Ok(None);
                }
                Some(Err(error)) => return Err(FileProblem::broken(error.to_string())),
                Some(Ok(chunk)) if chunk.stream == OutputStream::Stdout => {
                    self.unread.extend_from_slice(&chunk.bytes);
                }
                Some(Ok(chunk)) => {
                    let room = COMPLAINT_BYTES - self.complaint.len();
                    let kept = &chunk.bytes[..room.min(chunk.bytes.len())];
                    self.complaint.extend_from_slice(kept);
                }
            }
        }
    }

    fn take(&mut self) -> Result<Option<Heard>, FileProblem> {
        let Some(header) = self.unread.first_chunk() else {
            return Ok(None);
        };
        let header = Header::decode(*header, PIECE_BYTES)
            .map_err(|error| FileProblem::broken(format!("a frame is {error:?}")))?;
        let length = usize::try_from(header.length).unwrap_or(usize::MAX);
        if self.unread.len() - Header::BYTES < length {
            return Ok(None);
        }
        self.unread.advance(Header::BYTES);
        let payload = self.unread.split_to(length).freeze();
        let kind = header.kind;
        Ok(Some(Heard { kind, payload }))
    }
}
