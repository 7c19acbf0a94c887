//! What is mounted: what of it denies which item, and what a mount may pass for.

mod kernel_paths;

use super::*;
use PolicyItem::*;

fn mounts() -> Look {
    Look::read("/proc/self/mountinfo")
}

/// The recorded table with another line at its end.
fn and(line: &str) -> Answers {
    let recorded = record(CGROUP_1);
    let text = text(&recorded, &mounts()) + line + "\n";
    with(&recorded, mounts(), text)
}

/// The recorded table without the line of this target.
fn without(target: &str) -> Answers {
    let recorded = record(CGROUP_1);
    let all = text(&recorded, &mounts());
    let target = format!(" {target} ");
    let lines: Vec<&str> = all.lines().filter(|line| !line.contains(&target)).collect();
    assert_eq!(lines.len() + 1, all.lines().count(), "{target}");
    with(&recorded, mounts(), lines.join("\n") + "\n")
}

fn assert_changes(changes: &[(&[PolicyItem], &str, &str)]) {
    for (items, from, to) in changes {
        let changed = replaced(&record(CGROUP_1), mounts(), from, to);
        assert_denied(&format!("{from} -> {to}"), &changed, items);
    }
}

#[test]
fn a_mount_that_differs_denies_its_item() {
    assert_changes(&[
        (&[ReadOnlyRoot], "/ / ro,relatime", "/ / rw,relatime"),
        (
            &[Tmpfs],
            "/ /tmp rw,nosuid,nodev,noexec",
            "/ /tmp rw,nosuid,nodev",
        ),
        (
            &[Tmpfs],
            "/ /tmp rw,nosuid,nodev,noexec",
            "/ /tmp rw,nosuid,noexec",
        ),
        (
            &[Tmpfs],
            "/ /tmp rw,nosuid,nodev,noexec",
            "/ /tmp rw,nodev,noexec",
        ),
        (&[Tmpfs], "/ /tmp rw,nosuid", "/ /tmp ro,nosuid"),
        (
            &[Tmpfs],
            "size=262144k,nr_inodes=16384",
            "size=262145k,nr_inodes=16384",
        ),
        (&[Tmpfs], "size=262144k,nr_inodes=16384", "nr_inodes=16384"),
        (
            &[Tmpfs],
            "size=262144k,nr_inodes=16384",
            "size=k,nr_inodes=16384",
        ),
        (
            &[Tmpfs],
            "size=262144k,nr_inodes=16384",
            "size=,nr_inodes=16384",
        ),
        (
            &[Tmpfs],
            "size=262144k,nr_inodes=16384",
            "size=18446744073709551615g,nr_inodes=16384",
        ),
        (&[Tmpfs], "nr_inodes=16384", "nr_inodes=16385"),
        (&[Tmpfs], "nr_inodes=16384", "inode64"),
        (&[Tmpfs], "nr_inodes=16384", "nr_inodes=16384,mode=777"),
        (&[Tmpfs], "nr_inodes=16384", "nr_inodes=16384,mode=9"),
        // The same sizes, told otherwise.
        (&[], "size=262144k", "size=256m"),
        (&[], "size=262144k", "size=268435456"),
        (&[], "nr_inodes=16384", "nr_inodes=16k"),
        (&[], "nr_inodes=16384", "nr_inodes=16384,mode=1777"),
        // A part of a tmpfs of somebody else's, and what is no tmpfs.
        (&[Tmpfs, Mounts], "0:49 / /tmp", "0:49 /part /tmp"),
        (
            &[Tmpfs, Mounts],
            "- tmpfs tmpfs rw,size=262144k",
            "- ext4 tmpfs rw,size=262144k",
        ),
        (&[Mounts], "/.clawbox ro", "/.clawbox rw"),
        (&[Mounts], "/run/clawbox ro", "/run/clawbox rw"),
        (&[Mounts], "/srv/clawbox-proxy /run", "/srv/other /run"),
        (&[Mounts], "/srv/clawbox-proxy /run", "/ /run"),
        (
            &[Mounts],
            "/srv/clawbox-proxy /run",
            "/srv/clawbox-proxy/.. /run",
        ),
        (&[Mounts], "/run/clawbox ro", "/run/claw ro"),
        (&[Mounts], "/etc/hosts ro", "/etc/hosts rw"),
        (&[Mounts], "/etc/hostname ro", "/etc/hostname rw"),
        (&[Mounts], "/hosts /etc/hosts", "/shadow /etc/hosts"),
        (&[Mounts], "/hosts /etc/hosts", "/ /etc/hosts"),
        (&[Mounts], "/hosts /etc/hosts", "/hosts /etc/passwd"),
        (&[Mounts], "/ /sys ro", "/ /sys rw"),
        (
            &[Mounts],
            "/ /sys/fs/cgroup/devices ro",
            "/ /sys/fs/cgroup/devices rw",
        ),
        (
            &[Mounts],
            "0:33 / /sys/fs/cgroup/devices",
            "0:33 /other /sys/fs/cgroup/devices",
        ),
        (
            &[Mounts],
            "/dev rw,nosuid - tmpfs tmpfs rw,size=65536k,mode=755",
            "/dev rw,nosuid - tmpfs tmpfs rw,size=65536k",
        ),
        (
            &[Mounts],
            "/dev rw,nosuid - tmpfs tmpfs rw,size=65536k,mode=755",
            "/dev rw,nosuid - tmpfs tmpfs rw,mode=777",
        ),
        (&[Mounts], "0:45 / /dev rw", "0:45 /part /dev rw"),
        // The whole of the host's devices.
        (
            &[Mounts],
            "/dev rw,nosuid - tmpfs tmpfs",
            "/dev rw,nosuid - devtmpfs devtmpfs",
        ),
        // Another process's part of it.
        (&[Mounts], "0:44 / /proc rw", "0:44 /1/root /proc rw"),
    ]);
}

#[test]
fn a_mount_that_is_missing_denies_its_item() {
    assert_denied("/", &without("/ / ro,relatime"), &[ReadOnlyRoot]);
    assert_denied("/tmp", &without("/tmp"), &[Tmpfs]);
    assert_denied("/.clawbox", &without("/.clawbox"), &[Mounts]);
    assert_denied("/run/clawbox", &without("/run/clawbox"), &[Mounts]);
    assert_denied(
        "none",
        &with(&record(CGROUP_1), mounts(), ""),
        &[
            ReadOnlyRoot,
            Tmpfs,
            Mounts,
            KernelPaths,
            Pids,
            Memory,
            Swap,
            Cpu,
            CpuShares,
        ],
    );
    assert_denied("/etc/hosts", &without("/etc/hosts"), &[]);
}

/// A limit that is read from the image's files is none.
#[test]
fn files_of_control_groups_must_be_mounted() {
    let all = [Pids, Memory, Swap, Cpu, CpuShares];
    let recorded = record(CGROUP_2);
    let line = "- cgroup2 cgroup rw,nsdelegate";
    let changed = replaced(&recorded, mounts(), line, "- ext4 /dev/sda1 rw");
    assert_denied("ext4", &changed, &[&all[..], &[Mounts]].concat());
    let changed = replaced(
        &recorded,
        mounts(),
        "0:29 / /sys/fs/cgroup",
        "0:29 /part /sys/fs/cgroup",
    );
    assert_denied("a part", &changed, &[&all[..], &[Mounts]].concat());
    assert_denied("pids", &without("/sys/fs/cgroup/pids"), &[]);
    // Somebody may have written what is below.
    let changed = replaced(
        &without("/sys/fs/cgroup/pids"),
        mounts(),
        "/sys/fs/cgroup rw,nosuid,nodev,noexec,relatime - tmpfs tmpfs rw,mode=755",
        "/sys/fs/cgroup rw,nosuid,nodev,noexec,relatime - tmpfs tmpfs rw",
    );
    assert_denied("mode", &changed, &[Mounts, Pids]);
}

#[test]
fn a_mount_that_nobody_planned_denies_the_mounts() {
    for line in [
        // Binds of the host's, writable or not.
        "200 118 8:1 /home /home rw,relatime - ext4 /dev/sda1 rw",
        "200 118 8:1 /home /home ro,relatime - ext4 /dev/sda1 rw",
        "200 118 8:1 / /mnt ro,relatime shared:1 master:2 - ext4 /dev/sda1 rw",
        "200 118 0:24 /docker.sock /docker.sock ro - tmpfs tmpfs rw",
        // The host's /run, and what else is a tmpfs.
        "200 118 0:24 / /mnt ro - tmpfs tmpfs rw,mode=755",
        "200 118 0:24 / /mnt ro - tmpfs tmpfs ro",
        "200 118 0:24 / /mnt rw - tmpfs tmpfs rw",
        "200 118 0:24 / /proc/acpi/x ro - tmpfs tmpfs rw",
        "200 118 0:24 / /proc/acpi/x rw - tmpfs tmpfs rw,size=0k",
        "200 118 0:24 / /usr ro - tmpfs tmpfs ro",
        // A file of this name, and the real one in another place.
        "200 118 8:1 /null /etc/passwd ro - ext4 /dev/sda1 rw",
        "200 118 8:1 /null /proc/uptime ro - ext4 /dev/sda1 rw",
        "200 118 0:45 /null /etc/ld.so.preload rw - tmpfs tmpfs rw,mode=755",
        // The kernel's own file systems in other places, or parts of them.
        "200 118 0:60 / /mnt rw - proc proc rw",
        "200 118 0:60 /sys /mnt rw - proc proc rw",
        "200 119 0:44 /sys/kernel /proc/sys/kernel rw - proc proc rw",
        "200 119 0:44 /sys/kernel /proc/sys/kernel ro - proc proc rw",
        "200 119 0:44 /bus /proc/irq ro - proc proc rw",
        "200 119 0:44 /irq /proc/irq rw - proc proc rw",
        "200 118 0:60 / /mnt ro - sysfs sysfs ro",
        "200 122 0:47 /kernel /sys/kernel rw - sysfs sysfs rw",
        "200 118 0:60 / /mnt rw - cgroup cgroup rw,memory",
        "200 118 0:60 / /mnt ro - cgroup2 cgroup rw",
        "200 123 0:60 / /sys/fs/cgroup/x ro - cgroup2 cgroup rw",
        "200 123 0:60 / /sys/fs/cgroup/unified rw - cgroup2 cgroup rw",
        "200 118 0:60 / /mnt rw - devpts devpts rw",
        "200 120 0:60 /0 /dev/pts rw - devpts devpts rw",
        "200 120 0:60 /0 /dev/console rw - devpts devpts rw",
        "200 118 0:60 / /mnt rw - mqueue mqueue rw",
        "200 120 0:60 /q /dev/mqueue ro - mqueue mqueue rw",
        "200 118 0:6 / /mnt rw - devtmpfs devtmpfs rw",
        "200 120 0:6 /sda /dev/null rw - devtmpfs devtmpfs rw",
        "200 120 0:6 /sda /dev/sda rw - devtmpfs devtmpfs rw",
        "200 118 0:6 /null /null rw - devtmpfs devtmpfs rw",
        // Those that no container has.
        "200 122 0:7 / /sys/kernel/debug ro - debugfs debugfs rw",
        "200 122 0:7 / /sys/kernel/tracing rw - tracefs tracefs rw",
        "200 122 0:7 / /sys/kernel/security ro - securityfs securityfs rw",
        "200 119 0:7 / /proc/sys/fs/binfmt_misc rw - binfmt_misc binfmt_misc rw",
        // Below a planned one, and a second one at its place.
        "200 136 8:2 / /run/clawbox/x ro - ext4 /dev/sda2 rw",
        "200 136 8:2 /srv/other /run/clawbox ro - ext4 /dev/sda2 rw",
        "200 118 8:2 /srv/clawbox-proxy /run/clawbox rw - ext4 /dev/sda2 rw",
    ] {
        let seen = denied(&judged(&SPEC, &and(line)));
        assert!(seen.contains_key(&Mounts), "{line}: {seen:?}");
        let others: Vec<_> = seen.into_keys().filter(|item| *item != Mounts).collect();
        // Of two side by side nobody knows which one is seen.
        let beside: &[_] = match line {
            _ if line.contains(" /proc/irq ") || line.contains(" /dev/mqueue ") => &[KernelPaths],
            _ => &[],
        };
        assert_eq!(others, beside, "{line}");
    }
}

#[test]
fn what_engines_add_is_no_difference() {
    for line in [
        "200 118 0:24 /containers/userdata/.containerenv /run/.containerenv ro - tmpfs tmpfs rw",
        "200 119 0:45 /null /proc/uptime rw,nosuid - tmpfs tmpfs rw,mode=755",
        "200 122 0:60 / /sys/devices ro - tmpfs tmpfs ro",
        "200 122 0:60 / /sys/devices ro - tmpfs tmpfs rw,size=0k,uid=999",
        "200 120 0:6 /zero /dev/zero rw,nosuid - devtmpfs devtmpfs rw",
        "200 120 0:6 /null /dev/null rw,nosuid - devtmpfs devtmpfs rw",
        "200 123 0:60 / /sys/fs/cgroup/unified ro - cgroup2 cgroup rw",
    ] {
        assert_denied(line, &and(line), &[]);
    }
}

#[test]
fn shared_memory_that_is_mounted_is_seen() {
    for options in ["rw,nosuid - tmpfs shm rw,size=65536k", "ro - tmpfs shm ro"] {
        let line = format!("200 120 0:60 / /dev/shm {options}");
        let seen = denied(&judged(&SPEC, &and(&line)));
        assert!(seen.contains_key(&Ipc), "{line}: {seen:?}");
    }
    let line = "200 120 0:60 / /dev/shm rw,nosuid - tmpfs shm rw,size=65536k";
    assert_denied(line, &and(line), &[Ipc]);
    let line = "200 120 0:24 /part /dev/shm rw,nosuid - tmpfs shm rw,size=65536k";
    assert_denied(line, &and(line), &[Ipc, Mounts]);
}

/// Of several at one place the one that none of the others is in is what is seen, wherever its line stands.
#[test]
fn what_lies_on_top_decides() {
    let all = text(&record(CGROUP_1), &mounts());
    let (first, rest) = all.split_once('\n').unwrap();
    let tmp = all.lines().find(|line| line.contains(" /tmp ")).unwrap();
    let loose = tmp.replace("noexec,", "").replacen("135 118", "200 135", 1);
    assert_denied("over", &and(&loose), &[Tmpfs]);
    let before = with(
        &record(CGROUP_1),
        mounts(),
        format!("{first}\n{loose}\n{rest}"),
    );
    assert_denied("over, before it", &before, &[Tmpfs]);
    let under = all.replace("135 118 ", "135 200 ") + &loose.replacen("200 135", "200 118", 1);
    assert_denied("under", &with(&record(CGROUP_1), mounts(), under), &[]);
    // Side by side: nobody knows.
    let beside = loose.replacen("200 135", "200 118", 1);
    assert_denied("beside", &and(&beside), &[Tmpfs]);
    let root = "200 118 0:60 / / rw - overlay overlay rw";
    assert_denied(root, &and(root), &[ReadOnlyRoot]);
}

#[test]
fn a_source_may_hold_blanks_and_backslashes() {
    let mut spec = SPEC.clone();
    let bind = spec.mounts.0.iter().find(|it| it.target == "/run/clawbox");
    let mut bind = bind.unwrap().clone();
    spec.mounts.0.remove(&bind);
    bind.source = "/srv/a b\\c\td".into();
    spec.mounts.0.insert(bind);
    let escaped = r"/srv/a\040b\134c\011d /run/clawbox";
    let changed = replaced(
        &record(CGROUP_1),
        mounts(),
        "/srv/clawbox-proxy /run/clawbox",
        escaped,
    );
    assert_eq!(denied(&judged(&spec, &changed)), BTreeMap::new());
}

#[test]
fn a_line_that_is_none_proves_nothing() {
    for line in [
        "x",
        "1 2 3 4",
        "1 2 0:3 / /x rw",
        "1 2 0:3 / /x rw - ",
        "1 2 0:3 / /x rw - ext4 x",
        "1 2 0:3 / - ext4 x rw",
    ] {
        let items = [
            ReadOnlyRoot,
            Tmpfs,
            Mounts,
            Ipc,
            KernelPaths,
            Pids,
            Memory,
            Swap,
            Cpu,
            CpuShares,
            Identity,
        ];
        let changed = and(line);
        assert_denied(line, &changed, &items);
        let report = judged(&SPEC, &changed);
        assert_eq!(unverified(&report), items.len(), "{line}");
    }
}

/// The kernel tells a source from its file system's top on.
#[test]
fn a_source_may_be_in_a_file_system_of_its_own() {
    assert_changes(&[
        (&[], "/srv/clawbox-proxy /run", "/clawbox-proxy /run"),
        (&[], "/srv/clawbox-proxy /run", "/@srv/clawbox-proxy /run"),
        (&[Mounts], "/srv/clawbox-proxy /run", "/proxy /run"),
    ]);
}

#[test]
fn a_tmpfs_may_be_planned_otherwise() {
    let mut spec = SPEC.clone();
    let options = spec.tmpfs.0.get_mut("/tmp").unwrap();
    options.size_bytes = 2 << 30;
    options.flags.insert("noatime".to_owned());
    let recorded = record(CGROUP_1);
    let tmp = "/tmp rw,nosuid,nodev,noexec,relatime - tmpfs tmpfs rw,size=262144k";
    for (now, items) in [
        (
            "/tmp rw,nosuid,nodev,noexec,noatime - tmpfs tmpfs rw,size=2g",
            0,
        ),
        (
            "/tmp rw,nosuid,nodev,noexec,relatime - tmpfs tmpfs rw,size=2g",
            1,
        ),
        (
            "/tmp rw,nosuid,nodev,noexec,noatime - tmpfs tmpfs rw,size=2m",
            1,
        ),
    ] {
        let seen = denied(&judged(&spec, &replaced(&recorded, mounts(), tmp, now)));
        assert_eq!(seen.len(), items, "{now}: {seen:?}");
    }
}
