//! A terminal in a sandbox, as a person sits at it.

use crate::{
    Case,
    rig::{Rig, end},
};
use rustix::{
    process::{Pid, Signal, kill_process},
    pty::{OpenptFlags, ioctl_tiocgptpeer, openpt, unlockpt},
    termios::{Winsize, tcgetattr, tcsetwinsize},
};
use std::{
    fs::File,
    io::{Read, Write},
    os::fd::OwnedFd,
    process::{Child, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::Duration,
};

/// Longer than anything takes to be shown.
const LONG: Duration = Duration::from_secs(30);

/// What needs no terminal, and so no kernel's.
pub(crate) const ANYWHERE: &[Case] = &[("a_shell_needs_a_terminal", no_terminal)];

pub(crate) const CASES: &[Case] = &[
    ("a_shell_talks_and_has_its_own_end", talk),
    ("a_shells_terminal_is_as_large_as_ours", size),
    ("our_terminal_is_as_it_was_after_a_signal", signalled),
];

/// The terminal of a person, and clawbox in it.
struct Seat {
    person: File,
    terminal: OwnedFd,
    child: Child,
    shown: Receiver<String>,
    seen: String,
}

impl Seat {
    fn take(rig: &Rig) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let person = openpt(flags).expect("a terminal");
        unlockpt(&person).expect("a terminal");
        let terminal = ioctl_tiocgptpeer(&person, flags).expect("its other end");
        let side = || Stdio::from(terminal.try_clone().expect("a descriptor"));
        let args = ["--image", crate::rig::IMAGE, "--pull", "never"];
        let mut command = rig.on_engine("shell", &args);
        command.stdin(side()).stdout(side()).stderr(Stdio::piped());
        resize(&person, 24, 80);
        let child = command.spawn().expect("clawbox starts");
        drop(command);
        let person = File::from(person);
        let mut screen = person.try_clone().expect("a descriptor");
        let (show, shown) = channel();
        thread::spawn(move || {
            let mut piece = [0; 1024];
            while let Ok(read) = screen.read(&mut piece) {
                let text = String::from_utf8_lossy(&piece[..read]).into_owned();
                if show.send(text).is_err() {
                    return;
                }
            }
        });
        Self {
            person,
            terminal,
            child,
            shown,
            seen: String::new(),
        }
    }

    /// Reads on until this is seen, and gives all that was.
    fn until(&mut self, text: &str) -> String {
        while !self.seen.contains(text) {
            match self.shown.recv_timeout(LONG) {
                Ok(shown) => self.seen.push_str(&shown),
                Err(error) => panic!("{error} for {text:?}, after {:?}", self.seen),
            }
        }
        std::mem::take(&mut self.seen)
    }

    /// Which container it is.
    fn container(&mut self) -> String {
        // What is typed is shown too, and has no such end.
        self.type_in("echo id=$CLAWBOX_CONTAINER_ID'.'end\n");
        let seen = self.until(".end\r\n");
        // The next prompt may have come with it.
        let (before, _) = seen.rsplit_once(".end\r\n").expect("it says it");
        let (_, id) = before.rsplit_once("id=").expect("it says it");
        id.to_owned()
    }

    fn type_in(&mut self, text: &str) {
        self.person.write_all(text.as_bytes()).expect("it is typed");
    }

    fn is_raw(&self) -> bool {
        use rustix::termios::LocalModes;
        let modes = tcgetattr(&self.terminal).expect("its modes").local_modes;
        !modes.intersects(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG)
    }

    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.expect("a pid"), signal).expect("it lives");
    }

    fn end(mut self) -> i32 {
        let status = self.child.wait().expect("it ends").code();
        assert!(!self.is_raw(), "the terminal is as it was");
        status.expect("no signal ended it")
    }
}

fn resize(terminal: &impl std::os::fd::AsFd, rows: u16, columns: u16) {
    let size = Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(terminal, size).expect("a size");
}

fn talk(rig: &Rig) {
    let mut seat = Seat::take(rig);
    seat.type_in("echo is-$((6*7)); id -u\n");
    seat.until("is-42\r\n1000\r\n");
    assert!(seat.is_raw());
    let id = seat.container();
    assert!(rig.find(&id).is_some());
    // The key is the sandbox's: it ends what runs there in front, and nothing else.
    seat.type_in("echo sle''eps; sleep 100\n");
    seat.until("sleeps\r\n");
    seat.type_in("\x03");
    seat.type_in("echo on-$?; exit 3\n");
    seat.until("on-130\r\n");
    assert_eq!(seat.end(), 3);
    assert_eq!(rig.find(&id), None);
}

fn size(rig: &Rig) {
    let mut seat = Seat::take(rig);
    seat.type_in("stty size\n");
    seat.until("24 80\r\n");
    resize(&seat.person, 50, 132);
    seat.signal(Signal::WINCH);
    seat.type_in("while [ \"$(stty size)\" = '24 80' ]; do :; done; stty size; exit\n");
    seat.until("50 132\r\n");
    assert_eq!(seat.end(), 0);
}

fn signalled(rig: &Rig) {
    let mut seat = Seat::take(rig);
    let id = seat.container();
    assert!(seat.is_raw());
    seat.signal(Signal::TERM);
    assert_eq!(seat.end(), 143);
    assert_eq!(rig.find(&id), None);
}

fn no_terminal(rig: &Rig) {
    let ended = end(rig.on_engine("shell", &["--image", crate::rig::IMAGE]));
    assert_eq!(ended.status, 125, "{ended:?}");
    assert!(
        ended.stderr.contains("standard input is not a terminal"),
        "{ended:?}"
    );
    assert!(ended.stderr.contains("clawbox run --stdin"), "{ended:?}");
}
