//! The manager's side of the link, with a process 1 at the other end that says what each test has it say.

mod exec;
mod link;
mod place;
mod session;
mod terminal;

use super::{
    link::InitLink,
    session::{Errand, Interview, ProcessOne, RunEvent},
};
use clawbox_init::protocol::{FromInit, Header, TO_INIT_BYTES, ToInit, VERSION};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use std::{
    collections::BTreeMap,
    io::{self, IoSliceMut},
    mem::MaybeUninit,
    os::fd::OwnedFd,
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncWriteExt, Interest},
    net::UnixStream,
    sync::mpsc,
};

/// What a test takes at most. All of it is in this process.
async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), work)
        .await
        .expect("in time")
}

fn frame(kind: u8, payload: &[u8], pipes: u8) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap();
    let header = Header {
        length,
        kind,
        pipes,
    };
    [&header.encode()[..], payload].concat()
}

fn from_init(message: FromInit<'_>) -> Vec<u8> {
    let mut payload = Vec::new();
    message.encode(&mut payload);
    frame(message.kind(), &payload, 0)
}

/// A message of the manager's as it arrived.
struct Heard {
    header: Header,
    payload: Vec<u8>,
    descriptors: Vec<OwnedFd>,
}

impl Heard {
    fn message(&self) -> ToInit<'_> {
        ToInit::decode(self.header.kind, &self.payload).unwrap()
    }
}

/// Process 1's end of a socket.
struct Peer(UnixStream);

impl Peer {
    fn pair() -> (InitLink, Self) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (InitLink::socket(ours), Self(theirs))
    }

    async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
    }

    async fn say(&mut self, message: FromInit<'_>) {
        self.send(&from_init(message)).await;
    }

    /// The next message, or `None` at the link's end. Descriptors must come with a frame's first byte.
    async fn hear(&mut self) -> Option<Heard> {
        let mut descriptors = Vec::new();
        let mut header = [0; Header::BYTES];
        if !self.fill(&mut header, &mut descriptors).await {
            return None;
        }
        let header = Header::decode(header, TO_INIT_BYTES).unwrap();
        assert_eq!(descriptors.len(), usize::from(header.pipes));
        let mut payload = vec![0; header.length as usize];
        let mut more = Vec::new();
        assert!(self.fill(&mut payload, &mut more).await, "a whole frame");
        assert!(more.is_empty(), "descriptors in a frame's midst");
        Some(Heard {
            header,
            payload,
            descriptors,
        })
    }

    /// Fills a buffer; `false` at the link's end.
    async fn fill(&mut self, buffer: &mut [u8], descriptors: &mut Vec<OwnedFd>) -> bool {
        let mut filled = 0;
        while filled < buffer.len() {
            let read = self
                .0
                .async_io(Interest::READABLE, || {
                    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
                    let mut control = RecvAncillaryBuffer::new(&mut space);
                    let mut parts = [IoSliceMut::new(&mut buffer[filled..])];
                    let flags = RecvFlags::CMSG_CLOEXEC;
                    let got = recvmsg(&self.0, &mut parts, &mut control, flags)?;
                    for message in control.drain() {
                        if let RecvAncillaryMessage::ScmRights(rights) = message {
                            descriptors.extend(rights);
                        }
                    }
                    Ok(got.bytes)
                })
                .await
                .unwrap();
            if read == 0 {
                assert_eq!(filled, 0, "the link ends between frames");
                return false;
            }
            filled += read;
        }
        true
    }

    /// Waits for a command, and says that it runs.
    async fn start(&mut self) -> (u32, Heard) {
        let heard = self.hear().await.unwrap();
        let ToInit::Run { run, .. } = heard.message() else {
            panic!("{:?}", heard.message());
        };
        self.say(FromInit::Started { run }).await;
        (run, heard)
    }
}

fn errand() -> Errand {
    Errand {
        argv: vec!["echo".to_owned(), "a b".to_owned()],
        directory: "/tmp".to_owned(),
        environment: BTreeMap::from([("KEY".to_owned(), "the value".parse().unwrap())]),
    }
}

/// An errand as long as a frame may be, almost.
fn long_errand() -> Errand {
    let argv = (0..30).map(|_| "x".repeat(65_536)).collect();
    Errand { argv, ..errand() }
}

/// A talk that came as far as the command.
async fn gone() -> (Arc<ProcessOne>, mpsc::Receiver<RunEvent>, Peer) {
    let (link, mut peer) = Peer::pair();
    let hello = FromInit::Hello {
        version: VERSION,
        pid: 1,
    };
    peer.say(hello).await;
    let interview = Interview::begin(link).await.unwrap();
    let gone = interview
        .go(&errand(), Duration::from_secs(9), false)
        .await
        .unwrap();
    assert!(gone.stdin.is_none());
    (gone.process_one, gone.told, peer)
}

fn kind_of<T>(result: io::Result<T>) -> io::ErrorKind {
    result.err().expect("an error").kind()
}
