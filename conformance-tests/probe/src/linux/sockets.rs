//! Sockets: whom one reaches.

use std::collections::BTreeMap;
use std::io::{self, IoSlice, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, UdpSocket};
use std::os::fd::AsRawFd;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::time::Duration;

use clawbox_probe::{Reply, Syscalls};

use super::process::check;
use super::{errno, output};

const REPLY_MAX: u64 = 1 << 16;
const REPLY_PATIENCE: Duration = Duration::from_secs(10);
/// How long what was opened is kept: longer than any case lasts.
const KEPT: Duration = Duration::from_secs(120);

/// Where a sandbox has no way to: a public resolver, a cloud's metadata, and both in version 6.
const OUTSIDE: [(&str, &str); 4] = [
    ("internet", "1.1.1.1:80"),
    ("metadata", "169.254.169.254:80"),
    ("internet_6", "[2606:4700:4700::1111]:80"),
    ("metadata_6", "[fd00:ec2::254]:80"),
];

/// Sends the text to a unix socket and reads what comes back.
pub(crate) fn connect(path: &str, text: &str) -> Reply {
    exchange(path, |socket| socket.write_all(text.as_bytes()))
}

/// The same, with a descriptor of a file in memory sent along.
pub(crate) fn pass(path: &str, text: &str) -> Reply {
    exchange(path, |socket| send_with_descriptor(socket, text.as_bytes()))
}

fn exchange(path: &str, send: impl FnOnce(&mut UnixStream) -> io::Result<()>) -> Reply {
    let exchange = || -> io::Result<Vec<u8>> {
        let mut socket = open(path)?;
        socket.set_read_timeout(Some(REPLY_PATIENCE))?;
        send(&mut socket)?;
        socket.shutdown(Shutdown::Write)?;
        let mut reply = Vec::new();
        socket.take(REPLY_MAX).read_to_end(&mut reply)?;
        Ok(reply)
    };
    match exchange() {
        Ok(reply) => Reply {
            reply: Some(String::from_utf8_lossy(&reply).into_owned()),
            errno: None,
        },
        Err(error) => Reply {
            reply: None,
            errno: Some(errno::of(&error)),
        },
    }
}

fn open(path: &str) -> io::Result<UnixStream> {
    match path.strip_prefix('@') {
        Some(name) => UnixStream::connect_addr(&SocketAddr::from_abstract_name(name)?),
        None => UnixStream::connect(path),
    }
}

fn send_with_descriptor(socket: &UnixStream, bytes: &[u8]) -> io::Result<()> {
    let passed = std::fs::File::open("/proc/self/status")?;
    let text = IoSlice::new(bytes);
    // Room for one header and one descriptor, aligned as a header must be.
    let mut control = [0_u64; 4];
    // SAFETY: all zero is an empty message; every pointer put into it outlives the call, and the control
    // buffer has room for the one descriptor, as CMSG_SPACE is at most 24 bytes.
    let sent = unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_iov = (&raw const text).cast_mut().cast();
        message.msg_iovlen = 1;
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = libc::CMSG_SPACE(4) as _;
        let header = libc::CMSG_FIRSTHDR(&message);
        (*header).cmsg_level = libc::SOL_SOCKET;
        (*header).cmsg_type = libc::SCM_RIGHTS;
        (*header).cmsg_len = libc::CMSG_LEN(4) as _;
        libc::CMSG_DATA(header)
            .cast::<i32>()
            .write_unaligned(passed.as_raw_fd());
        libc::sendmsg(socket.as_raw_fd(), &message, 0)
    };
    check(sent as libc::c_long).map(drop)
}

/// Connects until it is refused, and keeps what came of it.
pub(crate) fn hold(path: &str, max: u64) -> io::Result<()> {
    let mut kept = Vec::new();
    let refused = (0..max).find_map(|_| open(path).map(|socket| kept.push(socket)).err());
    keep(refused.as_ref())
}

/// Listens at a port of the loopback address.
pub(crate) fn listen(port: u16) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port));
    keep(listener.as_ref().err())
}

/// Says what came of it, and keeps what is open.
fn keep(refused: Option<&io::Error>) -> io::Result<()> {
    let said = refused.map_or_else(|| "ok".to_owned(), errno::of);
    output::write_all(&(said + "\n"), "")?;
    std::thread::sleep(KEPT);
    Ok(())
}

/// Whether the kernel knows a way to each address. Connecting a datagram socket sends nothing.
pub(crate) fn reach() -> Syscalls {
    let way = |address: &str| {
        let local = if address.starts_with('[') {
            "[::]:0"
        } else {
            "0.0.0.0:0"
        };
        UdpSocket::bind(local)?.connect(address)
    };
    let outcome = |address| match way(address) {
        Ok(()) => "ok".to_owned(),
        Err(error) => errno::of(&error),
    };
    let told: BTreeMap<String, String> = OUTSIDE
        .into_iter()
        .map(|(name, address)| (name.to_owned(), outcome(address)))
        .collect();
    Syscalls(told)
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    /// A server's answer, in capitals, to what `ask` sends to the address.
    fn asked(address: &SocketAddr, ask: impl FnOnce() -> Reply) -> Reply {
        let listener = UnixListener::bind_addr(address).expect("a socket");
        let server = std::thread::spawn(move || {
            let (mut socket, _) = listener.accept().expect("a client");
            let mut heard = String::new();
            socket
                .read_to_string(&mut heard)
                .expect("the request's end");
            socket.write_all(heard.to_uppercase().as_bytes())
        });
        let reply = ask();
        server.join().expect("no panic").expect("written");
        reply
    }

    #[test]
    fn hears_the_whole_reply_after_half_closing() {
        let dir = tempfile::tempdir().expect("a directory");
        let (plain, passing) = (dir.path().join("plain"), dir.path().join("passing"));
        let address = |path| SocketAddr::from_pathname(path).expect("a path");
        let path = |path: &std::path::Path| path.to_str().expect("UTF-8").to_owned();
        let reply = asked(&address(&plain), || connect(&path(&plain), "hello"));
        assert_eq!(reply.reply.as_deref(), Some("HELLO"));
        let reply = asked(&address(&passing), || pass(&path(&passing), "also"));
        assert_eq!(reply.reply.as_deref(), Some("ALSO"));
        let refused = connect(&path(dir.path()), "");
        assert_eq!(refused.errno.as_deref(), Some("ECONNREFUSED"));
    }

    #[test]
    fn an_abstract_name_is_no_path() {
        let name = format!("clawbox-probe-test-{}", std::process::id());
        let told = connect(&format!("@{name}"), "");
        assert_eq!(told.errno.as_deref(), Some("ECONNREFUSED"));
        let address = SocketAddr::from_abstract_name(&name).expect("a name");
        let reply = asked(&address, || connect(&format!("@{name}"), "hello"));
        assert_eq!(reply.reply.as_deref(), Some("HELLO"));
    }

    #[test]
    fn a_way_is_asked_for_each_address() {
        let Syscalls(told) = reach();
        assert_eq!(told.len(), OUTSIDE.len());
        let known = [
            "ok",
            "ENETUNREACH",
            "EAFNOSUPPORT",
            "EADDRNOTAVAIL",
            "EACCES",
        ];
        assert!(
            told.values().all(|way| known.contains(&way.as_str())),
            "{told:?}"
        );
    }
}
