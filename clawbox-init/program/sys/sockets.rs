//! Sockets, and waiting for descriptors.

use core::ffi::CStr;

use super::arch::number;
use super::{Errno, Fd, Result, call, syscall};

pub(crate) const AF_UNIX: u32 = 1;
pub(crate) const SOCK_STREAM: u32 = 1;
const SOCK_CLOEXEC: u32 = 0o2_000_000;
const MSG_DONTWAIT: usize = 0x40;
const MSG_NOSIGNAL: usize = 0x4000;
const MSG_CMSG_CLOEXEC: usize = 0x4000_0000;
const MSG_CTRUNC: i32 = 8;
const SOL_SOCKET: i32 = 1;
const SCM_RIGHTS: i32 = 1;

/// The path of a unix socket, with its NUL.
const PATH_BYTES: usize = 108;

/// A socket.
pub(crate) fn socket(family: u32, kind: u32, protocol: u32) -> Result<Fd> {
    let arguments = [family, kind | SOCK_CLOEXEC, protocol].map(|number| number as usize);
    Fd::given(call(number::SOCKET, arguments)?)
}

/// A connection with the unix socket at this path.
pub(crate) fn connect(path: &CStr) -> Result<Fd> {
    let socket = socket(AF_UNIX, SOCK_STREAM, 0)?;
    let bytes = path.to_bytes_with_nul();
    let mut address = Address {
        family: 1,
        path: [0; PATH_BYTES],
    };
    address
        .path
        .get_mut(..bytes.len())
        .ok_or(Errno::ENAMETOOLONG)?
        .copy_from_slice(bytes);
    // SAFETY: the kernel reads the address, which is as long as is said.
    unsafe {
        syscall(
            number::CONNECT,
            [
                socket.argument(),
                (&raw const address) as usize,
                size_of::<Address>(),
            ],
        )
    }?;
    Ok(socket)
}

/// The kernel's `struct sockaddr_un`.
#[repr(C)]
struct Address {
    family: u16,
    path: [u8; PATH_BYTES],
}

/// Sends some of it, without waiting.
pub(crate) fn send(to: &Fd, bytes: &[u8]) -> Result<usize> {
    // SAFETY: the kernel reads what `bytes` holds, and no address.
    unsafe {
        syscall(
            number::SENDTO,
            [
                to.argument(),
                bytes.as_ptr() as usize,
                bytes.len(),
                MSG_DONTWAIT | MSG_NOSIGNAL,
                0,
                0,
            ],
        )
    }
}

/// The kernel's `struct iovec`.
#[repr(C)]
struct Part {
    base: *mut u8,
    length: usize,
}

/// The kernel's `struct msghdr`.
#[repr(C)]
struct Message {
    name: *mut u8,
    name_length: u32,
    parts: *mut Part,
    parts_length: usize,
    control: *mut Control,
    control_length: usize,
    flags: i32,
}

/// The most descriptors that the kernel passes with one message, and what it writes about each.
const MOST_PASSED: usize = 253;

/// The kernel's `struct cmsghdr` and its descriptors.
#[repr(C, align(8))]
struct Control {
    length: usize,
    level: i32,
    kind: i32,
    descriptors: [i32; MOST_PASSED + 1],
}

/// Receives some bytes without waiting, and whatever descriptors come with them, which `take` gets one by one.
pub(crate) fn receive(from: &Fd, into: &mut [u8], mut take: impl FnMut(Fd)) -> Result<usize> {
    const HEAD: usize = size_of::<usize>() + 2 * size_of::<i32>();

    let mut part = Part {
        base: into.as_mut_ptr(),
        length: into.len(),
    };
    let mut control = Control {
        length: 0,
        level: 0,
        kind: 0,
        descriptors: [-1; MOST_PASSED + 1],
    };
    let mut message = Message {
        name: core::ptr::null_mut(),
        name_length: 0,
        parts: &raw mut part,
        parts_length: 1,
        control: &raw mut control,
        control_length: size_of::<Control>(),
        flags: 0,
    };
    // SAFETY: the kernel writes the bytes into `into` and the descriptors into `control`, at most as many as each holds.
    let received = unsafe {
        syscall(
            number::RECVMSG,
            [
                from.argument(),
                (&raw mut message) as usize,
                MSG_DONTWAIT | MSG_CMSG_CLOEXEC,
            ],
        )
    }?;
    if message.control_length >= HEAD && control.level == SOL_SOCKET && control.kind == SCM_RIGHTS {
        let passed = control.length.saturating_sub(HEAD) / size_of::<i32>();
        for &descriptor in control.descriptors.iter().take(passed) {
            take(Fd::passed(descriptor));
        }
    }
    // There is room for all that can come.
    if message.flags & MSG_CTRUNC != 0 {
        return Err(Errno::EINVAL);
    }
    Ok(received)
}

/// The kernel's `struct pollfd`.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(crate) struct Polled {
    descriptor: i32,
    events: i16,
    seen: i16,
}

impl Polled {
    const POLLIN: i16 = 1;
    const POLLOUT: i16 = 4;

    /// Nothing that is waited for.
    pub(crate) const NOTHING: Self = Self {
        descriptor: -1,
        events: 0,
        seen: 0,
    };

    /// Until there is something to read.
    pub(crate) fn readable(descriptor: &Fd) -> Self {
        Self {
            descriptor: descriptor.number(),
            events: Self::POLLIN,
            seen: 0,
        }
    }

    /// Until something can be written.
    pub(crate) fn writable(descriptor: &Fd) -> Self {
        Self {
            descriptor: descriptor.number(),
            events: Self::POLLOUT,
            seen: 0,
        }
    }

    /// Until something can be written to standard error.
    pub(crate) const fn standard_error() -> Self {
        Self {
            descriptor: 2,
            events: Self::POLLOUT,
            seen: 0,
        }
    }

    /// As if nothing had been seen.
    pub(crate) fn forget(&mut self) {
        self.seen = 0;
    }

    /// Whether that is so, or never will be.
    pub(crate) fn is_ready(self) -> bool {
        self.seen != 0
    }
}

/// Waits until one of them is ready, but no longer than `nanoseconds` where that is said.
pub(crate) fn poll(polled: &mut [Polled], nanoseconds: Option<u64>) -> Result<()> {
    let mut limit = nanoseconds.map(super::Moment::parts);
    let limit = limit
        .as_mut()
        .map_or(0, |parts| parts.as_mut_ptr() as usize);
    // SAFETY: the kernel reads and writes the descriptors and the limit, and changes no mask.
    unsafe {
        syscall(
            number::PPOLL,
            [polled.as_mut_ptr() as usize, polled.len(), limit, 0, 0],
        )
    }
    .map(drop)
}

/// Writes to standard error what can be written without waiting.
pub(crate) fn say(bytes: &[u8]) {
    let mut streams = [Polled::standard_error()];
    if poll(&mut streams, Some(0)).is_ok() && streams[0].is_ready() {
        // There is nobody to tell where that fails.
        let _ = super::files::write_to(2, bytes);
    }
}
