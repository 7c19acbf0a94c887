//! Each single difference from the plan denies exactly its item. What is mounted, the limits of control groups, namespaces
//! and names have files of their own.

use super::*;
use crate::aspects::Bind;
use PolicyItem::*;

/// A piece of what is read, another in its place, and what that denies.
type Change = (PolicyItem, Look, &'static str, &'static str);

fn status(item: PolicyItem, from: &'static str, to: &'static str) -> Change {
    (item, Look::read("/proc/self/status"), from, to)
}

fn limits(from: &'static str, to: &'static str) -> Change {
    (Ulimits, Look::read("/proc/self/limits"), from, to)
}

fn names(file: &str, from: &'static str, to: &'static str) -> Change {
    (Identity, Look::read(file), from, to)
}

/// What only control groups of version 1 tell.
fn device_group() -> Look {
    Look::read("/sys/fs/cgroup/devices/devices.list")
}

fn changes() -> Vec<Change> {
    let zero = "0000000000000000";
    let mut changes = vec![
        status(User, "Uid:\t1000\t", "Uid:\t0\t"),
        status(User, "Uid:\t1000\t1000\t1000", "Uid:\t1000\t1000\t0"),
        status(
            User,
            "Uid:\t1000\t1000\t1000\t1000",
            "Uid:\t1000\t1000\t1000\t0",
        ),
        status(
            User,
            "Uid:\t1000\t1000\t1000\t1000",
            "Uid:\t1001\t1001\t1001\t1001",
        ),
        status(
            User,
            "Uid:\t1000\t1000\t1000\t1000",
            "Uid:\t1000\t1000\t1000",
        ),
        status(User, "Uid:\t1000\t1000\t1000\t1000", "Uid:\t1000"),
        status(User, "Gid:\t1000\t1000", "Gid:\t1000\t0"),
        status(User, "Gid:\t1000\t1000\t1000\t1000", "Gid:\t0\t0\t0\t0"),
        status(User, "Groups:\t1000 ", "Groups:\t1000 27 "),
        status(User, "Groups:\t1000 ", "Groups:\t0 "),
        status(NoNewPrivileges, "NoNewPrivs:\t1", "NoNewPrivs:\t0"),
        status(NoNewPrivileges, "NoNewPrivs:\t1", "NoNewPrivs:\t"),
        status(Seccomp, "Seccomp:\t2", "Seccomp:\t0"),
        status(Seccomp, "Seccomp:\t2", "Seccomp:\t1"),
        status(Init, "\nPid:\t1\n", "\nPid:\t7\n"),
        status(Init, "\nPid:\t1\n", "\nPid:\t11\n"),
        limits(
            "Max core file size        0  ",
            "Max core file size        1  ",
        ),
        limits(
            "0                    0                    bytes",
            "0  unlimited  bytes",
        ),
        limits(
            "1073741824           1073741824",
            "1073741824           unlimited",
        ),
        limits(
            "1073741824           1073741824",
            "1073741825           1073741825",
        ),
        limits("1024                 1024", "1024                 4096"),
        limits("1024                 1024", "1023                 1024"),
        (
            OomScore,
            Look::read("/proc/self/oom_score_adj"),
            "500",
            "-1000",
        ),
        (
            OomScore,
            Look::read("/proc/self/oom_score_adj"),
            "500",
            "499",
        ),
        (
            Identity,
            Look::read("/proc/sys/kernel/hostname"),
            "clawbox",
            "the-host",
        ),
        (
            Identity,
            Look::read("/proc/sys/kernel/hostname"),
            "clawbox",
            "",
        ),
        (
            Network,
            Look::read("/proc/self/net/dev"),
            "    lo:",
            "  eth0: 0\n    lo:",
        ),
        (
            Network,
            Look::read("/proc/self/net/dev"),
            "    lo:",
            "  wlan0:",
        ),
        (
            Network,
            Look::read("/proc/self/net/dev"),
            "    lo:",
            "    lo ",
        ),
        (
            Environment,
            Look::read("/proc/self/environ"),
            "HOME=/tmp\0",
            "HOME=/tmp\0FOO=bar\0",
        ),
        (
            Environment,
            Look::read("/proc/self/environ"),
            "HOME=/tmp\0",
            "FOO\0",
        ),
        (
            Environment,
            Look::read("/proc/self/environ"),
            "HOME=/tmp\0",
            "home=/tmp\0",
        ),
        names("/etc/resolv.conf", "0.0.0.0", "10.0.0.1"),
        names("/etc/resolv.conf", "0.0.0.0", "127.0.0.53"),
        names("/etc/resolv.conf", "0.0.0.0", "0.0.0.0 ::1"),
        names(
            "/etc/resolv.conf",
            "options ",
            "search corp.example\noptions ",
        ),
        names("/etc/resolv.conf", "options ", "domain .corp\noptions "),
        names(
            "/etc/resolv.conf",
            "options ",
            "sortlist 10.0.0.0/8\noptions ",
        ),
        names(
            "/etc/resolv.conf",
            "options ",
            "# host(192.0.2.1)\noptions ",
        ),
        names("/etc/resolv.conf", "options ", "; fd00::1\noptions "),
        names("/etc/hosts", "127.0.0.1\t", "192.0.2.1\t"),
        names("/etc/hosts", "127.0.0.1\t", "127.0.0.1 build-host "),
        names(
            "/etc/hosts",
            "127.0.0.1\t",
            "#192.0.2.2 gateway\n127.0.0.1\t",
        ),
        names("/etc/hosts", "fe00::0\t", "fe80::1\t"),
        names("/etc/hosts", "fe00::0\t", "here\t"),
        (
            User,
            Look::read("/proc/self/uid_map"),
            "0          0 ",
            "1000          0 ",
        ),
        (
            User,
            Look::read("/proc/self/gid_map"),
            "0          0 ",
            "1000          0 ",
        ),
        (User, Look::read("/proc/self/uid_map"), "4294967295", "1000"),
        (
            User,
            Look::read("/proc/self/gid_map"),
            "0          0 ",
            "0 ",
        ),
        (Devices, device_group(), "c 1:3 rwm", "a *:* rwm"),
        (Devices, device_group(), "c 1:3 rwm", "b 1:3 rwm"),
        (Devices, device_group(), "c 1:3 rwm", "c 1:1 rw"),
        (Devices, device_group(), "b *:* m", "b *:* rm"),
        (Devices, Look::list("/dev"), "zero\0", "zero\0sda\0"),
        (Devices, Look::list("/dev"), "zero\0", "zero\0fuse\0"),
        (Init, Look::list("/proc/self/fd"), "6\0", "6\0\x316\0"),
        (Init, Look::list("/proc/self/fd"), "6\0", "6\0cwd\0"),
        (Init, Look::link("/proc/self/fd/0"), "/dev/null", "/"),
        (
            Init,
            Look::link("/proc/self/fd/0"),
            "/dev/null",
            "/home/someone (deleted)",
        ),
        // The host's namespaces, or a file without a name.
        (
            Init,
            Look::link("/proc/self/fd/3"),
            "anon_inode:[signalfd]",
            "mnt:[4026531841]",
        ),
        (
            Init,
            Look::link("/proc/self/fd/3"),
            "anon_inode:[signalfd]",
            "anon_inode:[io_uring]",
        ),
    ];
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        for mask in [
            "0000000000000001",
            "8000000000000000",
            "000001ffffffffff",
            "none",
        ] {
            let from: &'static str = format!("{set}:\t{zero}").leak();
            let to: &'static str = format!("{set}:\t{mask}").leak();
            changes.push(status(Capabilities, from, to));
        }
    }
    changes
}

#[test]
fn a_difference_denies_its_item_and_no_other() {
    for (recorded, is_version_1) in [CGROUP_1, CGROUP_2]
        .map(record)
        .into_iter()
        .zip([true, false])
    {
        let changes = changes().into_iter();
        let told = changes.filter(|(_, look, ..)| is_version_1 || *look != device_group());
        for (item, look, from, to) in told {
            let changed = replaced(&recorded, look.clone(), from, to);
            assert_denied(&format!("{look:?}: {to:?}"), &changed, &[item]);
        }
    }
}

/// What stands in no answer is not taken for something else.
#[test]
fn a_field_that_is_missing_is_not_proven() {
    for field in [
        "Uid",
        "Gid",
        "Groups",
        "CapInh",
        "CapAmb",
        "NoNewPrivs",
        "Seccomp",
        "Pid",
    ] {
        let item = match field {
            "Uid" | "Gid" | "Groups" => User,
            "NoNewPrivs" => NoNewPrivileges,
            "Seccomp" => Seccomp,
            "Pid" => Init,
            _ => Capabilities,
        };
        let from = format!("\n{field}:");
        let changed = replaced(
            &record(CGROUP_1),
            Look::read("/proc/self/status"),
            &from,
            "\nOther:",
        );
        let report = judged(&SPEC, &changed);
        let text = format!("/proc/self/status has no field {field}");
        assert_eq!(denied(&report), [(item, text)].into());
    }
    let look = Look::read("/proc/self/limits");
    for words in ["Max core file size", "Max file size ", "Max open files"] {
        let changed = replaced(&record(CGROUP_1), look.clone(), words, "Max");
        assert_denied(words, &changed, &[Ulimits]);
    }
    for text in ["", "many", "5 00"] {
        let changed = with(
            &record(CGROUP_1),
            Look::read("/proc/self/oom_score_adj"),
            text,
        );
        assert_denied(text, &changed, &[OomScore]);
    }
}

/// A rootless container's root is nobody of importance outside; its user may still be.
#[test]
fn ids_are_told_as_they_are_outside() {
    let recorded = record(PODMAN_CGROUP_2);
    let report = judged(&SPEC, &recorded);
    let told = report.get(User).unwrap().kernel.clone();
    assert_eq!(told.as_deref(), Some("1000:1000, 100999:100999 outside"));
    let maps = ["/proc/self/uid_map", "/proc/self/gid_map"];
    for map in maps.map(Look::read) {
        for range in ["1000 0 1", "0 0 1\n1 100000 999", "999 -1 2", "1 2"] {
            assert_denied(range, &with(&recorded, map.clone(), range), &[User]);
        }
    }
    // Where the container writes to a user's files, that user is the one whom a rootless engine knows as 0.
    let mut writer = SPEC.clone();
    writer.mounts.0.insert(Bind {
        source: "/home/me/work".into(),
        target: "/workspace".to_owned(),
        read_only: false,
        noexec: false,
    });
    let kept = maps.iter().fold(recorded.clone(), |answers, map| {
        with(&answers, Look::read(map), "1000 0 1")
    });
    let user = |spec| judged(spec, &kept).get(User).unwrap().verdict;
    assert_eq!(user(&writer), Verdict::Enforced);
    assert_eq!(user(&SPEC), Verdict::NotEnforced);
    // Nobody opens devices there, and the group is another's.
    let list = with(&recorded, device_group(), "a *:* rwm\n");
    assert_denied("devices", &list, &[]);
}

/// A runtime that keeps the mode that the image's directory has.
#[test]
fn a_scratch_directory_may_grant_less_and_not_more() {
    let recorded = record(CGROUP_1);
    let look = Look::Stat("/tmp".to_owned());
    for (mode, items) in [
        (0o040_755, &[][..]),
        (0o040_700, &[]),
        (0o042_777, &[Tmpfs]),
        (0o044_755, &[Tmpfs]),
        (-13, &[Tmpfs]),
    ] {
        let changed = with_result(&recorded, look.clone(), mode);
        assert_denied(&format!("{mode:o}"), &changed, items);
    }
}

/// A limit of a plan that the kernel has no word for is not proven.
#[test]
fn an_unknown_limit_is_not_proven() {
    let mut spec = SPEC.clone();
    let limit = spec.ulimits.0["core"];
    spec.ulimits.0.insert("nproc".to_owned(), limit);
    let seen = denied(&judged(&spec, &record(CGROUP_1)));
    assert_eq!(seen.keys().collect::<Vec<_>>(), [&Ulimits]);
    assert!(seen[&Ulimits].contains("nproc"), "{seen:?}");
}

#[test]
fn a_call_that_is_answered_otherwise_denies_the_filter() {
    let recorded = record(CGROUP_1);
    let calls = refused_calls()
        .iter()
        .map(|it| (Look::Call(it), it.errno_under(&SPEC.seccomp)));
    let sockets = refused_sockets()
        .iter()
        .map(|it| (Look::Socket(it), it.errno));
    let tried: Vec<_> = calls.chain(sockets).collect();
    assert_eq!(tried.len(), 22);
    for (look, errno) in tried {
        let others = [-14, -22].into_iter().filter(|other| *other != -errno);
        for result in others.chain([0, errno, -errno - 1]) {
            let changed = with_result(&recorded, look.clone(), result);
            assert_denied(&format!("{look:?} {result}"), &changed, &[Seccomp]);
        }
    }
}

/// The listing's own descriptor is closed when it is looked at, and no other.
#[test]
fn one_descriptor_may_be_closed_meanwhile() {
    let recorded = record(CGROUP_1);
    let fourth = Look::link("/proc/self/fd/4");
    assert_denied("two", &with_result(&recorded, fourth.clone(), -2), &[Init]);
    assert_denied("errno", &with_result(&recorded, fourth, -13), &[Init]);
    let high = Look::link("/proc/self/fd/15");
    assert_denied("a pipe", &with(&recorded, high.clone(), "pipe:[7]"), &[]);
    assert_denied("unlisted", &with(&recorded, high, "/etc"), &[Init]);
    let listed = Look::list("/proc/self/fd");
    let text = text(&recorded, &listed) + "15\0";
    let changed = with(&recorded, listed, text);
    assert_denied("listed", &changed, &[Init]);
}

/// Several ids are another user's, and not a line that nobody understands.
#[test]
fn another_user_is_no_riddle() {
    let look = Look::read("/proc/self/status");
    let changed = replaced(
        &record(CGROUP_1),
        look,
        "Uid:\t1000\t1000\t1000",
        "Uid:\t1000\t0\t1000",
    );
    let report = judged(&SPEC, &changed);
    let user = report.items.iter().find(|it| it.item == User).unwrap();
    assert_eq!(user.verdict, Verdict::NotEnforced);
}

/// The lowest number has no opposite.
#[test]
fn no_number_is_too_low() {
    for look in looks(&SPEC) {
        let changed = with_result(&record(CGROUP_1), look.clone(), i64::MIN);
        let report = judged(&SPEC, &changed);
        assert_eq!(report.items.len(), PolicyItem::ALL.len(), "{look:?}");
    }
}
