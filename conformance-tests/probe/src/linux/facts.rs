//! What the process sees of itself, from `/proc`.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;
use std::str::FromStr;

use clawbox_probe::{Descriptor, Facts, Limit, Mount, Stdin};

use super::{cgroup, names};

/// Collects everything; fails rather than leave something out.
pub(crate) fn facts() -> io::Result<Facts> {
    let status = read("/proc/self/status")?;
    let limits = read("/proc/self/limits")?;
    let [uid, euid, ..] = ids(&status, "Uid:")?[..] else {
        return Err(lacking("Uid:"));
    };
    let [gid, egid, ..] = ids(&status, "Gid:")?[..] else {
        return Err(lacking("Gid:"));
    };
    Ok(Facts {
        uid,
        euid,
        gid,
        egid,
        groups: ids(&status, "Groups:")?,
        pid: number(&status, "Pid:")?,
        ppid: number(&status, "PPid:")?,
        hostname: read("/proc/sys/kernel/hostname")?.trim_end().to_owned(),
        cwd: lossy(std::env::current_dir()?.into()),
        argv: std::env::args_os().map(lossy).collect(),
        env: std::env::vars_os()
            .map(|(key, value)| (lossy(key), lossy(value)))
            .collect(),
        cap_inh: mask(&status, "CapInh:")?,
        cap_prm: mask(&status, "CapPrm:")?,
        cap_eff: mask(&status, "CapEff:")?,
        cap_bnd: mask(&status, "CapBnd:")?,
        cap_amb: mask(&status, "CapAmb:")?,
        no_new_privs: number::<u8>(&status, "NoNewPrivs:")? != 0,
        seccomp: number(&status, "Seccomp:")?,
        interfaces: interfaces(&read("/proc/self/net/dev")?),
        name_servers: names::servers()?,
        mounts: mounts(&read("/proc/self/mountinfo")?)?,
        nofile: limit(&limits, "Max open files ")?,
        core: limit(&limits, "Max core file size ")?,
        fsize: limit(&limits, "Max file size ")?,
        cgroup_paths: cgroup::paths(&read("/proc/self/cgroup")?),
        cgroup: cgroup::limits(Path::new("/sys/fs/cgroup")),
        oom_score_adj: number(&read("/proc/self/oom_score_adj")?, "")?,
        stdin: stdin()?,
        descriptors: descriptors()?,
    })
}

fn read(path: &str) -> io::Result<String> {
    let bytes = fs::read(path).map_err(|error| {
        let message = format!("cannot read {path}: {error}");
        io::Error::new(error.kind(), message)
    })?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The rest of the line that begins so.
fn field<'a>(text: &'a str, name: &str) -> io::Result<&'a str> {
    text.lines()
        .find_map(|line| line.strip_prefix(name))
        .map(str::trim)
        .ok_or_else(|| lacking(name))
}

fn number<T: FromStr>(text: &str, name: &str) -> io::Result<T> {
    field(text, name)?.parse().map_err(|_| lacking(name))
}

fn ids(text: &str, name: &str) -> io::Result<Vec<u32>> {
    let words = field(text, name)?.split_whitespace();
    words
        .map(|word| word.parse().map_err(|_| lacking(name)))
        .collect()
}

fn mask(text: &str, name: &str) -> io::Result<u64> {
    u64::from_str_radix(field(text, name)?, 16).map_err(|_| lacking(name))
}

fn limit(text: &str, name: &str) -> io::Result<Limit> {
    let value = |word: &str| match word {
        "unlimited" => Ok(u64::MAX),
        number => number.parse().map_err(|_| lacking(name)),
    };
    let words: Vec<&str> = field(text, name)?.split_whitespace().collect();
    match words[..] {
        [soft, hard, ..] => Ok(Limit {
            soft: value(soft)?,
            hard: value(hard)?,
        }),
        _ => Err(lacking(name)),
    }
}

/// The names in front of the colons; the two heading lines have none.
fn interfaces(text: &str) -> Vec<String> {
    text.lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, _)| name.trim().to_owned())
        .collect()
}

/// See proc_pid_mountinfo(5): six fields, optional fields, a dash, three fields.
fn mounts(text: &str) -> io::Result<Vec<Mount>> {
    let options = |list: &str| list.split(',').map(str::to_owned).collect();
    text.lines()
        .map(|line| {
            let (front, back) = line.split_once(" - ")?;
            let mut front = front.split(' ').skip(4);
            let mut back = back.split(' ');
            Some(Mount {
                target: unescape(front.next()?),
                options: options(front.next()?),
                fstype: back.next()?.to_owned(),
                super_options: options(back.nth(1)?),
            })
        })
        .collect::<Option<_>>()
        .ok_or_else(|| lacking("a mount"))
}

/// The kernel writes space, tab, newline and backslash as a backslash and three octal digits.
fn unescape(text: &str) -> String {
    let plain = text.replace("\\040", " ").replace("\\011", "\t");
    plain.replace("\\012", "\n").replace("\\134", "\\")
}

fn stdin() -> io::Result<Stdin> {
    const DEV_NULL: u64 = libc::makedev(1, 3);
    let stdin = io::stdin();
    if stdin.is_terminal() {
        return Ok(Stdin::Terminal);
    }
    let metadata = File::from(stdin.as_fd().try_clone_to_owned()?).metadata()?;
    let kind = metadata.file_type();
    Ok(if kind.is_fifo() {
        Stdin::Pipe
    } else if kind.is_socket() {
        Stdin::Socket
    } else if kind.is_char_device() && metadata.rdev() == DEV_NULL {
        Stdin::Null
    } else {
        Stdin::Other
    })
}

fn descriptors() -> io::Result<Vec<Descriptor>> {
    let numbers = fs::read_dir("/proc/self/fd")?
        .map(|entry| entry.map(|entry| entry.file_name()))
        .collect::<io::Result<Vec<_>>>()?;
    let mut descriptors = Vec::new();
    for number in numbers {
        match fs::read_link(Path::new("/proc/self/fd").join(&number)) {
            Ok(target) => descriptors.push(Descriptor {
                fd: lossy(number).parse().map_err(|_| lacking("a number"))?,
                target: lossy(target.into()),
            }),
            // The one that listed the directory is closed by now.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    descriptors.sort_by_key(|descriptor| descriptor.fd);
    Ok(descriptors)
}

fn lossy(text: OsString) -> String {
    text.to_string_lossy().into_owned()
}

fn lacking(what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("the kernel's text lacks `{what}`"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mountinfo_is_read_with_both_option_lists() {
        let text = "36 35 98:0 / /with\\040space rw,noexec shared:1 master:2 - tmpfs tmpfs rw,size=16384k\n\
                    37 35 98:1 /root / ro - overlay overlay rw,lowerdir=/a:/b\n";
        let mount =
            |target: &str, fstype: &str, options: [&str; 2], super_options: [&str; 2]| Mount {
                target: target.to_owned(),
                fstype: fstype.to_owned(),
                options: options
                    .iter()
                    .filter(|o| !o.is_empty())
                    .map(|&o| o.to_owned())
                    .collect(),
                super_options: super_options.map(str::to_owned).to_vec(),
            };
        let expected = [
            mount(
                "/with space",
                "tmpfs",
                ["rw", "noexec"],
                ["rw", "size=16384k"],
            ),
            mount("/", "overlay", ["ro", ""], ["rw", "lowerdir=/a:/b"]),
        ];
        assert_eq!(mounts(text).expect("readable"), expected);
        assert!(mounts("36 35 98:0 / /cut\n").is_err());
    }

    #[test]
    fn limits_are_read_with_unlimited() {
        let text = "Max file size             unlimited            1024                 bytes\n\
                    Max core file size        0                    unlimited            bytes\n";
        let read = |name| limit(text, name).expect("readable");
        assert_eq!(
            read("Max file size "),
            Limit {
                soft: u64::MAX,
                hard: 1024
            }
        );
        assert_eq!(
            read("Max core file size "),
            Limit {
                soft: 0,
                hard: u64::MAX
            }
        );
        assert!(limit(text, "Max open files ").is_err());
    }

    #[test]
    fn interfaces_are_the_names_before_the_colon() {
        let text = "Inter-|   Receive\n face |bytes\n    lo: 0 0\n  eth0:12 0\n";
        assert_eq!(interfaces(text), ["lo", "eth0"]);
    }

    #[test]
    fn this_very_process_agrees() {
        let facts = facts().expect("a Linux with /proc");
        assert_eq!(facts.pid, std::process::id());
        assert!(facts.mounts.iter().any(|mount| mount.target == "/proc"));
        assert!(
            facts
                .descriptors
                .iter()
                .any(|descriptor| descriptor.fd == 1)
        );
        assert!(facts.interfaces.iter().any(|name| name == "lo"));
    }
}
