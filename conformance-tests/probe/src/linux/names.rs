//! Who is asked for names, and whether anybody answers.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::time::Duration;

use clawbox_probe::Attempt;

use super::errno;

const PATIENCE: Duration = Duration::from_secs(2);

/// A question of RFC 1035 for the address of `example.com`: its number, "recursion desired", one question.
const QUESTION: &[u8] =
    b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07example\x03com\x00\x00\x01\x00\x01";

/// As `/etc/resolv.conf` names them.
pub(crate) fn servers() -> io::Result<Vec<String>> {
    let text = match fs::read_to_string("/etc/resolv.conf") {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let servers = text
        .lines()
        .filter_map(|line| line.strip_prefix("nameserver"));
    Ok(servers.map(|server| server.trim().to_owned()).collect())
}

/// Asks each of them, and the one of this host where there is none, as resolvers do.
pub(crate) fn resolve() -> io::Result<Attempt> {
    let mut servers: Vec<IpAddr> = servers()?.iter().filter_map(|it| it.parse().ok()).collect();
    if servers.is_empty() {
        servers.push(Ipv4Addr::LOCALHOST.into());
    }
    let mut errno = None;
    for server in servers {
        match ask(server) {
            Ok(()) => return Ok(Attempt { errno: None }),
            Err(error) => errno = Some(errno::of(&error)),
        }
    }
    Ok(Attempt { errno })
}

fn ask(server: IpAddr) -> io::Result<()> {
    let own: IpAddr = match server {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((own, 0))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.connect((server, 53))?;
    socket.send(QUESTION)?;
    socket.recv(&mut [0; 512]).map(drop)
}
