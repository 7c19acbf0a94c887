//! What is around process 1: namespaces, the network, devices, its own descriptors and environment.

use super::{
    Answers, Given, Look, mounts,
    status::{self, field},
};
use crate::{
    aspects::{Namespaces, SHARED_MEMORY},
    plan::PlanSpec,
};

const INTERFACES: &str = "/proc/self/net/dev";
const ENVIRONMENT: &str = "/proc/self/environ";
const DEVICES: &str = "/dev";
/// What the control group lets be opened, which only version 1 tells.
const DEVICE_GROUP: &str = "/sys/fs/cgroup/devices/devices.list";

/// Namespaces, and the numbers that a host's first ones have: `include/linux/proc_ns.h`. The last two were not
/// fixed before Linux 6.18.
const SPACES: [(&str, u32); 6] = [
    ("pid", 0xEFFF_FFFC),
    ("uts", 0xEFFF_FFFE),
    ("ipc", 0xEFFF_FFFF),
    ("cgroup", 0xEFFF_FFFB),
    ("net", 0xEFFF_FFF9),
    ("mnt", 0xEFFF_FFF8),
];

/// Interfaces that the kernel itself puts into every new network, down and without an address, where the host has
/// loaded their modules.
pub(super) const FALLBACK_INTERFACES: [&str; 10] = [
    "tunl0",
    "gre0",
    "gretap0",
    "erspan0",
    "ip_vti0",
    "ip6_vti0",
    "sit0",
    "ip6tnl0",
    "ip6gre0",
    "ip6gretap0",
];

/// What a container's `/dev` may hold.
const HARMLESS: [&str; 16] = [
    "console", "core", "fd", "full", "mqueue", "null", "ptmx", "pts", "random", "shm", "stderr",
    "stdin", "stdout", "tty", "urandom", "zero",
];

/// The same as the control group has them: null, zero, full, random, urandom, tty, console, ptmx, pts, and the tunnel
/// of runc's older releases, of which nothing is in `/dev`.
const HARMLESS_NUMBERS: [&str; 10] = [
    "1:3", "1:5", "1:7", "1:8", "1:9", "5:0", "5:1", "5:2", "136:*", "10:200",
];

/// What an engine gives a process of its own accord, none of it a secret.
const ENGINE_VARIABLES: [&str; 5] = ["HOME", "HOSTNAME", "PATH", "TERM", "container"];

/// The highest descriptor that is looked at. Process 1 itself has a handful.
const DESCRIPTORS: u32 = 16;

/// The namespaces of this process. A container must have others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnNamespaces(pub(super) Vec<String>);

impl OwnNamespaces {
    /// By the targets of links in `/proc`; on a host that has none, there are none to share.
    #[must_use]
    pub fn by_links(target: impl Fn(&str) -> Option<String>) -> Self {
        let targets = SPACES.iter().filter_map(|(name, _)| target(&space(name)));
        Self(targets.collect())
    }
}

fn space(name: &str) -> String {
    format!("/proc/self/ns/{name}")
}

fn descriptor(number: u32) -> String {
    format!("/proc/self/fd/{number}")
}

pub(super) fn looks() -> impl Iterator<Item = Look> {
    let files = [INTERFACES, DEVICE_GROUP, ENVIRONMENT].map(Look::read);
    let spaces = SPACES.iter().map(|(name, _)| Look::link(&space(name)));
    let descriptors = (0..DESCRIPTORS).map(|number| Look::link(&descriptor(number)));
    files
        .into_iter()
        .chain([Look::list(DEVICES), Look::list("/proc/self/fd")])
        .chain(spaces)
        .chain(descriptors)
}

/// Whether a namespace is neither the host's nor the manager's.
fn is_private(name: &str, answers: &Answers, own: &OwnNamespaces) -> Result<bool, String> {
    let link = answers.text(&Look::link(&space(name)))?;
    let number = link.strip_prefix(name).and_then(|rest| {
        let number = rest.strip_prefix(":[")?.strip_suffix(']')?;
        number.parse::<u64>().ok()
    });
    if number.is_none() {
        return Err(format!("{} is {link:.40}", space(name)));
    }
    let first = SPACES
        .iter()
        .any(|(known, number)| *known == name && link == format!("{name}:[{number}]"));
    Ok(!first && !own.0.iter().any(|shared| shared == link))
}

pub(super) fn namespaces(spec: &PlanSpec, answers: &Answers, own: &OwnNamespaces) -> Given {
    let private = |name| is_private(name, answers, own);
    // No engine can be asked for another's.
    if private("mnt") == Ok(false) {
        return Given::Other("the mounts are another's".to_owned());
    }
    let seen = || {
        private("mnt")?;
        Ok(Namespaces {
            private_pid: private("pid")?,
            private_uts: private("uts")?,
            private_cgroup: private("cgroup")?,
        })
    };
    Given::of(&spec.namespaces, seen())
}

pub(super) fn network(answers: &Answers, own: &OwnNamespaces) -> Given {
    let (text, private) = match (answers.file(INTERFACES), is_private("net", answers, own)) {
        (Ok(text), Ok(private)) => (text, private),
        (Err(why), _) | (_, Err(why)) => return Given::Unseen(why),
    };
    let interfaces: Vec<&str> = text
        .lines()
        .filter_map(|line| Some(line.split_once(':')?.0.trim()))
        .collect();
    let only = |name: &&str| *name == "lo" || FALLBACK_INTERFACES.contains(name);
    let shown = interfaces.join(", ");
    if !private {
        Given::Other(format!("the host's: {shown}"))
    } else if interfaces.is_empty() || !interfaces.iter().all(only) {
        Given::Other(format!("interfaces {shown}"))
    } else {
        Given::Planned(format!("its own, with {shown}"))
    }
}

/// A namespace of its own, and no shared memory mounted unless it is planned: how large that is, is the tmpfs' item.
pub(super) fn ipc(spec: &PlanSpec, answers: &Answers, own: &OwnNamespaces) -> Given {
    let is_planned = spec.tmpfs.0.contains_key(SHARED_MEMORY);
    let mounted = mounts::is_mounted(answers, SHARED_MEMORY);
    let with = |mounted| if mounted { "with" } else { "without" };
    match (is_private("ipc", answers, own), mounted) {
        (Ok(false), _) => Given::Other("another's".to_owned()),
        (_, Ok(mounted)) if mounted != is_planned => {
            Given::Other(format!("{} {SHARED_MEMORY}", with(mounted)))
        }
        (Err(why), _) | (_, Err(why)) => Given::Unseen(why),
        (Ok(true), Ok(mounted)) => {
            Given::Planned(format!("its own, {} {SHARED_MEMORY}", with(mounted)))
        }
    }
}

pub(super) fn devices(answers: &Answers) -> Given {
    match opened(answers) {
        Err(why) => return Given::Unseen(why),
        Ok(others) if !others.is_empty() => {
            return Given::Other(format!("may open {:.120}", others.join(", ")));
        }
        Ok(_) => {}
    }
    match names(answers, DEVICES) {
        Err(why) => Given::Unseen(why),
        Ok(names) => {
            let others: Vec<&str> = names
                .into_iter()
                .filter(|name| !HARMLESS.contains(name))
                .collect();
            if others.is_empty() {
                Given::Planned("only harmless ones".to_owned())
            } else {
                // A privileged container has hundreds.
                Given::Other(format!("{:.120}", others.join(", ")))
            }
        }
    }
}

/// What may be opened beyond the harmless. Below a user namespace nobody opens a device that is not bound there, and
/// who made that could not set the group.
fn opened(answers: &Answers) -> Result<Vec<&str>, String> {
    let Some(list) = answers.text_if_any(&Look::read(DEVICE_GROUP))? else {
        return Ok(Vec::new());
    };
    if !status::is_first_user_namespace(answers)? {
        return Ok(Vec::new());
    }
    let others = list.lines().filter(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            [_, _, "m"] => false,
            ["c", number, _] => !HARMLESS_NUMBERS.contains(number),
            _ => true,
        }
    });
    Ok(others.collect())
}

fn names<'a>(answers: &'a Answers, directory: &str) -> Result<Vec<&'a str>, String> {
    let text = answers.text(&Look::list(directory))?;
    Ok(text.split('\0').filter(|name| !name.is_empty()).collect())
}

/// Nothing of the request's or the image's: the command gets its environment from process 1.
pub(super) fn environment(answers: &Answers) -> Given {
    match answers.text(&Look::read(ENVIRONMENT)) {
        Err(why) => Given::Unseen(why),
        Ok(text) => {
            let others: Vec<&str> = text
                .split('\0')
                .filter_map(|entry| entry.split('=').next())
                .filter(|key| !key.is_empty() && !ENGINE_VARIABLES.contains(key))
                .collect();
            if others.is_empty() {
                Given::Planned("nothing but the engine's own".to_owned())
            } else {
                Given::Other(format!("{:.120}", others.join(", ")))
            }
        }
    }
}

/// It is process 1, and holds nothing of the host's open.
pub(super) fn init(answers: &Answers) -> Given {
    match field(answers, "Pid") {
        Ok("1") => {}
        Ok(pid) => return Given::Other(format!("process {pid}")),
        Err(why) => return Given::Unseen(why),
    }
    let open = match names(answers, "/proc/self/fd") {
        Ok(open) => open,
        Err(why) => return Given::Unseen(why),
    };
    let Some(numbers) = open
        .iter()
        .map(|number| number.parse().ok().filter(|n| *n < DESCRIPTORS))
        .collect::<Option<Vec<u32>>>()
    else {
        return Given::Other(format!(
            "process 1, with descriptors {:.120}",
            open.join(", ")
        ));
    };
    let mut closed = 0;
    for number in 0..DESCRIPTORS {
        match answers.text_if_any(&Look::link(&descriptor(number))) {
            Ok(Some(target)) if !is_own(target) => {
                return Given::Other(format!("process 1, with {target:.120} open"));
            }
            Ok(Some(_)) => {}
            Ok(None) => closed += u32::from(numbers.contains(&number)),
            Err(why) => return Given::Unseen(why),
        }
    }
    // The listing's own descriptor is closed by then.
    if closed > 1 {
        return Given::Unseen(format!("{closed} of its descriptors were closed meanwhile"));
    }
    Given::Planned("clawbox-init, with its own descriptors".to_owned())
}

/// What process 1 opens itself or is given by an engine: the command's streams, its link, its signals and its timer.
fn is_own(target: &str) -> bool {
    const WHOLE: [&str; 3] = ["/dev/null", "anon_inode:[signalfd]", "anon_inode:[timerfd]"];
    WHOLE.contains(&target) || target.starts_with("pipe:[") || target.starts_with("socket:[")
}
