//! What rootless engines need of the host, and what of it may get in their way.

use serde::Serialize;
use std::{
    env,
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
};

/// How many subordinate ids a user usually has, and what images may use.
const ENOUGH: u64 = 65_536;
/// Where the first of them usually are.
const FIRST: u64 = 100_000;

/// What the host has for rootless engines.
#[derive(Debug, Serialize)]
pub(super) struct Host {
    uid: u32,
    /// The user's name, where `/etc/passwd` tells it.
    user: Option<String>,
    /// How many subordinate ids there are for the user; `None` where that cannot be read.
    subordinate_uids: Option<u64>,
    subordinate_gids: Option<u64>,
    /// Whether SELinux refuses what its policy does not allow.
    selinux_enforcing: bool,
    /// What is missing, and what would mend each.
    problems: Vec<Missing>,
}

/// Something that is missing.
#[derive(Debug, Serialize)]
struct Missing {
    message: String,
    mend: Vec<String>,
}

/// Where the host's facts are read.
struct Files {
    etc: PathBuf,
    selinux: PathBuf,
    path: OsString,
}

impl Host {
    pub(super) fn look() -> Self {
        let files = Files {
            etc: "/etc".into(),
            selinux: "/sys/fs/selinux/enforce".into(),
            // The helpers have their place, whatever PATH says.
            path: env::join_paths(
                env::split_paths(&env::var_os("PATH").unwrap_or_default())
                    .chain(["/usr/bin".into()]),
            )
            .unwrap_or_default(),
        };
        Self::read(&files, rustix::process::getuid().as_raw())
    }

    fn read(files: &Files, uid: u32) -> Self {
        let user = user_name(&files.etc, uid);
        let uids = Ranges::read(&files.etc.join("subuid"));
        let gids = Ranges::read(&files.etc.join("subgid"));
        let count = |ranges: &io::Result<Ranges>| {
            let ranges = ranges.as_ref().ok()?;
            Some(ranges.count(uid, user.as_deref()))
        };
        let mut host = Self {
            uid,
            subordinate_uids: count(&uids),
            subordinate_gids: count(&gids),
            user,
            selinux_enforcing: fs::read_to_string(&files.selinux)
                .is_ok_and(|text| text.trim() == "1"),
            problems: Vec::new(),
        };
        if uid != 0 {
            host.problems = host.missing(files, &uids, &gids);
        }
        host
    }

    /// What an engine of this user's needs and does not have.
    fn missing(
        &self,
        files: &Files,
        uids: &io::Result<Ranges>,
        gids: &io::Result<Ranges>,
    ) -> Vec<Missing> {
        let mut missing = Vec::new();
        let start = [uids, gids]
            .into_iter()
            .flatten()
            .map(Ranges::end)
            .fold(FIRST, u64::max);
        let range = format!("{start}-{}", start.saturating_add(ENOUGH - 1));
        let name = self.name();
        for (what, file, ranges, count, option) in [
            (
                "uids",
                "subuid",
                uids,
                self.subordinate_uids,
                "--add-subuids",
            ),
            (
                "gids",
                "subgid",
                gids,
                self.subordinate_gids,
                "--add-subgids",
            ),
        ] {
            let message = match (ranges, count.unwrap_or(0)) {
                (_, ENOUGH..) => continue,
                (Err(error), _) if error.kind() != io::ErrorKind::NotFound => {
                    format!("the subordinate {what} cannot be read: /etc/{file}: {error}")
                }
                (_, 0) => format!("{name} has no subordinate {what}: no line in /etc/{file}"),
                (_, count) => {
                    format!("{name} has {count} subordinate {what}, and images may use {ENOUGH}")
                }
            };
            missing.push(Missing {
                message,
                mend: vec![
                    format!("as root: usermod {option} {range} {name}"),
                    format!("then, as {name}: podman system migrate"),
                ],
            });
        }
        for program in ["newuidmap", "newgidmap"] {
            let mut dirs = env::split_paths(&files.path);
            if !dirs.any(|dir| dir.join(program).is_file()) {
                missing.push(Missing {
                    message: format!("{program} is not there, which gives a user its ids"),
                    mend: vec!["apt-get install uidmap, or dnf install shadow-utils".to_owned()],
                });
            }
        }
        missing
    }

    fn name(&self) -> String {
        self.user.clone().unwrap_or_else(|| self.uid.to_string())
    }

    pub(super) fn describe(&self, text: &mut String) {
        text.push_str("\nfor rootless engines\n");
        let count =
            |ids: Option<u64>| ids.map_or("an unknown number of".to_owned(), |n| n.to_string());
        match self.uid {
            0 => text.push_str("  this is root, whose engines are not rootless\n"),
            _ => text.push_str(&format!(
                "  {} has {} subordinate uids and {} gids\n",
                self.name(),
                count(self.subordinate_uids),
                count(self.subordinate_gids)
            )),
        }
        for problem in &self.problems {
            text.push_str(&format!("  {}\n", problem.message));
            for way in &problem.mend {
                text.push_str(&format!("  to mend it: {way}\n"));
            }
        }
        if self.selinux_enforcing {
            text.push_str(
                "  SELinux is enforcing, and may keep a container from what is bound into it; where process 1 does \
                 not come, `ausearch -m avc` tells\n",
            );
        }
    }
}

/// The lines of `subuid(5)` or `subgid(5)`: a user, the first id, how many.
struct Ranges(Vec<(String, u64, u64)>);

impl Ranges {
    fn read(path: &Path) -> io::Result<Self> {
        let text = fs::read_to_string(path)?;
        let lines = text.lines().filter_map(|line| {
            let mut parts = line.trim().split(':');
            let user = parts.next()?.to_owned();
            let start = parts.next()?.parse().ok()?;
            Some((user, start, parts.next()?.parse().ok()?))
        });
        Ok(Self(lines.collect()))
    }

    /// Users are named or numbered.
    fn count(&self, uid: u32, name: Option<&str>) -> u64 {
        let number = uid.to_string();
        let of_user = |user: &str| user == number || Some(user) == name;
        let lines = self.0.iter().filter(|(user, ..)| of_user(user));
        lines.map(|(.., count)| *count).fold(0, u64::saturating_add)
    }

    /// The first id that nobody has.
    fn end(&self) -> u64 {
        let ends = self.0.iter();
        ends.map(|(_, start, count)| start.saturating_add(*count))
            .max()
            .unwrap_or(0)
    }
}

fn user_name(etc: &Path, uid: u32) -> Option<String> {
    let text = fs::read_to_string(etc.join("passwd")).ok()?;
    let number = uid.to_string();
    text.lines().find_map(|line| {
        let mut parts = line.split(':');
        let name = parts.next()?;
        (parts.nth(1)? == number).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0::/root:/bin/sh\nagent:x:1001:1001::/home/agent:/bin/sh\n";
    const OTHERS: &str = "somebody:100000:65536\nanother:165536:65536\n";

    /// What is said on a host with these files.
    fn said(subuid: Option<&str>, subgid: Option<&str>, uid: u32, programs: &[&str]) -> String {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
        write("passwd", PASSWD);
        for (name, text) in [("subuid", subuid), ("subgid", subgid)] {
            if let Some(text) = text {
                write(name, text);
            }
        }
        for program in programs {
            write(program, "");
        }
        write("enforce", "1");
        let files = Files {
            etc: dir.path().into(),
            selinux: dir.path().join("enforce"),
            path: dir.path().into(),
        };
        let mut text = String::new();
        Host::read(&files, uid).describe(&mut text);
        text
    }

    const BOTH: [&str; 2] = ["newuidmap", "newgidmap"];

    fn check(text: &str, words: &[&str], absent: &[&str]) {
        for word in words {
            assert!(text.contains(word), "{word}: {text}");
        }
        for word in absent {
            assert!(!text.contains(word), "{word}: {text}");
        }
    }

    #[test]
    fn a_user_with_ids_lacks_nothing() {
        for line in ["agent:300000:65536", "1001:300000:65536"] {
            let ids = format!("{OTHERS}{line}\n");
            let text = said(Some(&ids), Some(&ids), 1001, &BOTH);
            let words = ["agent has 65536 subordinate uids and 65536 gids", "SELinux"];
            check(&text, &words, &["to mend it"]);
        }
    }

    #[test]
    fn a_user_without_ids_is_told_of_free_ones() {
        let text = said(Some(OTHERS), Some("agent:300000:65536\n"), 1001, &BOTH);
        let words = [
            "no subordinate uids: no line in /etc/subuid",
            "usermod --add-subuids 365536-431071 agent",
            "then, as agent: podman system migrate",
        ];
        check(&text, &words, &["add-subgids"]);
        let text = said(None, None, 1001, &BOTH);
        let words = [
            "--add-subuids 100000-165535 agent",
            "--add-subgids 100000-165535 agent",
        ];
        check(&text, &words, &[]);
    }

    #[test]
    fn too_few_ids_are_counted() {
        let ids = "agent:300000:1000\nagent:400000:24\nagent:nonsense\n";
        let text = said(Some(ids), Some(ids), 1001, &BOTH);
        check(&text, &["1024 subordinate uids, and images"], &[]);
    }

    #[test]
    fn the_programs_that_map_ids_are_looked_for() {
        let ids = "1001:300000:65536";
        let text = said(Some(ids), Some(ids), 1001, &["newuidmap"]);
        check(
            &text,
            &["newgidmap is not there", "uidmap"],
            &["newuidmap is"],
        );
    }

    #[test]
    fn root_needs_none_of_it() {
        let text = said(None, None, 0, &[]);
        check(&text, &["this is root", "SELinux"], &["to mend it"]);
    }
}
