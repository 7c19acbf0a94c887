//! Processes, signals and memory.

use std::fs;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use clawbox_probe::Count;

use super::errno;

const MIB: usize = 1 << 20;
/// How often it is looked whether orphans are gone, 20 ms apart.
const ORPHANS_PATIENCE: u32 = 100;

/// How a child ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It exited with this code.
    Exited(i32),
    /// This signal ended it.
    Killed(i32),
}

/// Sends the signal to itself with its default disposition; returns if it survives that.
pub(crate) fn die_from(signal: i32) -> io::Result<()> {
    // SIGKILL and SIGSTOP have no other disposition, and the C library keeps two for itself; all of
    // these refuse to be set.
    let _ = set_disposition(signal, libc::SIG_DFL);
    // SAFETY: the set is initialised by sigemptyset before it is used, and lives through both calls.
    unsafe {
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&mut set);
        libc::sigprocmask(libc::SIG_SETMASK, &set, std::ptr::null_mut());
    }
    kill(std::process::id() as libc::pid_t, signal)
}

/// Says `ready` once SIGTERM is as asked, then sleeps.
pub(crate) fn sleep(milliseconds: u64, ignore_term: bool) -> io::Result<()> {
    let disposition = if ignore_term {
        libc::SIG_IGN
    } else {
        libc::SIG_DFL
    };
    set_disposition(libc::SIGTERM, disposition)?;
    say("ready\n")?;
    std::thread::sleep(Duration::from_millis(milliseconds));
    Ok(())
}

/// Allocates and fills so many MiB, one at a time, then says `allocated`.
pub(crate) fn alloc(mebibytes: u64) -> io::Result<()> {
    let mut kept = Vec::new();
    for _ in 0..mebibytes {
        let mut block: Vec<u8> = Vec::new();
        block.try_reserve_exact(MIB)?;
        block.resize(MIB, 0xa5);
        kept.push(block);
    }
    // Without a use of the memory the compiler may leave it out.
    std::hint::black_box(&kept);
    say("allocated\n")
}

/// Starts children that only wait until that is refused, and ends them again.
pub(crate) fn fork_until_refused(max: u64) -> io::Result<Count> {
    let mut children = Vec::new();
    let mut refusal = None;
    while (children.len() as u64) < max {
        match fork(pause) {
            Ok(child) => children.push(child),
            Err(error) => {
                refusal = Some(errno::of(&error));
                break;
            }
        }
    }
    for &child in &children {
        kill(child, libc::SIGKILL)?;
    }
    for &child in &children {
        wait(child)?;
    }
    Ok(Count {
        count: children.len() as u64,
        errno: refusal,
    })
}

/// Leaves a child that prints as fast as it can for so long, or until nobody reads; then says `ready`.
pub(crate) fn leave(milliseconds: u64) -> io::Result<()> {
    say("ready\n")?;
    let ends = Instant::now() + Duration::from_millis(milliseconds);
    fork(|| {
        // SAFETY: a call without arguments, in a process of its own.
        unsafe { libc::setsid() };
        while Instant::now() < ends && say("still here\n").is_ok() {}
        0
    })
    .map(drop)
}

/// Closes standard output, and has something to say later.
pub(crate) fn close_stdout(stderr: &str) -> io::Result<()> {
    // SAFETY: nothing else here owns the descriptor, and nothing is printed to it any more.
    if unsafe { libc::close(1) } != 0 {
        return Err(io::Error::last_os_error());
    }
    std::thread::sleep(Duration::from_millis(200));
    io::stderr().write_all(stderr.as_bytes())
}

/// Leaves so many processes without a parent, which then end, and counts the processes that are left in the end.
pub(crate) fn orphan(count: u64) -> io::Result<Count> {
    for _ in 0..count {
        let parent = fork(|| {
            // SAFETY: the child ends at once, without anything of its parent's.
            match unsafe { libc::fork() } {
                0 => {
                    // Its parent is gone by then, most of the time, as in any other daemon.
                    std::thread::sleep(Duration::from_millis(20));
                    0
                }
                child => i32::from(child < 0),
            }
        })?;
        if wait(parent)? != Ended::Exited(0) {
            return Err(io::Error::other("a child could make no child"));
        }
    }
    let mut left = others()?;
    for _ in 0..ORPHANS_PATIENCE {
        if left == 0 {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
        left = others()?;
    }
    Ok(Count {
        count: left,
        errno: None,
    })
}

/// How many processes there are beside this one and process 1: those that wait to be waited for are among them.
fn others() -> io::Result<u64> {
    let own = std::process::id().to_string();
    let mut others = 0;
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let name = name.to_string_lossy();
        let process = name.starts_with(|first: char| first.is_ascii_digit());
        others += u64::from(process && name != own && name != "1");
    }
    Ok(others)
}

/// Locks all memory, now and later, then takes so many MiB.
pub(crate) fn lock(mebibytes: u64) -> Count {
    // SAFETY: takes no pointers.
    let locked = check(unsafe { libc::mlockall(libc::MCL_CURRENT | libc::MCL_FUTURE) }.into());
    let mut kept: Vec<Vec<u8>> = Vec::new();
    let mut refusal = locked.err().as_ref().map(errno::of);
    while refusal.is_none() && (kept.len() as u64) < mebibytes {
        let mut block = Vec::new();
        match block.try_reserve_exact(MIB) {
            Ok(()) => {
                block.resize(MIB, 0xa5);
                kept.push(block);
            }
            Err(_) => refusal = Some(errno::name(libc::ENOMEM)),
        }
    }
    // Without a use of the memory the compiler may leave it out.
    std::hint::black_box(&kept);
    Count {
        count: kept.len() as u64,
        errno: refusal,
    }
}

/// Runs the task in a child, which exits with the code that it returns and dies with its parent.
pub(crate) fn fork(task: impl FnOnce() -> i32) -> io::Result<libc::pid_t> {
    // SAFETY: the process has one thread, so the child's copy of it is whole.
    match check(unsafe { libc::fork() }.into())? {
        0 => {
            // SAFETY: takes no pointers.
            unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
            let code = task();
            // SAFETY: ends the child without the parent's exit handlers.
            unsafe { libc::_exit(code) }
        }
        child => Ok(child as libc::pid_t),
    }
}

/// Sleeps until a signal ends the process.
pub(crate) fn pause() -> i32 {
    loop {
        // SAFETY: takes no arguments.
        unsafe { libc::pause() };
    }
}

/// Waits for the child's end.
pub(crate) fn wait(child: libc::pid_t) -> io::Result<Ended> {
    loop {
        let mut status = 0;
        // SAFETY: the pointer is to a live local.
        let waited = check(unsafe { libc::waitpid(child, &mut status, 0) }.into());
        match waited {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
            Ok(_) if libc::WIFEXITED(status) => {
                return Ok(Ended::Exited(libc::WEXITSTATUS(status)));
            }
            Ok(_) if libc::WIFSIGNALED(status) => return Ok(Ended::Killed(libc::WTERMSIG(status))),
            // A traced child that stopped would wait for us for ever.
            Ok(_) => kill(child, libc::SIGKILL)?,
        }
    }
}

/// Sends a signal.
pub(crate) fn kill(process: libc::pid_t, signal: i32) -> io::Result<()> {
    // SAFETY: takes no pointers.
    check(unsafe { libc::kill(process, signal) }.into()).map(drop)
}

/// Ignores the signal or gives it its default effect.
pub(crate) fn set_disposition(signal: i32, disposition: libc::sighandler_t) -> io::Result<()> {
    // SAFETY: the disposition is SIG_DFL or SIG_IGN, no handler.
    match unsafe { libc::signal(signal, disposition) } {
        libc::SIG_ERR => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Turns the C library's -1 into the error it stands for.
pub(crate) fn check(result: libc::c_long) -> io::Result<libc::c_long> {
    match result {
        -1 => Err(io::Error::last_os_error()),
        other => Ok(other),
    }
}

fn say(line: &str) -> io::Result<()> {
    let mut stdout = io::stdout();
    stdout.write_all(line.as_bytes())?;
    stdout.flush()
}
