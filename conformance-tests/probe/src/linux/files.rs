//! Files and descriptors: how far one comes with them.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Command, Stdio};

use clawbox_probe::{Attempt, CopyExec, CopyExecFailure, CopyExecStep, Count, Syscalls};

use super::{errno, process};

const READ_MAX: u64 = 1 << 20;

/// Opens or creates the file and writes to it. What is there already stays behind the few bytes.
pub(crate) fn write(path: &str) -> Attempt {
    let written = create(path).and_then(|mut file| file.write_all(b"probe\n"));
    Attempt {
        errno: written.err().as_ref().map(errno::of),
    }
}

/// Reads the file.
pub(crate) fn read(path: &str) -> Count {
    let mut count = 0;
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path);
    let ended = opened.and_then(|mut file| {
        let mut buffer = [0; 1 << 14];
        while count < READ_MAX {
            let room = (READ_MAX - count).min(buffer.len() as u64) as usize;
            match file.read(&mut buffer[..room])? {
                0 => break,
                bytes => count += bytes as u64,
            }
        }
        Ok(())
    });
    counted(count, ended)
}

/// Writes to the file until that is refused.
pub(crate) fn fill(path: &str, max_bytes: u64) -> io::Result<Count> {
    process::set_disposition(libc::SIGXFSZ, libc::SIG_IGN)?;
    let mut count = 0;
    let ended = create(path).and_then(|mut file| {
        let block = [0xa5; 1 << 16];
        while count < max_bytes {
            let room = (max_bytes - count).min(block.len() as u64) as usize;
            count += file.write(&block[..room])? as u64;
        }
        Ok(())
    });
    Ok(counted(count, ended))
}

/// Creates files until that is refused.
pub(crate) fn files(dir: &str, max: u64) -> Count {
    until_refused(max, |number| {
        File::create_new(Path::new(dir).join(format!("probe-{number}"))).map(drop)
    })
}

/// Opens descriptors until that is refused.
pub(crate) fn open(max: u64) -> Count {
    let mut kept = Vec::new();
    until_refused(max, |_| {
        kept.push(File::open("/dev/null")?);
        Ok(())
    })
}

/// Tries what would change a directory and a file in it, the gentle things first.
pub(crate) fn tamper(dir: &str, name: &str) -> Syscalls {
    let at = |name: &str| Path::new(dir).join(name);
    let (file, new, other) = (at(name), at("probe-new"), at("probe-other"));
    let attempts: [(&str, &dyn Fn() -> io::Result<()>); 9] = [
        ("mode", &|| {
            fs::set_permissions(&file, Permissions::from_mode(0o600))
        }),
        ("mode_of_directory", &|| {
            fs::set_permissions(dir, Permissions::from_mode(0o700))
        }),
        ("create", &|| File::create_new(&new).map(drop)),
        ("directory", &|| fs::create_dir(at("probe-directory"))),
        ("symbolic_link", &|| symlink("/", at("probe-link"))),
        ("hard_link", &|| fs::hard_link(&file, at("probe-hard"))),
        ("rename", &|| fs::rename(&file, &other)),
        ("socket", &|| {
            UnixListener::bind(at("probe-socket")).map(drop)
        }),
        ("remove", &|| fs::remove_file(&file)),
    ];
    let outcome = |result: io::Result<()>| match result {
        Ok(()) => "ok".to_owned(),
        Err(error) => errno::of(&error),
    };
    let told = attempts.map(|(name, attempt)| (name.to_owned(), outcome(attempt())));
    Syscalls(told.into())
}

/// Copies this executable to the path and runs it there.
pub(crate) fn copy_exec(path: &str) -> CopyExec {
    // With a directory in front, no search path is asked.
    let path = Path::new(".").join(path);
    let attempt = || -> Result<(), CopyExecFailure> {
        let own = fs::read("/proc/self/exe").map_err(at(CopyExecStep::Read))?;
        fs::write(&path, own).map_err(at(CopyExecStep::Write))?;
        fs::set_permissions(&path, Permissions::from_mode(0o755))
            .map_err(at(CopyExecStep::Chmod))?;
        let status = Command::new(&path)
            .args(["exit", "0"])
            .stdin(Stdio::null())
            .status()
            .map_err(at(CopyExecStep::Exec))?;
        if status.success() {
            return Ok(());
        }
        Err(CopyExecFailure {
            step: CopyExecStep::Exec,
            errno: status.to_string(),
        })
    };
    CopyExec {
        failed: attempt().err(),
    }
}

fn at(step: CopyExecStep) -> impl Fn(io::Error) -> CopyExecFailure {
    move |error| CopyExecFailure {
        step,
        errno: errno::of(&error),
    }
}

/// Opens for writing; never waits for a pipe's other end.
fn create(path: &str) -> io::Result<File> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)
}

fn until_refused(max: u64, mut step: impl FnMut(u64) -> io::Result<()>) -> Count {
    let mut count = 0;
    let mut ended = Ok(());
    while count < max && ended.is_ok() {
        ended = step(count);
        count += u64::from(ended.is_ok());
    }
    counted(count, ended)
}

fn counted(count: u64, ended: io::Result<()>) -> Count {
    Count {
        count,
        errno: ended.err().as_ref().map(errno::of),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(count: u64, errno: Option<&str>) -> Count {
        Count {
            count,
            errno: errno.map(str::to_owned),
        }
    }

    #[test]
    fn writes_and_reads_up_to_the_bound() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("file");
        let path = path.to_str().expect("UTF-8");
        assert_eq!(write(path).errno, None);
        assert_eq!(read(path), count(6, None));
        assert_eq!(fill(path, 2 << 20).expect("a signal"), count(2 << 20, None));
        assert_eq!(read(path), count(1 << 20, None));
    }

    #[test]
    fn changes_all_that_it_may() {
        let dir = tempfile::tempdir().expect("a directory");
        File::create_new(dir.path().join("file")).expect("a file");
        let Syscalls(told) = tamper(dir.path().to_str().expect("UTF-8"), "file");
        let (absent, done): (Vec<_>, Vec<_>) = told.iter().partition(|(_, told)| *told != "ok");
        // It had been renamed by then.
        let absent: Vec<_> = absent
            .into_iter()
            .map(|(what, told)| (&**what, &**told))
            .collect();
        assert_eq!(absent, [("remove", "ENOENT")]);
        assert_eq!(done.len(), 8);
    }

    #[test]
    fn says_by_name_what_stopped_it() {
        let dir = tempfile::tempdir().expect("a directory");
        let dir = dir.path().to_str().expect("UTF-8");
        assert_eq!(write(dir).errno.as_deref(), Some("EISDIR"));
        assert_eq!(read("/none/such"), count(0, Some("ENOENT")));
        assert_eq!(
            fill("/dev/full", 9).expect("a signal"),
            count(0, Some("ENOSPC"))
        );
        assert_eq!(files(dir, 3), count(3, None));
        assert_eq!(files(dir, 3), count(0, Some("EEXIST")));
    }
}
