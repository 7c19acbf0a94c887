//! Files, descriptors and sockets: how far one comes with them.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use clawbox_probe::{Attempt, CopyExec, CopyExecFailure, CopyExecStep, Count, Reply};

use super::{errno, process};

const READ_MAX: u64 = 1 << 20;
const REPLY_MAX: u64 = 1 << 16;
const REPLY_PATIENCE: Duration = Duration::from_secs(10);

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

/// Sends the text to a unix socket and reads what comes back.
pub(crate) fn connect(path: &str, text: &str) -> Reply {
    let exchange = || -> io::Result<Vec<u8>> {
        let mut socket = UnixStream::connect(path)?;
        socket.set_read_timeout(Some(REPLY_PATIENCE))?;
        socket.write_all(text.as_bytes())?;
        socket.shutdown(Shutdown::Write)?;
        let mut reply = Vec::new();
        socket.take(REPLY_MAX).read_to_end(&mut reply)?;
        Ok(reply)
    };
    match exchange() {
        Ok(reply) => Reply {
            reply: Some(String::from_utf8_lossy(&reply).into_owned()),
            errno: None,
        },
        Err(error) => Reply {
            reply: None,
            errno: Some(errno::of(&error)),
        },
    }
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
    use std::os::unix::net::UnixListener;

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
        assert_eq!(connect(dir, "").errno.as_deref(), Some("ECONNREFUSED"));
    }

    #[test]
    fn hears_the_whole_reply_after_half_closing() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("socket");
        let listener = UnixListener::bind(&path).expect("a socket");
        let server = std::thread::spawn(move || {
            let (mut socket, _) = listener.accept().expect("a client");
            let mut heard = String::new();
            socket
                .read_to_string(&mut heard)
                .expect("the request's end");
            socket.write_all(heard.to_uppercase().as_bytes())
        });
        let reply = connect(path.to_str().expect("UTF-8"), "hello");
        server.join().expect("no panic").expect("written");
        assert_eq!(reply.reply.as_deref(), Some("HELLO"));
    }
}
