//! The argument grammar of `probe`, in both directions.

use std::fmt::Display;
use std::str::FromStr;

use crate::pattern::Pattern;

/// One thing to ask of the probe.
///
/// [`Command::parse`] and [`Command::argv`] are each other's inverse. Paths and texts are taken as
/// they stand, also when they begin with a dash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// `exit N`: exits with code `N`.
    Exit {
        /// The exit code.
        code: u8,
    },
    /// `signal N`: sends itself signal `N` with the default disposition; exits 0 if it survives, as
    /// process 1 of a container does.
    Signal {
        /// The signal's number, 1 to 64.
        number: i32,
    },
    /// `print [--stdout TEXT] [--stderr TEXT] [--exit N]`: writes the texts with nothing added.
    Print {
        /// What is written to standard output.
        stdout: String,
        /// What is written to standard error.
        stderr: String,
        /// The exit code afterwards.
        exit: u8,
    },
    /// `flood PATTERN STDOUT_BYTES STDERR_BYTES`: writes that much of the two streams'
    /// [`pattern`](crate::pattern()), in turns.
    Flood {
        /// Which pattern.
        pattern: Pattern,
        /// How many bytes go to standard output.
        stdout: u64,
        /// How many bytes go to standard error.
        stderr: u64,
    },
    /// `sleep MILLISECONDS [--ignore-term]`: prints `ready` and a newline, sleeps, exits 0.
    Sleep {
        /// How long.
        milliseconds: u64,
        /// Whether SIGTERM is ignored; it has its default effect otherwise.
        ignore_term: bool,
    },
    /// `cat [MAX]`: copies standard input to standard output as it comes, to its end, or so many bytes.
    Cat {
        /// When to stop.
        max: Option<u64>,
    },
    /// `leave MILLISECONDS`: leaves a child that has its streams and prints to them for so long, as fast as it
    /// can; prints `ready` and a newline, and exits 0.
    Leave {
        /// How long the child prints.
        milliseconds: u64,
    },
    /// `close-stdout TEXT`: closes standard output, and 200 ms later writes the text to standard error.
    CloseStdout {
        /// What is written.
        stderr: String,
    },
    /// `facts`: reports [`Facts`](crate::Facts).
    Facts,
    /// `write PATH`: opens, or creates, and writes a few bytes; reports an
    /// [`Attempt`](crate::Attempt).
    Write {
        /// The file.
        path: String,
    },
    /// `read PATH`: reads at most 1 MiB; reports a [`Count`](crate::Count) of bytes.
    Read {
        /// The file.
        path: String,
    },
    /// `fill PATH MAX_BYTES`: writes until it is refused; reports a [`Count`](crate::Count) of
    /// bytes. SIGXFSZ is ignored, so a file size limit shows as EFBIG. The file stays.
    Fill {
        /// The file.
        path: String,
        /// When to stop.
        max_bytes: u64,
    },
    /// `files DIR MAX`: creates empty files until it is refused; reports a
    /// [`Count`](crate::Count). The files stay.
    Files {
        /// The directory.
        dir: String,
        /// When to stop.
        max: u64,
    },
    /// `alloc MIB`: allocates and touches memory, then prints `allocated` and a newline.
    Alloc {
        /// How many MiB.
        mebibytes: u64,
    },
    /// `fork MAX`: starts sleeping children until it is refused; reports a [`Count`](crate::Count)
    /// and ends them all.
    Fork {
        /// When to stop.
        max: u64,
    },
    /// `open MAX`: opens `/dev/null` until it is refused; reports a [`Count`](crate::Count).
    Open {
        /// When to stop.
        max: u64,
    },
    /// `connect PATH TEXT`: sends the text to a unix socket, shuts its side down and reads to the
    /// end; reports a [`Reply`](crate::Reply). A path that begins with `@` is an abstract name.
    Connect {
        /// The socket.
        path: String,
        /// What is sent.
        text: String,
    },
    /// `pass PATH TEXT`: as `connect`, with a descriptor of its own sent along.
    Pass {
        /// The socket.
        path: String,
        /// What is sent.
        text: String,
    },
    /// `hold PATH MAX`: connects to a unix socket until it is refused, prints the errno's name, or
    /// `ok`, and a newline, and keeps the connections for two minutes.
    Hold {
        /// The socket.
        path: String,
        /// When to stop.
        max: u64,
    },
    /// `listen PORT`: listens at a port of the loopback address, prints `ok`, or the errno's name,
    /// and a newline, and keeps the port for two minutes.
    Listen {
        /// The port.
        port: u16,
    },
    /// `reach`: asks the kernel for a way to addresses outside, without a packet; reports
    /// [`Syscalls`](crate::Syscalls).
    Reach,
    /// `tamper DIR NAME`: tries everything that would change a directory and a file in it; reports
    /// [`Syscalls`](crate::Syscalls).
    Tamper {
        /// The directory.
        dir: String,
        /// The file's name in it.
        name: String,
    },
    /// `orphan N`: starts children whose own children outlive them and then end; reports the
    /// [`Count`](crate::Count) of processes, beside itself and process 1, that are left in the end.
    Orphan {
        /// How many.
        count: u64,
    },
    /// `lock MIB`: locks all of its memory, now and later, then takes so much; reports a
    /// [`Count`](crate::Count) of MiB.
    Lock {
        /// How many MiB.
        mebibytes: u64,
    },
    /// `copy-exec PATH`: copies its own executable there and runs it; reports
    /// [`CopyExec`](crate::CopyExec). The copy stays.
    CopyExec {
        /// Where the copy goes.
        path: String,
    },
    /// `resolve`: asks the container's name servers for an address; reports an [`Attempt`](crate::Attempt).
    Resolve,
    /// `syscalls`: tries what a sandbox must refuse; reports [`Syscalls`](crate::Syscalls).
    Syscalls,
    /// `attack`: tries what a command must not be able to do to process 1; reports
    /// [`Syscalls`](crate::Syscalls).
    Attack,
    /// `litter`: leaves all kinds of files in `/workspace`, and tries to get others in and out; reports
    /// [`Syscalls`](crate::Syscalls). The files stay.
    Litter,
}

impl Command {
    /// Reads the arguments that follow the program's name.
    ///
    /// # Errors
    ///
    /// A message for a person, naming the argument, when it is not the grammar above.
    pub fn parse(args: &[String]) -> Result<Self, String> {
        let words: Vec<&str> = args.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["exit", code] => Ok(Self::Exit {
                code: number(code)?,
            }),
            ["signal", signal] => Ok(Self::Signal {
                number: signal_number(signal)?,
            }),
            ["print", options @ ..] => print(options),
            ["flood", pattern, stdout, stderr] => Ok(Self::Flood {
                pattern: pattern.parse()?,
                stdout: number(stdout)?,
                stderr: number(stderr)?,
            }),
            ["sleep", milliseconds] => Ok(Self::Sleep {
                milliseconds: number(milliseconds)?,
                ignore_term: false,
            }),
            ["sleep", milliseconds, "--ignore-term"] => Ok(Self::Sleep {
                milliseconds: number(milliseconds)?,
                ignore_term: true,
            }),
            ["cat"] => Ok(Self::Cat { max: None }),
            ["cat", max] => Ok(Self::Cat {
                max: Some(number(max)?),
            }),
            ["leave", milliseconds] => Ok(Self::Leave {
                milliseconds: number(milliseconds)?,
            }),
            ["close-stdout", stderr] => Ok(Self::CloseStdout {
                stderr: owned(stderr),
            }),
            ["facts"] => Ok(Self::Facts),
            ["write", path] => Ok(Self::Write { path: owned(path) }),
            ["read", path] => Ok(Self::Read { path: owned(path) }),
            ["fill", path, max_bytes] => Ok(Self::Fill {
                path: owned(path),
                max_bytes: number(max_bytes)?,
            }),
            ["files", dir, max] => Ok(Self::Files {
                dir: owned(dir),
                max: number(max)?,
            }),
            ["alloc", mebibytes] => Ok(Self::Alloc {
                mebibytes: number(mebibytes)?,
            }),
            ["fork", max] => Ok(Self::Fork { max: number(max)? }),
            ["open", max] => Ok(Self::Open { max: number(max)? }),
            ["connect", path, text] => Ok(Self::Connect {
                path: owned(path),
                text: owned(text),
            }),
            ["pass", path, text] => Ok(Self::Pass {
                path: owned(path),
                text: owned(text),
            }),
            ["hold", path, max] => Ok(Self::Hold {
                path: owned(path),
                max: number(max)?,
            }),
            ["listen", port] => Ok(Self::Listen {
                port: number(port)?,
            }),
            ["reach"] => Ok(Self::Reach),
            ["tamper", dir, name] => Ok(Self::Tamper {
                dir: owned(dir),
                name: owned(name),
            }),
            ["orphan", count] => Ok(Self::Orphan {
                count: number(count)?,
            }),
            ["lock", mebibytes] => Ok(Self::Lock {
                mebibytes: number(mebibytes)?,
            }),
            ["copy-exec", path] => Ok(Self::CopyExec { path: owned(path) }),
            ["resolve"] => Ok(Self::Resolve),
            ["syscalls"] => Ok(Self::Syscalls),
            ["attack"] => Ok(Self::Attack),
            ["litter"] => Ok(Self::Litter),
            [] => Err("a command is missing".to_owned()),
            [name, rest @ ..] => Err(format!(
                "no command `{name}` takes {} argument(s)",
                rest.len()
            )),
        }
    }

    /// The argument vector that asks for this command, beginning with `probe`.
    #[must_use]
    pub fn argv(&self) -> Vec<String> {
        let words: &[&dyn Display] = match self {
            Self::Exit { code } => &[&"exit", code],
            Self::Signal { number } => &[&"signal", number],
            Self::Print {
                stdout,
                stderr,
                exit,
            } => &[
                &"print",
                &"--stdout",
                stdout,
                &"--stderr",
                stderr,
                &"--exit",
                exit,
            ],
            Self::Flood {
                pattern,
                stdout,
                stderr,
            } => &[&"flood", pattern, stdout, stderr],
            Self::Sleep {
                milliseconds,
                ignore_term: false,
            } => &[&"sleep", milliseconds],
            Self::Sleep {
                milliseconds,
                ignore_term: true,
            } => &[&"sleep", milliseconds, &"--ignore-term"],
            Self::Cat { max: None } => &[&"cat"],
            Self::Cat { max: Some(max) } => &[&"cat", max],
            Self::Leave { milliseconds } => &[&"leave", milliseconds],
            Self::CloseStdout { stderr } => &[&"close-stdout", stderr],
            Self::Facts => &[&"facts"],
            Self::Write { path } => &[&"write", path],
            Self::Read { path } => &[&"read", path],
            Self::Fill { path, max_bytes } => &[&"fill", path, max_bytes],
            Self::Files { dir, max } => &[&"files", dir, max],
            Self::Alloc { mebibytes } => &[&"alloc", mebibytes],
            Self::Fork { max } => &[&"fork", max],
            Self::Open { max } => &[&"open", max],
            Self::Connect { path, text } => &[&"connect", path, text],
            Self::Pass { path, text } => &[&"pass", path, text],
            Self::Hold { path, max } => &[&"hold", path, max],
            Self::Listen { port } => &[&"listen", port],
            Self::Reach => &[&"reach"],
            Self::Tamper { dir, name } => &[&"tamper", dir, name],
            Self::Orphan { count } => &[&"orphan", count],
            Self::Lock { mebibytes } => &[&"lock", mebibytes],
            Self::CopyExec { path } => &[&"copy-exec", path],
            Self::Resolve => &[&"resolve"],
            Self::Syscalls => &[&"syscalls"],
            Self::Attack => &[&"attack"],
            Self::Litter => &[&"litter"],
        };
        std::iter::once("probe".to_owned())
            .chain(words.iter().map(ToString::to_string))
            .collect()
    }
}

fn print(options: &[&str]) -> Result<Command, String> {
    let (mut stdout, mut stderr, mut exit) = (None, None, None);
    let mut pairs = options.chunks_exact(2);
    for pair in &mut pairs {
        let slot = match pair[0] {
            "--stdout" => &mut stdout,
            "--stderr" => &mut stderr,
            "--exit" => &mut exit,
            other => return Err(format!("print has no option `{other}`")),
        };
        if slot.replace(pair[1]).is_some() {
            return Err(format!("option `{}` is given twice", pair[0]));
        }
    }
    if let [option] = pairs.remainder() {
        return Err(format!("option `{option}` needs a value"));
    }
    Ok(Command::Print {
        stdout: owned(stdout.unwrap_or_default()),
        stderr: owned(stderr.unwrap_or_default()),
        exit: exit.map_or(Ok(0), number)?,
    })
}

fn number<T: FromStr>(word: &str) -> Result<T, String> {
    word.parse()
        .map_err(|_| format!("`{word}` is not a number in range"))
}

fn signal_number(word: &str) -> Result<i32, String> {
    match number(word)? {
        signal @ 1..=64 => Ok(signal),
        _ => Err(format!("`{word}` is not a signal from 1 to 64")),
    }
}

fn owned(word: &str) -> String {
    word.to_owned()
}

#[cfg(test)]
mod tests;
