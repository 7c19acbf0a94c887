//! Process 1 of clawbox's containers. The crate's front page says what it does.
//!
//! It stands on nothing but `core`: no libc, no allocation, one thread. `build.rs` compiles it with
//! `--cfg free_standing`. Without that it is an ordinary example of the crate, so that cargo's own tools see it.

#![cfg_attr(free_standing, no_std, no_main)]

mod answer;
mod link;
mod memory;
#[path = "../src/protocol/mod.rs"]
#[expect(
    dead_code,
    unused_imports,
    reason = "one definition for both sides, of which each uses its half"
)]
#[cfg_attr(
    not(free_standing),
    expect(unreachable_pub, reason = "it is the library's too")
)]
mod protocol;
mod runs;
mod say;
mod start;
mod supervise;
mod sys;
mod transfer;

use core::ffi::CStr;

use crate::say::give_up;

/// What the program does, given the only argument that it takes.
fn run(socket: Option<&CStr>) -> ! {
    let Some(socket) = socket else {
        give_up(format_args!(
            "one argument is taken, the path of the control socket, `wait` or `transfer`"
        ));
    };
    if socket == c"wait" {
        wait();
    }
    if socket == protocol::TRANSFER {
        transfer::transfer();
    }
    match supervise::Supervisor::new(socket) {
        Ok(supervisor) => supervisor.run(),
        Err(failed) => give_up(format_args!("{failed}")),
    }
}

/// A command that does nothing until a signal ends it, for a container that is given its commands later.
fn wait() -> ! {
    loop {
        // Interrupted, by a signal that ends nothing: it goes on.
        let _ = sys::poll(&mut [], None);
    }
}

#[cfg(free_standing)]
#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    give_up(format_args!("a defect, {info}"))
}

#[cfg(not(free_standing))]
fn main() {
    run(None)
}
