//! Process 1 of clawbox's containers, and the protocol it speaks.
//!
//! A small program of our own is bound read-only into every container and started as its process 1, under the whole
//! policy. It connects to the unix socket that it is given as its only argument, and from then on does what the
//! [`protocol`] says: it answers what the kernel gives there, runs the container's command, and runs further ones.
//!
//! ```
//! use clawbox_init::{PROGRAM, protocol::{Question, Questions}};
//!
//! if let Some(program) = PROGRAM {
//!     assert!(program.starts_with(b"\x7fELF") && program.len() < 100_000);
//! }
//! // What a manager asks is written down by one side and read by the other with the same code.
//! let mut payload = Vec::new();
//! Question::Read(c"/proc/self/status").encode(&mut payload);
//! let questions = Questions::new(1, &payload).expect("well-formed");
//! assert_eq!(questions.iter().next(), Some(Question::Read(c"/proc/self/status")));
//! assert!(Questions::new(2, &payload).is_err());
//! ```
//!
//! # What it promises
//!
//! - **It runs nothing before it is told to.** Without a command after 60 seconds, or when the manager goes away
//!   before that, it ends with exit code 125 and the reason on standard error.
//! - **A deadline holds without a manager.** The container's own ends everything, another command's ends its process
//!   group; time that the machine sleeps counts. What a further command leaves behind, or moves into a session of its
//!   own, lives on until the container ends.
//! - **An end is exact.** The exit code or the signal is told as the kernel gives it, and whether the deadline was the
//!   cause. Process 1 ends with the command's code, or 128 and its signal; with 127 where there is no such program or
//!   directory, with 126 where it cannot be run, with 137 where a deadline or the manager has killed it. After the
//!   end of the container's own command nothing more is said: everything else ends with it.
//! - **A command has three streams and nothing else**: no other descriptor, no signal blocked or ignored, exactly the
//!   given arguments and environment, a session of its own. Descriptors that come over the socket are pipes and go the
//!   right way, or all three are a terminal, which then controls that session; or they are closed and the command is
//!   refused.
//! - **It does not wait for anybody.** A manager that reads nothing for half a second loses the connection; a process
//!   that holds back another holds back nothing here. What a manager sends that is none of the protocol costs the
//!   connection, and before the command has come the container.
//! - **It keeps no secret where others can read it.** It is not dumpable from the command on, and a command's arguments and environment are
//!   wiped from its memory once the command has its process.
//!
//! Outside a container, as the tests run it, it kills the commands that it has started and nothing else.
//!
//! # How it is built
//!
//! `build.rs` compiles `program/` with the compiler that builds this crate, for the same target. It stands on `core`
//! alone: its own start, system calls in assembly, no libc, no allocation, one thread. So it links with any linker
//! for the target, with no static library of any distribution, and has about 45 kB. The linker is cargo's own for
//! the target, or else `cc`; `RUSTFLAGS` are not looked at. Where it cannot be linked, the build says what to install;
//! without the feature `program` there is only the protocol, and [`PROGRAM`] is nothing.

#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

pub mod protocol;

/// The program, a static executable for the target that this crate was built for, or nothing where it cannot be had:
/// on anything but 64-bit Linux on x86 or ARM, or without the feature `program`.
pub const PROGRAM: Option<&[u8]> = program();

#[cfg(built)]
const fn program() -> Option<&'static [u8]> {
    Some(include_bytes!(env!("CLAWBOX_INIT")))
}

#[cfg(not(built))]
const fn program() -> Option<&'static [u8]> {
    None
}

impl protocol::Sink for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}
