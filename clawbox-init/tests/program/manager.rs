//! A manager for one process 1, which runs on this host as an ordinary child of the test.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Process, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use clawbox_init::PROGRAM;
use clawbox_init::protocol::{
    End, FROM_INIT_BYTES, FromInit, Header, Question, Questions, Step, ToInit, VERSION,
};
use tempfile::TempDir;

use crate::wanted::Wanted;
use crate::wire::{Streams, frame, pipes, send_frame, wait_readable};

/// Longer than anything here takes, also on a busy machine.
pub(crate) const LONG: Duration = Duration::from_secs(30);

/// The built program.
pub(crate) fn program() -> &'static [u8] {
    PROGRAM.expect("the tests run on Linux with the feature `program`")
}

/// A file with the built program. It is written once, before anything is started from this process: a copy of this
/// process that still had it open for writing would make it busy.
pub(crate) fn program_file() -> &'static Path {
    static FILE: OnceLock<(TempDir, PathBuf)> = OnceLock::new();
    let (_, path) = FILE.get_or_init(|| {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("init");
        write_program(&path, program());
        (dir, path)
    });
    path
}

pub(crate) fn write_program(path: &Path, bytes: &[u8]) {
    std::fs::write(path, bytes).unwrap();
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
}

/// A message that came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) kind: u8,
    pub(crate) payload: Vec<u8>,
}

impl Told {
    pub(crate) fn message(&self) -> FromInit<'_> {
        FromInit::decode(self.kind, &self.payload).unwrap()
    }
}

/// A program that runs, and the connection with it.
#[derive(Debug)]
pub(crate) struct Init {
    pub(crate) child: Child,
    pub(crate) link: UnixStream,
    _dir: TempDir,
}

impl Init {
    /// Starts the program and waits for its connection.
    pub(crate) fn start() -> Self {
        Self::start_program(program_file())
    }

    pub(crate) fn start_program(program: &Path) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("control.sock");
        let listener = UnixListener::bind(&path).unwrap();
        let mut process = Process::new(program);
        process.arg(&path);
        process
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        // A file that was just written is busy as long as a copy of this process, on its way to a program in another
        // test, has it open.
        let child = until("it can be started", || match process.spawn() {
            Err(error) if error.kind() == ErrorKind::ExecutableFileBusy => None,
            spawned => Some(spawned.unwrap()),
        });
        wait_readable(listener.as_fd());
        let (link, _) = listener.accept().unwrap();
        link.set_read_timeout(Some(LONG)).unwrap();
        link.set_write_timeout(Some(LONG)).unwrap();
        Self {
            child,
            link,
            _dir: dir,
        }
    }

    /// Starts it and hears its greeting.
    pub(crate) fn greeted() -> Self {
        let mut init = Self::start();
        init.hear_hello();
        init
    }

    /// Starts it with a command of the container's own that lasts until it is ended.
    pub(crate) fn running() -> Self {
        let mut init = Self::greeted();
        init.run_main(&Wanted::new(&["sleep", "1000"]));
        init.expect(FromInit::Started { run: 0 });
        init
    }

    pub(crate) fn hear_hello(&mut self) {
        let pid = self.child.id();
        self.expect(FromInit::Hello {
            version: VERSION,
            pid,
        });
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The next message.
    pub(crate) fn hear(&mut self) -> Told {
        self.try_hear()
            .expect("a message, not the end of the connection")
    }

    /// The next message, or nothing at the end of the connection.
    pub(crate) fn try_hear(&mut self) -> Option<Told> {
        let mut header = [0; Header::BYTES];
        match self.link.read_exact(&mut header) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return None,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return None,
            Err(error) => panic!("no message came: {error}"),
        }
        let header = Header::decode(header, FROM_INIT_BYTES).unwrap();
        let mut payload = vec![0; header.length as usize];
        self.link.read_exact(&mut payload).unwrap();
        Some(Told {
            kind: header.kind,
            payload,
        })
    }

    #[track_caller]
    pub(crate) fn expect(&mut self, message: FromInit<'_>) {
        assert_eq!(self.hear().message(), message);
    }

    /// The next message, which must be this command's end.
    #[track_caller]
    pub(crate) fn expect_ended(&mut self, number: u32, how: End, deadline: bool) {
        match self.hear().message() {
            FromInit::Ended {
                run,
                end,
                by_deadline,
                ..
            } => assert_eq!((run, end, by_deadline), (number, how, deadline)),
            other => panic!("{other:?} is not the end of {number}"),
        }
    }

    /// The next message, which must be this command's failure.
    #[track_caller]
    pub(crate) fn expect_failed(&mut self, run: u32, step: Step, errno: rustix::io::Errno) {
        let errno = errno.raw_os_error().cast_unsigned();
        self.expect(FromInit::Failed { run, step, errno });
    }

    pub(crate) fn send(&mut self, message: &ToInit<'_>) {
        self.send_with(message, &[]);
    }

    pub(crate) fn send_with(&mut self, message: &ToInit<'_>, pipes: &[BorrowedFd<'_>]) {
        send_frame(
            &self.link,
            &frame(message, u8::try_from(pipes.len()).unwrap()),
            pipes,
        );
    }

    pub(crate) fn run_main(&mut self, wanted: &Wanted) {
        self.send(&ToInit::Run {
            run: 0,
            command: wanted.command(),
        });
    }

    /// Runs a further command with pipes of its own.
    pub(crate) fn run(&mut self, run: u32, wanted: &Wanted) -> Streams {
        let (theirs, ours) = pipes();
        let theirs = theirs.each_ref().map(AsFd::as_fd);
        let command = wanted.command();
        self.send_with(&ToInit::Run { run, command }, &theirs);
        ours
    }

    /// Asks questions and hears the answers: a number and bytes each.
    pub(crate) fn ask(&mut self, questions: &[Question<'_>]) -> Vec<(i64, Vec<u8>)> {
        let mut encoded = Vec::new();
        for question in questions {
            question.encode(&mut encoded);
        }
        let count = u32::try_from(questions.len()).unwrap();
        self.send(&ToInit::Ask(Questions::new(count, &encoded).unwrap()));
        let answers = questions.iter().map(|_| match self.hear().message() {
            FromInit::Answer { result, bytes } => (result, bytes.to_vec()),
            other => panic!("{other:?} is no answer"),
        });
        answers.collect()
    }

    /// Waits for the program's end, and gives what it wrote to its standard output and error.
    pub(crate) fn wait(mut self) -> (ExitStatus, String, String) {
        let status = self.status();
        let mut streams = [String::new(), String::new()];
        let [out, err] = &mut streams;
        self.child
            .stdout
            .take()
            .unwrap()
            .read_to_string(out)
            .unwrap();
        self.child
            .stderr
            .take()
            .unwrap()
            .read_to_string(err)
            .unwrap();
        let [out, err] = streams;
        (status, out, err)
    }

    /// Waits for the program's end.
    pub(crate) fn status(&mut self) -> ExitStatus {
        status(&mut self.child)
    }
}

impl Drop for Init {
    fn drop(&mut self) {
        // First as a manager does it, so that its commands end too.
        let _ = self.link.write_all(&frame(&ToInit::End, 0));
        let limit = Instant::now() + Duration::from_secs(2);
        while Instant::now() < limit {
            if matches!(self.child.try_wait(), Ok(Some(_)) | Err(_)) {
                return;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for a child's end, but not for ever.
pub(crate) fn status(child: &mut Child) -> ExitStatus {
    until("the program ends", || child.try_wait().unwrap())
}

/// Waits until there is something, but not for ever.
#[track_caller]
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let limit = Instant::now() + LONG;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < limit, "waited too long until {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}
