//! What may be executed: argument vectors and working directories.

use crate::InvalidValue;

/// The longest single argument, in bytes; the kernel's `MAX_ARG_STRLEN` is 128 KiB with its NUL.
pub const MAX_ARG_BYTES: usize = 128 * 1024 - 1;
/// All arguments together, in bytes; the kernel takes at least this much for arguments and environment.
pub const MAX_ARGV_BYTES: usize = 1024 * 1024;

/// Checks an argument vector: a program that is not empty, no NUL, within the kernel's bounds.
///
/// # Errors
///
/// [`InvalidValue`] for the first thing that is wrong.
pub fn check_argv(argv: &[String]) -> Result<(), InvalidValue> {
    match argv.first() {
        None => {
            return Err(InvalidValue::new(
                "[]",
                "a command has a program and its arguments; leave it out for the image's own",
            ));
        }
        Some(program) if program.is_empty() => {
            return Err(InvalidValue::new("", "the first word names a program"));
        }
        Some(_) => {}
    }
    check_args(argv)
}

/// Checks arguments: no NUL, within the kernel's bounds.
pub(crate) fn check_args(args: &[String]) -> Result<(), InvalidValue> {
    if let Some(arg) = args.iter().find(|arg| arg.contains('\0')) {
        return Err(InvalidValue::new(arg, "an argument without NUL"));
    }
    if let Some(arg) = args.iter().find(|arg| arg.len() > MAX_ARG_BYTES) {
        return Err(InvalidValue::new(
            format_args!("an argument of {} bytes", arg.len()),
            format!("at most {MAX_ARG_BYTES} bytes each"),
        ));
    }
    let total: usize = args.iter().map(|arg| arg.len() + 1).sum();
    if total > MAX_ARGV_BYTES {
        return Err(InvalidValue::new(
            format_args!("arguments of {total} bytes"),
            format!("at most {MAX_ARGV_BYTES} bytes together"),
        ));
    }
    Ok(())
}

/// Checks a working directory: absolute, no `..`, no control characters, not at or below `/proc`, `/sys` or `/dev`.
///
/// A working directory such as `/proc/self/fd/7` led out of the container in CVE-2024-21626.
///
/// # Errors
///
/// [`InvalidValue`] saying what is accepted.
pub fn check_working_dir(dir: &str) -> Result<(), InvalidValue> {
    let mut parts = dir.split('/').filter(|p| !p.is_empty() && *p != ".");
    let top = parts.clone().next().unwrap_or_default();
    let good = dir.starts_with('/')
        && dir.len() <= 4096
        && !dir.chars().any(char::is_control)
        && !["proc", "sys", "dev"].contains(&top)
        && parts.all(|p| p != "..");
    if good {
        Ok(())
    } else {
        Err(InvalidValue::new(
            dir,
            "a working directory is absolute, without .., and not in /proc, /sys or /dev",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn argv(args: &[&str]) -> Vec<String> {
        args.iter().map(|a| (*a).to_owned()).collect()
    }

    #[test]
    fn argument_vectors() {
        assert!(check_argv(&argv(&["sh", "-c", ""])).is_ok());
        assert!(check_argv(&argv(&[&"x".repeat(MAX_ARG_BYTES)])).is_ok());
        for bad in [
            argv(&[]),
            argv(&[""]),
            argv(&["a\0b"]),
            argv(&["a", "b\0"]),
            argv(&["a", &"x".repeat(MAX_ARG_BYTES + 1)]),
            vec!["x".repeat(1023); 1025],
        ] {
            assert!(check_argv(&bad).is_err(), "{} arguments", bad.len());
        }
    }

    #[test]
    fn working_directories() {
        for good in ["/", "/work", "/a/b c", "/processes", "/a/./b"] {
            assert!(check_working_dir(good).is_ok(), "{good}");
        }
        for bad in [
            "",
            "work",
            "./a",
            "/..",
            "/a/../proc",
            "/proc",
            "/proc/self/fd/7",
            "//proc/self/fd/8",
            "/./proc",
            "/sys",
            "/dev/fd/9",
            "/a\n",
            "/a\0",
        ] {
            assert!(check_working_dir(bad).is_err(), "{bad:?}");
        }
    }
}
