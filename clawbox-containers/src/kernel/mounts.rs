//! What is mounted, by `/proc/self/mountinfo`: proc(5), `proc_pid_mountinfo(5)`.

use super::{Answers, Given, Look};
use crate::{
    aspects::{Bind, Binds, KernelPaths, SHARED_MEMORY, Tmpfs, TmpfsOptions},
    plan::PlanSpec,
};
use std::{collections::BTreeSet, path::Path};

pub(super) const MOUNTS: &str = "/proc/self/mountinfo";

const ENOENT: i64 = 2;
const ENOTDIR: i64 = 20;
/// The type of a file in its mode, and that of a character device.
const S_IFMT: i64 = 0o170_000;
const S_IFCHR: i64 = 0o020_000;

/// The mount flags that a plan may name.
const FLAGS: [&str; 5] = ["ro", "rw", "noexec", "nosuid", "nodev"];

/// Devices that every container has.
const HARMLESS_DEVICES: [&str; 6] = [
    "/dev/full",
    "/dev/null",
    "/dev/random",
    "/dev/tty",
    "/dev/urandom",
    "/dev/zero",
];

/// What engines bind from files of their own: names for a network that is not there.
const ENGINE_FILES: [&str; 4] = [
    "/etc/hostname",
    "/etc/hosts",
    "/etc/resolv.conf",
    "/run/.containerenv",
];

/// One line of the table.
#[derive(Debug, Clone)]
struct Mount {
    id: String,
    /// The mount that it is in.
    parent: String,
    /// Which part of its file system.
    root: String,
    target: String,
    options: BTreeSet<String>,
    kind: String,
    super_options: BTreeSet<String>,
}

impl Mount {
    fn parse(line: &str) -> Option<Self> {
        let (own, rest) = line.split_once(" - ")?;
        let own: Vec<&str> = own.split(' ').collect();
        let [id, parent, _, root, target, options, ..] = own.as_slice() else {
            return None;
        };
        let mut rest = rest.split(' ');
        let set = |options: &str| options.split(',').map(str::to_owned).collect();
        Some(Self {
            id: (*id).to_owned(),
            parent: (*parent).to_owned(),
            root: unescape(root),
            target: unescape(target),
            options: set(options),
            kind: rest.next()?.to_owned(),
            super_options: set(rest.nth(1)?),
        })
    }

    fn is_read_only(&self) -> bool {
        self.has("ro")
    }

    fn has(&self, flag: &str) -> bool {
        self.options.contains(flag)
    }

    /// An empty directory: a tmpfs that nobody can write, wherever else it may be mounted. The host's `/run` is
    /// one that somebody can. Runc's is read-only altogether; crun's is here only, and told by a size that nobody else
    /// gives.
    fn is_empty(&self) -> bool {
        let nobody_writes = self.super_options.contains("ro") || self.value("size") == Some("0k");
        self.is_whole("tmpfs") && self.is_read_only() && nobody_writes
    }

    /// `/dev/null`, the container's own or the host's.
    fn is_null(&self) -> bool {
        self.root == "/null" && ["tmpfs", "devtmpfs"].contains(&self.kind.as_str())
    }

    fn is_whole(&self, kind: &str) -> bool {
        self.kind == kind && self.root == "/"
    }

    /// The value of a file system's option.
    fn value(&self, name: &str) -> Option<&str> {
        let mut options = self.super_options.iter();
        options.find_map(|option| option.strip_prefix(name)?.strip_prefix('='))
    }
}

/// Undoes the octal escapes of blanks and backslashes.
pub(super) fn unescape(text: &str) -> String {
    let mut plain = String::new();
    let mut parts = text.split('\\');
    plain.extend(parts.next());
    for part in parts {
        let byte = part
            .get(..3)
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match byte {
            Some(byte) => {
                plain.push(char::from(byte));
                plain.push_str(&part[3..]);
            }
            None => {
                plain.push('\\');
                plain.push_str(part);
            }
        }
    }
    plain
}

/// All that is mounted.
#[derive(Debug, Clone)]
pub(super) struct Table(Vec<Mount>);

impl Table {
    pub(super) fn read(answers: &Answers) -> Result<Self, String> {
        let text = answers.file(MOUNTS)?;
        let mounts = text
            .lines()
            .map(|line| Mount::parse(line).ok_or_else(|| format!("{MOUNTS} has {line:.120?}")));
        Ok(Self(mounts.collect::<Result<_, _>>()?))
    }

    /// What is seen at a place: of several mounts there the one that none of the others is in.
    fn at(&self, target: &str) -> Option<&Mount> {
        let here = || self.0.iter().filter(|mount| mount.target == target);
        let mut seen = here().filter(|mount| !here().any(|other| other.parent == mount.id));
        seen.next().filter(|_| seen.next().is_none())
    }

    /// The mount that a path is in.
    fn around(&self, path: &str) -> Option<&Mount> {
        let place = Path::new(path)
            .ancestors()
            .filter_map(Path::to_str)
            .find(|place| self.0.iter().any(|mount| mount.target == *place))?;
        self.at(place)
    }
}

pub(super) fn is_mounted(answers: &Answers, target: &str) -> Result<bool, String> {
    let table = answers.mounts()?;
    Ok(table.0.iter().any(|mount| mount.target == target))
}

/// Whether a file below `/sys/fs/cgroup` is the kernel's, and not the image's. Version 1 has links beside the
/// controllers' directories, in a tmpfs.
pub(super) fn is_of_control_group(answers: &Answers, file: &str) -> Result<bool, String> {
    let table = answers.mounts()?;
    Ok(table.around(file).is_some_and(|mount| {
        mount.is_whole("cgroup") || mount.is_whole("cgroup2") || is_controllers(mount)
    }))
}

/// Whether the container sees its control group of version 2, and that alone.
pub(super) fn is_unified(answers: &Answers) -> Result<bool, String> {
    let table = answers.mounts()?;
    let group = table.at("/sys/fs/cgroup");
    Ok(group.is_some_and(|mount| mount.is_whole("cgroup2")))
}

/// What version 1's controllers are mounted in. Only root writes to runc's. To crun's everybody does, up to a mebibyte
/// that cannot be executed, and no engine can be told to have it otherwise; nobody has when process 1 looks.
fn is_controllers(mount: &Mount) -> bool {
    let is_runcs = mount.value("mode") == Some("755");
    let is_cruns = mount.value("mode").is_none()
        && mount.value("size") == Some("1024k")
        && ["noexec", "nosuid", "nodev"]
            .iter()
            .all(|flag| mount.options.contains(*flag));
    mount.is_whole("tmpfs") && mount.target == "/sys/fs/cgroup" && (is_runcs || is_cruns)
}

pub(super) fn root(spec: &PlanSpec, answers: &Answers) -> Given {
    let seen = answers.mounts().and_then(|table| {
        let root = table.at("/").ok_or("nothing is mounted at /")?;
        Ok(root.is_read_only())
    });
    Given::of(&spec.read_only_root, seen)
}

pub(super) fn tmpfs(spec: &PlanSpec, answers: &Answers) -> Given {
    let planned = &spec.tmpfs;
    let seen = answers.mounts().and_then(|table| {
        let mut seen = Tmpfs::default();
        for (path, planned) in &planned.0 {
            let mount = table.at(path).filter(|mount| mount.is_whole("tmpfs"));
            if let Some(mount) = mount {
                let mut options = options(mount, planned)?;
                // Some runtimes keep the image's mode, which may grant less and must not grant more.
                options.mode |= top_mode(answers, path)? & !planned.mode;
                seen.0.insert(path.clone(), options);
            }
        }
        Ok(seen)
    });
    Given::of(planned, seen)
}

/// The mode of the directory that a mount is seen as.
fn top_mode(answers: &Answers, path: &str) -> Result<u32, String> {
    let look = Look::Stat(path.to_owned());
    match u32::try_from(answers.get(&look)?.result) {
        Ok(mode) => Ok(mode & 0o7777),
        Err(_) => Err(format!("{look:?} gives no mode")),
    }
}

fn options(mount: &Mount, planned: &TmpfsOptions) -> Result<TmpfsOptions, String> {
    let number = |name: &str| {
        let value = mount.value(name);
        value
            .and_then(bytes)
            .ok_or_else(|| format!("the tmpfs at {} tells no {name}", mount.target))
    };
    let flags = mount.options.iter();
    Ok(TmpfsOptions {
        size_bytes: number("size")?,
        max_inodes: number("nr_inodes")?,
        // The kernel does not tell its default, 1777.
        mode: match mount.value("mode") {
            Some(mode) => u32::from_str_radix(mode, 8).map_err(|e| format!("mode {mode}: {e}"))?,
            None => 0o1777,
        },
        flags: flags
            .filter(|flag| FLAGS.contains(&flag.as_str()) || planned.flags.contains(*flag))
            .cloned()
            .collect(),
    })
}

/// `262144k`, `1g` or `4096`.
fn bytes(text: &str) -> Option<u64> {
    let (number, unit) = match text.split_at_checked(text.len().checked_sub(1)?)? {
        (number, "k") => (number, 1 << 10),
        (number, "m") => (number, 1 << 20),
        (number, "g") => (number, 1 << 30),
        _ => (text, 1),
    };
    number.parse::<u64>().ok()?.checked_mul(unit)
}

/// The planned binds are there, by their targets, the last part of their sources and their flags; and nothing else is,
/// but what belongs to every container.
pub(super) fn binds(spec: &PlanSpec, answers: &Answers) -> Given {
    let seen = answers.mounts().map(|table| {
        let others = table.0.iter().filter(|mount| !is_usual(spec, mount));
        Binds(
            others
                .map(|mount| {
                    let planned = spec
                        .mounts
                        .0
                        .iter()
                        .find(|bind| bind.target == mount.target);
                    let source = match planned {
                        Some(bind) if same_end(&bind.source, &mount.root) => bind.source.clone(),
                        // The kernel tells a source within its file system only.
                        _ => mount.root.clone().into(),
                    };
                    Bind {
                        source,
                        target: mount.target.clone(),
                        read_only: mount.is_read_only(),
                        // Where the host itself has it so, there is no harm in it.
                        noexec: planned.is_some_and(|bind| bind.noexec) && mount.has("noexec"),
                    }
                })
                .collect(),
        )
    });
    match Given::of(&spec.mounts, seen) {
        Given::Planned(_) => Given::Planned(with_flags(spec, answers)),
        other => other,
    }
}

/// The planned binds with the flags that they have, planned or not.
fn with_flags(spec: &PlanSpec, answers: &Answers) -> String {
    let table = answers.mounts();
    let binds = spec.mounts.0.iter().map(|bind| {
        let mount = table.as_ref().ok().and_then(|it| it.at(&bind.target));
        let flags = FLAGS.into_iter();
        let flags = flags.filter(|flag| mount.is_some_and(|mount| mount.has(flag)));
        let flags: Vec<&str> = flags.collect();
        format!("{} ({})", bind.target, flags.join(","))
    });
    let binds: Vec<String> = binds.collect();
    if binds.is_empty() {
        "none".to_owned()
    } else {
        binds.join(", ")
    }
}

/// What the plan has elsewhere, the kernel's own file systems at their places, and an engine's few files.
fn is_usual(spec: &PlanSpec, mount: &Mount) -> bool {
    let target = mount.target.as_str();
    let KernelPaths { masked, read_only } = &spec.kernel_paths;
    let whole = mount.root == "/";
    let part_of = |place| target.strip_prefix(place) == Some(mount.root.as_str());
    // Engines may hide more of the kernel's than is planned.
    let is_hidden = (mount.is_empty() || mount.is_null())
        && (masked.contains(target) || target.starts_with("/proc/") || target.starts_with("/sys/"));
    let is_engine_file = ENGINE_FILES.contains(&target)
        && mount.is_read_only()
        && same_end(Path::new(target), &mount.root);
    let is_in_place = match mount.kind.as_str() {
        "proc" if whole => target == "/proc",
        "proc" => mount.is_read_only() && read_only.contains(target) && part_of("/proc"),
        "sysfs" => whole && target == "/sys" && mount.is_read_only(),
        "cgroup" => whole && target.starts_with("/sys/fs/cgroup/") && mount.is_read_only(),
        "cgroup2" => {
            let hybrid = target == "/sys/fs/cgroup/unified";
            whole && (hybrid || target == "/sys/fs/cgroup") && mount.is_read_only()
        }
        "devpts" => whole && target == "/dev/pts",
        "mqueue" => whole && target == "/dev/mqueue",
        // A rootless engine cannot make devices, and binds the host's.
        "devtmpfs" => HARMLESS_DEVICES.contains(&target) && part_of("/dev"),
        // Only root writes to it.
        "tmpfs" if target == "/dev" => whole && mount.value("mode") == Some("755"),
        // Items of their own.
        "tmpfs" if target == SHARED_MEMORY || spec.tmpfs.0.contains_key(target) => whole,
        "tmpfs" => is_controllers(mount),
        _ => false,
    };
    // Whether the root is read-only is an item of its own.
    target == "/" || is_hidden || is_engine_file || is_in_place
}

fn same_end(source: &Path, root: &str) -> bool {
    source.file_name().is_some() && source.file_name() == Path::new(root).file_name()
}

/// Paths that must be hidden or read-only.
pub(super) fn kernel_paths(spec: &PlanSpec) -> impl Iterator<Item = &String> {
    let paths = &spec.kernel_paths;
    paths.masked.iter().chain(&paths.read_only)
}

/// Each path is hidden, or read-only, or not there at all on this kernel.
pub(super) fn kernel_paths_given(spec: &PlanSpec, answers: &Answers) -> Given {
    let table = match answers.mounts() {
        Ok(table) => table,
        Err(why) => return Given::Unseen(why),
    };
    let paths = &spec.kernel_paths;
    let mut open = Vec::new();
    for path in kernel_paths(spec) {
        let mode = match answers.get(&Look::Stat(path.clone())).map(|it| it.result) {
            Ok(result) if result == -ENOENT || result == -ENOTDIR => continue,
            Ok(error @ ..0) => {
                return Given::Unseen(format!("{path} gives errno {}", error.unsigned_abs()));
            }
            Ok(mode) => mode,
            Err(why) => return Given::Unseen(why),
        };
        let held = if paths.masked.contains(path) {
            table.at(path).is_some_and(|mount| {
                mount.is_empty() || (mount.is_null() && mode & S_IFMT == S_IFCHR)
            })
        } else {
            table.around(path).is_some_and(Mount::is_read_only)
        };
        if !held {
            open.push(path.as_str());
        }
    }
    if open.is_empty() {
        Given::Planned(paths.to_string())
    } else {
        Given::Other(format!("open: {}", open.join(", ")))
    }
}
