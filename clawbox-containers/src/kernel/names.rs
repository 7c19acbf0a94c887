//! What a container is called, and what its engine tells it of other names: hosts(5), resolv.conf(5).

use super::{Answers, Given, Look, mounts};
use crate::{aspects::Name, plan::PlanSpec};
use std::net::IpAddr;

const HOST_NAME: &str = "/proc/sys/kernel/hostname";
const SERVERS: &str = "/etc/resolv.conf";
const HOSTS: &str = "/etc/hosts";
pub(super) const LOOKS: [&str; 3] = [HOST_NAME, SERVERS, HOSTS];

/// What engines call a host itself, beside `ip6-…`.
const LOCAL: [&str; 6] = [
    "localhost",
    "localhost.localdomain",
    "localhost4",
    "localhost4.localdomain4",
    "localhost6",
    "localhost6.localdomain6",
];

/// The planned host name, and nothing of the host's names and name servers.
pub(super) fn identity(spec: &PlanSpec, answers: &Answers) -> Given {
    let own = &spec.identity;
    let seen = || {
        let name = answers.file(HOST_NAME)?;
        let servers = engines(answers, SERVERS)?.lines();
        let hosts = engines(answers, HOSTS)?.lines();
        let told = servers
            .filter(|line| names_server(line))
            .chain(hosts.filter(|line| names_host(line, own)));
        Ok((name, told.collect::<Vec<_>>()))
    };
    match seen() {
        Ok((name, told)) if told.is_empty() && name == own.hostname => {
            Given::Planned(format!("host name {name}, told of no other"))
        }
        Ok((name, told)) if told.is_empty() => Given::Other(format!("host name {name:.80}")),
        Ok((name, told)) => {
            let told: Vec<_> = told.into_iter().map(str::trim).collect();
            Given::Other(format!(
                "host name {name:.80}, told {:.200}",
                told.join("; ")
            ))
        }
        Err(why) => Given::Unseen(why),
    }
}

/// What an engine wrote; nothing where the file is the image's, which knows no host.
fn engines<'a>(answers: &'a Answers, path: &str) -> Result<&'a str, String> {
    let look = Look::read(path);
    answers.get(&look)?;
    if mounts::is_mounted(answers, path)? {
        answers.text(&look)
    } else {
        Ok("")
    }
}

/// Anybody but the address that is nobody's, or a domain, or an address in a comment. Options name nobody.
fn names_server(line: &str) -> bool {
    let mut words = line.split_whitespace();
    match words.next() {
        None | Some("options") => false,
        Some("nameserver") => words.ne(["0.0.0.0"]),
        Some("search" | "domain") => words.any(|domain| domain != "."),
        Some(comment) if comment.starts_with(['#', ';']) => names_address(line),
        Some(_) => true,
    }
}

/// Any address beyond the container, any name that is neither its own nor everybody's.
fn names_host(line: &str, own: &Name) -> bool {
    let (entry, comment) = line.split_once('#').unwrap_or((line, ""));
    let mut words = entry.split_whitespace();
    let is_own = |name: &str| {
        LOCAL.contains(&name)
            || name.starts_with("ip6-")
            || name == own.hostname
            || name == own.name
    };
    let address = words.next().is_some_and(|address| !is_local(address));
    address || !words.all(is_own) || names_address(comment)
}

/// The container itself, or one of the groups of IPv6 that hosts(5) is written with.
fn is_local(address: &str) -> bool {
    match address.parse() {
        Ok(IpAddr::V6(six))
            if six.is_multicast() || six.segments() == [0xfe00, 0, 0, 0, 0, 0, 0, 0] =>
        {
            true
        }
        Ok(address) => address.is_loopback(),
        Err(_) => false,
    }
}

fn names_address(comment: &str) -> bool {
    let words = comment.split(|c: char| !c.is_ascii_hexdigit() && c != '.' && c != ':');
    let mut addresses = words.filter_map(|word| word.parse::<IpAddr>().ok());
    addresses.any(|address| !address.is_unspecified() && !address.is_loopback())
}
