//! From a command to its process.

use core::ffi::CStr;

use crate::link::Passed;
use crate::memory::{ARGUMENTS, ENVIRONMENT};
use crate::protocol::{Command, Step};
use crate::sys::{self, Errno, Fd, Pid, Way};

/// Where programs are looked for when the command's environment has no `PATH`.
const USUAL_PATH: &[u8] = b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Why a command's program could not be run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) step: Step,
    pub(crate) errno: Errno,
}

/// Turns an error into the failure of a step.
fn at(step: Step) -> impl Fn(Errno) -> Failure {
    move |errno| Failure { step, errno }
}

impl Failure {
    const BYTES: usize = 5;

    /// The exit code that a shell has for it, and the one for a command that was not to blame.
    pub(crate) fn exit_code(self) -> u8 {
        match (self.step, self.errno) {
            (Step::Place | Step::Pipes | Step::Fork, _) => crate::say::REFUSED,
            (_, Errno::ENOENT | Errno::ENOTDIR) => 127,
            _ => 126,
        }
    }

    fn encode(self) -> [u8; Self::BYTES] {
        let [a, b, c, d] = self.errno.number().to_le_bytes();
        [self.step.encode(), a, b, c, d]
    }

    fn decode([step, number @ ..]: [u8; Self::BYTES]) -> Self {
        Self {
            step: Step::decode(step).unwrap_or(Step::Program),
            errno: Errno::from_number(u32::from_le_bytes(number)),
        }
    }
}

/// A process on its way to a command's program.
pub(crate) struct Starting {
    pub(crate) pid: Pid,
    /// At its end when the program runs. What comes before that is the failure.
    pub(crate) outcome: Fd,
}

/// What became of a process on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The program runs, or ran.
    Started,
    Failed(Failure),
}

/// Reads an outcome. Nothing where there is none yet.
pub(crate) fn outcome(from: &Fd) -> Option<Outcome> {
    let mut bytes = [0; Failure::BYTES];
    match sys::read(from, &mut bytes) {
        // The few bytes are written at once.
        Ok(Failure::BYTES) => Some(Outcome::Failed(Failure::decode(bytes))),
        Err(Errno::EAGAIN | Errno::EINTR) => None,
        Ok(_) | Err(_) => Some(Outcome::Started),
    }
}

/// Whether all three streams are a terminal's, which a command may have in place of pipes.
fn are_terminal(pipes: &Passed) -> bool {
    pipes
        .iter()
        .all(|end| end.as_ref().is_some_and(sys::is_terminal))
}

/// Makes a process for a command.
pub(crate) fn start(command: &Command<'_>, pipes: Passed) -> Result<Starting, Failure> {
    if command.argv.count() == 0 {
        return Err(at(Step::Program)(Errno::EINVAL));
    }
    let in_terminal = are_terminal(&pipes);
    for (end, way) in pipes.iter().flatten().zip([Way::Out, Way::In, Way::In]) {
        if !in_terminal && !sys::is_pipe(end, way).map_err(at(Step::Pipes))? {
            return Err(at(Step::Pipes)(Errno::EINVAL));
        }
    }
    let (outcome, tell) = sys::pipe().map_err(at(Step::Fork))?;
    match sys::fork().map_err(at(Step::Fork))? {
        Some(pid) => Ok(Starting { pid, outcome }),
        None => {
            let failure = become_command(command, &pipes, in_terminal);
            // There is nobody else to tell: this process's end says the rest.
            let _ = sys::write(&tell, &failure.encode());
            sys::exit(failure.exit_code())
        }
    }
}

/// In the new process. It only comes back where that fails.
fn become_command(command: &Command<'_>, pipes: &Passed, in_terminal: bool) -> Failure {
    match prepare(command, pipes, in_terminal) {
        Ok(()) => Failure {
            step: Step::Program,
            errno: execute(command),
        },
        Err(failure) => failure,
    }
}

fn prepare(command: &Command<'_>, pipes: &Passed, in_terminal: bool) -> Result<(), Failure> {
    sys::lead_session().map_err(at(Step::Fork))?;
    for (stream, end) in pipes.iter().flatten().enumerate() {
        sys::make_stream(end, stream).map_err(at(Step::Pipes))?;
    }
    if in_terminal {
        sys::control_by_terminal().map_err(at(Step::Pipes))?;
    }
    sys::change_directory(command.directory).map_err(at(Step::Directory))?;
    sys::release_signals().map_err(at(Step::Fork))
}

/// Becomes the command's program.
fn execute(command: &Command<'_>) -> Errno {
    let Command { argv, env, .. } = command;
    let (Some(arguments), Some(environment)) = (ARGUMENTS.take(), ENVIRONMENT.take()) else {
        return Errno::EINVAL;
    };
    let Some(program) = argv.iter().next() else {
        return Errno::EINVAL;
    };
    let (Some(arguments), Some(environment)) =
        (arguments.fill(argv.iter()), environment.fill(env.iter()))
    else {
        return Errno::EINVAL;
    };
    if program.to_bytes().contains(&b'/') {
        return sys::execute(program, &arguments, &environment);
    }
    let path = env
        .iter()
        .find_map(|variable| variable.to_bytes().strip_prefix(b"PATH="))
        .unwrap_or(USUAL_PATH);
    search(path, program, |candidate| {
        sys::execute(candidate, &arguments, &environment)
    })
}

/// Tries a program in each directory of a path, as `execvp` does: on to the next where it is not there or may not be
/// executed. That it may not is what is said when none is found. An empty directory is the working directory.
fn search(path: &[u8], program: &CStr, execute: impl Fn(&CStr) -> Errno) -> Errno {
    let mut worst = Errno::ENOENT;
    if program.is_empty() {
        return worst;
    }
    for directory in path.split(|&byte| byte == b':') {
        let mut buffer = [0; 4096];
        let failed = match join(&mut buffer, directory, program) {
            Some(candidate) => execute(candidate),
            None => Errno::ENAMETOOLONG,
        };
        match failed {
            Errno::ENOENT | Errno::ENOTDIR => {}
            Errno::EACCES | Errno::ENAMETOOLONG => worst = failed,
            _ => return failed,
        }
    }
    worst
}

fn join<'a>(buffer: &'a mut [u8], directory: &[u8], program: &CStr) -> Option<&'a CStr> {
    let slash: &[u8] = if directory.is_empty() { b"" } else { b"/" };
    let mut length = 0;
    for part in [directory, slash, program.to_bytes_with_nul()] {
        buffer
            .get_mut(length..length + part.len())?
            .copy_from_slice(part);
        length += part.len();
    }
    CStr::from_bytes_with_nul(&buffer[..length]).ok()
}
