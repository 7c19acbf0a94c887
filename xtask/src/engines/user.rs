//! Whom the rootless engine runs as: an unprivileged user with ids to give to its containers.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::consent::Consent;
use crate::workspace::run as done;

/// The user that stands for an ordinary one when the chores are run by root. Like a package, it stays.
const NAME: &str = "clawbox-engine";

/// What a container's user namespace needs.
const IDS: u32 = 65_536;

/// A user of the host's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl User {
    /// The start of a command line that gives up root for this user.
    pub(crate) fn become_it(self) -> [String; 5] {
        let Self { uid, gid } = self;
        [
            "setpriv".to_owned(),
            format!("--reuid={uid}"),
            format!("--regid={gid}"),
            "--clear-groups".to_owned(),
            "--inh-caps=-all".to_owned(),
        ]
    }
}

/// Root's stand-in, made where that is allowed.
pub(crate) fn ensure(consent: Consent) -> Result<User> {
    if find()?.is_none() {
        let arguments = [
            "--system",
            "--add-subids-for-system",
            "--no-create-home",
            "--home-dir",
            "/nonexistent",
            "--shell",
            "/usr/sbin/nologin",
            NAME,
        ];
        let by_hand = format!("useradd {}", arguments.join(" "));
        if !consent.allows(&format!(
            "rootless Podman needs a user who is not root. Make {NAME} now?"
        )) {
            bail!("there is no user {NAME}; give --yes to have it made, or run `{by_hand}`");
        }
        done(Command::new("useradd").args(arguments)).with_context(|| format!("make {NAME}"))?;
    }
    let user = find()?.with_context(|| format!("useradd made no user {NAME}"))?;
    have_subordinate_ids(NAME, user.uid)?;
    Ok(user)
}

/// Root's stand-in, where there is one.
pub(crate) fn find() -> Result<Option<User>> {
    let output = Command::new("getent")
        .args(["passwd", NAME])
        .output()
        .context("start getent")?;
    Ok(parse(&String::from_utf8_lossy(&output.stdout)))
}

/// Reads a line of passwd(5).
fn parse(line: &str) -> Option<User> {
    let mut fields = line.trim_end().split(':').skip(2);
    let uid = fields.next()?.parse().ok()?;
    let gid = fields.next()?.parse().ok()?;
    Some(User { uid, gid })
}

/// Whether the user who started the chore has ids for containers.
pub(super) fn own_subordinate_ids() -> Result<()> {
    let output = Command::new("id").arg("-un").output().context("start id")?;
    let name = String::from_utf8_lossy(&output.stdout);
    have_subordinate_ids(name.trim(), rustix::process::geteuid().as_raw())
}

fn have_subordinate_ids(name: &str, uid: u32) -> Result<()> {
    for (file, option) in [
        ("/etc/subuid", "--add-subuids"),
        ("/etc/subgid", "--add-subgids"),
    ] {
        let text = fs::read_to_string(file).unwrap_or_default();
        let count = subordinate_ids(&text, name, uid);
        if count < IDS {
            bail!(
                "{name} has {count} ids in {file} and needs {IDS}: as root, run \
                 `usermod {option} FIRST-LAST {name}` with ids that nobody has"
            );
        }
    }
    Ok(())
}

/// How many ids a subuid(5) or subgid(5) gives to the user, by name or by number.
fn subordinate_ids(text: &str, name: &str, uid: u32) -> u32 {
    let uid = uid.to_string();
    text.lines()
        .filter_map(|line| {
            let mut fields = line.split(':');
            let owner = fields.next()?;
            let count: u32 = fields.nth(1)?.trim().parse().ok()?;
            (owner == name || owner == uid).then_some(count)
        })
        .fold(0, u32::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_read_from_passwd() {
        let user = User { uid: 998, gid: 995 };
        assert_eq!(parse("e:x:998:995::/nonexistent:/bin/false\n"), Some(user));
        for line in ["", "e:x", "e:x:a:b::/:/bin/sh"] {
            assert_eq!(parse(line), None, "{line:?}");
        }
    }

    #[test]
    fn subordinate_ids_are_counted_by_name_and_by_number() {
        let text = "e:100000:65536\nf:165536:10\n1000:200000:5\nbad\ne:1\n";
        assert_eq!(subordinate_ids(text, "e", 7), 65_536);
        assert_eq!(subordinate_ids(text, "f", 1000), 15);
        assert_eq!(subordinate_ids(text, "g", 7), 0);
    }
}
