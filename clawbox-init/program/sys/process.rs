//! Processes and signals.

use core::ffi::CStr;

use super::arch::number;
use super::{Errno, Fd, Result, Terminated, call, read, syscall};

/// The process's number.
pub(crate) type Pid = i32;

pub(crate) const SIGHUP: u32 = 1;
pub(crate) const SIGINT: u32 = 2;
pub(crate) const SIGQUIT: u32 = 3;
pub(crate) const SIGKILL: u32 = 9;
pub(crate) const SIGUSR1: u32 = 10;
pub(crate) const SIGUSR2: u32 = 12;
pub(crate) const SIGTERM: u32 = 15;
pub(crate) const SIGCHLD: u32 = 17;
pub(crate) const SIGCONT: u32 = 18;
const SIGSTOP: u32 = 19;
pub(crate) const SIGWINCH: u32 = 28;
/// The last of all signals.
const SIGRTMAX: u32 = 64;

const SIG_BLOCK: usize = 0;
const SIG_SETMASK: usize = 2;
/// How long the kernel's set of signals is, in bytes.
const SET_BYTES: usize = 8;

/// Ends this process.
pub(crate) fn exit(code: u8) -> ! {
    loop {
        let _ = call(number::EXIT_GROUP, [usize::from(code)]);
    }
}

/// This process's number.
pub(crate) fn process_id() -> u32 {
    call(number::GETPID, []).map_or(0, |id| u32::try_from(id).unwrap_or(0))
}

/// Keeps other processes of the same user from looking into this one.
pub(crate) fn hide() -> Result<()> {
    const PR_SET_DUMPABLE: usize = 4;

    call(number::PRCTL, [PR_SET_DUMPABLE, 0]).map(drop)
}

/// Puts every signal's default in place, whatever was ignored before.
pub(crate) fn default_signals() -> Result<()> {
    // The kernel's struct: all zeros is the default, no flags, an empty set.
    let default = [0usize; 4];
    for signal in 1..=SIGRTMAX {
        if signal != SIGKILL && signal != SIGSTOP {
            // SAFETY: the kernel reads the struct, and writes no old one.
            unsafe {
                syscall(
                    number::RT_SIGACTION,
                    [signal as usize, default.as_ptr() as usize, 0, SET_BYTES],
                )
            }?;
        }
    }
    Ok(())
}

/// Lets all signals wait, and gives a descriptor from which the `wanted` are read.
pub(crate) fn take_signals(wanted: &[u32]) -> Result<Fd> {
    const SFD_NONBLOCK: usize = 0o4000;
    const SFD_CLOEXEC: usize = 0o2_000_000;

    set_mask(SIG_BLOCK, u64::MAX)?;
    let set = wanted
        .iter()
        .fold(0u64, |set, signal| set | 1 << (signal - 1));
    // SAFETY: the kernel reads the set. All ones is no descriptor: a new one is asked for.
    let given = unsafe {
        syscall(
            number::SIGNALFD4,
            [
                usize::MAX,
                (&raw const set) as usize,
                SET_BYTES,
                SFD_NONBLOCK | SFD_CLOEXEC,
            ],
        )
    };
    Fd::given(given?)
}

/// Keeps a file that grows beyond its limit from ending this process: the write fails.
pub(crate) fn survive_file_limit() -> Result<()> {
    const SIGXFSZ: u32 = 25;

    set_mask(SIG_BLOCK, 1 << (SIGXFSZ - 1))
}

/// Lets no signal wait any more.
pub(crate) fn release_signals() -> Result<()> {
    set_mask(SIG_SETMASK, 0)
}

fn set_mask(how: usize, set: u64) -> Result<()> {
    // SAFETY: the kernel reads the set, and writes no old one.
    unsafe {
        syscall(
            number::RT_SIGPROCMASK,
            [how, (&raw const set) as usize, 0, SET_BYTES],
        )
    }
    .map(drop)
}

/// The next signal that waits.
pub(crate) fn next_signal(signals: &Fd) -> Option<u32> {
    /// What the kernel writes for each; the signal's number comes first.
    const INFO_BYTES: usize = 128;

    let mut info = [0; INFO_BYTES];
    match read(signals, &mut info) {
        Ok(INFO_BYTES) => info.first_chunk().copied().map(u32::from_ne_bytes),
        _ => None,
    }
}

/// Who gets a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whom {
    /// A process.
    Process(Pid),
    /// The process group of this leader.
    Group(Pid),
    /// Every process that can be reached, but this one.
    All,
}

/// Sends a signal.
pub(crate) fn kill(whom: Whom, signal: u32) -> Result<()> {
    let whom = match whom {
        Whom::Process(pid) => pid,
        Whom::Group(leader) => -leader,
        Whom::All => -1,
    };
    call(
        number::KILL,
        [whom.cast_unsigned() as usize, signal as usize],
    )
    .map(drop)
}

/// Makes a copy of this process: nothing in the copy, and its number in this one.
pub(crate) fn fork() -> Result<Option<Pid>> {
    // No new stack, and nothing to be written.
    let pid = call(number::CLONE, [SIGCHLD as usize, 0, 0, 0, 0])?;
    match i32::try_from(pid) {
        Ok(0) => Ok(None),
        Ok(pid) => Ok(Some(pid)),
        Err(_) => Err(Errno::EINVAL),
    }
}

/// Makes this process the leader of a session and of a process group of its own.
pub(crate) fn lead_session() -> Result<()> {
    call(number::SETSID, []).map(drop)
}

/// Changes the working directory.
pub(crate) fn change_directory(path: &CStr) -> Result<()> {
    // SAFETY: the path has a NUL at its end, and is only read.
    unsafe { syscall(number::CHDIR, [path.as_ptr() as usize]) }.map(drop)
}

/// Replaces this process's program. Where it comes back, this is why.
pub(crate) fn execute(path: &CStr, argv: &Terminated<'_>, env: &Terminated<'_>) -> Errno {
    // SAFETY: all are strings with a NUL at their end, the vectors have a null at theirs, and all are only read.
    let failed = unsafe {
        syscall(
            number::EXECVE,
            [
                path.as_ptr() as usize,
                argv.0.as_ptr() as usize,
                env.0.as_ptr() as usize,
            ],
        )
    };
    failed.err().unwrap_or(Errno::EINVAL)
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    /// It exited with this code.
    Code(u8),
    /// This signal killed it.
    Signal(u8),
}

/// A child that is at its end, if there is one. It is no zombie any more.
pub(crate) fn reap() -> Option<(Pid, Status)> {
    const WNOHANG: usize = 1;

    let mut status = 0i32;
    // SAFETY: the kernel writes the status, and no usage. All ones is any child.
    let reaped = unsafe {
        syscall(
            number::WAIT4,
            [usize::MAX, (&raw mut status) as usize, WNOHANG, 0],
        )
    };
    let pid = i32::try_from(reaped.ok()?).ok()?;
    let [low, high, ..] = status.to_le_bytes();
    let status = match low & 0x7f {
        0 => Status::Code(high),
        signal => Status::Signal(signal),
    };
    (pid != 0).then_some((pid, status))
}
