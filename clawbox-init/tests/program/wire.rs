//! Frames, descriptors and pipes.

use std::io::{IoSlice, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use clawbox_init::protocol::{Header, ToInit};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use rustix::pipe::{PipeFlags, pipe_with};

use crate::manager::LONG;

/// A frame with its header.
pub(crate) fn frame(message: &ToInit<'_>, pipes: u8) -> Vec<u8> {
    let mut payload = Vec::new();
    message.encode(&mut payload);
    let header = Header {
        length: u32::try_from(payload.len()).unwrap(),
        kind: message.kind(),
        pipes,
    };
    [&header.encode()[..], &payload].concat()
}

/// Sends bytes, the first of them with descriptors.
pub(crate) fn send_frame(mut link: &UnixStream, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !descriptors.is_empty() {
        assert!(control.push(SendAncillaryMessage::ScmRights(descriptors)));
    }
    let sent = sendmsg(
        link,
        &[IoSlice::new(bytes)],
        &mut control,
        SendFlags::NOSIGNAL,
    )
    .unwrap();
    link.write_all(&bytes[sent..]).unwrap();
}

/// The manager's ends of a command's pipes.
#[derive(Debug)]
pub(crate) struct Streams {
    pub(crate) input: OwnedFd,
    pub(crate) output: OwnedFd,
    pub(crate) error: OwnedFd,
}

/// Pipes for a command: its ends, and the manager's.
pub(crate) fn pipes() -> ([OwnedFd; 3], Streams) {
    let pipe = || pipe_with(PipeFlags::CLOEXEC).unwrap();
    let (their_input, input) = pipe();
    let (output, their_output) = pipe();
    let (error, their_error) = pipe();
    let ours = Streams {
        input,
        output,
        error,
    };
    ([their_input, their_output, their_error], ours)
}

/// Reads a stream to its end, but not for ever.
pub(crate) fn read_all(stream: OwnedFd) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 64 * 1024];
    loop {
        wait_readable(stream.as_fd());
        match rustix::io::read(&stream, &mut chunk).unwrap() {
            0 => return bytes,
            more => bytes.extend_from_slice(&chunk[..more]),
        }
    }
}

/// Waits until there is something to read.
pub(crate) fn wait_readable(descriptor: BorrowedFd<'_>) {
    let limit = Timespec {
        tv_sec: LONG.as_secs().try_into().unwrap(),
        tv_nsec: 0,
    };
    let mut polled = [PollFd::from_borrowed_fd(descriptor, PollFlags::IN)];
    assert_eq!(poll(&mut polled, Some(&limit)).unwrap(), 1, "nothing came");
}
