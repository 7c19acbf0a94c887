//! Paths of the kernel's: each is hidden or read-only, or is not there.

use super::*;

#[test]
fn each_path_of_the_kernels_is_looked_at() {
    let recorded = record(CGROUP_1);
    let paths = &SPEC.kernel_paths;
    for path in paths.masked.iter().chain(&paths.read_only) {
        let stat = Look::Stat(path.clone());
        let is_there = recorded.get(&stat).unwrap().result >= 0;
        if is_there {
            assert_denied(path, &without(path_line(path)), &[KernelPaths]);
            let not_there = with_result(&without(path_line(path)), stat.clone(), -2);
            assert_denied(path, &not_there, &[]);
        } else if path.starts_with("/sys/") {
            // There, and in a file system that is read-only: nobody can write it, but anybody see it.
            assert_denied(
                path,
                &with_result(&recorded, stat.clone(), 0o100_444),
                &[KernelPaths],
            );
        } else {
            assert_denied(
                path,
                &with_result(&recorded, stat.clone(), 0o100_644),
                &[KernelPaths],
            );
        }
        assert_denied(path, &with_result(&recorded, stat.clone(), -20), &[]);
        assert_denied(path, &with_result(&recorded, stat, -13), &[KernelPaths]);
    }
    assert_changes(&[
        // Below a read-only one.
        (
            &[KernelPaths, Mounts],
            "/sys /proc/sys ro",
            "/sys /proc/sys rw",
        ),
        (
            &[KernelPaths, Mounts],
            "/bus /proc/bus ro",
            "/bus /proc/bus rw",
        ),
        // Not empty for ever: somebody can write there.
        (
            &[KernelPaths, Mounts],
            "/proc/acpi ro,relatime - tmpfs tmpfs ro",
            "/proc/acpi ro,relatime - tmpfs tmpfs rw",
        ),
        (
            &[KernelPaths, Mounts],
            "/proc/acpi ro,relatime",
            "/proc/acpi rw,relatime",
        ),
        (
            &[KernelPaths, Mounts],
            "0:51 / /proc/acpi",
            "0:51 /part /proc/acpi",
        ),
        (
            &[KernelPaths, Mounts],
            "/proc/acpi ro,relatime - tmpfs",
            "/proc/acpi ro,relatime - ext4",
        ),
        // Another file than /dev/null.
        (
            &[KernelPaths, Mounts],
            "/null /proc/keys",
            "/zero /proc/keys",
        ),
        (
            &[KernelPaths, Mounts],
            "/null /proc/keys rw,nosuid - tmpfs",
            "/null /proc/keys rw,nosuid - ext4",
        ),
        (
            &[],
            "/null /proc/keys rw,nosuid - tmpfs",
            "/null /proc/keys rw,nosuid - devtmpfs",
        ),
    ]);
    let keys = Look::Stat("/proc/keys".to_owned());
    for mode in [0o100_666, 0o060_666, 0o140_666] {
        assert_denied(
            "a file",
            &with_result(&recorded, keys.clone(), mode),
            &[KernelPaths],
        );
    }
}

fn path_line(path: &str) -> &str {
    match path {
        // There are two at this place; the mask is the second one.
        "/dev/mqueue" => "/dev/mqueue ro,relatime",
        path => path,
    }
}
