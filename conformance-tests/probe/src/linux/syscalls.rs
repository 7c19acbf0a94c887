//! Tries every attempt, each in a child of its own, so that nothing sticks and a kill is seen.

use std::io;

use clawbox_probe::Syscalls;

use super::attempts::Attempt;
use super::errno;
use super::process::{self, Ended};

/// Seconds after which an attempt that hangs is ended.
const PATIENCE: u32 = 10;

/// Tries them all.
pub(crate) fn try_all(attempts: &[Attempt]) -> io::Result<Syscalls> {
    attempts
        .iter()
        .map(|attempt| Ok((attempt.name.to_owned(), outcome(attempt)?)))
        .collect::<io::Result<_>>()
        .map(Syscalls)
}

fn outcome(attempt: &Attempt) -> io::Result<String> {
    let child = process::fork(|| in_child(attempt))?;
    Ok(match process::wait(child)? {
        Ended::Exited(0) => "ok".to_owned(),
        Ended::Exited(number) => errno::name(number),
        Ended::Killed(signal) => format!("killed:{}", errno::signal(signal)),
    })
}

/// Returns the errno, which fits an exit code.
fn in_child(attempt: &Attempt) -> i32 {
    // SAFETY: takes no pointers.
    unsafe { libc::alarm(PATIENCE) };
    let errno = match attempt.run() {
        Ok(()) => 0,
        Err(error) => error.raw_os_error().unwrap_or(libc::EIO),
    };
    // An attempt may have made children of its own; there may be no init to take them.
    // SAFETY: asks for no status, so passes no memory.
    while unsafe { libc::waitpid(-1, std::ptr::null_mut(), 0) } > 0 {}
    errno
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::{attack, attempts, litter};

    #[test]
    fn every_attempt_has_its_own_name() {
        let attempts: Vec<_> = attempts::all()
            .into_iter()
            .chain(attack::all())
            .chain(litter::all())
            .collect();
        let names: BTreeSet<_> = attempts.iter().map(|attempt| attempt.name).collect();
        assert_eq!(names.len(), attempts.len());
    }
}
